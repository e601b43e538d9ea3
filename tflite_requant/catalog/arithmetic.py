"""Arithmetic profiles as data: how, operator by operator, an accumulator becomes an output.

A profile states for each operator and activation type in which precision the product of scales is
formed and which rounding turns the accumulator into an output. The roundings, by name:

  double     doubling high multiplication (ties up), then right shift (ties away from zero)
  double-up  as "double", but the ties of the right shift go up
  single     one rounding of the whole product, ties up
  int64      48-bit accumulators: 16-bit multiplier, one rounding, ties up
  real       float64 product of accumulator and scales, ties away from zero
  float32-half-even      float32 product of accumulator and scales, ties to even
  shift-half-up, shift-half-even, shift-half-away, shift-truncate
                         a shift and nothing else: ties up, to even, away; bits dropped
  double-up-8-channels   "double-up" in the first 8 * (C // 8) channels, "double" in the rest
  double-up-16-channels  the same with 16
  double-up-16-elements  the same with 16 elements of the flat output instead of channels
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tflite_requant.errors import UsageError
from tflite_requant.spelling import or_meant

ROUNDINGS = ("double", "double-up", "single", "int64", "real", "float32-half-even",
             "double-up-8-channels", "double-up-16-channels", "double-up-16-elements",
             "shift-half-up", "shift-half-even", "shift-half-away", "shift-truncate")  # fmt: skip
PRECISIONS = ("float64", "float32", "float32-throughout")
# Operators' own laws that do otherwise behind the last whole block.
IN_BLOCKS = ("blocks-of-8", "blocks-of-16", "blocks-of-16-unless-broadcast", "one-product")


@dataclass(frozen=True, slots=True)
class Rescaling:
    """One law of rescaling.

    scale_product: how input scale times weight scale (or alpha, or 1) over output scale is formed:
                   "float64"; "float32": the product rounded to float32, then divided in float64;
                   "float32-throughout": product and quotient rounded to float32.
    rounding:      one of ROUNDINGS.
    """

    scale_product: str = "float64"
    rounding: str = "double"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What one profile says about one operator.

    per_tensor, per_axis: activation type -> Rescaling, by whether the weights' scales are per axis;
                          "int16xint16" where the weights are int16 too; `default` holds for what
                          they do not name.
    wide:      what an operator with 64-bit accumulators, and QUANTIZE of more than 8 bits, uses
               instead: a rounding or a whole law.
    grouped:   the rounding of a convolution in groups, where it is another one.
    own:       activation type -> name of the operator's own law, where it is no mere rescaling;
               the operator's kernel knows these names, "" is the reference kernel's.
    bounds:    how real bounds of activations come to the grid: "half-away" rounds the quotient,
               ties away from zero; "half-even" rounds quotient plus zero point, ties to even.
    """

    profile: str
    operator: str
    default: Rescaling = Rescaling()
    per_tensor: tuple[tuple[str, Rescaling], ...] = ()
    per_axis: tuple[tuple[str, Rescaling], ...] = ()
    wide: str | Rescaling | None = None
    grouped: str | None = None
    own: tuple[tuple[str, str], ...] = ()
    bounds: str = "half-away"

    def rescaling(
        self, dtype: str, per_axis: bool = False, wide: bool = False, grouped: bool = False
    ) -> Rescaling:
        """The law for an activation type."""
        table = dict(self.per_axis if per_axis else self.per_tensor)
        leading, pair, _ = str(dtype).partition("x")
        if pair and dtype in table:
            return table[dtype]
        found = table.get(leading, self.default)
        if wide and self.wide:
            whole = isinstance(self.wide, Rescaling)
            return self.wide if whole else replace(found, rounding=self.wide)
        return replace(found, rounding=self.grouped) if grouped and self.grouped else found

    def law(self, dtype: str) -> str:
        """The name of the operator's own law for an activation type; "" is the reference's."""
        return dict(self.own).get(str(dtype), "")

    def positional(self, dtype: str, per_axis: bool = False) -> bool:
        """Whether equal operands may become unlike outputs of that type, by where they stand."""
        rounding = self.rescaling(dtype, per_axis).rounding
        return rounding.endswith(("-channels", "-elements")) or self.law(dtype) in IN_BLOCKS


