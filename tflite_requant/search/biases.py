"""Sequential bias correction: biases take the mean of all errors that came before them.

With m the mean of what a weighted operator reads in the source and M of what it reads in the new
model (stored reals), over the same samples, its mean output is the source's, times the gain and
above by the offset with which it is stored, if

    B = gain (b + sum_k W_k m_k) + offset - sum_k W'_k M_k.

Operators are walked in order, each with the biases before it corrected: so M holds what clipping,
weights and other grids made of m on the way; what multiplies a SOFTMAX's output takes the mean of
that one's rounding, too. In some networks the corrections feed upon each other and grow from block
to block; so each stays only if the outputs are closer to the source's with it.

A small gain early can bar the way to a larger one later. So there are two walks, of which the
second passes small gains by, and the biases are those of the one that ends closer to the source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.correction.rounding import round_half_away
from tflite_requant.engine.graph import needed, preparable
from tflite_requant.errors import UnsupportedOperatorError, UsageError
from tflite_requant.feeds import moved
from tflite_requant.model import Edit, Model, Operator, QArray, Subgraph
from tflite_requant.model.dtypes import encode
from tflite_requant.planning import Plan
from tflite_requant.planning.domains import is_weighted
from tflite_requant.progress import Advance, bar
from tflite_requant.rules import limits, weighted
from tflite_requant.schemes import BiasLaw
from tflite_requant.search.bench import Bench
from tflite_requant.search.runner import LITERT, computer, source_profile
from tflite_requant.statistics.calibrated import Sums

Values = dict[int, np.ndarray]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a correction stays. share: of the noise that it has to reach, less would be the
    rounding's luck; most: share of the judging samples that have to gain, fewer would be luck."""

    share: float
    most: float

    def is_better(self, found: Sequence[float], noise: Sequence[float]) -> bool:
        """found, noise: the outputs' noise on each judging sample, with and without."""
        won = sum(f < n for f, n in zip(found, noise, strict=True))
        return sum(found) < self.share * sum(noise) and won >= self.most * len(noise)


RULES = (Rule(0.999, 0.5), Rule(0.997, 0.7))


def corrected(
    source: Model,
    new: Model,
    plan: Plan,
    samples: Sequence,
    law: BiasLaw,
    which: Collection[int],
    profile: str = LITERT,
    title: str = "",
) -> Model:
    """The new model with biases corrected, one by one, where that lowers the outputs' noise.

    plan: of the main subgraph; samples: what the source's inputs take; which: operators of the
    source that may be corrected; profile: see `Bench`; title: of a progress bar. Models with state,
    those that cannot be run or compared, and operators whose bias is shared or absent, stay as they
    are.
    """
    if not (which and preparable(source) and preparable(new)):
        return new
    try:
        steps = len(_order(source)) + len(RULES) * len(_order(new))
        with bar(title, "operator", steps) as advance:
            return _corrected(source, new, plan, samples, law, which, profile, advance)
    except (UsageError, UnsupportedOperatorError):
        return new


def _order(model: Model) -> Sequence[Operator]:
    return needed(model.main, model.main.outputs)


def _corrected(source, new, plan, samples, law, which, profile, advance: Advance) -> Model:
    # Judged on others than those that the means are of, where there are some.
    judges = samples[2::3] or samples
    samples = [s for i, s in enumerate(samples) if i % 3 != 2]
    bench = Bench(source, judges, profile)
    targets = {i: t for i, t in _targets(source, samples, advance) if i in which}
    best, least = new, bench.noise(bench.variant(new), plan)
    for rule in RULES:
        walk = Walk(source, new, samples, profile)
        found, noise = _walked(source, walk, bench, plan, law, targets, rule, advance)
        if sum(noise) < sum(least):
            best, least = found, noise
    return best


def _walked(
    source, walk: Walk, bench: Bench, plan, law, targets, rule: Rule, advance: Advance
) -> tuple[Model, list[float]]:
    """(the walk's model with the corrections that stay, its noise on each judging sample)."""
    edit = Edit(walk.model)
    now = bench.variant(walk.model)
    noise = bench.noise(now, plan)
    by_output = {op.outputs[0]: op for op in source.main.operators if op.index in targets}
    for op in _order(walk.model):
        twin = by_output.get(op.outputs[0]) if op.outputs else None
        bias = None
        if twin is not None and twin.opcode == op.opcode:
            bias = _new_bias(walk, op, targets[twin.index], plan, law)
        if bias is not None:
            index, integers = bias
            before = walk.main
            walk.replace(index, integers)
            variant = bench.variant(walk.whole())
            bench.runner.keep(now, variant.common(now))
            found = bench.noise(variant, plan, noise)
            if found and rule.is_better(found, noise):
                now, noise = variant, found
                kind = walk.model.main.tensors[index].type
                edit.subgraphs[0].set_constant(index, integers, kind)
            else:
                walk.main = before
        walk.run(op)
        advance(1)
    return (edit.commit() if edit.is_changed else walk.model), noise


