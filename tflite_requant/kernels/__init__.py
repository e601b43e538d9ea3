"""Interpreter kernels: one small file of pure functions per operator, the specification.

`KERNELS` is the registry. A module is imported when its operator is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from tflite_requant.kernels._types import (
    Kernel,
    KernelError,
    Operands,
    OutputType,
    output_name,
)

__all__ = ["KERNELS", "QUANTIZED", "Entry", "Kernel", "KernelError", "Operands", "OutputType",
           "load", "output_name"]  # fmt: skip

QUANTIZED = ("uint8", "int8", "int16")
EIGHT_BIT = ("uint8", "int8")
REAL = ("float32",)
WHOLE = ("int32", "int64")
NUMBERS = (*QUANTIZED, *REAL, *WHOLE)
ALL_BUT_WORDS = (*NUMBERS, "bool", "float16")
ANY = (*ALL_BUT_WORDS, "uint32")
RARE = ("float64", "uint16", "uint64")
EVERY = (*ANY, *RARE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One operator: its module under `kernels`, and the dtypes its leading operand may have.

    position:  which operand leads, that is, decides about the arithmetic.
    quantized: operands that need a scale where they hold quantized integers; if there are any, so
               do the outputs.
    plain:     quantized types that may also come without scales, as plain integers.
    function:  the module's function that is the kernel.
    custom:    whether it is a custom operator, known by its custom code.
    """

    module: str
    dtypes: tuple[str, ...]
    position: int = 0
    quantized: tuple[int, ...] = ()
    plain: tuple[str, ...] = ()
    function: str = "stages"
    custom: bool = False