SINGLE_PRECISION = Rescaling(scale_product="float32")
SINGLE_THROUGHOUT = Rescaling(scale_product="float32-throughout")
REAL = Rescaling(rounding="real")
WIDE, WIDE_SINGLE = Rescaling(rounding="int64"), Rescaling("float32", "int64")

LITERT_REFERENCE = (
    Arithmetic("", "CONV_2D", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "DEPTHWISE_CONV_2D", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "TRANSPOSE_CONV", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "FULLY_CONNECTED", default=REAL, per_tensor=(("int16xint16", WIDE_SINGLE),),
               per_axis=(("int16xint16", WIDE),)),
    Arithmetic("", "BATCH_MATMUL", default=SINGLE_PRECISION, wide="int64"),
    Arithmetic("", "REDUCE_PROD", default=WIDE),
    Arithmetic("", "MUL", default=SINGLE_THROUGHOUT),
    Arithmetic("", "RELU", default=SINGLE_THROUGHOUT),
    Arithmetic("", "RELU6", default=SINGLE_THROUGHOUT),
    Arithmetic("", "RELU_N1_TO_1", default=SINGLE_THROUGHOUT),
    Arithmetic("", "RELU_0_TO_1", default=SINGLE_THROUGHOUT),
    Arithmetic("", "LEAKY_RELU", default=SINGLE_THROUGHOUT),
    Arithmetic("", "PRELU", default=SINGLE_THROUGHOUT),
    Arithmetic("", "ABS", default=SINGLE_THROUGHOUT),
    Arithmetic("", "SVDF", default=SINGLE_THROUGHOUT),
    Arithmetic("", "UNIDIRECTIONAL_SEQUENCE_LSTM", default=SINGLE_THROUGHOUT),
    Arithmetic("", "LSTM", default=SINGLE_THROUGHOUT,
               per_tensor=(("uint8", Rescaling(rounding="double-up")),)),
)

# x86 builds of LiteRT's optimized kernels work in vector blocks: what is left over behind the last
# whole block is rounded by scalar code, which is the reference's.
UP = Rescaling(rounding="double-up")
UP_SINGLE = Rescaling("float32", "double-up")
UP_8_CHANNELS = Rescaling(rounding="double-up-8-channels")
UP_16_ELEMENTS = Rescaling(rounding="double-up-16-elements")
BLOCKS_OF_8 = (("uint8", "blocks-of-8"), ("int8", "blocks-of-8"), ("int16", "blocks-of-8"))

LITERT_OPTIMIZED = (
    Arithmetic("", "CONV_2D", default=UP, per_tensor=(("uint8", UP_SINGLE),), wide="int64",
               grouped="double"),
    Arithmetic("", "DEPTHWISE_CONV_2D", default=UP_8_CHANNELS,
               per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "TRANSPOSE_CONV", default=UP_8_CHANNELS,
               per_tensor=(("uint8", Rescaling("float32", "double-up-16-elements")),),
               wide="int64"),
    Arithmetic("", "FULLY_CONNECTED", default=UP, wide=REAL, per_tensor=(
        ("uint8", UP_SINGLE), ("int8", UP_SINGLE), ("int16", UP_SINGLE),
        ("int16xint16", WIDE_SINGLE)), per_axis=(("int16xint16", WIDE),)),
    Arithmetic("", "ADD", own=(("uint8", "blocks-of-8"), ("int8", "blocks-of-16"),
                               ("int16", "blocks-of-16-unless-broadcast"))),
    Arithmetic("", "MUL", default=SINGLE_THROUGHOUT,
               own=(("uint8", "blocks-of-8"), ("int8", "blocks-of-16"))),
    Arithmetic("", "MEAN", own=(("uint8", "one-product"), ("int8", "one-product"))),
    Arithmetic("", "SUM", own=(("uint8", "float32"), ("int8", "float32"))),
    Arithmetic("", "SOFTMAX", own=(("uint8", "float32-table"), ("int8", "float32-table"))),
    Arithmetic("", "LOG_SOFTMAX", own=(("uint8", "float32-table"), ("int8", "float32-table"))),
    Arithmetic("", "LOGISTIC", own=(("int16", "fixed-point"),)),
    Arithmetic("", "TANH", own=(("int16", "fixed-point"),)),
    Arithmetic("", "RESIZE_BILINEAR", own=(("uint8", "row-major-sum"),)),
    Arithmetic("", "QUANTIZE", wide="double", own=BLOCKS_OF_8, per_tensor=(
        ("uint8", UP_16_ELEMENTS), ("int8", UP_16_ELEMENTS))),
    Arithmetic("", "DEQUANTIZE", own=BLOCKS_OF_8),
    Arithmetic("", "LEAKY_RELU", default=SINGLE_THROUGHOUT, own=(("int16", "sign-first"),)),
    *(r for r in LITERT_REFERENCE if r.operator in (
        "BATCH_MATMUL", "REDUCE_PROD", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "PRELU",
        "ABS", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "LSTM")),
)  # fmt: skip

