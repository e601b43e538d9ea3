"""Data-free moments: a Gaussian belief about every channel, carried through the graph.

Graph inputs are believed to be normal around the middle of their range with a quarter of it as
deviation. A linear operator maps mean and variance exactly if channels are independent;
neighbouring taps of one channel are taken as correlated by 0.8, colours of a graph input by 0.7.
What a tensor's range clips, the moments of a clipped normal tell. Nothing here looks at data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.correction.cost import output_error
from tflite_requant.correction.moments import Moments
from tflite_requant.model import Model, Operator, Subgraph
from tflite_requant.planning.context import source_interval
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.explicit import NOTHING, Overshoot, Sides
from tflite_requant.rules.weighted import WeightedOperands, real_bias, source_weights
from tflite_requant.statistics.taps import window

TAP_CORRELATION = 0.8
COLOUR_CORRELATION = 0.7
POOLED_VARIANCE = 0.3
MAX_COVARIANCE = 512  # inputs of one output channel, above which only variances are carried
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Mean and variance per channel (last axis), real units; float64 [C]. from_input: see above."""

    mean: np.ndarray
    variance: np.ndarray
    from_input: bool = False

    def spread(self, channels: int) -> Belief:
        """The same belief over another number of channels."""
        have = len(self.mean)
        if have == channels:
            return self
        if channels % have == 0:
            return Belief(
                np.tile(self.mean, channels // have), np.tile(self.variance, channels // have)
            )
        mean = float(self.mean.sum() / have)
        variance = float((self.variance + (self.mean - mean) ** 2).sum() / have)
        return Belief(np.full(channels, mean), np.full(channels, variance))


def clipped(belief: Belief, low: float, high: float) -> Belief:
    """Moments of a normal variable clipped to [low, high]."""
    deviation = np.sqrt(np.maximum(belief.variance, 1e-30))
    a = np.clip((low - belief.mean) / deviation, -30, 30)
    b = np.clip((high - belief.mean) / deviation, -30, 30)
    below, above = _cdf(a), 1 - _cdf(b)
    inside = np.maximum(1 - below - above, 0.0)
    density_a, density_b = _pdf(a), _pdf(b)
    middle = belief.mean * inside + deviation * (density_a - density_b)
    mean = middle + low * below + high * above
    second = (
        (belief.mean**2 + deviation**2) * inside
        + 2 * belief.mean * deviation * (density_a - density_b)
        + deviation**2 * (a * density_a - b * density_b)
        + low**2 * below
        + high**2 * above
    )
    return _rounded(Belief(mean, np.maximum(second - mean**2, 0.0), belief.from_input))


def _overshoot(beyond: np.ndarray, variance: np.ndarray) -> Overshoot:
    """What of normal variables is beyond an end, where their means are by that much."""
    deviation = np.sqrt(np.maximum(variance, 1e-30))
    z = np.clip(beyond / deviation, -30, 30)
    share, density = _cdf(z), _pdf(z)
    square = deviation**2 * ((1 + z * z) * share + z * density)
    whole = float(np.float32(share.mean()))
    total = float(np.float32(np.maximum(square, 0.0).mean()))
    return Overshoot(whole, total / whole) if whole else NOTHING


def _rounded(belief: Belief) -> Belief:
    # Transcendental functions differ in the last bits between CPUs; what follows must not.
    return Belief(
        belief.mean.astype(np.float32).astype(np.float64),
        belief.variance.astype(np.float32).astype(np.float64),
        belief.from_input,
    )


_erf = np.vectorize(math.erf, otypes=[np.float64])
_exp = np.vectorize(math.exp, otypes=[np.float64])


def _cdf(x: np.ndarray) -> np.ndarray:
    return (1 + _erf(x / math.sqrt(2))) / 2


def _pdf(x: np.ndarray) -> np.ndarray:
    return _exp(-x * x / 2) / math.sqrt(2 * math.pi)


CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LOGISTIC": lambda x: 1 / (1 + _exp(-np.clip(x, -60, 60))),
    "TANH": np.vectorize(math.tanh, otypes=[np.float64]),
    "HARD_SWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6),
    "RELU_N1_TO_1": lambda x: np.clip(x, -1, 1),
    "ABS": np.abs,
}


