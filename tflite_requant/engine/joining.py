"""How fast operators work together: who makes rows for whom, and in which order channels lie.

A depthwise operator between two convolutions that nobody else reads lets its channels be reordered:
columns of the weights before it, rows of the weights after it. What needs more expensive arithmetic
then lies together at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tflite_requant.engine import rescaling
from tflite_requant.engine.prepare import Fast
from tflite_requant.engine.splitting import columns, lifted, parts_of
from tflite_requant.engine.weighted import exact_type
from tflite_requant.model.graph import Operator

MULTIPLE = 8  # of channels; other numbers of them would be slower than the constant ones are


class Joined:
    """Fast operators by index, joined and with their rescalings.

    readers: tensor -> operators that read it; kept: tensors that the caller reads.
    """

    def __init__(
        self, fast: dict[int, Fast], readers: Mapping[int, list[Operator]], kept: tuple[int, ...]
    ) -> None:
        self.fast = fast
        self._readers, self._kept = readers, kept
        self._movable: list[tuple[Fast, Fast, Fast]] = []
        self._join()
        for index in list(fast):
            self._fit(index)
        for before, middle, after in self._movable:
            if all(f.op.index in self.fast for f in (before, middle, after)):
                _reorder(before, middle, after)

    def _join(self) -> None:
        by_output = {f.op.outputs[0]: f for f in self.fast.values()}
        for fast in self.fast.values():
            if fast.op.name in ("AVERAGE_POOL_2D", "MEAN"):
                _give_columns(fast, np.ones(fast.weighted.weights.shape[-1], np.int64))
            if fast.op.name != "DEPTHWISE_CONV_2D":
                continue
            before, after = by_output.get(fast.op.inputs[0]), self._only_reader(fast)
            if before and before.weighted:
                _, most = before.weighted.law.ends
                channels = fast.weighted.weights.shape[-1]
                fast.weighted = fast.weighted.bounded(np.broadcast_to(most, channels))
            if before and (before.op.name != "CONV_2D" or self._only_reader(before) is not fast):
                before = None
            if after and (after.op.name != "CONV_2D" or not after.weighted.is_pointwise):
                after = None
            if before and before.leader is None:  # else a chain of tiles through the whole model
                fast.streamed = before
            if after:
                after.leader = fast
            if before and after:
                self._movable.append((before, fast, after))
                _leave_out_constants(before, fast, after)
            _choose_sums(fast, bool(before and after))

    def _only_reader(self, fast: Fast) -> Fast | None:
        tensor = fast.op.outputs[0]
        found = self._readers.get(tensor, [])
        if len(found) != 1 or tensor in self._kept:
            return None
        return self.fast.get(found[0].index)

    def _fit(self, index: int) -> None:
        fast = self.fast.get(index)
        if fast is None or fast.weighted is None:
            return
        found = rescaling.fit(fast.weighted.law, exact_type(fast.weighted))
        if found is None:
            self._give_up(index)
            return
        channels = fast.weighted.weights.shape[-1]
        if fast.weighted.law.channels != channels:  # one law for all
            found = found.for_all(channels)
        fast.rescaling = found

    def _give_up(self, index: int) -> None:
        """Without a proven rescaling the plain kernel remains, also for what was joined to it."""
        fast = self.fast.pop(index, None)
        if fast is None:
            return
        joined = [f for f in self.fast.values() if fast in (f.leader, f.streamed)]
        joined += [f for f in (fast.leader, fast.streamed) if f is not None]
        # Channels of several parts are written in their order by the convolution before.
        joined += [middle for before, middle, _ in self._movable if before is fast]
        for other in joined:
            self._give_up(other.op.index)


def _leave_out_constants(before: Fast, middle: Fast, after: Fast) -> None:
    """Channels that never change are not computed: they are part of the law after them.

    As many as leave a MULTIPLE of channels.
    """
    (first, last), (least, most) = (f.weighted.law.ends for f in (before, middle))
    dead = np.flatnonzero((first == last) & (least == most))
    kept = max(1, len(least) - len(dead))
    gone = dead[: max(0, len(least) - kept - -kept % MULTIPLE)]
    if not gone.size:
        return
    alive = np.delete(np.arange(len(least)), gone)
    before.fixed, middle.fixed = first, least
    for fast in (before, middle):
        fast.weighted, fast.order = fast.weighted.permuted(alive), alive
    weights, centre = after.weighted.weights, after.weighted.centre
    share = (least[gone] - centre) @ weights[gone].astype(np.int64)
    law = after.weighted.law.shifted(-share)
    after.weighted = replace(after.weighted, weights=weights[alive], law=law)


def _choose_sums(fast: Fast, movable: bool) -> None:
    """16-bit sums where they are proven, and channels of several parts can be moved."""
    parts = parts_of(fast.weighted)
    if parts is None or (np.any(parts > 1) and not movable):
        return
    _give_columns(fast, parts)
    law = fast.weighted.law.shifted(lifted(fast.weighted, parts))
    fast.weighted = replace(fast.weighted, law=law)


def _give_columns(fast: Fast, parts: np.ndarray) -> None:
    fast.parts = parts
    fast.columns = columns(fast.weighted, parts, np.arange(len(parts)))


def _reorder(before: Fast, middle: Fast, after: Fast) -> None:
    """Move channels of several parts last, those with float64 rescaling next to each other."""
    channels = middle.weighted.law.channels
    parts = np.ones(channels, np.int64) if middle.parts is None else middle.parts
    wide = np.zeros((2, channels), bool)
    for row, fast in zip(wide, (before, middle), strict=True):
        row[fast.rescaling.wide_channels] = True
    # before only, both, middle only: each one's channels then are one run.
    rank = np.where(wide[0], np.where(wide[1], 2, 1), np.where(wide[1], 3, 0))
    key = rank + 4 * parts
    if (key == 4).all():
        return
    order = every = np.argsort(key, kind="stable")
    weights = after.weighted.weights[order]
    if middle.columns is not None:
        middle.columns = columns(middle.weighted, parts, order)
        every = middle.columns.channels
        weights = np.concatenate([weights, np.zeros((len(every) - channels, weights.shape[1]),
                                                    weights.dtype)])  # fmt: skip
    before.weighted = before.weighted.permuted(every)
    before.rescaling = before.rescaling.permuted(every, len(every))
    before.order = every if before.order is None else before.order[every]
    middle.weighted = middle.weighted.permuted(order)
    middle.rescaling = middle.rescaling.permuted(every, channels)
    middle.order = order if middle.order is None else middle.order[order]
    after.weighted = replace(after.weighted, weights=weights)
