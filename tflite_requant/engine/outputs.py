"""Where an operator's tiles go: forms of its tensor, and a product that takes them at once."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np

from tflite_requant.engine.buffers import Scratch
from tflite_requant.engine.forms import Call, Flat, Image, Raw, Sections, copy


class Follower(Protocol):
    """Takes the tiles of the operator before it."""

    dtype: np.dtype
    centre: int

    def take(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        """Calls that use integers in the byte domain, or, in its dtype, those less its centre."""


class Output:
    """Consumers of tiles; `base` says whether they take floats as they come."""

    def __init__(self, scratch: Scratch) -> None:
        self.forms: list[Flat | Sections | Image | Raw] = []
        self.follower: Follower | None = None
        self._scratch = scratch

    def base(self, dtype: np.dtype) -> int | None:
        """What those who take floats of this type want subtracted; None: integers for everybody."""
        bases = {form.base(dtype) for form in self.forms} - {None}
        if self.follower is not None:
            if self.follower.dtype != dtype:
                return None
            bases.add(self.follower.centre)
        return bases.pop() if len(bases) == 1 else None

    def place16(self, first: int, last: int) -> np.ndarray | None:
        """Where int16 integers in the byte domain can be written for the only consumer."""
        if len(self.forms) == 1 and self.follower is None:
            (form,) = self.forms
            return form.place(first, last) if form.base(np.dtype(np.int16)) == 0 else None
        return None

    def around(self, first: int, last: int, ends: tuple[int, int]) -> np.ndarray | None:
        """The memory around `place16` where all else in it lies within these ends."""
        (form,) = self.forms
        return form.around(first, last, *ends) if isinstance(form, Sections) else None

    def apart(self, first: int, last: int) -> Sections | None:
        """The only consumer, where it wants int16 integers column by column of its stride."""
        form = self.forms[0] if len(self.forms) == 1 and self.follower is None else None
        wanted = isinstance(form, Sections) and form.base(np.dtype(np.int16)) == 0
        return form if wanted and form.apart(first, last) is not None else None

    def calls(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        """Calls that store integers in the byte domain, (positions, channels)."""
        calls = [c for form in self.forms for c in form.stores(tile, first, last)]
        if self.follower is not None:
            calls += self.follower.take(tile, first, last)
        return calls

    def target(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """Where floats can be written at once: in a form, else `values`."""
        for form in self.forms:
            if form.base(values.dtype) is not None and self.follower is None:
                place = form.place(first, last)
                if place is not None:
                    return place
        return values

    def keep(self, values: np.ndarray, base: int, first: int, last: int) -> list[Call]:
        """Calls that store whole floats, in the byte domain less base, from `target`."""
        calls: list[Call] = []
        integers: list[Call] = []
        for form in self.forms:
            if form.base(values.dtype) is None:
                shape = last - first, values.size // (last - first)
                tile = self._scratch.take("outputs", shape, np.int16)
                integers += form.stores(tile, first, last)
            else:
                place = form.place(first, last)
                if place is None or not np.shares_memory(place, values):
                    calls += form.stores(values, first, last, base)
        if integers:
            calls.append(copy(tile.reshape(values.shape), values))
            if base:
                calls.append(partial(np.add, tile, np.int16(base), tile))
        if self.follower is not None:
            return calls + integers + self.follower.take(values, first, last)
        return calls + integers
