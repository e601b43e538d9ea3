"""The form of every operator that is computed here: options, operands, results and their shapes.

Where the family files say what quantization an operator asks for, this says what makes it an
operator at all; a file in which it does not hold is damaged. One row an operator:

    NAME  options  operands -> results  [shape law]

options:  the name of its table without "Options", or "-"; with "!" there is no working without it.
operands: a letter for the kind, digits for the rank where there is only one, "?" where it may be
          absent, "*" for any number of them (absent ones too), "+" for at least one.

    x  data: the first decides about the arithmetic; all are of one type (8-bit types may mix)
    w  weights, b  bias, q  quantized data of a type of its own
    g  quantized data or int32 with a scale, n  whole numbers, t  truth values, a  anything

Shape laws are explained in `validation.shapes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ROWS = """
CONV_2D              Conv2D!           x4 w4 b?         -> x4   window
DEPTHWISE_CONV_2D    DepthwiseConv2D!  x4 w4 b?         -> x4   window
TRANSPOSE_CONV       TransposeConv!    n1 w4 x4 b?      -> x4   transposed
FULLY_CONNECTED      FullyConnected    x w2 b?          -> x    product
BATCH_MATMUL         BatchMatMul       x q              -> a    matrices
AVERAGE_POOL_2D      Pool2D!           x4               -> x4   pool
MAX_POOL_2D          Pool2D!           x4               -> x4   pool
ADD                  Add               x x              -> x    broadcast
SUB                  Sub               x x              -> x    broadcast
MUL                  Mul               x x              -> x    broadcast
DIV                  Div               x x              -> x    broadcast
FLOOR_DIV            FloorDiv          x x              -> x    broadcast
FLOOR_MOD            FloorMod          x x              -> x    broadcast
POW                  Pow               x x              -> x    broadcast
SQUARED_DIFFERENCE   SquaredDifference x x              -> x    broadcast
MAXIMUM              MaximumMinimum    x x              -> x    broadcast
MINIMUM              MaximumMinimum    x x              -> x    broadcast
EQUAL                Equal             x x              -> t    broadcast
NOT_EQUAL            NotEqual          x x              -> t    broadcast
LESS                 Less              x x              -> t    broadcast
LESS_EQUAL           LessEqual         x x              -> t    broadcast
GREATER              Greater           x x              -> t    broadcast
GREATER_EQUAL        GreaterEqual      x x              -> t    broadcast
LOGICAL_AND          LogicalAnd        t t              -> t    broadcast
LOGICAL_OR           LogicalOr         t t              -> t    broadcast
LOGICAL_NOT          LogicalNot        t                -> t    same
SELECT               Select            t x x            -> x
SELECT_V2            SelectV2          t x x            -> x    broadcast
ABS                  Abs               x                -> x    same
NEG                  Neg               x                -> x    same
EXP                  Exp               x                -> x    same
LOG                  -                 x                -> x    same
SQRT                 -                 x                -> x    same
RSQRT                -                 x                -> x    same
SQUARE               Square            x                -> x    same
SIN                  -                 x                -> x    same
COS                  Cos               x                -> x    same
SIGN                 Sign              x                -> x    same
FLOOR                -                 x                -> x    same
CEIL                 -                 x                -> x    same
ROUND                -                 x                -> x    same
ZEROS_LIKE           ZerosLike         x                -> x    same
RELU                 -                 x                -> x    same
RELU6                -                 x                -> x    same
RELU_N1_TO_1         -                 x                -> x    same
RELU_0_TO_1          -                 x                -> x    same
LEAKY_RELU           LeakyRelu         x                -> x    same
PRELU                -                 x q              -> x    same
HARD_SWISH           HardSwish         x                -> x    same
ELU                  -                 x                -> x    same
GELU                 Gelu              x                -> x    same
LOGISTIC             -                 x                -> x    same
TANH                 -                 x                -> x    same
SOFTMAX              Softmax           x                -> q    same
LOG_SOFTMAX          LogSoftmax        x                -> x    same
L2_NORMALIZATION     L2Norm            x                -> x    same
QUANTIZE             Quantize          x                -> g    same
DEQUANTIZE           Dequantize        x                -> a    same
CAST                 Cast              x                -> a    same
RESHAPE              Reshape           x n?             -> x    elements
SQUEEZE              Squeeze           x                -> x    elements
EXPAND_DIMS          ExpandDims        x n              -> x    elements
TRANSPOSE            Transpose         x n1             -> x    elements
SPACE_TO_DEPTH       SpaceToDepth!     x4               -> x4   elements
DEPTH_TO_SPACE       DepthToSpace!     x4               -> x4   elements
REVERSE_V2           ReverseV2         x n              -> x    same
CUMSUM               Cumsum            x n              -> x    same
CONCATENATION        Concatenation     x+               -> x    elements
PACK                 Pack              x+               -> x    elements
UNPACK               Unpack            x                -> x*   elements
SPLIT                Split             n x              -> x+   elements
SPLIT_V              SplitV            x n n            -> x+   elements
SLICE                Slice             x n n            -> x    part
STRIDED_SLICE        StridedSlice      x n n n          -> x    part
GATHER               Gather            x n              -> x    gathered
GATHER_ND            GatherNd          x n              -> x
PAD                  Pad               x n2             -> x    padded
PADV2                PadV2             x n2 x           -> x    padded
MIRROR_PAD           MirrorPad         x n2             -> x    padded
TILE                 Tile              x n1             -> x    tiled
BROADCAST_TO         BroadcastTo       x n1             -> x    stated
SPACE_TO_BATCH_ND    SpaceToBatchND    x n1 n2          -> x
BATCH_TO_SPACE_ND    BatchToSpaceND    x n1 n2          -> x
RESIZE_BILINEAR      ResizeBilinear    x4 n1            -> x4   resized
RESIZE_NEAREST_NEIGHBOR ResizeNearestNeighbor x4 n1     -> x4   resized
MEAN                 Reducer           x n              -> x    part
SUM                  Reducer           x n              -> x    part
REDUCE_MAX           Reducer           x n              -> x    part
REDUCE_MIN           Reducer           x n              -> x    part
REDUCE_ANY           Reducer           x n              -> x    part
REDUCE_ALL           Reducer           x n              -> x    part
ARG_MAX              ArgMax            x n              -> n    part
ARG_MIN              ArgMin            x n              -> n    part
TOPK_V2              TopKV2            x n              -> x n
ONE_HOT              OneHot            n n x x          -> x
WHERE                Where             x                -> n
SHAPE                Shape             a                -> n
RANK                 Rank              a                -> n
FILL                 Fill              n x              -> x
RANGE                Range             x x x            -> x
SVDF                 SVDF!             x2 w2 w2 b? q2   -> x2
UNIDIRECTIONAL_SEQUENCE_LSTM UnidirectionalSequenceLSTM! x3 w2? w2 w2 w2 w2? w2 w2 w2 w? w? w? b? b b b w? b? q2 q2 w? w? w? w? -> x3
LSTM                 LSTM              x2 a*            -> x2 a*
RNN                  RNN!              x2 w2 w2 b q2    -> x2
UNIDIRECTIONAL_SEQUENCE_RNN SequenceRNN! x3 w2 w2 b q2  -> x3
BIDIRECTIONAL_SEQUENCE_RNN BidirectionalSequenceRNN! x3 w2 w2 b q2 w2 w2 b q2 x3? w2? w2? -> x3 x*
NON_MAX_SUPPRESSION_V4 NonMaxSuppressionV4 x2 x1 n x x -> n n
NON_MAX_SUPPRESSION_V5 NonMaxSuppressionV5 x2 x1 n x x x -> n x n
ADD_N                AddN              x+               -> x    same
ATAN2                ATan2             x x              -> x    broadcast
BITCAST              Bitcast           a                -> a
BITWISE_XOR          BitwiseXor        x x              -> x    broadcast
RIGHT_SHIFT          RightShift        x x              -> x    broadcast
BROADCAST_ARGS       -                 n n              -> n
BUCKETIZE            Bucketize         a                -> n    same
DYNAMIC_UPDATE_SLICE DynamicUpdateSlice x x n           -> x    same
EMBEDDING_LOOKUP     -                 n a              -> a
FAKE_QUANT           FakeQuant!        x                -> x    same
L2_POOL_2D           Pool2D!           x4               -> x4   pool
LOCAL_RESPONSE_NORMALIZATION LocalResponseNormalization! x4 -> x4 same
MATRIX_DIAG          MatrixDiag        x                -> x
MATRIX_SET_DIAG      MatrixSetDiag     x x              -> x
REDUCE_PROD          Reducer           x n              -> x    part
REVERSE_SEQUENCE     ReverseSequence   x n              -> x    same
SCATTER_ND           ScatterNd         n x n            -> x
SPARSE_TO_DENSE      SparseToDense     n n x x          -> x
UNIQUE               Unique            x                -> x n
UNSORTED_SEGMENT_MAX UnsortedSegmentMax x n n           -> x
UNSORTED_SEGMENT_MIN UnsortedSegmentMin x n n           -> x
UNSORTED_SEGMENT_PROD UnsortedSegmentProd x n n         -> x
UNSORTED_SEGMENT_SUM UnsortedSegmentSum x n n           -> x
TFLite_Detection_PostProcess - q3 q3 q2                 -> a a a a
VAR_HANDLE           VarHandle!        .                -> a
ASSIGN_VARIABLE      AssignVariable    a a              -> .
READ_VARIABLE        ReadVariable      a                -> a
CALL_ONCE            CallOnce!         .                -> .
IF                   If!               t a*             -> a*
WHILE                While!            a*               -> a*
"""  # noqa: E501

_SUFFIX = "Options"
_OPERAND = re.compile(r"([xwbqgnta])(\d?)([?*+]?)")


@dataclass(frozen=True, slots=True)
class Slot:
    """One operand or result. rank: None for any; optional: may be absent; repeats: "*" or "+"."""

    kind: str
    rank: int | None
    optional: bool = False
    repeats: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One row. options: the table's name or ""; shapes: name of the shape law or ""."""

    options: str
    needs_options: bool
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    shapes: str = ""

    @property
    def leading(self) -> int:
        """Position of the operand that decides about the arithmetic."""
        return next((i for i, slot in enumerate(self.inputs) if slot.kind == "x"), 0)


