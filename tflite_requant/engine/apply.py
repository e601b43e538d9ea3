"""Calls that rescale a tile of products: float operations in place, then one cast and a clip."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.buffers import Scratch, aligned_copy, repeats
from tflite_requant.engine.forms import Call, copy
from tflite_requant.engine.rescaling import AFFINE, SAFE16, Form, Rescaling

try:  # the bare ufunc; np.clip spends longer on its arguments than on a tile
    from numpy._core.umath import clip
except ImportError:
    from numpy.core.umath import clip

FEW_RUNS = 3  # runs of adjacent channels that are copied run by run; more are gathered at once
SIGN = {4: np.int32(-(2**31)), 8: np.int64(-(2**63))}


class Rescaler:
    """Binds a layer's rescaling to tiles. Vectors are repeated to the tiles' widths once."""

    def __init__(self, rescaling: Rescaling, scratch: Scratch) -> None:
        self._law = rescaling
        self._scratch = scratch
        self._vectors: dict[tuple[str, int], np.ndarray] = {}

    def calls(self, products: np.ndarray) -> tuple[list[Call], np.ndarray]:
        """(calls, their result): int16 outputs in the byte domain, same shape, in scratch.

        products: (positions, channels) in the form's float type, contiguous; overwritten.
        """
        law = self._law
        tile = self._scratch.take("outputs", products.shape, np.int16)
        before, after = self._wide(products, tile)
        low, high = np.int16(law.low), np.int16(law.high)
        calls = before + self._form(law.form, products, tile, law.preclip, "all")
        return calls + [partial(clip, tile, low, high, tile), *after], tile

    def _form(self, form: Form, products, tile, preclip: bool, name: str) -> list[Call]:
        positions, channels = products.shape
        count = repeats(positions, channels)
        wide = products.reshape(positions // count, count * channels)

        def vector(field: str, values: np.ndarray) -> np.ndarray:
            key = f"{name}.{field}", count
            if key not in self._vectors:
                self._vectors[key] = aligned_copy(np.tile(values, count), values.dtype)
            return self._vectors[key]

        slope, offset = vector("slope", form.slope), vector("offset", form.offset)
        if form.kind == AFFINE:
            calls = [partial(np.multiply, wide, slope, wide), partial(np.add, wide, offset, wide)]
        else:
            sign = SIGN[wide.itemsize]
            bits = vector("half", form.half).view(sign.dtype)
            signed = self._scratch.take("signed", wide.shape, sign.dtype)
            calls = [
                partial(np.add, wide, offset, wide),
                partial(np.multiply, wide, slope, wide),
                partial(np.bitwise_and, wide.view(sign.dtype), sign, signed),
                partial(np.bitwise_or, signed, bits, signed),
                partial(np.add, wide, signed.view(wide.dtype), wide),
            ]
        if preclip:
            safe = wide.dtype.type(SAFE16)
            calls.append(partial(clip, wide, -safe, safe, wide))
        calls.append(copy(tile, products))
        if form.kind != AFFINE and form.zero:
            calls.append(partial(np.add, tile, np.int16(form.zero), tile))
        return calls

    def _wide(self, products: np.ndarray, tile: np.ndarray) -> tuple[list[Call], list[Call]]:
        """Calls before and after the main form, for the channels that need float64."""
        before: list[Call] = []
        after: list[Call] = []
        low, high = np.int16(self._law.low), np.int16(self._law.high)
        for number, part in enumerate(self._law.wide):
            shape, name = (len(products), len(part.channels)), f"wide{number}"
            precise = self._scratch.take(name, shape, np.float64)
            result = self._scratch.take(name, shape, np.int16)
            runs = _runs(part.channels)
            if len(runs) <= FEW_RUNS:
                before += [copy(precise[:, there], products[:, here]) for there, here in runs]
                after += [copy(tile[:, here], result[:, there]) for there, here in runs]
            else:
                before.append(partial(_gather, precise, products, part.channels))
                after.append(partial(_scatter, tile, result, part.channels))
            before += self._form(part.form, precise, result, True, name)
            before.append(partial(clip, result, low, high, result))
        return before, after


def _gather(target: np.ndarray, source: np.ndarray, channels: np.ndarray) -> None:
    target[...] = source[:, channels]


def _scatter(target: np.ndarray, source: np.ndarray, channels: np.ndarray) -> None:
    target[:, channels] = source


def _runs(channels: np.ndarray) -> list[tuple[slice, slice]]:
    """Runs of adjacent numbers in an ascending list: (where in the list, which numbers)."""
    breaks = np.flatnonzero(np.diff(channels) != 1) + 1
    edges = [0, *breaks.tolist(), len(channels)]
    return [
        (slice(a, b), slice(int(channels[a]), int(channels[b - 1]) + 1))
        for a, b in zip(edges, edges[1:], strict=False)
    ]
