"""Differences between a uint8 model and its int8 version, operator by operator, and their laws.

`attribute` is the way in; tools/attribute_differences says what is compared and prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.catalog.arithmetic import arithmetic_for
from tflite_requant.errors import UsageError
from tflite_requant.extract import single_operator
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import Operands, OutputType, load
from tflite_requant.model import Model, Operator, QArray, Tensor
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.outcome import OperatorOutcome
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.grid import same_integers
from tflite_requant.planning.identity import window_counts
from tflite_requant.requantize import Options, requantize
from tflite_requant.runtime import RuntimeFailure, litert_run, litert_run_many

PROFILE = "litert-reference"
OPTIONS = Options(correction=("exact-grid", "scale-search"))
LAW_OF = {
    "AVERAGE_POOL_2D": "pool-tie",
    "L2_NORMALIZATION": "normalization",
    "QUANTIZE": "overflow",
    "RESIZE_BILINEAR": "resize",
    "SUM": "sum",
}
OVERFLOW_STEPS = 2.0**31 - 256


@dataclass
class Row:
    """What became of the elements of one operator, or of all of one kind.

    laws: differing elements by the law that explains them; excluded: elements that were not
    compared, by reason; false_claims: elements that differ, or were not compared, in operators that
    the report calls bit-identical, and channels that it wrongly counts as exact.
    """

    name: str
    exactness: Counter = field(default_factory=Counter)
    compared: int = 0
    differing: int = 0
    laws: Counter = field(default_factory=Counter)
    unattributed: int = 0
    false_claims: int = 0
    excluded: Counter = field(default_factory=Counter)

    def add(self, other: Row) -> None:
        for name in ("exactness", "laws", "excluded"):
            getattr(self, name).update(getattr(other, name))
        for name in ("compared", "differing", "unattributed", "false_claims"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> dict:
        """Plain values; counts that are 0 are left out of the dicts."""
        return {
            k: {word: n for word, n in sorted(v.items()) if n} if isinstance(v, Counter) else v
            for k, v in vars(self).items()
        }


@dataclass(frozen=True)
class Pair:
    """An operator of the source, its counterpart, and that one as a model of its own."""

    source: Model
    old: Operator
    result: Model
    new: Operator
    alone: Model
    outcome: OperatorOutcome

    def tensor(self, index: int) -> Tensor:
        return self.source.main.tensors[index]

    def new_tensor(self, index: int) -> Tensor:
        return self.result.main.tensors[index]


def shift_of(old: Tensor, new: Tensor) -> int | None:
    """By how much stored integers move; None where the new grid is another one."""
    if not old.is_quantized_activation or old.type == new.type:
        return 0 if old.dtype == new.dtype else None
    if old.qparams.per_axis or new.qparams is None or not same_integers(old.type, new.type):
        return None
    return new.qparams.zero_point - old.qparams.zero_point


def moved(values: np.ndarray, shift: int, dtype: np.dtype) -> np.ndarray:
    return values if not shift else (values.astype(np.int64) + shift).astype(dtype)


# --- the laws ------------------------------------------------------------------------------------


def source_stages(
    pair: Pair, tensors: dict[int, np.ndarray], bias: QArray | None = None, exchange: bool = False
) -> dict[str, np.ndarray]:
    """The source's operator by the plain kernel, every stage by its name.

    bias: instead of the source's; exchange: scales are multiplied as for int8.
    """
    inputs = []
    for index in pair.old.inputs:
        tensor = pair.tensor(index) if index >= 0 else None
        if tensor is None:
            inputs.append(None)
        else:
            values = tensor.array() if tensor.is_constant else tensors[index]
            inputs.append(QArray(values, tensor.qparams))
    if bias is not None:
        inputs[bias_position(pair.old)] = bias
    outputs = [pair.tensor(t) for t in pair.old.outputs]
    types = tuple(OutputType(t.dtype, t.shape, t.qparams) for t in outputs)
    law = arithmetic_for(PROFILE, pair.old.name)
    if exchange:
        law = replace(law, per_tensor=())
    options = pair.old.options.fields if pair.old.options is not None else {}
    return dict(load(pair.old.name)(Operands(tuple(inputs), types), options, law))


def bias_position(op: Operator) -> int:
    return next(i for i, o in enumerate(spec_of(op).inputs) if o.role == "bias")


def laws(
    pair: Pair, tensors: dict[int, np.ndarray], fed: list[np.ndarray], shift: int, weighted: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """(law, first output in the source's integers by that law), NaN where it does not speak."""
    if weighted:
        yield from weighted_laws(pair, tensors)
        return
    law = LAW_OF.get(pair.old.name)
    if law is None:
        return
    values = Interpreter(pair.alone).run(fed)[0].astype(np.float64) - shift
    data = tensors[pair.old.inputs[0]]
    if law == "pool-tie":
        total = source_stages(pair, tensors)["accumulator"]
        values = np.where(pool_ties(pair.old, data, total), values, np.nan)
    elif law == "overflow":
        scale = pair.new_tensor(pair.new.outputs[0]).qparams.scale
        far = np.abs(data.astype(np.float64)) / scale >= OVERFLOW_STEPS
        values = np.where(far | np.isnan(data), values, np.nan)
    yield law, values


def weighted_laws(pair: Pair, tensors: dict[int, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    yield "multiplier", source_stages(pair, tensors, exchange=True)["output"]
    position = bias_position(pair.old)
    old, new = pair.old.input(position), pair.new.input(position)
    if old >= 0 and new >= 0:
        bias = pair.new_tensor(new).qarray()
        if not np.array_equal(bias.integers, pair.tensor(old).array()):
            yield "bias-scale", source_stages(pair, tensors, bias, exchange=True)["output"]


def pool_ties(op: Operator, data: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Where a window's mean lies exactly between two integers; total: its sum, as the output."""
    counts = (
        window_counts(size, op.option(f"filter_{name}"), op.option(f"stride_{name[0]}"),
                      op.option("padding"))
        for size, name in zip(data.shape[1:3], ("height", "width"), strict=True)
    )  # fmt: skip
    y, x = counts
    count = (y[:, None] * x)[None, :, :, None]
    return (2 * total % count == 0) & (2 * total // count % 2 == 1)


# --- one model -----------------------------------------------------------------------------------


def exact_channels(pair: Pair) -> np.ndarray | None:
    """Of a weighted operator, bool [channels]: the real weights are the source's."""
    spec = spec_of(pair.old)
    if not is_weighted(spec):
        return None
    position = next(i for i, o in enumerate(spec.inputs) if o.role == "weights")
    axis = spec.inputs[position].axis
    rows = []
    for tensor in (
        pair.tensor(pair.old.input(position)),
        pair.new_tensor(pair.new.input(position)),
    ):
        array = tensor.qarray()
        matrix = np.moveaxis(array.centred(), axis, 0).reshape(array.shape[axis], -1)
        rows.append((matrix, np.broadcast_to(np.array(array.qparams.scales), len(matrix))))
    (old, old_scale), (new, new_scale) = rows
    return (old == new).all(axis=1) & (old_scale == new_scale)


def compare(
    pair: Pair,
    tensors: dict[int, np.ndarray],
    fed: list[np.ndarray],
    outputs: list[np.ndarray],
    exact: np.ndarray | None,
) -> Row:
    """One operator on one sample: the source's tensors, what the new operator was fed and gave."""
    row = Row(pair.old.name)
    for position, (before, after) in enumerate(
        zip(pair.old.outputs, pair.new.outputs, strict=True)
    ):
        observed, wanted = outputs[position], tensors[before]
        shift = shift_of(pair.tensor(before), pair.new_tensor(after))
        if shift is None:
            row.excluded["other grid"] += observed.size
            continue
        observed = moved(observed, -shift, np.dtype(np.int64))
        chosen = np.ones(wanted.shape, bool)
        if exact is not None:
            chosen &= exact
            row.excluded["inexact channels"] += int((~chosen).sum())
        both_nan = (observed != observed) & (wanted != wanted)
        left = chosen & (observed != wanted) & ~both_nan
        row.compared += int(chosen.sum())
        row.differing += int(left.sum())
        if left.any() and position == 0:
            ours = source_stages(pair, tensors)["output"] == wanted
            for law, values in laws(pair, tensors, fed, shift, exact is not None):
                explained = left & ours & (values == observed)
                row.laws[law] += int(explained.sum())
                left &= ~explained
        row.unattributed += int(left.sum())
    if pair.outcome.exactness == "bit-identical":
        row.false_claims = row.differing + sum(row.excluded.values())
    return row


def pairs_of(source: Model, result: Model, outcomes: dict[int, OperatorOutcome]) -> list[Pair]:
    """Every planned operator that has outputs and was not removed, with what it became."""
    pairs = []
    for op in source.main.operators:
        number = outcomes[op.index].result_index if op.index in outcomes else None
        if number is None or not op.outputs:
            continue
        new = result.main.operators[number]
        if new.name != op.name or len(new.outputs) != len(op.outputs):
            raise UsageError(f"{source.main.label(op)} is another operator in the new model")
        alone = single_operator(result, new)
        pairs.append(Pair(source, op, result, new, alone, outcomes[op.index]))
    return pairs


def feeds(pair: Pair, tensors: dict[int, np.ndarray]) -> list[np.ndarray] | str:
    """The source's tensors on the new operator's grids, or why there are none."""
    found = {}
    for before, after in zip(pair.old.inputs, pair.new.inputs, strict=False):
        if after < 0 or pair.new_tensor(after).is_constant:
            continue
        shift = shift_of(pair.tensor(before), pair.new_tensor(after))
        if shift is None:
            return "other grid"
        if before not in tensors:
            return "not shown"
        dtype = np.dtype(NUMPY[pair.new_tensor(after).dtype])
        found.setdefault(after, moved(tensors[before], shift, dtype))
    return list(found.values())


def attribute(source: Model, samples: list[list[np.ndarray]]) -> list[tuple[Pair, Row]]:
    """Every planned operator of a model's main subgraph, compared on all samples.

    Raises RequantError where the model is refused, or does not run in LiteRT.
    """
    done = requantize(source, "int8", options=OPTIONS)
    outcomes = {o.index: o for o in done.report.operators if o.subgraph == 0}
    pairs = pairs_of(source, done.model, outcomes)
    runs = litert_run(source.to_bytes(), samples, "reference", keep_all=True)
    operands = [[feeds(pair, run.tensors) for run in runs] for pair in pairs]
    usable = [i for i, fed in enumerate(operands) if not any(isinstance(o, str) for o in fed)]
    jobs = [(pairs[i].alone.to_bytes(), operands[i]) for i in usable]
    answers = dict(zip(usable, litert_run_many(jobs, "reference"), strict=True))
    rows = []
    for i, pair in enumerate(pairs):
        row, exact = Row(source.main.label(pair.old)), exact_channels(pair)
        row.exactness[pair.outcome.exactness] += 1
        if exact is not None and int(exact.sum()) != pair.outcome.exact_channels:
            row.false_claims += abs(int(exact.sum()) - pair.outcome.exact_channels)
        answer = answers.get(i)
        for k, run in enumerate(runs):
            if answer is None or isinstance(answer, RuntimeFailure):
                size = sum(run.tensors[t].size for t in pair.old.outputs if t in run.tensors)
                row.excluded[operands[i][k] if answer is None else "refused alone"] += size
            else:
                row.add(compare(pair, run.tensors, operands[i][k], answer[k].outputs, exact))
        rows.append((pair, row))
    return rows
