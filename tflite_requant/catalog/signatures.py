"""Which types of operands LiteRT's reference kernels take together, operator by operator.

A signature reads "operands -> outputs". An operand is a type, alternatives ("int32|int64"), "="
for the type of the leading operand, or "*" for any; "?" behind it says that it may be absent, "+"
that it may be repeated. The leading operand's own types stand with the kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

INDEX = "int32|int64"

SIGNATURES = (
    ("ABS AVERAGE_POOL_2D CEIL COS DEPTH_TO_SPACE ELU EXP FLOOR GELU HARD_SWISH "
     "L2_NORMALIZATION LEAKY_RELU LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX MAX_POOL_2D NEG RELU RELU6 "
     "RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SIGN SIN SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH "
     "ZEROS_LIKE", "= -> ="),
    ("ADD DIV FLOOR_DIV FLOOR_MOD LOGICAL_AND LOGICAL_OR MAXIMUM MINIMUM MUL POW "
     "SQUARED_DIFFERENCE SUB", "= = -> ="),
    ("ATAN2 BITWISE_XOR RIGHT_SHIFT", "= = -> ="),
    ("FAKE_QUANT L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION MATRIX_DIAG", "= -> ="),
    ("MATRIX_SET_DIAG", "= = -> ="),
    ("ADD_N", "=+ -> ="),
    ("BROADCAST_ARGS", "= = -> ="),
    ("BUCKETIZE", "= -> int32"),
    ("UNIQUE", f"= -> = {INDEX}"),
    ("REVERSE_SEQUENCE", f"= {INDEX} -> ="),
    ("SCATTER_ND", "int32 * int32 -> *"),
    ("SPARSE_TO_DENSE", f"{INDEX} {INDEX} * * -> *"),
    ("DYNAMIC_UPDATE_SLICE", f"= = {INDEX} -> ="),
    ("EMBEDDING_LOOKUP", "int32 uint8|int8|int16|int32|int64|uint32|float32|float16|bool -> =",
     "int32 uint8|int8|int4 -> float32"),
    ("SVDF", "int8 int8 int16 int32? int16 -> =", "float32 float32 float32 float32? = -> =",
     "float32 int8 int8 float32? = -> ="),
    ("NON_MAX_SUPPRESSION_V4", "= = int32 = = -> int32 int32"),
    ("NON_MAX_SUPPRESSION_V5", "= = int32 = = = -> int32 = int32"),
    ("RNN UNIDIRECTIONAL_SEQUENCE_RNN", "= int8 int8 = = -> =", "= = = = = -> ="),
    ("BIDIRECTIONAL_SEQUENCE_RNN",
     "= int8 int8 = = int8 int8 = = =? int8? int8? -> =+",
     "= = = = = = = = = =? =? =? -> =+"),
    ("UNSORTED_SEGMENT_SUM UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN",
     "= int32 int32 -> ="),
    ("EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL NOT_EQUAL", "= = -> bool"),
    ("PRELU", "uint8|int8|float32 = -> =", "int16 int8 -> ="),
    ("CONV_2D", "uint8 uint8 int32 -> =", "int8 int8|int4 int32 -> =",
     "int16 int8|int4 int32|int64 -> =", "float32 int8|int4|float32 float32 -> ="),
    ("DEPTHWISE_CONV_2D", "uint8 uint8 int32 -> =", "int8 int8|int4 int32 -> =",
     "int16 int8 int64? -> =", "float32 int8|float32|int4 float32? -> ="),
    ("TRANSPOSE_CONV", "int32 uint8 uint8 int32? -> uint8", "int32 int8 int8 int32? -> int8",
     "int32 int8 int16 int32|int64? -> int16", "int32 float32|int8 float32 float32? -> float32"),
    ("FULLY_CONNECTED", "uint8 uint8 int32? -> =", "int8 int8|int4 int32? -> =",
     "int16 int8|int4|int16 int32|int64? -> =", "float32 uint8|int8|int4|float32 float32? -> ="),
    ("BATCH_MATMUL", "int8 int8 -> int8|int32", "int16 int8|int16 -> =",
     "float32 int8|float32 -> ="),
    ("ARG_MAX ARG_MIN", f"= {INDEX} -> {INDEX}"),
    ("BROADCAST_TO EXPAND_DIMS MIRROR_PAD PAD TILE TRANSPOSE", f"= {INDEX} -> ="),
    ("PADV2", f"= {INDEX} = -> ="),
    ("RESHAPE", f"= {INDEX}? -> ="),
    ("CUMSUM RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2", "= int32 -> ="),
    ("GATHER GATHER_ND", "= int16|int32|int64 -> ="),
    ("BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND", "= int32 int32 -> ="),
    ("CONCATENATION PACK", "=+ -> ="),
    ("UNPACK", "= -> =+"),
    ("SPLIT", "int32 * -> *+"),
    ("SPLIT_V", f"= {INDEX} int32 -> =+"),
    ("SLICE", f"= {INDEX} {INDEX} -> ="),
    ("STRIDED_SLICE", "= int32 int32 int32 -> ="),
    ("MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM", "= int32 -> ="),
    ("SELECT SELECT_V2", "bool * * -> *"),
    ("SOFTMAX", "uint8|int8 -> =|int16", "int16|float32 -> ="),
    ("QUANTIZE", "float32|uint8|int8 -> uint8|int8|int16", "int16 -> int8|int16|int32",
     "int32 -> int8|int16"),
    ("CAST", "uint8|int8|int16|int32|int64|uint16|uint32|float32|float64|float16|bool -> "
     "uint8|int8|int16|int32|int64|uint16|uint32|float32|float64|float16|bool", "int4 -> float32"),
    ("DEQUANTIZE", "* -> float32"),
    ("SHAPE", f"* -> {INDEX}"),
    ("RANK", "* -> int32"),
    ("FILL", f"{INDEX} * -> *"),
    ("RANGE", "= = = -> ="),
    ("TOPK_V2", "= int16|int32 -> = int16|int32"),
    ("ONE_HOT", f"{INDEX} int32 uint8|int8|int32|int64|float32|bool * -> *"),
    ("WHERE", "* -> int64"),
)  # fmt: skip


@cache
def signatures_of(operator: str) -> tuple[str, ...]:
    """The signatures of an operator; none where its types are not restricted here."""
    for operators, *signatures in SIGNATURES:
        if operator in operators.split():
            return tuple(signatures)
    return ()


def told(signature: str, position: int = 0) -> str:
    """A signature in words: "int8, int8 or int4, int32 or none, giving int8".

    position: that of the leading operand, whose type "=" repeats; T where it may have several.
    """
    operands, outputs = (side.split() for side in signature.split(" -> "))
    rest = (*operands[:position], *operands[position + 1 :], *outputs)
    leading = operands[position].rstrip("?+") if position < len(operands) else "*"
    letter, ends = leading, ""
    if not leading.isalnum() and any("=" in token for token in (leading, *rest)):
        operands[position] = operands[position].replace(leading, "=")
        letter, known = "T", leading.replace("|", " or ")
        ends = f", T being {'one type' if leading == '=' else known}"
    before, after = (
        ", ".join(_words(token, letter) for token in side) for side in (operands, outputs)
    )
    return f"{before}, giving {after}{ends}"


def _words(token: str, letter: str) -> str:
    types = {"=": letter, "*": "any type"}
    told = " or ".join(types.get(word, word) for word in token.rstrip("?+").split("|"))
    if token.endswith("+"):
        return f"one or more of {told}"
    return f"{told} or none" if token.endswith("?") else told


def begins_with(signature: str, leading: str | None, position: int) -> bool:
    """Whether a signature's leading operand may be of a type."""
    operands = signature.split(" -> ")[0].split()
    return position < len(operands) and _matches(operands[position], "", leading, False)


def fits(
    signature: str,
    leading: str,
    operands: Sequence[str | None],
    outputs: Sequence[str],
    absent: bool = False,
) -> bool:
    """Whether types (None where an operand is absent) are those of a signature.

    leading: what "=" stands for; absent: take every operand as one that may be absent.
    """
    before, after = signature.split(" -> ")
    return _fit(before.split(), leading, operands, absent) and _fit(
        after.split(), leading, outputs, False
    )


def _fit(wanted: list[str], leading: str, types: Sequence[str | None], absent: bool) -> bool:
    if wanted and wanted[-1].endswith("+"):
        last = wanted[-1][:-1]
        wanted = [*wanted[:-1], *[last] * max(len(types) - len(wanted) + 1, 1)]
    types = [*types, *[None] * (len(wanted) - len(types))]
    return len(types) == len(wanted) and all(
        _matches(token, leading, found, absent) for token, found in zip(wanted, types, strict=True)
    )


def _matches(token: str, leading: str, found: str | None, absent: bool) -> bool:
    if found is None:
        return absent or token.endswith("?")
    allowed = token.rstrip("?").split("|")
    return "*" in allowed or found in allowed or ("=" in allowed and found == leading)
