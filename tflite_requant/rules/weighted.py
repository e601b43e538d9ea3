"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED: weights and bias on the new grids.

The bias takes the mean of what the weights lose:  b' = b + sum_k (W - W')_k E[x_k].

W1  weights are on the scheme's grid; rows that fit keep their scale and integers.
W2  bias scale is input scale times weights scale, row by row; its zero point is 0.
W3  the bias fits its width, because no scale is below what that asks for; so do sums and shifts
    where the scheme limits them (`limits`).
W5  where a neighbour's zero point was folded, the bias makes or undoes the shift:
    b'' = b' + output offset - input offset * sum_k W'_k.
W6  where stored reals are a gain times the true ones, weights are taken times output gain over
    input gain, and the bias times output gain.
W7  what a bias of few bits and a position of its own cannot hold goes into the weights, where the
    moments are an estimate without data (`correction.narrow_bias`).
W8  where the output is nested in the source's grid (`planning.nesting`), the bias adds the lift L
    before rounding; where the input is, its stored reals are above by L where they are not 0:
    b''' = b'' + output L - sum_k W'_k input L P(x_k > 0).
W4  input scale times weights scale over output scale stays below 256 (XNNPACK fails otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.correction import folding, narrow_bias, weights
from tflite_requant.correction.moments import Moments, unknown
from tflite_requant.correction.products import row_sums
from tflite_requant.correction.rounding import Compensator, round_half_away
from tflite_requant.model import QArray, QParams, TensorType
from tflite_requant.rules import limits
from tflite_requant.schemes import POWER_OF_TWO, RATIO, Scheme, WeightLaw

MULTIPLIER_LIMIT = 256.0
BIAS_LAW_TOLERANCE = 1e-5
ATTEMPTS = 12  # scales that are tried for one operator before its limits are given up
RATIO_NOISE = 2.0**-22  # of a ratio of float32 scales
INTEGER_LIMITS = {"int32": 2**31 - 1, "int64": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Corrections:
    """Which corrections are on; see docs/design.md."""

    exact_grid: bool = True
    search: bool = True
    compensate: bool = True
    fold: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class WeightedOperands:
    """What a weighted operator multiplies, in the source, and the new types around it.

    weights, bias: the source's constants; axis: output channels in the weights.
    input: source grid; new_input, new_output: planned ones. input_offset, output_offset: by how
    much stored reals are above the true ones (W5); input_gain, output_gain: what they are times the
    true ones, before that (W6); input_lift, output_lift: what is added before rounding (W8).
    """

    weights: QArray
    bias: QArray | None
    axis: int
    input: TensorType
    new_input: TensorType
    new_output: TensorType
    input_offset: float = 0.0
    output_offset: float = 0.0
    input_gain: float = 1.0
    output_gain: float = 1.0
    input_lift: float = 0.0
    output_lift: float = 0.0

    @property
    def surroundings(self) -> tuple:
        """All that a plan decides about the operator."""
        return (
            self.new_input, self.new_output, self.input_offset, self.output_offset,
            self.input_gain, self.output_gain, self.input_lift, self.output_lift,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """New constants. moved: what each bias absorbed, real units, float64 [O]; exact: bool [O], rows
    whose weights are the source's; bias_law_broken: largest relative distance of the source's bias
    scales from input scale times weights scale, 0 where the law holds. axis: output channels in the
    weights. dead: rows that were proven constant and given simpler constants. bias_rounded: the
    largest rounding of a bias, in output steps; None where it has no position of its own."""

    weights: QArray
    bias: QArray | None
    bias_dtype: str
    moved: np.ndarray
    exact: np.ndarray
    clipped_bias: int
    bias_law_broken: float
    axis: int = 0
    bias_rounded: float | None = None
    dead: int = 0


def as_matrix(array: np.ndarray, axis: int) -> np.ndarray:
    """Weights as [output channels, K]."""
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def from_matrix(matrix: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """The inverse of `as_matrix`."""
    moved = (shape[axis], *(n for i, n in enumerate(shape) if i != axis))
    return np.ascontiguousarray(np.moveaxis(matrix.reshape(moved), 0, axis))


def is_legal(array: QArray, dtype: str, law: WeightLaw, axis: int) -> bool:
    """Whether weights already are what the law asks for."""
    qparams = array.qparams
    integers = array.integers
    return (
        dtype == law.dtype
        and (law.zero_point == "any" or all(z == law.zero_point for z in qparams.zero_points))
        and (law.granularity == "per-axis" or not qparams.per_axis)
        and (not qparams.per_axis or qparams.axis == axis)
        and (law.scale != POWER_OF_TWO or all(np.frexp(s)[0] == 0.5 for s in qparams.scales))
        and integers.size > 0
        and int(integers.min()) >= law.range[0]
        and int(integers.max()) <= law.range[1]
    )


def source_weights(array: QArray, axis: int) -> weights.Weights:
    """Centred integers and one scale per output channel."""
    centred = as_matrix(array.centred(), axis)
    scale = np.array(array.qparams.scales, np.float64)
    return weights.Weights(centred, np.broadcast_to(scale, (centred.shape[0],)).copy())


def real_bias(operands: WeightedOperands, source: weights.Weights) -> tuple[np.ndarray, float]:
    """(bias in real units float64 [O], how far its scales are from the law, relatively)."""
    if operands.bias is None:
        return np.zeros(len(source.scale)), 0.0
    integers = operands.bias.integers.reshape(-1).astype(np.float64)
    law = operands.input.qparams.scale * source.scale
    if operands.bias.qparams is None:
        return integers * law, 0.0
    # Some files put a wrong axis on the bias; it has only one.
    own = np.array(operands.bias.qparams.scales, np.float64)
    # A bias of 0 is 0 on every scale.
    off = np.where(integers != 0, np.abs(own - law) / law, 0.0)
    distance = float(np.max(off, initial=0.0))
    if distance <= BIAS_LAW_TOLERANCE:
        return integers * law, 0.0
    return integers * own, distance


def rewrite(
    operands: WeightedOperands,
    dtype: str,
    scheme: Scheme,
    moments: Moments | None,
    corrections: Corrections,
    *,
    bias_dtype: str,
    needs_bias: bool = False,
    compensator: Compensator | None = None,
) -> Rewritten:
    """New weights and bias. dtype: the source weights' stored type; needs_bias: a missing bias is
    written as zeros; compensator: one for these moments, where it is at hand."""  # fmt: skip
    axis, law = operands.axis, scheme.weights
    source = source_weights(operands.weights, axis)
    bias, broken = real_bias(operands, source)
    if moments is None:
        moments = unknown(source.centred.shape[1])
    ratio = operands.output_gain / operands.input_gain
    source = weights.Weights(source.centred, source.scale * ratio)
    bias = bias * operands.output_gain
    steps = limits.steps_of(operands.new_input, operands.new_output)
    reach = np.abs(bias) + abs(operands.output_offset) + operands.output_lift
    reach += abs(operands.input_offset) * np.abs(row_sums(source.real()))
    reach = limits.needed_reach(reach, source.real(), steps, scheme.bias)
    cap = limits.ceiling_of(steps, scheme, MULTIPLIER_LIMIT)
    floor = np.minimum(limits.floor_of(reach, steps, scheme), cap)
    same_input = operands.new_input.qparams.scale == operands.input.qparams.scale
    moving = any(
        (operands.input_offset, operands.output_offset, operands.input_lift, operands.output_lift,
         broken)
    )  # fmt: skip
    narrow = limits.is_narrow(scheme.bias)
    roomy = (same_input and not moving and not narrow) or bool((source.scale >= floor).all())
    kept = ratio == 1 and roomy and is_legal(operands.weights, dtype, law, axis)
    unit = steps.output / steps.unit if scheme.activations.scale == RATIO else None
    if unit is not None:
        kept = kept and bool(_is_power(source.scale / unit).all())
    limit = min(scheme.bias.limit, INTEGER_LIMITS[bias_dtype])
    for _ in range(ATTEMPTS):
        if corrections.exact_grid and kept:
            fit = _kept(operands.weights, source, axis)
        else:
            fit = _fit(source, scheme, moments, floor, corrections, unit, compensator)
        real, centred = fit.real(), fit.integers - fit.zero_point
        moved = np.zeros(len(bias))
        if corrections.fold:
            moved = folding.moved(source.real(), real, moments) * operands.input_gain
        bias_scale = steps.unit * fit.scale
        shift = operands.output_offset - operands.input_offset * row_sums(real)
        if operands.input_lift:
            shift -= operands.input_lift * folding.carried(real, moments)
        shift += operands.output_lift
        whole = round_half_away((bias + moved + shift) / bias_scale)
        wanted = limits.cut(whole, centred, fit.scale, steps, scheme)
        clipped = np.abs(wanted) > limit
        integers = limits.placed(np.clip(wanted, -limit, limit), scheme.bias)
        if scheme.bias.own_scale and corrections.compensate and not moments.rows:
            # What is cut down saturates anyway.
            rest = np.where(wanted == whole, wanted - integers, 0.0) * bias_scale
            fit = _settled(fit, source, law, moments.times(operands.input_gain), rest - moved)
            real, centred = fit.real(), fit.integers - fit.zero_point
        higher = limits.raised(floor, fit.scale, centred, integers, clipped, steps, scheme)
        if higher is None or (np.minimum(higher, cap) <= floor).all():
            break
        floor, kept = np.minimum(higher, cap), False
    rounded = np.abs(integers - np.clip(wanted, -limit, limit)) * bias_scale / steps.output
    integers = integers.astype(np.int64)
    per_tensor = (
        law.granularity == "per-tensor"
        or (fit.scale == fit.scale[0]).all()
        and _kept_whole(operands, fit)
    )
    return Rewritten(
        weights=QArray(
            from_matrix(fit.integers, operands.weights.shape, axis),
            QParams.of(fit.scale[0] if per_tensor else fit.scale, fit.zero_point, axis),
        ),
        bias=None if operands.bias is None and not (needs_bias or integers.any()) else QArray(
            integers, QParams.of(_bias_scale(operands, fit.scale[:1] if per_tensor else fit.scale))
        ),
        bias_dtype=bias_dtype,
        moved=moved,
        exact=fit.exact,
        clipped_bias=int(clipped.sum()),
        bias_law_broken=broken,
        axis=axis,
        bias_rounded=float(rounded.max(initial=0.0)) if scheme.bias.own_scale else None,
    )  # fmt: skip


def _fit(
    source: weights.Weights,
    scheme: Scheme,
    moments: Moments,
    floor: np.ndarray,
    corrections: Corrections,
    unit: float | None,
    compensator: Compensator | None,
) -> weights.Fit:
    """Weights on the scheme's grid; unit: scales are this times powers of two."""
    law = scheme.weights
    grid = weights.Grid(
        *law.range,
        None if law.zero_point == "any" else law.zero_point,
        law.scale == POWER_OF_TWO or unit is not None,
        law.granularity == "per-axis",
    )
    how = {
        "compensate": corrections.compensate,
        "search": corrections.search,
        "exact_grid": corrections.exact_grid,
        "compensator": compensator,
    }
    if unit is None:
        return weights.fit(source, grid, moments, floor, **how)
    inner = weights.Weights(source.centred, _snapped(source.scale / unit))
    fit = weights.fit(inner, grid, moments, floor / unit, **how)
    scale = (fit.scale * unit).astype(np.float32).astype(np.float64)
    scale = np.where(np.abs(scale / source.scale - 1) <= RATIO_NOISE, source.scale, scale)
    same = (scale == source.scale) & (fit.integers - fit.zero_point == source.centred).all(axis=1)
    return weights.Fit(fit.integers, scale, fit.zero_point, same)


def _settled(
    fit: weights.Fit, source: weights.Weights, law: WeightLaw, moments: Moments, rest: np.ndarray
) -> weights.Fit:
    """Weights that take what the biases could not; moments: of stored inputs."""
    zero, real = fit.zero_point, source.real()
    low, high = law.range[0] - zero, law.range[1] - zero
    integers = narrow_bias.settled(
        fit.integers - zero, real, fit.scale, low, high, moments, rest
    )  # fmt: skip
    same = (integers * fit.scale[:, None] == real).all(axis=1)
    return weights.Fit(integers + zero, fit.scale, zero, same)


def _snapped(scale: np.ndarray) -> np.ndarray:
    """Numbers that are powers of two but for float32 noise, as these."""
    power = np.exp2(np.rint(np.log2(scale)))
    return np.where(np.abs(scale / power - 1) <= RATIO_NOISE, power, scale)


def _is_power(scale: np.ndarray) -> np.ndarray:
    return np.frexp(_snapped(scale))[0] == 0.5


def _kept(array: QArray, source: weights.Weights, axis: int) -> weights.Fit:
    zero = array.qparams.zero_points[0]
    rows = len(source.scale)
    return weights.Fit(source.centred + zero, source.scale, zero, np.ones(rows, bool))


def _kept_whole(operands: WeightedOperands, fit: weights.Fit) -> bool:
    """A per-tensor source that stays as it is also stays per-tensor, whatever the law permits."""
    return not operands.weights.qparams.per_axis and bool(fit.exact.all())


def _bias_scale(operands: WeightedOperands, scale: np.ndarray) -> np.ndarray:
    # Formed in float32, as the runtime's own check forms it.
    product = np.float32(operands.new_input.qparams.scale) * scale.astype(np.float32)
    return product.astype(np.float64)