# Nodes that XNNPACK takes on x86; all others run as in PROFILES["litert-optimized"].
REAL32 = Rescaling("float32-throughout", "float32-half-even")
EIGHT_BIT_FLOAT32 = (("uint8", "float32"), ("int8", "float32"))

LITERT_XNNPACK = (
    *(Arithmetic("", operator, default=REAL32, bounds="half-even") for operator in (
        "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL",
        "MUL")),
    *(Arithmetic("", operator, bounds="half-even", own=(
        ("uint8", "integer-ratios"), ("int8", "integer-ratios"))) for operator in ("ADD", "SUB")),
    Arithmetic("", "MAX_POOL_2D", bounds="half-even"),
    Arithmetic("", "MEAN", own=EIGHT_BIT_FLOAT32),
    Arithmetic("", "SUM", own=(("uint8", "half-even"), ("int8", "half-even"))),
    *(Arithmetic("", operator, own=(("uint8", "half-even"), ("int8", "half-even")))
      for operator in ("LOGISTIC", "TANH", "ELU")),
    Arithmetic("", "LEAKY_RELU", own=(("uint8", "ratios-of-256"), ("int8", "ratios-of-256"))),
    Arithmetic("", "RESIZE_BILINEAR", own=(("uint8", "11-bit"), ("int8", "11-bit"))),
    Arithmetic("", "QUANTIZE", own=(("uint8", "half-even"), ("int8", "half-even"))),
)  # fmt: skip

# TFLite Micro rounds twice everywhere, also in FULLY_CONNECTED; some kernels are its own.
MICRO_OWN = {
    "ADD": (("int16", "general"),),
    "RELU6": (("int8", "input-grid"), ("int16", "input-grid")),
    "LOGISTIC": (("int8", "fixed-point-32"),),
    "TANH": (("int8", "fixed-point-32"),),
    "SOFTMAX": (("int16", "float32-tables"),),
    "TRANSPOSE_CONV": (("int8", "unclamped"), ("int16", "unclamped")),
    "RESIZE_NEAREST_NEIGHBOR": (("int8", "corners-only"), ("int16", "corners-only")),
}
INTEGER_PRODUCT = (("uint8", SINGLE_PRECISION), ("int8", SINGLE_PRECISION),
                   ("int16", SINGLE_PRECISION))  # fmt: skip

