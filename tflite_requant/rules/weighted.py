"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED: weights and bias on the new grids.

The bias takes the mean of what the weights lose:  b' = b + sum_k (W - W')_k E[x_k].

W1  weights are on the scheme's grid; rows that fit keep their scale and integers.
W2  bias scale is input scale times weights scale, row by row; its zero point is 0.
W3  the bias fits its width, because no scale is below what that asks for.
W5  where a neighbour's zero point was folded, the bias makes or undoes the shift:
    b'' = b' + output offset - input offset * sum_k W'_k.
W6  where stored reals are a gain times the true ones, weights are taken times output gain over
    input gain, and the bias times output gain.
W4  input scale times weights scale over output scale stays below 256 (XNNPACK fails otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.correction import folding, weights
from tflite_requant.correction.moments import Moments, unknown
from tflite_requant.correction.rounding import round_half_away
from tflite_requant.model import QArray, QParams, TensorType
from tflite_requant.schemes import Scheme, WeightLaw

MULTIPLIER_LIMIT = 256.0
BIAS_LAW_TOLERANCE = 1e-5
# Headroom of the accumulator over the bias, in bits; int64 accumulators have 48 bits in kernels.
HEADROOM_BITS = 2
WIDE_ACCUMULATOR_BITS = 48
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
    true ones, before that (W6).
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


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """New constants. moved: what each bias absorbed, real units, float64 [O]; exact: bool [O], rows
    whose weights are the source's; bias_law_broken: largest relative distance of the source's bias
    scales from input scale times weights scale, 0 where the law holds."""

    weights: QArray
    bias: QArray | None
    bias_dtype: str
    moved: np.ndarray
    exact: np.ndarray
    clipped_bias: int
    bias_law_broken: float
    bias_axis_wrong: bool = False


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
        and (law.scale == "any" or all(np.frexp(s)[0] == 0.5 for s in qparams.scales))
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
    distance = float(np.max(np.abs(own - law) / law, initial=0.0))
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
) -> Rewritten:
    """New weights and bias. dtype: the source weights' stored type; needs_bias: a missing bias is
    written as zeros."""  # fmt: skip
    axis, law = operands.axis, scheme.weights
    source = source_weights(operands.weights, axis)
    bias, broken = real_bias(operands, source)
    if moments is None:
        moments = unknown(source.centred.shape[1])
    ratio = operands.output_gain / operands.input_gain
    source = weights.Weights(source.centred, source.scale * ratio)
    bias = bias * operands.output_gain
    moments = moments.times(operands.input_gain)
    input_scale = operands.new_input.qparams.scale
    cap = MULTIPLIER_LIMIT * operands.new_output.qparams.scale / input_scale * (1 - 2.0**-10)
    bits = min(scheme.bias.bits, WIDE_ACCUMULATOR_BITS)
    reach = np.abs(bias) + abs(operands.output_offset)
    reach += abs(operands.input_offset) * np.abs(_row_sums(source.real()))
    floor = np.minimum(reach / (input_scale * 2.0 ** (bits - HEADROOM_BITS)), cap)
    same_input = operands.new_input.qparams.scale == operands.input.qparams.scale
    moving = operands.input_offset or operands.output_offset or broken
    roomy = (same_input and not moving) or bool((source.scale >= floor).all())
    kept = ratio == 1 and roomy and is_legal(operands.weights, dtype, law, axis)
    if corrections.exact_grid and kept:
        fit = _kept(operands.weights, source, axis)
    else:
        grid = weights.Grid(
            *law.range,
            None if law.zero_point == "any" else law.zero_point,
            law.scale == "power-of-two",
            law.granularity == "per-axis",
        )
        fit = weights.fit(
            source, grid, moments, floor,
            compensate=corrections.compensate, search=corrections.search,
            exact_grid=corrections.exact_grid,
        )  # fmt: skip
    real = fit.real()
    moved = folding.moved(source.real(), real, moments) if corrections.fold else np.zeros(len(bias))
    bias_scale = input_scale * fit.scale
    shift = operands.output_offset - operands.input_offset * _row_sums(real)
    integers = round_half_away((bias + moved + shift) / bias_scale)
    limit = min(2 ** (scheme.bias.bits - 1) - 1, INTEGER_LIMITS[bias_dtype])
    clipped = int((np.abs(integers) > limit).sum())
    integers = np.clip(integers, -limit, limit).astype(np.int64)
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
        clipped_bias=clipped,
        bias_law_broken=broken,
        bias_axis_wrong=_axis_wrong(operands.bias),
    )  # fmt: skip


def _axis_wrong(bias: QArray | None) -> bool:
    return bias is not None and bias.qparams is not None and bias.qparams.axis != 0


def _row_sums(real: np.ndarray) -> np.ndarray:
    total = np.zeros(len(real))
    for column in np.ascontiguousarray(real.T):
        total += column
    return total


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