def _slots(words: list[str]) -> tuple[Slot, ...]:
    slots = []
    for word in words:
        if word != ".":
            kind, rank, mark = _OPERAND.fullmatch(word).groups()
            repeats = mark if mark in ("*", "+") else ""
            slots.append(Slot(kind, int(rank) if rank else None, mark == "?", repeats))
    return tuple(slots)


def _form(row: str) -> tuple[str, Form]:
    left, right = row.split("->")
    name, options, *operands = left.split()
    words = right.split()
    law = words.pop() if len(words[-1]) > 2 else ""
    table = "" if options == "-" else options.removesuffix("!") + _SUFFIX
    return name, Form(table, options.endswith("!"), _slots(operands), _slots(words), law)


FORMS: Mapping[str, Form] = MappingProxyType(dict(map(_form, ROWS.strip().splitlines())))

# Option fields of any table: least and greatest value that means something.
OPTION_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "stride_w": (1, 2**15),
        "stride_h": (1, 2**15),
        "dilation_w_factor": (0, 2**15),
        "dilation_h_factor": (0, 2**15),
        "filter_width": (1, 2**15),
        "filter_height": (1, 2**15),
        "block_size": (1, 2**15),
        "num_splits": (1, 2**15),
        "rank": (1, 2**15),
        "radius": (0, 2**15),
        "num_bits": (2, 16),
        "seq_dim": (-8, 7),
        "batch_dim": (-8, 7),
        "axis": (-8, 7),
        "batch_dims": (-8, 7),
        "beta": (0.0, 1e30),
        "alpha": (-1e30, 1e30),
        "cell_clip": (0.0, 1e30),
    }
)

# What the custom options of an operator must name, and their ranges.
_COUNT, _SCALE, _REAL = (1, 2**24), (1e-30, 1e30), (-1e30, 1e30)
CUSTOM_OPTIONS: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "TFLite_Detection_PostProcess": MappingProxyType(
            {
                "max_classes_per_detection": _COUNT,
                "max_detections": _COUNT,
                "num_classes": _COUNT,
                "nms_iou_threshold": _REAL,
                "nms_score_threshold": _REAL,
                "h_scale": _SCALE,
                "w_scale": _SCALE,
                "x_scale": _SCALE,
                "y_scale": _SCALE,
            }
        )
    }
)
