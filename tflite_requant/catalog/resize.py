"""Image resizing; output integers are read by the input's grid."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, operator, plain, tied

_op = partial(operator, family="resize")
_ANY = by_dtype(uint8=1, int8=2, int16=4)

OPERATORS = (
    _op(
        "RESIZE_BILINEAR",
        [tied("input"), plain("size")],
        [tied("output")],
        _ANY,
        features={"half_pixel_centers": 3},
        max_version=4,
        between=True,
        laws=("resize-arithmetic", "tie-xnnpack"),
    ),
    _op(
        "RESIZE_NEAREST_NEIGHBOR",
        [tied("input"), plain("size")],
        [tied("output")],
        _ANY,
        features={"half_pixel_centers": 3, "align_corners": 3},
        max_version=4,
        movement=True,
        laws=("raw-copy",),
    ),
)
