"""Operators and types whose arithmetic was compared with LiteRT 2.3.0, profile by profile.

What a profile listed here does not name is refused by name. Types are those of the operand that
decides about the arithmetic. Profiles that are not listed compute whatever has a kernel.
"""

from __future__ import annotations

from tflite_requant.catalog.verified_micro import MICRO

QUANTIZED = ("uint8", "int8", "int16")
EIGHT_BIT = ("uint8", "int8")
SIGNED = ("int8", "int16")
REAL = ("float32",)
EVERY = (*QUANTIZED, *REAL, "int32", "int64", "bool", "float16", "uint32", "float64", "uint16",
         "uint64")  # fmt: skip

BUILTIN = (
    (QUANTIZED, "AVERAGE_POOL_2D CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE FULLY_CONNECTED LEAKY_RELU "
                "LOGISTIC MAX_POOL_2D MEAN PRELU REDUCE_MAX REDUCE_MIN RESIZE_BILINEAR "
                "RESIZE_NEAREST_NEIGHBOR SOFTMAX TANH TRANSPOSE_CONV"),
    (EIGHT_BIT, "GELU HARD_SWISH L2_NORMALIZATION LOG_SOFTMAX RELU_0_TO_1 RELU_N1_TO_1 SUM"),
    (SIGNED, "ABS BATCH_MATMUL EXP LOG NEG RSQRT SQRT"),
    (("int8",), "ELU SQUARED_DIFFERENCE SVDF UNIDIRECTIONAL_SEQUENCE_LSTM"),
    ((*QUANTIZED, *REAL), "BATCH_TO_SPACE_ND EQUAL GATHER_ND GREATER GREATER_EQUAL LESS LESS_EQUAL "
                          "NOT_EQUAL PADV2 QUANTIZE RELU RELU6 REVERSE_V2 SPACE_TO_BATCH_ND "
                          "TOPK_V2"),
    ((*QUANTIZED, *REAL, "int32"), "ADD CONCATENATION EXPAND_DIMS GATHER MAXIMUM MINIMUM MUL PACK "
                                   "PAD RESHAPE SHAPE SLICE SPLIT SPLIT_V SQUEEZE STRIDED_SLICE "
                                   "SUB TILE TRANSPOSE UNPACK"),
    ((*EIGHT_BIT, *REAL), "ARG_MAX ARG_MIN BROADCAST_TO DEPTH_TO_SPACE MIRROR_PAD SPACE_TO_DEPTH"),
    (("uint8", *REAL), "TFLite_Detection_PostProcess"),
    ((*QUANTIZED, *REAL, "int32", "int64", "bool"), "CAST"),
    (REAL, "ABS CEIL FLOOR ROUND SQUARE"),
    ((*REAL, "int32"), "CUMSUM DIV FLOOR_DIV FLOOR_MOD"),
    (("int32", "int64"), "ONE_HOT"),
    (("int32",), "FILL"),
    (("int64",), "CONCATENATION EXPAND_DIMS PACK RESHAPE SHAPE SLICE SQUEEZE"),
    (("bool",), "EXPAND_DIMS LOGICAL_AND LOGICAL_NOT LOGICAL_OR RESHAPE SELECT SELECT_V2 SLICE "
                "SQUEEZE WHERE"),
    (QUANTIZED, "DIV"),
    (("int8", "int16"), "FLOOR_DIV FLOOR_MOD"),
    (("int64",), "FLOOR_MOD MEAN REDUCE_MAX REDUCE_MIN SUM"),
    (("int32",), "ABS MEAN REDUCE_MAX REDUCE_MIN SUM"),
    (("int64",), "ADD MAXIMUM MINIMUM MUL SUB"),
    (("float16", "int32", "int64"), "EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL NOT_EQUAL"),
    (("uint32",), "MUL"),
    ((*QUANTIZED, "int32", "uint32"), "BITWISE_XOR RIGHT_SHIFT"),
    ((*QUANTIZED, *REAL, "int32", "int64", "uint32"), "BITCAST"),
    ((*REAL, "int32"), "ADD_N POW SIGN UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN "
                       "UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM"),
    (REAL, "ATAN2 FAKE_QUANT"),
    (("int32", "int64"), "BROADCAST_ARGS NEG"),
    ((*REAL, "int32", "int64"), "BUCKETIZE REDUCE_PROD ZEROS_LIKE"),
    ((*EIGHT_BIT, *REAL, "int32", "int64"), "SCATTER_ND SPARSE_TO_DENSE WHERE"),
    (("bool",), "ARG_MAX ARG_MIN REDUCE_ALL REDUCE_ANY SCATTER_ND"),
    ((*QUANTIZED, *REAL, "int32", "int64", "bool", "float16", "uint32"), "DYNAMIC_UPDATE_SLICE"),
    ((*QUANTIZED, *REAL, "int32", "int64", "bool", "int4"), "EMBEDDING_LOOKUP"),
    ((*QUANTIZED, *REAL, "int32", "int64"), "MATRIX_DIAG MATRIX_SET_DIAG UNIQUE"),
    (("uint8", "int16", *REAL, "int32", "int64"), "REVERSE_SEQUENCE"),
    (("int32", "uint32", "float16", "bool"), "RESIZE_NEAREST_NEIGHBOR"),
    (("int4",), "DEQUANTIZE"),
    (EIGHT_BIT, "LSTM"),
    (EVERY, "BATCH_TO_SPACE_ND BITCAST BROADCAST_TO DYNAMIC_UPDATE_SLICE EXPAND_DIMS MIRROR_PAD "
            "RANK RESHAPE SHAPE SLICE SPACE_TO_BATCH_ND SQUEEZE STRIDED_SLICE TILE TRANSPOSE"),
    ((*EVERY[:8], "uint32"), "CONCATENATION"),
    (EVERY[:8], "EQUAL GATHER GATHER_ND NOT_EQUAL PAD PADV2 REVERSE_V2"),
    ((*EVERY[:6], "uint32"), "MATRIX_DIAG MATRIX_SET_DIAG PACK"),
    (EVERY[:6], "SPLIT SPLIT_V"),
    (("bool", "float16"), "UNPACK"),
    (("int32", "int64"), "DEPTH_TO_SPACE FILL RANGE SPACE_TO_DEPTH"),
    (REAL, "RANGE"),
    (("int32",), "ARG_MAX ARG_MIN"),
    (("int64",), "CUMSUM"),
    (("float16", "uint32", "float64", "uint16"), "CAST"),
    (("float16", "uint32"), "EMBEDDING_LOOKUP"),
    (("float16",), "DEQUANTIZE"),
)  # fmt: skip

# XNNPACK also takes float nodes, and computes some in another way: it has no -0 in NEG, say.
BUILTIN_ONLY = (
    (REAL, "BATCH_MATMUL COS EXP LOG NEG RSQRT SIN SQRT"),
    (("float16",), "ADD FLOOR MAXIMUM MINIMUM MUL NEG"),
)


def _types_of(*tables) -> dict[str, frozenset[str]]:
    """Operator -> the types that any row names for it."""
    found: dict[str, set[str]] = {}
    for types, operators in (row for table in tables for row in table):
        for operator in operators.split():
            found.setdefault(operator, set()).update(types)
    return {operator: frozenset(types) for operator, types in found.items()}


VERIFIED: dict[str, dict[str, frozenset[str]]] = {
    "litert-optimized": _types_of(BUILTIN, BUILTIN_ONLY),
    "litert-xnnpack": _types_of(BUILTIN),
    "tflm": {operator: frozenset(types) for operator, types in MICRO.items()},
}


def verified(profile: str, operator: str, dtype: str) -> bool:
    """Whether an operator on a type was compared under a profile; True where none was asked."""
    return profile not in VERIFIED or dtype in VERIFIED[profile].get(operator, ())