class Walk:
    """A model's operators one by one, each on all samples; values live as long as they are read."""

    def __init__(
        self, source: Model, model: Model, samples: Sequence, profile: str = LITERT
    ) -> None:
        self.model, self.profile = model, profile
        self.main: Subgraph = model.main
        self.values: list[Values] = [_feeds(source, model, sample) for sample in samples]
        self._last = {
            t: op.index for op in needed(self.main, self.main.outputs) for t in op.inputs if t >= 0
        }

    def replace(self, index: int, integers: np.ndarray) -> None:
        """Other integers for a constant."""
        old = self.main.tensors[index]
        tensors = list(self.main.tensors)
        tensors[index] = replace(old, data=encode(integers, old.dtype))
        self.main = replace(self.main, tensors=tuple(tensors))

    def whole(self) -> Model:
        """The model with what was replaced."""
        return self.model.changed(subgraphs=(self.main, *self.model.subgraphs[1:]))

    def inputs(self, tensor: int) -> Iterator[QArray]:
        """The tensor on each sample."""
        qparams = self.main.tensors[tensor].qparams
        return (QArray(values[tensor], qparams) for values in self.values)

    def run(self, op: Operator) -> None:
        """Compute the operator's outputs; forget what nobody reads any more."""
        tensors = self.main.tensors
        fed = tuple(dict.fromkeys(t for t in op.inputs if t >= 0 and not tensors[t].is_constant))
        alone = replace(self.main, operators=(replace(op, index=0),), inputs=fed,
                        outputs=op.outputs)  # fmt: skip
        model = self.model.changed(subgraphs=(alone, *self.model.subgraphs[1:]), signatures=())
        compute = computer(model, self.profile)
        for values in self.values:
            values.update(compute({t: values[t] for t in fed}))
            for t in (*fed, *op.outputs):
                if self._last.get(t, -1) <= op.index:
                    values.pop(t, None)


def _feeds(source: Model, model: Model, sample) -> Values:
    given = sample if isinstance(sample, (tuple, list)) else [sample]
    pairs = zip(given, source.inputs, model.inputs, strict=True)
    return {new.index: moved(np.asarray(a), old, new) for a, old, new in pairs}


def _targets(
    source: Model, samples: Sequence, advance: Advance
) -> Iterator[tuple[int, np.ndarray]]:
    """(operator, b + sum_k W_k m_k per output channel, real units) of the source."""
    walk = Walk(source, source, samples, source_profile(source))
    for op in _order(source):
        operands = _operands(walk.main, op)
        if operands is not None:
            x, array, bias, axis = operands
            matrix = weighted.source_weights(array, axis)
            kind = walk.main.tensors[x].type
            real, _ = weighted.real_bias(
                weighted.WeightedOperands(array, bias, axis, kind, kind, kind), matrix
            )
            yield op.index, real + _mean_product(walk, op, x, array, axis)
        walk.run(op)
        advance(1)


def _operands(main: Subgraph, op: Operator):
    """(input tensor, weights, bias or None, axis of the output channels) of what can be corrected;
    None for other operators."""
    spec = spec_of(op)
    if not is_weighted(spec):
        return None
    roles = {o.role: i for i, o in enumerate(spec.inputs) if o.role != "plain"}
    x, w, b = (op.input(roles[r]) for r in ("activation", "weights", "bias"))
    tensors = main.tensors
    if not tensors[x].is_quantized_activation or tensors[x].is_constant:
        return None
    if not tensors[w].is_constant or (b >= 0 and not tensors[b].is_constant):
        return None
    bias = tensors[b].qarray() if b >= 0 else None
    return x, tensors[w].qarray(), bias, spec.inputs[roles["weights"]].axis


def _mean_product(walk: Walk, op: Operator, x: int, array: QArray, axis: int) -> np.ndarray:
    """sum_k W_k E[x_k] per output channel, in the model's own units; in a fixed order."""
    sums = Sums(op, 0, array.shape)
    y_shape = walk.main.tensors[op.outputs[0]].shape
    for values in walk.inputs(x):
        sums.add_means(values, y_shape)
    real = weighted.source_weights(array, axis).real()
    mean, total = sums.mean(), np.zeros(len(real))
    group = np.arange(len(real), dtype=np.int64) * len(mean) // len(real)
    for k in range(real.shape[1]):
        total += real[:, k] * mean[group, k]
    return total


def _new_bias(
    walk: Walk, op: Operator, target: np.ndarray, plan: Plan, law: BiasLaw
) -> tuple[int, np.ndarray] | None:
    """(bias tensor, its new integers), or None where it cannot take anything."""
    operands = _operands(walk.main, op)
    if operands is None or operands[2] is None or operands[2].qparams is None:
        return None
    x, array, bias, axis = operands
    index = next(t for t in op.inputs[2:] if t >= 0 and walk.main.tensors[t].is_constant)
    readers = [o for o in walk.main.operators if index in o.inputs]
    if len(readers) != 1:
        return None
    y = op.outputs[0]
    wanted = target * plan.gains.get(y, 1.0) + plan.offsets.get(y, 0.0) + plan.lifts.get(y, 0.0)
    wanted -= _mean_product(walk, op, x, array, axis)
    scale = np.array(bias.qparams.scales, np.float64)
    integers = limits.placed(round_half_away(wanted / scale), law)
    info = np.iinfo(bias.integers.dtype)
    return index, np.clip(integers, info.min + 1, info.max).astype(np.int64).reshape(bias.shape)