TFLM = (
    *(r for r in LITERT_REFERENCE if r.operator not in (
        "FULLY_CONNECTED", "MUL", "LEAKY_RELU", "UNIDIRECTIONAL_SEQUENCE_LSTM", *MICRO_OWN)),
    Arithmetic("", "LEAKY_RELU", default=SINGLE_THROUGHOUT,
               own=(("int8", "sign-first"), ("int16", "sign-first"))),
    Arithmetic("", "SUB", default=SINGLE_THROUGHOUT, own=(("int16", "general"),)),
    Arithmetic("", "FULLY_CONNECTED", per_tensor=INTEGER_PRODUCT, wide="int64",
               own=(("int16", "narrow-without-bias"),)),
    Arithmetic("", "UNIDIRECTIONAL_SEQUENCE_LSTM", default=SINGLE_PRECISION,
               own=(("int8", "from-operators"),)),
    *(Arithmetic("", operator, own=own, wide="int64" if operator == "TRANSPOSE_CONV" else None)
      for operator, own in MICRO_OWN.items()),
)  # fmt: skip

# Operators that multiply an accumulator by a product of scales; all others are copies, tables or
# functions with constants of their own.
RESCALING = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "ADD",
    "SUB", "MUL", "SQUARED_DIFFERENCE", "MEAN", "SUM", "REDUCE_PROD", "RELU", "RELU6",
    "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ABS", "QUANTIZE", "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER",
    "GREATER_EQUAL",
)  # fmt: skip
# These rescale by multipliers that they compute themselves.
RESCALING_INSIDE = ("L2_NORMALIZATION", "RSQRT", "SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX")


def _rounded(records: tuple[Arithmetic, ...], rounding: str) -> tuple[Arithmetic, ...]:
    """The records, and those of operators they leave out, with every double rounding replaced."""
    named = {record.operator: record for record in records}

    def law(found: Rescaling) -> Rescaling:
        return replace(found, rounding=rounding) if found.rounding == "double" else found

    def laws(found: tuple[tuple[str, Rescaling], ...]) -> tuple[tuple[str, Rescaling], ...]:
        return tuple((dtype, law(one)) for dtype, one in found)

    every = [named.get(o, Arithmetic("", o)) for o in (*RESCALING, *RESCALING_INSIDE)]
    rest = [record for record in records if record not in every]
    return (*rest, *(replace(r, default=law(r.default), per_tensor=laws(r.per_tensor),
                             per_axis=laws(r.per_axis)) for r in every))  # fmt: skip


def _shifted(rounding: str) -> tuple[Arithmetic, ...]:
    """Hardware whose output stage is a shift: one rounding, no multiplier."""
    law = Rescaling(rounding=rounding)
    general = (("int16", "general"),)
    read_right = (("int8", "signed"),)
    own = {"ADD": general, "SUB": general, "SUM": read_right}
    return tuple(Arithmetic("", o, default=law, own=own.get(o, ())) for o in RESCALING)


PROFILES: dict[str, tuple[Arithmetic, ...]] = {
    "litert-reference": LITERT_REFERENCE,
    "litert-optimized": LITERT_OPTIMIZED,
    "litert-xnnpack": LITERT_XNNPACK,
    "tflm": TFLM,
    "single-rounding": _rounded(TFLM, "single"),
    "shift-half-up": _shifted("shift-half-up"),
    "shift-half-even": _shifted("shift-half-even"),
    "shift-half-away": _shifted("shift-half-away"),
    "shift-truncate": _shifted("shift-truncate"),
    "extended": LITERT_REFERENCE,
}

# Profiles of a delegate: where it does not take a node, another profile's arithmetic holds.
DELEGATES = {"litert-xnnpack": "litert-optimized"}


def profile_names() -> tuple[str, ...]:
    """The names of all profiles, in the order of the table."""
    return tuple(PROFILES)


def arithmetic_for(profile: str, operator: str) -> Arithmetic:
    """The record of an operator in a profile. Raises UsageError for an unknown profile.

    An operator that a profile does not name is computed by the record's defaults.
    """
    if profile not in PROFILES:
        known = f"{or_meant(profile, PROFILES)}; known: {', '.join(profile_names())}"
        raise UsageError(f"unknown arithmetic {profile!r}{known}")
    for record in PROFILES[profile]:
        if record.operator == operator:
            return replace(record, profile=profile)
    return Arithmetic(profile, operator)
