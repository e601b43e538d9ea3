"""Dead channels: what interval arithmetic from the input's range proves constant, without data.

Stored integers are taken less their zero point: c = q - z. From intervals [l, h] of the inputs that
meet the weights w (a padded one may also be 0), the accumulator a = b + sum w c of a channel lies
in

    [b + sum min(w l, w h),  b + sum max(w l, w h)].

The output is round(a m) cut at its clamp, m = input scale * weight scale / output scale. Kernels
round differently, but none is further from a m than a margin (`_margin`); where both ends, that
much further apart, still round to the same integer, the channel is constant for every input and
kernel.

D1  A constant channel keeps no weights: they become 0 and the bias round(v / m) for its value v.
D2  A constant input leaves the weights that read it: b + w v, exactly, where it is never padded
    with anything else, that is where the operator reads no padding or v = 0.

Neither changes an output, for any input and any kernel that rounds to nearest. Large weights that
can do nothing thus have no say in a scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.model import Operator, QArray, Subgraph, Tensor
from tflite_requant.planning import clamps
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.folding import reads_padding

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
PASSING = ("AVERAGE_POOL_2D", "EXPAND_DIMS", "MAX_POOL_2D", "MEAN", "PAD", "RESHAPE", "SQUEEZE")
TYPES = ("uint8", "int8")  # 16-bit kernels round multipliers, too coarsely for a margin
BIAS_LAW = 1e-5  # relative: a bias on a scale of its own is read by it, not as the runtime reads it
ACCUMULATOR = 2**31 - 1
BIAS_LIMIT = 2**30
SLACK = 2.0**-6  # output steps
RELATIVE = 2.0**-20  # of a m: multipliers and accumulators rounded to float32


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Least and greatest integer less zero point of every channel (last axis), int64 [C]."""

    low: np.ndarray
    high: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        return self.low == self.high

    def with_zero(self) -> Reach:
        return Reach(np.minimum(self.low, 0), np.maximum(self.high, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Equivalent:
    """Constants that compute the same outputs: stored weights; bias integers; dead: bool [O],
    channels that are constant (D1); unread: how many weights of others read constants (D2)."""

    weights: QArray
    bias: QArray
    dead: np.ndarray
    unread: int


NO_EQUIVALENTS: Mapping[int, Equivalent] = MappingProxyType({})


def equivalents(subgraph: Subgraph) -> dict[int, Equivalent]:
    """Operator -> simpler constants, for operators where something is proven."""
    walk = _Walk(subgraph)
    return walk.found


class _Walk:
    def __init__(self, subgraph: Subgraph) -> None:
        self.subgraph = subgraph
        self.reach: dict[int, Reach] = {}
        self.found: dict[int, Equivalent] = {}
        for op in subgraph.operators:
            self._operator(op)

    def _at(self, index: int) -> Reach:
        if index not in self.reach:
            self.reach[index] = _whole(self.subgraph.tensors[index], "NONE")
        return self.reach[index]

    def _operator(self, op: Operator) -> None:
        tensors = [self.subgraph.tensors[t] for t in op.outputs if t >= 0]
        if len(tensors) != 1 or not _is_simple(tensors[0]):
            return
        y, spec = tensors[0], spec_of(op)
        fused = op.option("fused_activation_function", "NONE")
        self.reach[y.index] = _whole(y, fused)
        if is_weighted(spec) and op.opcode in WEIGHTED:
            self._weighted(op, spec, y, fused)
        elif op.opcode in PASSING and op.inputs:
            x = self.subgraph.tensors[op.inputs[0]]
            same = (
                _is_simple(x)
                and x.type == y.type
                and x.shape[-1:] == y.shape[-1:]
                and len(y.shape) > 1
            )
            if same and not (op.opcode == "MEAN" and _reduces_last(self.subgraph, op, x)):
                inner = self._at(x.index)
                inner = inner.with_zero() if op.opcode == "PAD" else inner
                whole = self.reach[y.index]
                low, high = (np.clip(e, whole.low, whole.high) for e in (inner.low, inner.high))
                self.reach[y.index] = Reach(low, high)

    def _weighted(self, op: Operator, spec, y: Tensor, fused: str) -> None:
        sums = _Sums.of(self.subgraph, op, spec, y)
        if sums is None:
            return
        inputs = sums.spread(self._at(op.inputs[0]))
        if inputs is None:
            return
        padded = reads_padding(self.subgraph, op)
        met = inputs.with_zero() if padded else inputs
        low, high, largest = sums.interval(met)
        whole, factor = self.reach[y.index], sums.factor
        margin = _margin(factor)
        reached = Reach(
            np.clip(_rounded(low * factor, -margin), whole.low, whole.high),
            np.clip(_rounded(high * factor, margin), whole.low, whole.high),
        )
        safe = (largest <= ACCUMULATOR) & (fused in clamps.BOUNDS)
        reached = Reach(
            np.where(safe, reached.low, whole.low), np.where(safe, reached.high, whole.high)
        )
        self.reach[y.index] = reached
        known = inputs.constant & ((inputs.low == 0) | (not padded))
        self._simplify(op, sums, reached, np.where(known, inputs.low, 0), known, safe)

    def _simplify(self, op, sums: _Sums, reached: Reach, values, known, safe) -> None:
        weights, bias = sums.weights.copy(), sums.bias.copy()
        inside = np.abs(bias + (weights * values).sum(axis=1)) <= BIAS_LIMIT
        live = (known & inside[:, None]) & (weights != 0)
        bias += np.where(live, weights * values, 0).sum(axis=1)
        weights[live] = 0
        wanted = np.floor(reached.low / sums.factor + 0.5)
        off = np.abs(wanted * sums.factor - reached.low) + _margin(sums.factor)
        dead = reached.constant & safe & (off < 0.5) & (np.abs(wanted) <= BIAS_LIMIT)
        dead &= weights.any(axis=1) | live.any(axis=1)
        weights[dead] = 0
        bias[dead] = wanted[dead].astype(np.int64)
        unread = int(live[~dead].sum())
        if dead.any() or unread:
            self.found[op.index] = sums.equivalent(weights, bias, dead, unread)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """One operator's sums. weights: centred int64 [O, K]; bias: int64 [O]; factor: m, [O]; source,
    source_bias: the constants; axis: output channels; columns: input channel of every weight,
    [O, K] or [1, K], in `width` channels."""

    weights: np.ndarray
    bias: np.ndarray
    factor: np.ndarray
    source: QArray
    source_bias: QArray | None
    axis: int
    columns: np.ndarray
    width: int

    @classmethod
    def of(cls, subgraph: Subgraph, op: Operator, spec, y: Tensor) -> _Sums | None:
        """None where the operator is not of the kind that is understood."""
        roles = {o.role: i for i, o in enumerate(spec.inputs)}
        tensors, axis = subgraph.tensors, spec.inputs[roles["weights"]].axis
        x, w, b = (op.input(roles[r]) for r in ("activation", "weights", "bias"))
        if not (_is_simple(tensors[x]) and tensors[w].is_constant and tensors[w].qparams):
            return None
        if not tensors[x].shape:
            return None
        if tensors[w].dtype not in TYPES or (b >= 0 and not tensors[b].is_constant):
            return None
        source, bias = tensors[w].qarray(), tensors[b].qarray() if b >= 0 else None
        scale = np.broadcast_to(np.array(source.qparams.scales), (source.shape[axis],))
        step = tensors[x].qparams.scale * scale
        if bias is not None and bias.qparams is not None:
            if (np.abs(np.array(bias.qparams.scales) - step) > BIAS_LAW * step).any():
                return None
        centred = np.moveaxis(source.centred(), axis, 0).reshape(len(scale), -1)
        channels, width = np.arange(len(scale)), tensors[x].shape[-1]
        if op.opcode == "DEPTHWISE_CONV_2D":
            columns = np.repeat((channels * width // len(scale))[:, None], centred.shape[1], axis=1)
        elif op.opcode == "FULLY_CONNECTED":
            columns, width = np.arange(centred.shape[1])[None], centred.shape[1]
        else:
            per_filter = source.shape[-1]
            group = channels * (width // per_filter) // len(scale)
            columns = group[:, None] * per_filter + np.arange(centred.shape[1]) % per_filter
        integers = np.zeros(len(scale), np.int64)
        if bias is not None:
            integers = bias.integers.reshape(-1).astype(np.int64)
        factor = step / y.qparams.scale
        return cls(centred, integers, factor, source, bias, axis, columns, width)

    def spread(self, reach: Reach) -> Reach | None:
        """The reach of what every weight meets, [O, K] or [1, K]."""
        if self.width % len(reach.low):
            return None
        times = self.width // len(reach.low)
        return Reach(*(np.tile(end, times)[self.columns] for end in (reach.low, reach.high)))

    def interval(self, met: Reach) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(least, greatest, greatest size of any partial) accumulator of every channel."""
        a, b = self.weights * met.low, self.weights * met.high
        low = self.bias + np.minimum(a, b).sum(axis=1)
        high = self.bias + np.maximum(a, b).sum(axis=1)
        largest = np.abs(self.bias) + np.maximum(np.abs(a), np.abs(b)).sum(axis=1)
        return low, high, largest

    def equivalent(self, weights, bias, dead, unread: int) -> Equivalent:
        moved = (self.source.shape[self.axis], *np.delete(self.source.shape, self.axis))
        shaped = np.moveaxis(weights.reshape(moved), 0, self.axis)
        _, zeros = self.source.qparams.along(shaped.ndim)
        stored = (shaped + zeros).astype(self.source.dtype)
        old = self.source_bias
        kind, shape = (np.int32, bias.shape) if old is None else (old.dtype, old.shape)
        parameters = None if old is None else old.qparams
        return Equivalent(
            QArray(np.ascontiguousarray(stored), self.source.qparams),
            QArray(bias.astype(kind).reshape(shape), parameters),
            dead,
            unread,
        )


def _is_simple(tensor: Tensor) -> bool:
    """An 8-bit tensor with one scale whose value is computed or given."""
    quantized = tensor.is_quantized_activation and tensor.dtype in TYPES
    return quantized and not tensor.qparams.per_axis and not tensor.is_constant


def _whole(tensor: Tensor, fused: str) -> Reach:
    """All that a simple tensor can hold."""
    least, greatest = clamps.stored_bounds(tensor.type, fused)
    zero = tensor.qparams.zero_point
    channels = max(tensor.shape[-1] if tensor.shape else 1, 1)
    return Reach(
        np.full(channels, least - zero, np.int64), np.full(channels, greatest - zero, np.int64)
    )


def _reduces_last(subgraph: Subgraph, op: Operator, x: Tensor) -> bool:
    axes = subgraph.tensors[op.inputs[1]]
    rank = len(x.shape)
    return not axes.is_constant or (rank - 1) in {int(a) % rank for a in axes.array().reshape(-1)}


def _margin(factor: np.ndarray) -> np.ndarray:
    """How far from a m a kernel's rounding may start, in output steps: one that rounds twice, first
    to 2^-n steps for m in [2^-(n+1), 2^-n), is half of these off."""
    _, exponent = np.frexp(factor)
    return np.ldexp(0.5, np.minimum(exponent, 0)) * (exponent < 0) + SLACK


def _rounded(value: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """The integer that a value rounds to at most that far away; int64."""
    away = margin + np.sign(margin) * np.abs(value) * RELATIVE
    limit = math.ldexp(1.0, 40)
    return np.clip(np.floor(value + away + 0.5), -limit, limit).astype(np.int64)
