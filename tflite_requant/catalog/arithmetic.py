"""Arithmetic profiles as data: how, operator by operator, an accumulator becomes an output.

A profile states for each operator and activation type in which precision the product of scales is
formed and which rounding turns the accumulator into an output. The roundings, by name:

  double     doubling high multiplication (ties up), then right shift (ties away from zero)
  double-up  as "double", but the ties of the right shift go up
  single     one rounding of the whole product, ties up
  int64      48-bit accumulators: 16-bit multiplier, one rounding, ties up
  real       float64 product of accumulator and scales, ties away from zero
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tflite_requant.errors import UsageError

ROUNDINGS = ("double", "double-up", "single", "int64", "real")
PRECISIONS = ("float64", "float32", "float32-throughout")


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
                          `default` holds for what they do not name.
    wide:      what an operator with 64-bit accumulators uses instead of `rounding`, or None.
    """

    profile: str
    operator: str
    default: Rescaling = Rescaling()
    per_tensor: tuple[tuple[str, Rescaling], ...] = ()
    per_axis: tuple[tuple[str, Rescaling], ...] = ()
    wide: str | None = None

    def rescaling(self, dtype: str, per_axis: bool = False, wide: bool = False) -> Rescaling:
        """The law for an activation type."""
        found = dict(self.per_axis if per_axis else self.per_tensor).get(str(dtype), self.default)
        return replace(found, rounding=self.wide) if wide and self.wide else found


SINGLE_PRECISION = Rescaling(scale_product="float32")
SINGLE_THROUGHOUT = Rescaling(scale_product="float32-throughout")
REAL = Rescaling(rounding="real")

LITERT_REFERENCE = (
    Arithmetic("", "CONV_2D", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "DEPTHWISE_CONV_2D", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "TRANSPOSE_CONV", per_tensor=(("uint8", SINGLE_PRECISION),), wide="int64"),
    Arithmetic("", "FULLY_CONNECTED", default=REAL),
    Arithmetic("", "BATCH_MATMUL", default=SINGLE_PRECISION, wide="int64"),
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
)

PROFILES: dict[str, tuple[Arithmetic, ...]] = {"litert-reference": LITERT_REFERENCE}


def arithmetic_for(profile: str, operator: str) -> Arithmetic:
    """The record of an operator in a profile. Raises UsageError for an unknown profile.

    An operator that a profile does not name is computed by the record's defaults.
    """
    if profile not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise UsageError(f"unknown arithmetic {profile!r}; known: {known}")
    for record in PROFILES[profile]:
        if record.operator == operator:
            return replace(record, profile=profile)
    return Arithmetic(profile, operator)
