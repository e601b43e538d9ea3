"""Operators with each feature that raises a version: the smallest change of a case that has it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from operator_cases import CASES, FLAT, Case, X, ints

INT32 = 2  # TensorType of quantizedBiasType


@dataclass(frozen=True)
class Variant:
    """One operator with one feature (and those that come with it), for some activation types."""

    op: str
    features: tuple[str, ...]
    case: Case
    dtypes: tuple[str, ...] = ("uint8", "int8", "int16")
    activation: str | None = None
    input_dtype: str | None = None
    output_dtype: str | None = None

    @property
    def label(self) -> str:
        return f"{self.op}-{'+'.join(self.features) or 'bare'}"


def _with(op: str, **fields) -> Case:
    return replace(CASES[op], fields={**CASES[op].fields, **fields})


def _rank(rank: int) -> tuple[int, ...]:
    return (1,) * (rank - 4) + (2, 2, 2, 4)


def _transpose(rank: int) -> Case:
    order = [*range(rank - 2), rank - 1, rank - 2]
    shape = _rank(rank)
    return Case((shape, ints(*order)), (tuple(shape[i] for i in order),), "TransposeOptions")


def _broadcast(op: str) -> Case:
    return replace(CASES[op], operands=(_rank(5), (1, 1, 1, 1, 4)), outputs=(_rank(5),))


def _padded(op: str) -> Case:
    paddings = np.zeros((5, 2), np.int32)
    paddings[3] = 1
    return replace(
        CASES[op],
        operands=(_rank(5), paddings, *CASES[op].operands[2:]),
        outputs=((1, 2, 2, 4, 4),),
    )


_GROUPED = replace(CASES["CONV_2D"], operands=(X, (6, 3, 3, 4), (6,)))
_CONV_I32, _FC_I32, _TCONV_I32 = (
    _with(op, quantizedBiasType=INT32) for op in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
)
_FC_NO_BIAS = replace(CASES["FULLY_CONNECTED"], operands=(FLAT, (6, 8)))
_FC_KEEP = replace(
    _with("FULLY_CONNECTED", keepNumDims=True),
    operands=((2, 3, 8), (6, 8), (6,)),
    outputs=((2, 3, 6),),
)
_TCONV_BARE = replace(CASES["TRANSPOSE_CONV"], operands=CASES["TRANSPOSE_CONV"].operands[:3])
_CHOICE = np.arange(32).reshape(_rank(5)) % 2 == 0
_SLICE_5 = Case((_rank(5), ints(0, 0, 0, 0, 1), ints(1, 2, 2, 2, 2)), ((1, 2, 2, 2, 2),),
                "SliceOptions")  # fmt: skip
_STRIDED_5 = Case(
    (_rank(5), ints(0, 0, 0, 0, 0), ints(1, 2, 2, 2, 4), ints(1, 1, 1, 1, 2)),
    ((1, 2, 2, 2, 2),),
    "StridedSliceOptions",
)
_NEW_AXIS = Case(
    (FLAT, ints(0, 0, 0), ints(0, 2, 8), ints(1, 1, 2)),
    ((1, 2, 4),),
    "StridedSliceOptions",
    {"newAxisMask": 1},
)
_OFFSET = Case(
    (FLAT, ints(0, 1), ints(2, 4), ints(1, 1)), ((2, 4),), "StridedSliceOptions", {"offset": True}
)
_TO_BATCH_3 = Case(((1, 4, 8), ints(2), ints([0, 0])), ((2, 2, 8),), "SpaceToBatchNDOptions")
_FROM_BATCH_3 = Case(((2, 2, 8), ints(2), ints([0, 0])), ((1, 4, 8),), "BatchToSpaceNDOptions")
_BATCHED_GATHER = Case(
    (FLAT, ints([1, 0], [2, 3])), ((2, 2),), "GatherOptions", {"axis": 1, "batchDims": 1}
)
_GATHER_16 = replace(CASES["GATHER"], operands=(FLAT, np.array([1, 0, 1], np.int16)))
_GATHER_ND_16 = replace(CASES["GATHER_ND"], operands=(FLAT, np.array([[1], [0]], np.int16)))
_I16 = ("int16",)

VARIANTS = (
    Variant("CONV_2D", ("grouped",), _GROUPED),
    Variant("CONV_2D", ("quantized_bias_type",), _CONV_I32, _I16),
    Variant(
        "DEPTHWISE_CONV_2D", ("dilated",),
        _with("DEPTHWISE_CONV_2D", dilationHFactor=2, dilationWFactor=2),
    ),
    Variant("FULLY_CONNECTED", ("no_bias",), _FC_NO_BIAS),
    Variant("FULLY_CONNECTED", ("keep_num_dims",), _FC_KEEP),
    Variant("FULLY_CONNECTED", ("quantized_bias_type",), _FC_I32, _I16),
    Variant("TRANSPOSE_CONV", (), _TCONV_BARE),
    Variant("TRANSPOSE_CONV", ("bias",), CASES["TRANSPOSE_CONV"]),
    Variant(
        "TRANSPOSE_CONV", ("bias", "fused_activation"), CASES["TRANSPOSE_CONV"],
        activation="RELU6",
    ),
    Variant("TRANSPOSE_CONV", ("bias", "quantized_bias_type"), _TCONV_I32, _I16),
    Variant("ADD", (), _with("ADD"), _I16),
    Variant("ADD", ("general_scale_int16",), CASES["ADD"], _I16),
    Variant("SUB", ("general_scale_int16",), CASES["SUB"], _I16),
    Variant("SUB", ("broadcast_above_rank_4",), _broadcast("SUB"), ("uint8", "int8")),
    Variant("MUL", ("rescale_at_least_1",), CASES["MUL"]),
    Variant("MAXIMUM", ("broadcast_above_rank_4",), _broadcast("MAXIMUM")),
    Variant("MINIMUM", ("broadcast_above_rank_4",), _broadcast("MINIMUM")),
    Variant(
        "SELECT", ("rank_5_operand",),
        replace(CASES["SELECT"], operands=(_CHOICE, _rank(5), _rank(5)), outputs=(_rank(5),)),
    ),
    Variant("TRANSPOSE", ("rank_above_4",), _transpose(5)),
    Variant("TRANSPOSE", ("rank_above_4", "rank_above_5"), _transpose(6)),
    Variant("TRANSPOSE", ("rank_above_4", "rank_above_5", "rank_above_6"), _transpose(7)),
    Variant("PAD", ("rank_above_4",), _padded("PAD")),
    Variant("PADV2", ("rank_above_4",), _padded("PADV2")),
    Variant("SLICE", ("rank_above_4",), _SLICE_5),
    Variant("STRIDED_SLICE", ("rank_above_4",), _STRIDED_5),
    Variant("STRIDED_SLICE", ("ellipsis_or_new_axis",), _NEW_AXIS),
    Variant("STRIDED_SLICE", ("offset",), _OFFSET),
    Variant("SPACE_TO_BATCH_ND", ("rank_not_4",), _TO_BATCH_3),
    Variant("BATCH_TO_SPACE_ND", ("rank_not_4",), _FROM_BATCH_3),
    Variant("GATHER", ("batch_dims",), _BATCHED_GATHER),
    Variant("GATHER", ("int16_indices",), _GATHER_16),
    Variant("GATHER_ND", ("int16_indices",), _GATHER_ND_16),
    Variant(
        "RESIZE_BILINEAR", ("half_pixel_centers",),
        _with("RESIZE_BILINEAR", halfPixelCenters=True),
    ),
    Variant(
        "RESIZE_NEAREST_NEIGHBOR", ("half_pixel_centers",),
        _with("RESIZE_NEAREST_NEIGHBOR", halfPixelCenters=True),
    ),
    Variant(
        "RESIZE_NEAREST_NEIGHBOR", ("align_corners",),
        _with("RESIZE_NEAREST_NEIGHBOR", alignCorners=True),
    ),
    Variant("QUANTIZE", ("int16_output",), CASES["QUANTIZE"], output_dtype="int16"),
    Variant(
        "QUANTIZE", ("per_axis",), replace(CASES["QUANTIZE"], per_axis="output"),
        ("uint8", "int8"), input_dtype="float32",
    ),
    Variant("DEQUANTIZE", ("per_axis",), replace(CASES["DEQUANTIZE"], per_axis="input"), ("int8",)),
    Variant("CAST", ("int8_output",), CASES["CAST"], output_dtype="int8"),
)  # fmt: skip