KERNELS: dict[str, Entry] = {
    "CONV_2D": Entry("conv_2d", (*QUANTIZED, *REAL), quantized=(0, 1)),
    "DEPTHWISE_CONV_2D": Entry("depthwise_conv_2d", (*QUANTIZED, *REAL), quantized=(0, 1)),
    "FULLY_CONNECTED": Entry("fully_connected", (*QUANTIZED, *REAL), quantized=(0, 1)),
    "ADD": Entry("add", (*NUMBERS, "float16"), quantized=(0, 1), plain=("int16",)),
    "SUB": Entry("sub", (*QUANTIZED, *REAL, *WHOLE), quantized=(0, 1)),
    "AVERAGE_POOL_2D": Entry("average_pool_2d", (*QUANTIZED, *REAL), quantized=(0,)),
    "MAX_POOL_2D": Entry("max_pool_2d", (*QUANTIZED, *REAL), quantized=(0,)),
    "RESHAPE": Entry("reshape", EVERY),
    "SQUEEZE": Entry("squeeze", EVERY),
    "EXPAND_DIMS": Entry("expand_dims", EVERY),
    "SOFTMAX": Entry("softmax", (*QUANTIZED, *REAL), quantized=(0,)),
    "CONCATENATION": Entry("concatenation", ANY),
    "LOGISTIC": Entry("logistic", (*QUANTIZED, *REAL), quantized=(0,)),
    "TANH": Entry("tanh", (*QUANTIZED, *REAL), quantized=(0,)),
    "MEAN": Entry("mean", (*QUANTIZED, *REAL, *WHOLE), quantized=(0,)),
    "PAD": Entry("pad", ALL_BUT_WORDS),
    "PADV2": Entry("padv2", ALL_BUT_WORDS),
    "QUANTIZE": Entry("quantize", (*QUANTIZED, *REAL, "int32"), quantized=(0,)),
    "DEQUANTIZE": Entry("dequantize", (*QUANTIZED, "float16", "int4"), quantized=(0,)),
    "MUL": Entry("mul", (*NUMBERS, "float16", "uint32"), quantized=(0, 1), plain=("int16",)),
    "HARD_SWISH": Entry("hard_swish", (*EIGHT_BIT, *REAL), quantized=(0,)),
    "RESIZE_BILINEAR": Entry("resize_bilinear", (*QUANTIZED, *REAL)),
    "RESIZE_NEAREST_NEIGHBOR": Entry(
        "resize_nearest_neighbor",
        (*QUANTIZED, *REAL, "int32", "uint32", "uint16", "float16", "bool"),
    ),
    "TRANSPOSE_CONV": Entry("transpose_conv", (*QUANTIZED, *REAL), position=2, quantized=(1, 2)),
    "RELU": Entry("relu", (*QUANTIZED, *REAL), function="relu", quantized=(0,)),
    "RELU6": Entry("relu", (*QUANTIZED, *REAL), function="relu6", quantized=(0,)),
    "RELU_N1_TO_1": Entry("relu", (*EIGHT_BIT, *REAL), function="relu_n1_to_1", quantized=(0,)),
    "RELU_0_TO_1": Entry("relu", (*EIGHT_BIT, *REAL), function="relu_0_to_1", quantized=(0,)),
    "LEAKY_RELU": Entry("leaky_relu", (*QUANTIZED, *REAL), quantized=(0,)),
    "PRELU": Entry("prelu", (*QUANTIZED, *REAL), quantized=(0, 1)),
    "TRANSPOSE": Entry("transpose", EVERY),
    "SPLIT": Entry("split", NUMBERS, position=1),
    "SPLIT_V": Entry("split_v", NUMBERS),
    "SLICE": Entry("slice", EVERY),
    "STRIDED_SLICE": Entry("strided_slice", EVERY),
    "PACK": Entry("pack", (*NUMBERS, "uint32")),
    "UNPACK": Entry("unpack", (*QUANTIZED, *REAL, "int32", "bool", "float16")),
    "GATHER": Entry("gather", ALL_BUT_WORDS),
    "GATHER_ND": Entry("gather_nd", ALL_BUT_WORDS),
    "TILE": Entry("tile", EVERY),
    "SPACE_TO_DEPTH": Entry("space_to_depth", (*EIGHT_BIT, *REAL, *WHOLE)),
    "DEPTH_TO_SPACE": Entry("depth_to_space", (*EIGHT_BIT, *REAL, *WHOLE)),
    "SPACE_TO_BATCH_ND": Entry("space_to_batch_nd", EVERY),
    "BATCH_TO_SPACE_ND": Entry("batch_to_space_nd", EVERY),
    "MIRROR_PAD": Entry("mirror_pad", EVERY),
    "REDUCE_MAX": Entry("reduction", (*NUMBERS, "bool"), function="reduce_max"),
    "REDUCE_MIN": Entry("reduction", (*NUMBERS, "bool"), function="reduce_min"),
    "REDUCE_ANY": Entry("reduction", ("bool",), function="reduce_any"),
    "REDUCE_ALL": Entry("reduction", ("bool",), function="reduce_all"),
    "SUM": Entry("sum", (*EIGHT_BIT, *REAL, *WHOLE, "bool"), quantized=(0,)),
    "MAXIMUM": Entry("pairwise", (*NUMBERS, "float16"), function="maximum"),
    "MINIMUM": Entry("pairwise", (*NUMBERS, "float16"), function="minimum"),
    "EQUAL": Entry("comparison", ALL_BUT_WORDS, function="equal"),
    "NOT_EQUAL": Entry("comparison", ALL_BUT_WORDS, function="not_equal"),
    "LESS": Entry("comparison", (*NUMBERS, "float16"), function="less"),
    "LESS_EQUAL": Entry("comparison", (*NUMBERS, "float16"), function="less_equal"),
    "GREATER": Entry("comparison", (*NUMBERS, "float16"), function="greater"),
    "GREATER_EQUAL": Entry("comparison", (*NUMBERS, "float16"), function="greater_equal"),
    "SELECT": Entry("select", ("bool",), function="select"),
    "SELECT_V2": Entry("select", ("bool",), function="select_v2"),
    "ARG_MAX": Entry("arg", (*EIGHT_BIT, *REAL, "int32", "bool"), function="arg_max"),
    "ARG_MIN": Entry("arg", (*EIGHT_BIT, *REAL, "int32", "bool"), function="arg_min"),
    "CAST": Entry("cast", (*ANY, "float64", "uint16", "int4")),
    "LOG_SOFTMAX": Entry("log_softmax", (*EIGHT_BIT, *REAL), quantized=(0,)),
    "L2_NORMALIZATION": Entry("l2_normalization", (*EIGHT_BIT, *REAL), quantized=(0,)),
    "BATCH_MATMUL": Entry("batch_matmul", ("int8", "int16", *REAL), quantized=(0, 1)),
    "SVDF": Entry("svdf", ("int8", *REAL), quantized=(0, 1, 2, 4)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Entry(
        "unidirectional_sequence_lstm", ("int8",), quantized=(0, 2, 18, 19)
    ),
    "LSTM": Entry("lstm", EIGHT_BIT),
    "NON_MAX_SUPPRESSION_V4": Entry("non_max_suppression", REAL, function="hard"),
    "NON_MAX_SUPPRESSION_V5": Entry("non_max_suppression", REAL, function="soft"),
    "RNN": Entry("rnn", REAL, function="step"),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Entry("rnn", REAL, function="sequence"),
    "BIDIRECTIONAL_SEQUENCE_RNN": Entry("rnn", REAL, function="both_ways"),
    "ABS": Entry("elementwise", ("int8", "int16", "float32", "int32"), function="absolute"),
    "NEG": Entry("elementwise", ("int8", "int16", *REAL, *WHOLE, "float16"), function="negative"),
    "EXP": Entry("elementwise", ("int8", "int16", *REAL), function="exponential", quantized=(0,)),
    "LOG": Entry("elementwise", ("int8", "int16", *REAL), function="logarithm", quantized=(0,)),
    "GELU": Entry("elementwise", (*QUANTIZED, *REAL), function="gelu", quantized=(0,)),
    "ELU": Entry("elementwise", ("int8",), function="elu", quantized=(0,)),
    "SQRT": Entry("elementwise", ("int8", "int16", *REAL), function="square_root", quantized=(0,)),
    "RSQRT": Entry(
        "elementwise", ("int8", "int16", *REAL), function="inverse_square_root", quantized=(0,)
    ),
    "SQUARE": Entry("float_unary", REAL, function="square"),
    "FLOOR": Entry("float_unary", (*REAL, "float16"), function="floor"),
    "CEIL": Entry("float_unary", REAL, function="ceil"),
    "ROUND": Entry("float_unary", REAL, function="round_half_even"),
    "SIGN": Entry("float_unary", (*REAL, "int32", "float64"), function="sign"),
    "SIN": Entry("float_unary", REAL, function="sin"),
    "COS": Entry("float_unary", REAL, function="cos"),
    "LOGICAL_NOT": Entry("float_unary", ("bool",), function="logical_not"),
    "ZEROS_LIKE": Entry("float_unary", (*REAL, *WHOLE), function="zeros_like"),
    "DIV": Entry("division", (*QUANTIZED, *REAL, "int32"), quantized=(0, 1)),
    "FLOOR_DIV": Entry("binary", (*REAL, "int32", "int8", "int16"), function="floor_divide"),
    "FLOOR_MOD": Entry("binary", (*REAL, *WHOLE, "int8", "int16"), function="floor_modulo"),
    "POW": Entry("binary", (*REAL, "int32"), function="power"),
    "SQUARED_DIFFERENCE": Entry(
        "binary", ("int8", *REAL, "int32"), function="squared_difference", quantized=(0, 1)
    ),
    "LOGICAL_AND": Entry("binary", ("bool",), function="logical_and"),
    "LOGICAL_OR": Entry("binary", ("bool",), function="logical_or"),
    "SHAPE": Entry("shapes", EVERY, function="shape"),
    "RANK": Entry("shapes", EVERY, function="rank"),
    "FILL": Entry("shapes", WHOLE, function="fill"),
    "RANGE": Entry("shapes", (*REAL, *WHOLE), function="arange"),
    "BROADCAST_TO": Entry("shapes", EVERY, function="broadcast_to"),
    "REVERSE_V2": Entry("shapes", ALL_BUT_WORDS, function="reverse"),
    "TOPK_V2": Entry("indexing", (*QUANTIZED, *REAL, *WHOLE), function="top_k"),
    "ONE_HOT": Entry("indexing", WHOLE, function="one_hot"),
    "WHERE": Entry("indexing", (*EIGHT_BIT, *REAL, *WHOLE, "bool", "uint32"), function="where"),
    "CUMSUM": Entry("indexing", (*REAL, *WHOLE), function="cumulative_sum"),
    "ATAN2": Entry("binary", REAL, function="angle"),
    "REDUCE_PROD": Entry("product", (*QUANTIZED, *REAL, *WHOLE, "bool")),
    "BITWISE_XOR": Entry("bits", (*QUANTIZED, "int32", "uint32", "uint16"), function="xor"),
    "RIGHT_SHIFT": Entry("bits", (*QUANTIZED, "int32", "uint32", "uint16"), function="right_shift"),
    "BITCAST": Entry("bits", EVERY, function="bitcast"),
    "SCATTER_ND": Entry(
        "scatter", (*EIGHT_BIT, *REAL, *WHOLE, "bool"), position=1, function="scatter_nd"
    ),
    "SPARSE_TO_DENSE": Entry(
        "scatter", (*EIGHT_BIT, *REAL, *WHOLE), position=2, function="sparse_to_dense"
    ),
    "DYNAMIC_UPDATE_SLICE": Entry("scatter", EVERY, function="dynamic_update_slice"),
    "EMBEDDING_LOOKUP": Entry("embedding_lookup", (*ANY, "int4"), position=1),
    "UNSORTED_SEGMENT_SUM": Entry("segment", (*REAL, "int32"), function="total"),
    "UNSORTED_SEGMENT_PROD": Entry("segment", (*REAL, "int32"), function="product"),
    "UNSORTED_SEGMENT_MAX": Entry("segment", (*REAL, "int32"), function="largest"),
    "UNSORTED_SEGMENT_MIN": Entry("segment", (*REAL, "int32"), function="least"),
    "REVERSE_SEQUENCE": Entry(
        "arrangement", ("uint8", "int16", *REAL, *WHOLE), function="reverse_sequence"
    ),
    "MATRIX_DIAG": Entry("arrangement", (*NUMBERS, "uint32"), function="matrix_diag"),
    "MATRIX_SET_DIAG": Entry("arrangement", (*NUMBERS, "uint32"), function="matrix_set_diag"),
    "UNIQUE": Entry("arrangement", NUMBERS, function="unique"),
    "BROADCAST_ARGS": Entry("arrangement", WHOLE, function="broadcast_args"),
    "BUCKETIZE": Entry("arrangement", (*REAL, *WHOLE, "float64"), function="bucketize"),
    "ADD_N": Entry("arrangement", (*REAL, "int32"), function="add_n"),
    "L2_POOL_2D": Entry("real_windows", REAL, function="l2_pool"),
    "LOCAL_RESPONSE_NORMALIZATION": Entry("real_windows", REAL, function="response_normalization"),
    "FAKE_QUANT": Entry("real_windows", REAL, function="fake_quant"),
    "TFLite_Detection_PostProcess": Entry("detection_postprocess", ("uint8", *REAL), custom=True),
}


def load(operator: str) -> Kernel:
    """The kernel of a registered operator. Raises KeyError for another."""
    entry = KERNELS[operator]
    return getattr(import_module(f"{__name__}.{entry.module}"), entry.function)
