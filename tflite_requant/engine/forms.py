"""The shapes in which a tensor is kept between operators, each as its readers want it.

A producer makes tiles of integers in the byte domain, (rows * width, channels), and stores each
tile in every form that some reader asked for. Calls are bound once, to views that never move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tflite_requant.engine.bare import copyto
from tflite_requant.engine.buffers import Scratch, aligned
from tflite_requant.kernels._window import Axis

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Grid:
    """How a tensor's elements are seen: rows of `width` positions with `channels` numbers each.

    NHWC with n = 1 gives (h, w, c); any other shape (product of the leading sizes, 1, last size).
    """

    rows: int
    width: int
    channels: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Grid:
        if len(shape) == 4 and shape[0] == 1:
            return cls(*shape[1:])
        rows = 1
        for size in shape[:-1]:
            rows *= size
        return cls(rows, 1, shape[-1] if shape else 1)

    @property
    def positions(self) -> int:
        return self.rows * self.width

    @property
    def row_size(self) -> int:
        return self.width * self.channels


def copy(target: np.ndarray, source: np.ndarray) -> Call:
    """A bound copy with conversion."""
    return partial(copyto, target, source, casting="unsafe")


def centred(target: np.ndarray, centre: int) -> list[Call]:
    """Calls that subtract a number from floats in place."""
    if centre == 0:
        return []
    return [partial(np.subtract, target, target.dtype.type(centre), target)]


class Flat:
    """float32 or float64 matrix (positions, channels): operand of products and additions.

    centre is subtracted from what is stored. The memory is given before calls are made.
    """

    matrix: np.ndarray

    def __init__(self, grid: Grid, dtype, centre: int) -> None:
        self.grid, self.centre = grid, centre
        self.dtype = np.dtype(dtype)
        self.nbytes = grid.positions * grid.channels * self.dtype.itemsize

    def give(self, memory: np.ndarray) -> None:
        """Use these bytes."""
        self.matrix = memory.view(self.dtype).reshape(self.grid.positions, self.grid.channels)

    def base(self, dtype: np.dtype) -> int | None:
        """What is subtracted of floats of this type; None: integers have to be brought."""
        return self.centre if dtype == self.dtype else None

    def place(self, first: int, last: int) -> np.ndarray:
        """The memory of these rows, (positions, channels)."""
        return self.matrix[first * self.grid.width : last * self.grid.width]

    def stores(self, tile: np.ndarray, first: int, last: int, base: int = 0) -> list[Call]:
        target = self.place(first, last).reshape(tile.shape)
        return [copy(target, tile), *centred(target, self.centre - base)]


class Image:
    """Padded rows for windows of a convolution: (rows, columns, channels) in the byte domain."""

    def __init__(self, grid: Grid, y: Axis, x: Axis, fill: int, dtype) -> None:
        self.grid, self.y, self.x, self.fill = grid, y, x, fill
        shape = (y.before + grid.rows + y.after, x.before + grid.width + x.after, grid.channels)
        self.array = aligned(shape, dtype, fill)

    def base(self, dtype: np.dtype) -> int | None:
        """Floats of its type are taken as they are."""
        return 0 if dtype == self.array.dtype else None

    def place(self, first: int, last: int) -> np.ndarray:
        """The memory of these rows, (rows, width, channels)."""
        top, left = self.y.before, self.x.before
        return self.array[top + first : top + last, left : left + self.grid.width]

    def stores(self, tile: np.ndarray, first: int, last: int, base: int = 0) -> list[Call]:
        target = self.place(first, last)
        return [copy(target, tile.reshape(target.shape))]


class Sections:
    """Padded rows for a depthwise window, so that every tap reads one run of adjacent elements.

    Stride 1: the padded row itself; its taps overlap. Otherwise each row holds, tap by tap, the
    columns that the tap meets: (rows, kernel_w, out_w * channels). window_rows: how many rows are
    there at a time where they are read as soon as they are made; they lie in `scratch`, and
    `advance` is called before.
    """

    def __init__(self, grid: Grid, y: Axis, x: Axis, fill: int, dtype, channels: int,
                 window_rows: int | None = None,
                 scratch: Scratch | None = None) -> None:  # fmt: skip
        self.grid, self.y, self.x = grid, y, x
        self.channels, self.fill, self.dtype = channels, fill, np.dtype(dtype)
        rows = y.before + grid.rows + y.after
        self.rolls = window_rows is not None
        self._first = self._end = 0  # padded rows that are there now
        rows = min(rows, window_rows or rows)
        if x.stride == 1:
            shape = (rows, x.before + grid.width + x.after, channels)
        else:
            shape = (rows, x.kernel, x.out, channels)
        if self.rolls:
            self.array = scratch.take("sections", shape, dtype)
        else:
            self.array = aligned(shape, dtype, fill)

    def base(self, dtype: np.dtype) -> int | None:
        """Floats of its type are taken as they are."""
        return 0 if dtype == self.dtype else None

    def advance(self, first: int, last: int) -> list[Call]:
        """Calls that make room for the rows that output rows first..last read.

        Rows that the rows before them read too are kept.
        """
        if not self.rolls:
            return []
        y, array, calls = self.y, self.array, []
        begin, end = first * y.stride, (last - 1) * y.stride + (y.kernel - 1) * y.dilation + 1
        kept = self._end - begin
        if first == 0:
            calls += [self._filled(part) for part in self._beside()]
        elif kept > 0:
            calls.append(copy(array[:kept], array[begin - self._first : self._end - self._first]))
        for row, upto in ((0, y.before), (y.before + self.grid.rows, end)):
            padding = array[max(row - begin, 0) : max(upto - begin, 0)]
            if padding.size:
                calls.append(self._filled(padding))
        self._first, self._end = begin, end
        return calls

    def _filled(self, part: np.ndarray) -> Call:
        return partial(copyto, part, part.dtype.type(self.fill))

    def _beside(self) -> list[np.ndarray]:
        """What lies left and right of the tensor's columns."""
        if self.x.stride == 1:
            before, after = self.x.before, self.x.before + self.grid.width
            parts = [self.array[:, :before], self.array[:, after:]]
        else:
            ends = [(t, *self._met(t)) for t in range(self.x.kernel)]
            parts = [self.array[:, t, :left] for t, left, _ in ends]
            parts += [self.array[:, t, max(left, right) :] for t, left, right in ends]
        return [part for part in parts if part.size]

    def _met(self, tap: int) -> tuple[int, int]:
        """Which output columns' windows meet a column of the tensor with this tap: from, to."""
        at = tap * self.x.dilation - self.x.before  # column that the first window's tap meets
        stride = self.x.stride
        return max(0, -(at // stride)), min(self.x.out, -((at - self.grid.width) // stride))

    def place(self, first: int, last: int) -> np.ndarray | None:
        """The memory of these rows, (rows, width, channels), where it is one."""
        begin, end, x = *self._there(first, last), self.x
        if x.stride > 1 or end - begin < last - first:
            return None
        return self.array[begin:end, x.before : x.before + self.grid.width]

    def around(self, first: int, last: int, low: int, high: int) -> np.ndarray | None:
        """These rows with their padding, where that is in low..high; numbers in one run."""
        begin, end = self._there(first, last)
        return self.array[begin:end] if low <= self.fill <= high else None

    def apart(self, first: int, last: int) -> np.ndarray | None:
        """Where these rows go if every stride-th column comes first, then those after them.

        (stride, rows, columns, channels), or None where not every column is one tap's, or not all
        rows are wanted. `repeated` has to follow.
        """
        begin, end, x = *self._there(first, last), self.x
        own = slice(x.before, x.before + x.stride)  # the taps that meet all columns once
        whole = x.dilation == 1 and own.stop <= x.kernel and x.stride * x.out == self.grid.width
        if x.stride == 1 or not whole or end - begin < last - first:
            return None
        return self.array[begin:end, own].swapaxes(0, 1)

    def repeated(self, first: int, last: int) -> list[Call]:
        """Calls that copy what other taps meet too, after `apart` was filled."""
        rows, x, calls = self.array[slice(*self._there(first, last))], self.x, []
        for tap in range(x.kernel):
            shift, phase = divmod(tap - x.before, x.stride)
            left, right = self._met(tap)
            if shift and left < right:
                source = rows[:, x.before + phase, left + shift : right + shift]
                calls.append(copy(rows[:, tap, left:right], source))
        return calls

    def _there(self, first: int, last: int) -> tuple[int, int]:
        """Rows of the array for the tensor's rows; fewer where some are nobody's."""
        begin, end = self.y.before + first - self._first, self.y.before + last - self._first
        return (max(begin, 0), min(end, self._end - self._first)) if self.rolls else (begin, end)

    def stores(self, tile: np.ndarray, first: int, last: int, base: int = 0) -> list[Call]:
        grid, x = self.grid, self.x
        begin, end = self._there(first, last)
        if begin >= end:
            return []
        skipped = begin + self._first - self.y.before - first
        source = tile.reshape(last - first, grid.width, self.channels)
        source, rows = source[skipped : skipped + end - begin], self.array[begin:end]
        if x.stride == 1:
            return [copy(rows[:, x.before : x.before + grid.width], source)]
        calls = []
        for tap in range(x.kernel):
            left, right = self._met(tap)
            at = tap * x.dilation - x.before
            if left < right:
                columns = slice(at + left * x.stride, at + (right - 1) * x.stride + 1, x.stride)
                calls.append(copy(rows[:, tap, left:right], source[:, columns]))
        return calls

    def taps(self, first: int, last: int, run: int) -> np.ndarray:
        """Strided view (out rows, runs, kernel_h, kernel_w, run) of what output rows meet.

        run: elements, a multiple of the channels that divides an output row.
        """
        y, x, item = self.y, self.x, self.array.itemsize
        row = self.array.strides[0]
        tap = self.channels * x.dilation * item if x.stride == 1 else self.array.strides[1]
        return np.lib.stride_tricks.as_strided(
            self.array[first * y.stride - self._first :],
            (last - first, x.out * self.channels // run, y.kernel, x.kernel, run),
            (row * y.stride, run * item, row * y.dilation, tap, item),
            writeable=False,
        )


class Raw:
    """The tensor as the file declares it: its own dtype and shape.

    order: the tile's column i is the tensor's channel order[i]; further columns are left out.
    fixed: what channels hold that are not in it.
    """

    def __init__(self, grid: Grid, shape: tuple[int, ...], dtype, order=None, fixed=0) -> None:
        self.grid, self.order, self.fixed = grid, order, fixed
        self.array = np.empty(shape, dtype)
        self._bytes = self.array.view(np.uint8).reshape(grid.positions, grid.channels)

    def base(self, dtype: np.dtype) -> None:
        """Takes integers only."""

    def stores(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        width = self.grid.width
        tile = tile.reshape((last - first) * width, -1)
        rows = self._bytes[first * width : last * width]
        if self.order is None:
            calls = [copy(rows, tile)]
        else:
            calls = [partial(_permute, rows, tile, self.order, self.fixed)]
        if self.array.dtype == np.int8:
            calls.append(partial(np.bitwise_xor, rows, np.uint8(0x80), rows))
        return calls


def _permute(rows: np.ndarray, tile: np.ndarray, order: np.ndarray, fixed) -> None:
    rows[...] = fixed
    rows[:, order] = tile[:, : len(order)]
