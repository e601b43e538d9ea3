"""Moments measured on samples: exact integer sums over what the interpreter computes, streamed.

Sums of stored integers and of their products are exact whatever the order (float64 BLAS below
2^53), so the result does not depend on batching, threads or CPU. Of large feature maps a fixed
number of output positions a sample enters the covariance; means and hit rates count all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.correction.moments import Moments
from tflite_requant.errors import SampleError
from tflite_requant.flatbuffer import read
from tflite_requant.interpreter import Interpreter, arithmetic_to_run
from tflite_requant.model import Model, Operator, QArray, Subgraph
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.explicit import Sides
from tflite_requant.planning.explicit import overshoots as overshoots_of
from tflite_requant.progress import Advance, bar
from tflite_requant.spread import kept_by_thread, part_size, parts, spread
from tflite_requant.statistics.disturbance import EXAMPLES
from tflite_requant.statistics.measure import Statistics
from tflite_requant.statistics.prior import prior
from tflite_requant.statistics.taps import Window, window
from tflite_requant.wording import plural

ROWS = 512  # output positions of a sample that enter a convolution's covariance
DEPTHWISE_ROWS = 256
LEVELS = 256  # of 8-bit tensors
KEPT = 96  # samples that are kept for what has to run the model again
PART = 8  # samples that a worker runs before it answers
# Fields of Sums that add up over samples, and those that all samples share.
ADDED = ("mean_sum", "mean_count", "row_sum", "product_sum", "rows")
SHARED = ("scale", "share")
MAX_COVARIANCE = 1600  # inputs of one output channel, above which only variances are kept


class Sums:
    """Running sums of what one weighted operator reads, in centred stored integers."""

    def __init__(self, op: Operator, x_position: int, w_shape: tuple[int, ...]) -> None:
        self.op, self.x_position, self.w_shape = op, x_position, w_shape
        self.scale = 0.0
        self.mean_sum: np.ndarray | int = 0
        self.mean_count = 0
        self.row_sum: np.ndarray | int = 0
        self.product_sum: np.ndarray | int = 0
        self.rows = 0
        self.share = 1.0

    def add(self, x: QArray, y_shape: tuple[int, ...], sample: int) -> None:
        """Count one run's input [N, ...]; sample: how many samples came before."""
        self.scale = x.scale
        centred = x.integers.astype(np.int32) - np.int32(x.zero_point)
        if self.op.opcode == "FULLY_CONNECTED":
            self._add_rows(centred.reshape(-1, self.w_shape[-1])[None].astype(np.float64), True)
        elif self.op.opcode == "TRANSPOSE_CONV":
            self._add_scattered(centred, y_shape)
        else:
            view = window(self.op, centred.shape, self.w_shape, y_shape)
            self._add_means(centred, view)
            self._add_patches(centred, view, sample)

    def add_means(self, x: QArray, y_shape: tuple[int, ...]) -> None:
        """Count one run's input [N, ...] for `mean` only."""
        self.scale = x.scale
        centred = x.integers.astype(np.int32) - np.int32(x.zero_point)
        if self.op.opcode == "FULLY_CONNECTED":
            rows = centred.reshape(-1, self.w_shape[-1])
            self.mean_sum = self.mean_sum + rows.sum(axis=0, dtype=np.int64)[None]
            self.mean_count += len(rows)
        elif self.op.opcode == "TRANSPOSE_CONV":
            self._add_scattered(centred, y_shape)
        else:
            self._add_means(centred, window(self.op, centred.shape, self.w_shape, y_shape))

    def mean(self) -> np.ndarray:
        """Mean of each tap, real units, float64 [G, K]; see `Moments`."""
        return self._mean() * self.scale

    def state(self) -> dict[str, Any]:
        """What `merge` adds to another's sums."""
        return {name: getattr(self, name) for name in (*ADDED, *SHARED)}

    def merge(self, state: dict[str, Any]) -> None:
        """Add what another saw of other samples."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + state[name])
        if state["rows"]:
            for name in SHARED:
                setattr(self, name, state[name])

    def _add_means(self, x: np.ndarray, view: Window) -> None:
        sums = [x[:, r, c].sum(axis=(0, 1, 2), dtype=np.int64) for _, _, r, c in view.taps()]
        self.mean_sum = self.mean_sum + np.stack(sums)
        self.mean_count += x.shape[0] * view.out[0] * view.out[1]

    def _add_patches(self, x: np.ndarray, view: Window, sample: int) -> None:
        depthwise = self.op.opcode == "DEPTHWISE_CONV_2D"
        patches = self._patches(x, view, DEPTHWISE_ROWS if depthwise else ROWS, sample)
        rows, taps, channels = patches.shape
        if depthwise:
            self._add_rows(np.ascontiguousarray(patches.transpose(2, 0, 1)), False)
            return
        per_filter = self.w_shape[-1]
        grouped = patches.reshape(rows, taps, channels // per_filter, per_filter)
        self._add_rows(
            np.ascontiguousarray(grouped.transpose(2, 0, 1, 3)).reshape(
                -1, rows, taps * per_filter
            ),
            False,
        )

    def _patches(self, x: np.ndarray, view: Window, limit: int, sample: int) -> np.ndarray:
        """Some outputs' inputs, float64 [rows, taps, channels], zeros beyond the border."""
        total = x.shape[0] * view.out[0] * view.out[1]
        count = min(total, limit)
        step = max(total // count, 1)
        chosen = np.arange(count, dtype=np.int64) * total // count + (sample * 7) % step
        batch, place = np.divmod(np.minimum(chosen, total - 1), view.out[0] * view.out[1])
        row, column = np.divmod(place, view.out[1])
        found = np.empty((count, view.filter[0] * view.filter[1], x.shape[3]))
        for ky in range(view.filter[0]):
            for kx in range(view.filter[1]):
                y = row * view.stride[0] + ky * view.dilation[0] - view.before[0]
                z = column * view.stride[1] + kx * view.dilation[1] - view.before[1]
                inside = (y >= 0) & (y < view.size[0]) & (z >= 0) & (z < view.size[1])
                tap = x[batch, np.clip(y, 0, view.size[0] - 1), np.clip(z, 0, view.size[1] - 1)]
                found[:, ky * view.filter[1] + kx] = tap * inside[:, None]
        return found

    def _add_scattered(self, x: np.ndarray, y_shape: tuple[int, ...]) -> None:
        """TRANSPOSE_CONV: every tap meets every input, spread over the larger output."""
        channels, taps = x.shape[-1], self.w_shape[1] * self.w_shape[2]
        self.share = min(1.0, x.shape[1] * x.shape[2] / (y_shape[1] * y_shape[2]))
        flat = x.reshape(-1, channels).astype(np.int64)
        self.mean_sum = self.mean_sum + np.tile(flat.sum(axis=0), taps)[None]
        self.mean_count += len(flat)
        self.row_sum = self.row_sum + np.tile(flat.sum(axis=0), taps)[None]
        self.product_sum = self.product_sum + np.tile((flat * flat).sum(axis=0), taps)[None]
        self.rows += len(flat)

    def _add_rows(self, rows: np.ndarray, means_too: bool) -> None:
        """rows: float64 integers [G, rows, K]."""
        self.row_sum = self.row_sum + rows.sum(axis=1)
        if rows.shape[2] <= MAX_COVARIANCE:
            self.product_sum = self.product_sum + np.matmul(rows.transpose(0, 2, 1), rows)
        else:
            self.product_sum = self.product_sum + (rows * rows).sum(axis=1)
        self.rows += rows.shape[1]
        if means_too:
            self.mean_sum = self.mean_sum + rows.sum(axis=1)
            self.mean_count += rows.shape[1]

    def moments(self) -> Moments:
        """What the sums say, in real units."""
        centre = self.row_sum / self.rows
        second = self.product_sum / self.rows
        if second.ndim == 3:
            covariance = second - centre[:, :, None] * centre[:, None, :]
        else:
            covariance = second - centre * centre
        return Moments(self.mean(), covariance * self.scale**2, self.rows)

    def _mean(self) -> np.ndarray:
        mean = self.mean_sum * self.share / self.mean_count
        if self.op.opcode in ("FULLY_CONNECTED", "TRANSPOSE_CONV"):
            return mean
        if self.op.opcode == "DEPTHWISE_CONV_2D":
            return mean.T
        taps, channels = mean.shape
        per_filter = self.w_shape[-1]
        grouped = mean.reshape(taps, channels // per_filter, per_filter).transpose(1, 0, 2)
        return grouped.reshape(channels // per_filter, taps * per_filter)


class Collector:
    """Listens to an interpreter and keeps the sums of every weighted operator."""

    def __init__(self, model: Model) -> None:
        self.sums: dict[tuple[int, int], Sums] = {}
        self.stored: dict[tuple[int, int], np.ndarray] = {}
        self.sample = 0
        for subgraph, op in model.operators():
            spec = spec_of(op)
            if not is_weighted(spec):
                continue
            roles = {o.role: i for i, o in enumerate(spec.inputs)}
            x, w = (op.input(roles[r]) for r in ("activation", "weights"))
            tensors = subgraph.tensors
            if tensors[x].is_quantized_activation and tensors[w].is_constant:
                self.sums[subgraph.index, op.index] = Sums(
                    op, roles["activation"], tensors[w].shape
                )

    def __call__(self, subgraph: Subgraph, op: Operator, inputs: Any, outputs: Any) -> None:
        """One operator ran."""
        sums = self.sums.get((subgraph.index, op.index))
        if sums is not None:
            sums.add(inputs[sums.x_position], outputs[0].shape, self.sample)
        for index, values in zip(op.outputs, outputs, strict=False):
            tensor = subgraph.tensors[index]
            if index >= 0 and tensor.is_quantized_activation:
                key = (subgraph.index, index)
                self.stored[key] = self.stored.get(key, 0) + _counts(values, tensor.dtype)

    def state(self) -> tuple[dict, dict]:
        """What `merge` adds to another's sums; picklable."""
        return {key: sums.state() for key, sums in self.sums.items()}, self.stored

    def merge(self, state: tuple[dict, dict]) -> None:
        """Add what another saw of other samples of the same model."""
        sums, stored = state
        for key, each in sums.items():
            self.sums[key].merge(each)
        for key, count in stored.items():
            self.stored[key] = self.stored.get(key, 0) + count

    def hits(self) -> dict[tuple[int, int], tuple[float, float]]:
        """Shares of values at the least and at the greatest stored integer."""
        return {k: (float(n[0] / n.sum()), float(n[-1] / n.sum())) for k, n in self.stored.items()}

    def counts(self) -> dict[tuple[int, int], np.ndarray]:
        """How often each of the 256 integers of 8-bit tensors was stored, least first."""
        return {k: n for k, n in self.stored.items() if len(n) == LEVELS}


def _counts(values: np.ndarray, dtype: str) -> np.ndarray:
    """How often each integer of an 8-bit type came; of others least, between and greatest."""
    low, high = RANGES[dtype]
    if high - low < LEVELS:
        return np.bincount(values.reshape(-1).view(np.uint8) ^ (low & 0x80), minlength=LEVELS)
    ends = [(values == low).sum(), (values == high).sum()]
    return np.array([ends[0], values.size - ends[0] - ends[1], ends[1]])


def calibrate(
    model: Model,
    samples: np.ndarray | Iterable,
    *,
    progress: bool = False,
    executor: Executor | None = None,
) -> Statistics:
    """Run the samples through the model, in the arithmetic that it was made for, and keep moments;
    operators that no sample reaches keep the data-free estimate.

    executor: does the running, in parts; the sums are exact, so they are the same with any.
    Raises SampleError where samples do not fit, or there are none.
    """
    collector, count, examples, some = Collector(model), 0, [], Kept()
    given = _kept(samples, examples, some)
    total = len(samples) if isinstance(samples, Sized) else None
    with bar("calibrating" if progress else "", "sample", total) as advance:
        if executor is None:
            interpreter = Interpreter(model, arithmetic_to_run(model))
            count = _run(interpreter, collector, 0, given, advance)
        else:
            work = partial(_collected, model.to_bytes())
            for seen, state in spread(executor, work, parts(given, part_size(samples, PART))):
                collector.merge(state)
                count += seen
                advance(seen)
    if not count:
        raise SampleError("no calibration samples: need at least one")
    moments, overshoots = prior(model)
    moments.update({key: sums.moments() for key, sums in collector.sums.items() if sums.rows})
    prepared = getattr(samples, "prepared", "")
    origin = plural(count, "calibration sample") + (f" of {prepared}" if prepared else "")
    inputs = tuple(_inputs(model, sample) for sample in examples)
    counts = collector.counts()
    overshoots |= {key: _overshoots(model, key, n) for key, n in counts.items()}
    return Statistics(
        moments, collector.hits(), origin, inputs, some.chosen(model), counts, overshoots
    )


def _overshoots(model: Model, key: tuple[int, int], counts: np.ndarray) -> Sides:
    subgraph, tensor = key
    return overshoots_of(counts, model.subgraphs[subgraph].tensors[tensor].qparams.scales[0])


def _kept(samples: Iterable, examples: list, some: Kept) -> Iterator:
    """The samples; the first few are put into `examples` as they pass, more of them into `some`."""
    for sample in samples:
        if len(examples) < EXAMPLES:
            examples.append(sample)
        some.add(sample)
        yield sample


class Kept:
    """Evenly spaced samples of a stream whose length nobody knows: every n-th, n doubling."""

    def __init__(self, count: int = KEPT) -> None:
        self.count, self.step, self.seen = count, 1, 0
        self.held: list = []

    def add(self, sample: Any) -> None:
        if self.seen % self.step == 0:
            self.held.append(sample)
            if len(self.held) >= 2 * self.count:
                self.held, self.step = self.held[::2], 2 * self.step
        self.seen += 1

    def chosen(self, model: Model) -> tuple[list, ...]:
        """At most `count` of those held, as lists of arrays in graph order."""
        n = min(self.count, len(self.held))
        inputs = [_inputs(model, self.held[i * len(self.held) // n]) for i in range(n)]
        names = [t.name for t in model.inputs]
        return tuple([i[n] for n in names] if isinstance(i, dict) else i for i in inputs)


def _run(
    interpreter: Interpreter, collector: Collector, first: int, samples: Iterable,
    advance: Advance = lambda count: None,
) -> int:  # fmt: skip
    """How many samples were run; the collector listened."""
    count = 0
    for count, sample in enumerate(samples, 1):
        collector.sample = first + count - 1
        interpreter.run(_inputs(interpreter.model, sample), on_operator=collector)
        advance(1)
    return count


def _collected(model: bytes, part: tuple[int, list]) -> tuple[int, tuple]:
    """A worker's share: (how many samples, what a collector saw)."""
    interpreter = _interpreter(model)
    collector = Collector(interpreter.model)
    return _run(interpreter, collector, *part), collector.state()


@kept_by_thread
def _interpreter(data: bytes) -> Interpreter:
    model = read(data)
    return Interpreter(model, arithmetic_to_run(model))


def _inputs(model: Model, sample: Any) -> Any:
    """A sample as the interpreter takes it, with the batch dimension that it may lack."""
    if isinstance(sample, Mapping):
        shapes = {t.name: t.shape for t in model.inputs}
        return {n: _batched(np.asarray(a), shapes.get(n, ())) for n, a in sample.items()}
    if isinstance(sample, (tuple, list)):
        shapes = [t.shape for t in model.inputs]
        return [_batched(np.asarray(a), s) for a, s in zip(sample, shapes, strict=False)]
    return [_batched(np.asarray(sample), model.inputs[0].shape)]


def _batched(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array[None] if array.ndim + 1 == len(shape) and shape[:1] == (1,) else array
