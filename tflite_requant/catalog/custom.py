"""Custom operators, by their custom code."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, free, operator, plain

_op = partial(operator, family="custom")

OPERATORS = (
    _op(
        "TFLite_Detection_PostProcess",
        [free("box_encodings"), free("class_predictions"), free("anchors")],
        [plain("boxes"), plain("classes"), plain("scores"), plain("num_detections")],
        by_dtype(uint8=1),
        laws=("detection-types",),
    ),
)
