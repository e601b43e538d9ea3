"""Calls that rescale a tile of products: float operations in place, then a clip."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.bare import clip
from tflite_requant.engine.buffers import Scratch, aligned_copy, repeats
from tflite_requant.engine.forms import Call, copy
from tflite_requant.engine.rescaling import (
    AFFINE,
    EVEN,
    ROUNDED,
    SAFE16,
    TWICE,
    Form,
    Part,
    Rescaling,
)

FEW_RUNS = 3  # runs of adjacent channels that are copied run by run; more are gathered at once
SIGN = {4: np.int32(-(2**31)), 8: np.int64(-(2**63))}


class Rescaler:
    """Binds a layer's rescaling to tiles. Constants are repeated to the tiles' widths once.

    base: float results are outputs in the byte domain less this.
    """

    def __init__(self, rescaling: Rescaling, scratch: Scratch) -> None:
        self._law = rescaling
        self._scratch = scratch
        self._vectors: dict[int, list[np.ndarray]] = {}
        self.base = _base(rescaling.form)

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest output that can occur, in the byte domain."""
        return self._law.low, self._law.high

    def integers(
        self, products: np.ndarray, target: np.ndarray, around: np.ndarray | None = None
    ) -> list[Call]:
        """Calls that leave int16 outputs in the byte domain in target.

        products: (positions, channels) in the form's float type, contiguous; overwritten.
        target: as many numbers, channels last.
        around: memory without gaps that target is in; whatever else is there is within `ends`.
        """
        law, clipped = self._law, target if around is None else around
        before, after = self._wide(products, target, 0)
        calls = before + self._values(products)
        if law.form.kind in ROUNDED:
            calls.append(partial(np.rint, products, products))
        if law.preclip:
            safe = products.dtype.type(SAFE16)
            calls.append(partial(clip, products, -safe, safe, products))
        calls.append(copy(target, products.reshape(target.shape)))
        if self.base:
            calls.append(partial(np.add, target, np.int16(self.base), target))
        return [*calls, partial(clip, clipped, *_ends(law, 0, np.int16), clipped), *after]

    def floats(self, products: np.ndarray, target: np.ndarray) -> list[Call]:
        """Calls that leave whole floats, outputs less `base`, in target.

        target: as many numbers as products, channels last; may be products itself.
        """
        shaped = products.reshape(target.shape)
        before, after = self._wide(products, target, self.base)
        return [
            *before,
            *self._values(products),
            _whole(self._law.form, products),
            partial(clip, shaped, *_ends(self._law, self.base, products.dtype.type), target),
            *after,
        ]

    def _values(self, products: np.ndarray) -> list[Call]:
        """Calls that bring all products to the numbers to be made whole, in place."""
        positions, channels = products.shape
        count, form = repeats(positions, channels), self._law.form
        if count not in self._vectors:
            fields = form.slope, form.offset, form.half
            self._vectors[count] = [_repeated(f, count) for f in fields]
        wide = products.reshape(positions // count, count * channels)
        return self._steps(form.kind, wide, *self._vectors[count])

    def _steps(self, kind: str, wide, slope, offset, half) -> list[Call]:
        if kind == AFFINE:
            return [partial(np.multiply, wide, slope, wide), partial(np.add, wide, offset, wide)]
        products = [partial(np.add, wide, offset, wide), partial(np.multiply, wide, slope, wide)]
        if kind == EVEN:
            return products
        if kind == TWICE:
            return [*products, partial(np.rint, wide, wide), partial(np.multiply, wide, half, wide)]
        sign = SIGN[wide.itemsize]
        signed = self._scratch.take("signed", wide.shape, sign.dtype)
        return [
            *products,
            partial(np.bitwise_and, wide.view(sign.dtype), sign, signed),
            partial(np.bitwise_or, signed, half.view(sign.dtype), signed),
            partial(np.add, wide, signed.view(wide.dtype), wide),
        ]

    def _wide(self, products, target, base: int) -> tuple[list[Call], list[Call]]:
        """Calls before and after the main form, for the channels that need float64."""
        before: list[Call] = []
        after: list[Call] = []
        for number, part in enumerate(self._law.wide):
            more, result = self._precise(part, products, base, f"wide{number}")
            before += more
            whole = result.reshape(*target.shape[:-1], len(part.channels))
            runs = _runs(part.channels)
            if len(runs) <= FEW_RUNS:
                after += [copy(target[..., here], whole[..., there]) for there, here in runs]
            else:
                after.append(partial(_scatter, target, whole, part.channels))
        return before, after

    def _precise(self, part: Part, products, base: int, name: str) -> tuple[list[Call], np.ndarray]:
        """(calls, result): clipped whole outputs less base for a part's channels, channels last.

        One channel lies after the other: loops over positions are long, those over channels short.
        """
        form, runs = part.form, _runs(part.channels)
        precise = self._scratch.take(name, (len(part.channels), len(products)), np.float64)
        result = precise.T
        if len(runs) <= FEW_RUNS:
            calls = [copy(result[:, there], products[:, here]) for there, here in runs]
        else:
            calls = [partial(_gather, result, products, part.channels)]
        fields = (f[:, None] for f in (form.slope, form.offset, form.half))
        calls += [*self._steps(form.kind, precise, *fields), _whole(form, precise)]
        if _base(form) != base:
            calls.append(partial(np.add, precise, np.float64(_base(form) - base), precise))
        calls.append(partial(clip, precise, *_ends(self._law, base, np.float64), precise))
        return calls, result


def _repeated(field: np.ndarray, count: int) -> np.ndarray:
    """A constant of each channel, `count` times; alone where all are equal: that is half the time.

    Per-tensor scales have one slope for all channels.
    """
    if (field == field[0]).all():
        return field[0]
    return aligned_copy(np.tile(field, count), field.dtype)


def _whole(form: Form, values: np.ndarray) -> Call:
    return partial(np.rint if form.kind in ROUNDED else np.trunc, values, values)


def _base(form: Form) -> int:
    return 0 if form.kind == AFFINE else form.zero


def _ends(law: Rescaling, base: int, kind) -> tuple:
    return kind(law.low - base), kind(law.high - base)


def _gather(target: np.ndarray, source: np.ndarray, channels: np.ndarray) -> None:
    target[...] = source[:, channels]


def _scatter(target: np.ndarray, source: np.ndarray, channels: np.ndarray) -> None:
    target[..., channels] = source


def _runs(channels: np.ndarray) -> list[tuple[slice, slice]]:
    """Runs of adjacent numbers in an ascending list: (where in the list, which numbers)."""
    breaks = np.flatnonzero(np.diff(channels) != 1) + 1
    edges = [0, *breaks.tolist(), len(channels)]
    return [
        (slice(a, b), slice(int(channels[a]), int(channels[b - 1]) + 1))
        for a, b in zip(edges, edges[1:], strict=False)
    ]
