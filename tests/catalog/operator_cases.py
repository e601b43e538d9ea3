"""The shapes, constants and options with which each operator of the catalog runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """Shapes and options that make an operator run.

    operands: per input, a shape (an activation that is fed, or a random weight or bias) or an array
    (a plain constant of that value). outputs: shapes, or (dtype, shape) of plain
    ones. options: the schema's table name and its fields; extra: further fields for some dtypes.
    constants: position of an activation that is constant -> its steps above the zero point.
    positive: only real numbers above 0 are fed.
    per_axis: "input" or "output", an activation that gets a scale for each index of its last axis.
    """

    operands: tuple[Any, ...]
    outputs: tuple[Any, ...]
    options: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)
    custom: bytes | None = None
    constants: dict[int, int] = field(default_factory=dict)
    positive: bool = False
    per_axis: str | None = None


def ints(*values) -> np.ndarray:
    return np.array(values, np.int32)


X = (1, 4, 4, 8)
FLAT = (2, 8)
_CONV = {"strideH": 1, "strideW": 1, "padding": 0}
_DEPTHWISE = {**_CONV, "depthMultiplier": 1}
_POOL = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "padding": 1}
_POT = {"int16": {"potScaleInt16": False}}


def _same(*operands, options=None, **fields) -> Case:
    return Case((X, *operands), (X,), options, fields)


def _reduce(keep: bool = False) -> Case:
    return Case((X, ints(1, 2)), ((1, 8),), "ReducerOptions", {"keepDims": keep})


def _detection() -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in (
            ("max_detections", 3), ("max_classes_per_detection", 1), ("num_classes", 2),
            ("detections_per_class", 3),
        ):  # fmt: skip
            builder.Key(key)
            builder.Int(value)
        for key, value in (
            ("nms_score_threshold", 0.1), ("nms_iou_threshold", 0.5), ("y_scale", 10.0),
            ("x_scale", 10.0), ("h_scale", 5.0), ("w_scale", 5.0),
        ):  # fmt: skip
            builder.Key(key)
            builder.Float(value)
        builder.Key("use_regular_nms")
        builder.Bool(False)
    return bytes(builder.Finish())


_COMPARE = {
    name: Case((X, X), (("bool", X),), options)
    for name, options in (
        ("EQUAL", "EqualOptions"), ("NOT_EQUAL", "NotEqualOptions"), ("LESS", "LessOptions"),
        ("LESS_EQUAL", "LessEqualOptions"), ("GREATER", "GreaterOptions"),
        ("GREATER_EQUAL", "GreaterEqualOptions"),
    )
}  # fmt: skip

CASES: dict[str, Case] = {
    "CONV_2D": Case((X, (6, 3, 3, 8), (6,)), ((1, 4, 4, 6),), "Conv2DOptions", _CONV),
    "DEPTHWISE_CONV_2D": Case((X, (1, 3, 3, 8), (8,)), (X,), "DepthwiseConv2DOptions", _DEPTHWISE),
    "FULLY_CONNECTED": Case((FLAT, (6, 8), (6,)), ((2, 6),), "FullyConnectedOptions"),
    "TRANSPOSE_CONV": Case(
        (ints(1, 8, 8, 6), (6, 3, 3, 8), X, (6,)),
        ((1, 8, 8, 6),),
        "TransposeConvOptions",
        {"strideH": 2, "strideW": 2, "padding": 0},
    ),
    "BATCH_MATMUL": Case(((1, 2, 4), (1, 4, 3)), ((1, 2, 3),), "BatchMatMulOptions"),
    "ADD": Case((X, X), (X,), "AddOptions", extra=_POT),
    "SUB": Case((X, X), (X,), "SubOptions", extra=_POT),
    "MUL": _same(X, options="MulOptions"),
    "SQUARED_DIFFERENCE": _same(X, options="SquaredDifferenceOptions"),
    "MAXIMUM": _same(X, options="MaximumMinimumOptions"),
    "MINIMUM": _same(X, options="MaximumMinimumOptions"),
    "SELECT": Case((np.arange(128).reshape(X) % 2 == 0, X, X), (X,), "SelectOptions"),
    "SELECT_V2": Case((np.arange(128).reshape(X) % 2 == 0, X, X), (X,), "SelectV2Options"),
    "ABS": _same(options="AbsOptions"),
    "EXP": _same(options="ExpOptions"),
    "LOG": _same(),
    "SQRT": Case((X,), (X,), positive=True),
    "RSQRT": Case((X,), (X,), positive=True),
    "NEG": _same(options="NegOptions"),
    "MEAN": _reduce(),
    "SUM": _reduce(),
    "REDUCE_MAX": _reduce(),
    "REDUCE_MIN": _reduce(),
    "ARG_MAX": Case((X, ints(3)), (("int32", (1, 4, 4)),), "ArgMaxOptions", {"outputType": 2}),
    "ARG_MIN": Case((X, ints(3)), (("int32", (1, 4, 4)),), "ArgMinOptions", {"outputType": 2}),
    "AVERAGE_POOL_2D": Case((X,), ((1, 2, 2, 8),), "Pool2DOptions", _POOL),
    "MAX_POOL_2D": Case((X,), ((1, 2, 2, 8),), "Pool2DOptions", _POOL),
    "CONCATENATION": Case((X, X), ((1, 4, 4, 16),), "ConcatenationOptions", {"axis": 3}),
    "RESHAPE": Case((X, ints(4, 32)), ((4, 32),), "ReshapeOptions", {"newShape": [4, 32]}),
    "SQUEEZE": Case((X,), ((4, 4, 8),), "SqueezeOptions", {"squeezeDims": [0]}),
    "EXPAND_DIMS": Case((X, ints(0)), ((1, 1, 4, 4, 8),), "ExpandDimsOptions"),
    "TRANSPOSE": Case((X, ints(0, 3, 1, 2)), ((1, 8, 4, 4),), "TransposeOptions"),
    "PAD": Case((X, ints([0, 0], [1, 1], [1, 1], [0, 0])), ((1, 6, 6, 8),), "PadOptions"),
    "PADV2": Case(
        (X, ints([0, 0], [1, 1], [1, 1], [0, 0]), ()),
        ((1, 6, 6, 8),),
        "PadV2Options",
        constants={2: 0},
    ),
    "MIRROR_PAD": Case(
        (X, ints([0, 0], [1, 1], [1, 1], [0, 0])),
        ((1, 6, 6, 8),),
        "MirrorPadOptions",
        {"mode": 0},
    ),
    "SPLIT": Case(
        (np.array(3, np.int32), X), ((1, 4, 4, 4),) * 2, "SplitOptions", {"numSplits": 2}
    ),
    "SPLIT_V": Case(
        (X, ints(3, 5), np.array(3, np.int32)),
        ((1, 4, 4, 3), (1, 4, 4, 5)),
        "SplitVOptions",
        {"numSplits": 2},
    ),
    "SLICE": Case((X, ints(0, 1, 0, 2), ints(1, 2, 4, 3)), ((1, 2, 4, 3),), "SliceOptions"),
    "STRIDED_SLICE": Case(
        (X, ints(0, 0, 0, 0), ints(1, 4, 4, 8), ints(1, 2, 1, 2)),
        ((1, 2, 4, 4),),
        "StridedSliceOptions",
    ),
    "PACK": Case((FLAT, FLAT), ((2, 2, 8),), "PackOptions", {"valuesCount": 2, "axis": 0}),
    "UNPACK": Case((FLAT,), ((8,), (8,)), "UnpackOptions", {"num": 2, "axis": 0}),
    "GATHER": Case((FLAT, ints(1, 0, 1)), ((3, 8),), "GatherOptions", {"axis": 0}),
    "GATHER_ND": Case((FLAT, ints([1], [0])), ((2, 8),), "GatherNdOptions"),
    "TILE": Case((FLAT, ints(1, 2)), ((2, 16),), "TileOptions"),
    "REVERSE_V2": Case((FLAT, ints(1)), (FLAT,), "ReverseV2Options"),
    "BROADCAST_TO": Case(((1, 8), ints(3, 8)), ((3, 8),), "BroadcastToOptions"),
    "SPACE_TO_DEPTH": Case((X,), ((1, 2, 2, 32),), "SpaceToDepthOptions", {"blockSize": 2}),
    "DEPTH_TO_SPACE": Case((X,), ((1, 8, 8, 2),), "DepthToSpaceOptions", {"blockSize": 2}),
    "SPACE_TO_BATCH_ND": Case(
        (X, ints(2, 2), ints([0, 0], [2, 0])), ((4, 2, 3, 8),), "SpaceToBatchNDOptions"
    ),
    "BATCH_TO_SPACE_ND": Case(
        ((4, 2, 2, 8), ints(2, 2), ints([0, 0], [1, 0])), ((1, 4, 3, 8),), "BatchToSpaceNDOptions"
    ),
    "RESIZE_BILINEAR": Case((X, ints(7, 5)), ((1, 7, 5, 8),), "ResizeBilinearOptions"),
    "RESIZE_NEAREST_NEIGHBOR": Case(
        (X, ints(7, 5)), ((1, 7, 5, 8),), "ResizeNearestNeighborOptions"
    ),
    "SOFTMAX": Case((FLAT,), (FLAT,), "SoftmaxOptions", {"beta": 1.0}),
    "LOG_SOFTMAX": Case((FLAT,), (FLAT,), "LogSoftmaxOptions"),
    "LOGISTIC": _same(),
    "TANH": _same(),
    "RELU": _same(),
    "RELU6": _same(),
    "RELU_N1_TO_1": _same(),
    "LEAKY_RELU": _same(options="LeakyReluOptions", alpha=0.1),
    "PRELU": Case((X, (1, 1, 8)), (X,), constants={1: 3}),
    "HARD_SWISH": _same(options="HardSwishOptions"),
    "ELU": _same(),
    "GELU": _same(options="GeluOptions"),
    "L2_NORMALIZATION": _same(options="L2NormOptions"),
    **_COMPARE,
    "QUANTIZE": _same(options="QuantizeOptions"),
    "DEQUANTIZE": Case((X,), (("float32", X),), "DequantizeOptions"),
    "CAST": _same(options="CastOptions"),
    "SHAPE": Case((X,), (("int32", (4,)),), "ShapeOptions", {"outType": 2}),
    "TFLite_Detection_PostProcess": Case(
        ((1, 6, 4), (1, 6, 3), (6, 4)),
        (
            ("float32", (1, 3, 4)),
            ("float32", (1, 3)),
            ("float32", (1, 3)),
            ("float32", (1,)),
        ),
        custom=_detection(),
        constants={2: 0},
    ),
}