def _through(belief: Belief, curve: Callable[[np.ndarray], np.ndarray]) -> Belief:
    """A curve's output moments by Gauss-Hermite quadrature."""
    deviation = np.sqrt(belief.variance)
    mean = second = np.zeros_like(belief.mean)
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        y = curve(belief.mean + deviation * node)
        mean = mean + weight * y
        second = second + weight * y * y
    return _rounded(Belief(mean, np.maximum(second - mean**2, 0.0)))


class Prior:
    """Carries beliefs through one subgraph; `moments` has what its weighted operators read."""

    def __init__(self, subgraph: Subgraph) -> None:
        self.subgraph = subgraph
        self.producers = subgraph.producers()
        self.beliefs: dict[int, Belief] = {}
        self.moments: dict[int, Moments] = {}
        self.overshoots: dict[int, Sides] = {}
        for op in subgraph.operators:
            for index in op.outputs:
                if index >= 0 and subgraph.tensors[index].is_quantized_activation:
                    self._settle(index, self._output(op, index))

    def belief(self, index: int) -> Belief:
        """What is believed of a tensor."""
        if index not in self.beliefs:
            self.beliefs[index] = self._initial(index)
        return self.beliefs[index]

    def _initial(self, index: int) -> Belief:
        tensor = self.subgraph.tensors[index]
        channels = max(tensor.shape[-1] if tensor.shape else 1, 1)
        if tensor.is_constant and tensor.qparams is not None:
            values = tensor.qarray().real().reshape(-1, channels)
            return Belief(values.mean(axis=0), values.var(axis=0))
        low, high = source_interval(tensor, None)
        mean, deviation = (low + high) / 2, (high - low) / 4
        return Belief(np.full(channels, mean), np.full(channels, deviation**2), from_input=True)

    def _settle(self, index: int, belief: Belief) -> None:
        tensor = self.subgraph.tensors[index]
        channels = max(tensor.shape[-1] if tensor.shape else 1, 1)
        low, high = source_interval(tensor, self.producers.get(index))
        free = belief.spread(channels)
        self.beliefs[index] = clipped(free, low, high)
        self.overshoots[index] = (
            _overshoot(low - free.mean, free.variance), _overshoot(free.mean - high, free.variance)
        )  # fmt: skip

    def _output(self, op: Operator, index: int) -> Belief:
        spec = spec_of(op)
        sources = [
            self.belief(i)
            for i in op.inputs
            if i >= 0 and self.subgraph.tensors[i].is_quantized_activation
        ]
        if is_weighted(spec) and self._usable(op, spec):
            return self._weighted(op, spec)
        if not sources:
            return self._initial(index)
        if op.opcode in CURVES:
            return _through(sources[0], CURVES[op.opcode])
        return self._combined(op, sources, index)

    def _combined(self, op: Operator, sources: list[Belief], index: int) -> Belief:
        first = sources[0]
        channels = max(max(len(s.mean) for s in sources), 1)
        if op.opcode in ("ADD", "SUB", "MUL") and len(sources) == 2:
            a, b = (s.spread(channels) for s in sources)
            if op.opcode == "MUL":
                variance = a.variance * b.variance + a.variance * b.mean**2 + b.variance * a.mean**2
                return Belief(a.mean * b.mean, variance)
            sign = 1 if op.opcode == "ADD" else -1
            return Belief(a.mean + sign * b.mean, a.variance + b.variance)
        if op.opcode == "CONCATENATION":
            rank = len(self.subgraph.tensors[index].shape)
            if op.option("axis", 0) in (-1, rank - 1):
                return Belief(
                    np.concatenate([s.mean for s in sources]),
                    np.concatenate([s.variance for s in sources]),
                )
        if op.opcode in ("AVERAGE_POOL_2D", "MEAN"):
            return Belief(first.mean, first.variance * POOLED_VARIANCE)
        if op.opcode == "SOFTMAX":
            share = 1.0 / len(first.mean)
            return Belief(np.full(len(first.mean), share), np.full(len(first.mean), share * share))
        return first

    def _usable(self, op: Operator, spec) -> bool:
        index = op.input(next(i for i, o in enumerate(spec.inputs) if o.role == "weights"))
        tensor = self.subgraph.tensors[index]
        return tensor.is_constant and tensor.qparams is not None

    def _weighted(self, op: Operator, spec) -> Belief:
        """Moments of a weighted operator's inputs are kept; its output's follow from them."""
        roles = {o.role: i for i, o in enumerate(spec.inputs)}
        axis = spec.inputs[roles["weights"]].axis
        x_index = op.input(roles["activation"])
        weights = self.subgraph.tensors[op.input(roles["weights"])]
        matrix = source_weights(weights.qarray(), axis)
        moments = self._inputs_of(
            op, self.belief(x_index), x_index, weights.shape, matrix.centred.shape[1]
        )
        self.moments[op.index] = moments
        b_index = op.input(roles["bias"])
        x_type = self.subgraph.tensors[x_index].type
        operands = WeightedOperands(
            weights.qarray(),
            self.subgraph.tensors[b_index].qarray() if b_index >= 0 else None,
            axis, x_type, x_type, x_type,
        )  # fmt: skip
        bias, _ = real_bias(operands, matrix)
        real, group = matrix.real(), moments.group_of(len(matrix.scale))
        mean = (real * moments.mean[group]).sum(axis=1) + bias
        return _rounded(Belief(mean, np.maximum(output_error(real, moments), 0.0)))

    def _inputs_of(self, op, x: Belief, x_index: int, w_shape: tuple, k: int) -> Moments:
        x_shape = self.subgraph.tensors[x_index].shape
        y_shape = self.subgraph.tensors[op.outputs[0]].shape
        if op.opcode == "FULLY_CONNECTED":
            whole = x.spread(k)
            return Moments(whole.mean[None], whole.variance[None])
        channels = x_shape[-1] if x_shape else 1
        x = x.spread(channels)
        if op.opcode == "TRANSPOSE_CONV":
            taps = w_shape[1] * w_shape[2]
            share = np.full(taps, min(1.0, _area(x_shape) / _area(y_shape)))
        else:
            share = window(op, x_shape, w_shape, y_shape).coverage()
        taps = len(share)
        correlation = np.full((taps, taps), TAP_CORRELATION)
        correlation[np.arange(taps), np.arange(taps)] = 1.0
        if op.opcode == "DEPTHWISE_CONV_2D":
            return Moments(
                x.mean[:, None] * share, x.variance[:, None, None] * correlation * _both(share)
            )
        per_filter = w_shape[-1]
        groups = max(channels // per_filter, 1)
        mean = (share[:, None] * x.mean.reshape(groups, 1, per_filter)).reshape(groups, k)
        variance = (share[:, None] * x.variance.reshape(groups, 1, per_filter)).reshape(groups, k)
        if k > MAX_COVARIANCE or (taps == 1 and not x.from_input):
            return Moments(mean, variance)
        colour = np.full((per_filter, per_filter), COLOUR_CORRELATION if x.from_input else 0.0)
        colour[np.arange(per_filter), np.arange(per_filter)] = 1.0
        deviation = np.sqrt(variance)
        return Moments(
            mean, deviation[:, :, None] * deviation[:, None, :] * np.kron(correlation, colour)
        )


def _both(share: np.ndarray) -> np.ndarray:
    return np.sqrt(share[:, None] * share[None, :])


def _area(shape: tuple[int, ...]) -> int:
    return max(int(np.prod(shape[1:3])), 1)


def prior(model: Model) -> tuple[dict[tuple[int, int], Moments], dict[tuple[int, int], Sides]]:
    """(subgraph, operator) -> Moments of every weighted operator, and (subgraph, tensor) -> what
    the ends of its range stop; without data."""
    moments, overshoots = {}, {}
    for subgraph in model.subgraphs:
        found = Prior(subgraph)
        moments |= {(subgraph.index, op): each for op, each in found.moments.items()}
        overshoots |= {(subgraph.index, t): each for t, each in found.overshoots.items()}
    return moments, overshoots
