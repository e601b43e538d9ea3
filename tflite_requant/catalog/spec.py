"""The vocabulary of operator laws. Records only: no callables, no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ROLES = ("activation", "weights", "bias", "plain")

# What may raise an operator's version; whoever writes a version decides which of these hold.
# "input" is the first activation operand, "rank" its number of dimensions.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "align_corners": "the option of that name is set",
        "batch_dims": "the option of that name is not 0",
        "bias": "a bias operand is present",
        "broadcast_above_rank_4": "the inputs differ in shape and one has more than 4 dimensions",
        "dilated": "a dilation factor, of either direction, is not 1",
        "ellipsis_or_new_axis": "the option ellipsis_mask or new_axis_mask is not 0",
        "fused_activation": "the option fused_activation_function is not NONE",
        "general_scale_int16": "int16, and the option pot_scale_int16 is not set",
        "grouped": "the input has more channels than one filter reads",
        "half_pixel_centers": "the option of that name is set",
        "int16_indices": "the indices operand is int16",
        "int16_output": "the output is int16",
        "int8_output": "the output is int8",
        "keep_num_dims": "the option of that name is set",
        "no_bias": "the operator has two inputs only; a bias marked absent (-1) does not count",
        "offset": "the option of that name is set",
        "per_axis": "the quantized side has a scale per index of an axis",
        "quantized_bias_type": "the option of that name is not FLOAT32, its default; int16 only",
        "rank_5_operand": "one of the inputs has exactly 5 dimensions",
        "rank_above_4": "the input has more than 4 dimensions",
        "rank_above_5": "the input has more than 5 dimensions",
        "rank_above_6": "the input has more than 6 dimensions",
        "rank_not_4": "the input has not exactly 4 dimensions",
        "rescale_at_least_1": "scale 1 * scale 2 / output scale is 1 or more",
    }
)


def _empty() -> Mapping:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Operand:
    """One input or output of an operator.

    role:     "activation": integers on a grid that a scheme may choose; a constant is welcome too.
              "weights": a constant of the weighted family; "bias": its int32 or int64 constant.
              "plain": shapes, indices, masks, unquantized results; never requantized.
    tie:      operands of one operator with the same label must share scale and zero point;
              `tie_dtypes` says for which activation types (None: for all).
    fixed:    activation dtype -> (scale, zero_point) that the runtime prescribes.
    axis:     of weights, the output channel axis, the only one that per-axis scales may follow.
    repeats:  the last operand may occur any number of times.
    types:    activation dtype -> the type that this operand takes where it is another one.
    pinned:   its integers mean something by themselves (CAST reads them raw): type and
              quantization stay as they are in the source.
    """

    name: str
    role: str = "activation"
    tie: str | None = None
    tie_dtypes: tuple[str, ...] | None = None
    fixed: Mapping[str, tuple[float, int]] = field(default_factory=_empty)
    axis: int | None = None
    optional: bool = False
    repeats: bool = False
    pinned: bool = False
    types: Mapping[str, str] = field(default_factory=_empty)


@dataclass(frozen=True, slots=True)
class Feature:
    """An option or property that asks for a minimum operator version.

    what:   a key of `FEATURES`.
    dtypes: the activation types it counts for (None: for all).
    """

    what: str
    version: int
    dtypes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Law:
    """A runtime law: its name, a paragraph in plain words, and the source of the claim."""

    name: str
    statement: str
    source: str


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What TFLite says about one operator.

    dtypes:    activation types that both LiteRT resolvers have kernels for (law
               "reference-missing": only the default one has).
    versions:  activation dtype -> the version that TFLite counts as the first with this kernel.
               The dtype is that of the first quantized activation, inputs before outputs.
    features:  what raises that version.
    max_version: the highest that both LiteRT resolvers accept; it caps the two above, because a
               kernel runs whatever its version says but a resolver refuses one it does not know.
               `version_of` puts the three together.
    activations: fused activations its kernels honour ("NONE" always); empty: it has no such option.
    padded:    reads real zeros beyond the border of its input when its padding is SAME.
    movement:  copies integers without looking at them, so equal grids in mean equal grids out.
    between:   results lie between the least and the greatest of what is read.
    laws:      names of further runtime laws that apply (explained in `laws.py`).
    """

    name: str
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    dtypes: tuple[str, ...]
    versions: Mapping[str, int]
    family: str
    features: tuple[Feature, ...] = ()
    max_version: int = 1
    activations: tuple[str, ...] = ()
    padded: bool = False
    movement: bool = False
    between: bool = False
    laws: tuple[str, ...] = ()

    def input(self, position: int) -> Operand | None:
        """The operand at an input position; beyond the end, the repeating one or None."""
        return _at(self.inputs, position)

    def output(self, position: int) -> Operand | None:
        """The operand at an output position; beyond the end, the repeating one or None."""
        return _at(self.outputs, position)


def _at(operands: tuple[Operand, ...], position: int) -> Operand | None:
    if position < len(operands):
        return operands[position]
    if operands and operands[-1].repeats:
        return operands[-1]
    return None
