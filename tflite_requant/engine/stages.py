"""Operators that make their output row by row, and the calls for a range of rows.

Each makes a tile of its output; `Output` stores it wherever it is wanted.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.apply import Rescaler
from tflite_requant.engine.bare import c_einsum
from tflite_requant.engine.buffers import Scratch, aligned_copy, repeats
from tflite_requant.engine.forms import Call, Flat, Grid, Image, Sections, centred, copy
from tflite_requant.engine.outputs import Output
from tflite_requant.engine.products import multiplied
from tflite_requant.engine.rescaling import Rescaling
from tflite_requant.engine.splitting import Columns
from tflite_requant.engine.weighted import Weighted

TILE = 1 << 17  # elements of a tile: half a mebibyte of float32, in the second-level cache
RUN16, RUN32 = 8192, 2048  # elements of one run of a depthwise sum
FEW_COLUMNS = 8  # of a matrix, which are faster added one by one than row by row
SMALL_WINDOW = 32  # numbers of one window row below which unrolling goes tap by tap


def rescaled(
    rescaler: Rescaler, products: np.ndarray, scratch: Scratch, output: Output, first: int,
    last: int,
) -> list[Call]:  # fmt: skip
    """Calls that rescale output rows and store them, as floats where their readers take them."""
    base = output.base(products.dtype)
    if base is None or base != rescaler.base:
        place = output.place16(first, last)
        if place is not None:
            around = output.around(first, last, rescaler.ends)
            return rescaler.integers(products, place, around)
        tile = scratch.take("outputs", products.shape, np.int16)
        return rescaler.integers(products, tile) + output.calls(tile, first, last)
    target = output.target(products, first, last)
    return rescaler.floats(products, target) + output.keep(target, base, first, last)


class Product:
    """A convolution or FULLY_CONNECTED as matrix products."""

    def __init__(self, weighted: Weighted, rescaling: Rescaling, dtype, grid: Grid,
                 scratch: Scratch, output: Output) -> None:  # fmt: skip
        self.weighted, self.grid, self.output = weighted, grid, output
        self.dtype = np.dtype(dtype)
        self.scratch = scratch
        self.matrix = aligned_copy(weighted.weights, self.dtype)
        self.centre, self.channels = weighted.centre, self.matrix.shape[1]
        self.rescaler = Rescaler(rescaling, scratch)
        self.source: Flat | Image | None = None
        self.done = 0
        self._begun = 0  # first row whose products wait for being rescaled

    @property
    def tile_rows(self) -> int:
        size = self.grid.width * max(self.channels, len(self.matrix) // 2)
        return evenly(self.grid.rows, TILE // max(1, size))

    def needs(self, upto: int) -> int:
        """Input rows that output rows below `upto` read."""
        y = self.weighted.y
        if y is None:
            return upto
        return min(y.size, (upto - 1) * y.stride + (y.kernel - 1) * y.dilation + 1 - y.before)

    def calls(self, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last from the source form."""
        width, channels = self.grid.width, self.channels
        rows, calls = self._rows(first, last)
        products = self.scratch.take("products", ((last - first) * width, channels), self.dtype)
        sections = self.output.apart(first, last) if isinstance(self.source, Flat) else None
        if sections is None:
            calls += multiplied(rows, self.matrix, products, self.scratch)
            return calls + self._finish(products, first, last)
        # A product may take its rows in any order: windows with a stride then read long runs.
        target = sections.apart(first, last)
        groups = products.reshape(len(target), -1, channels)
        for start, group in enumerate(groups):
            calls += multiplied(rows[start :: len(groups)], self.matrix, group, self.scratch)
        return calls + self.rescaler.integers(products, target) + sections.repeated(first, last)

    def take(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last of a pointwise product from its data.

        tile: integers in the byte domain, or, in `dtype`, those less `centre`.
        Products wait until there are enough of them to be worth rescaling.
        """
        width, channels = self.grid.width, self.channels
        rows, calls = tile, []
        if tile.dtype != self.dtype:
            # The sums that the tile was made of are no longer needed; their memory is at hand.
            rows = self.scratch.take("products", tile.shape, self.dtype)
            calls = [copy(rows, tile), *centred(rows, self.centre)]
        whole = self.scratch.take("waiting", (self.grid.positions, channels), self.dtype)
        at = slice(first * width, last * width)
        calls += multiplied(rows, self.matrix, whole[at], self.scratch)
        if last == self.grid.rows or (last - self._begun) * width * channels >= TILE:
            calls += self._finish(whole[self._begun * width : at.stop], self._begun, last)
            self._begun = last
        return calls

    def _finish(self, products: np.ndarray, first: int, last: int) -> list[Call]:
        return rescaled(self.rescaler, products, self.scratch, self.output, first, last)

    def _rows(self, first: int, last: int) -> tuple[np.ndarray, list[Call]]:
        """(matrix of what the output positions read, calls that fill it)."""
        if isinstance(self.source, Flat):
            width = self.grid.width
            matrix = self.source.matrix.reshape(self.grid.positions, -1)
            return matrix[first * width : last * width], []
        y, x = self.weighted.y, self.weighted.x
        array = self.source.array
        depth = array.shape[2]
        sh, sw, sc = array.strides
        image = array[first * y.stride :]
        if x.kernel * depth < SMALL_WINDOW:
            # Long runs along the image's columns, not short ones along a window's row.
            shape = (y.kernel, x.kernel, depth, last - first, x.out)
            strides = (sh * y.dilation, sw * x.dilation, sc, sh * y.stride, sw * x.stride)
            columns = self.scratch.take("columns", shape, self.dtype)
            matrix = columns.reshape(len(self.matrix), -1).T
        else:
            shape = (last - first, x.out, y.kernel, x.kernel, depth)
            strides = (sh * y.stride, sw * x.stride, sh * y.dilation, sw * x.dilation, sc)
            columns = self.scratch.take("columns", shape, self.dtype)
            matrix = columns.reshape(-1, len(self.matrix))
        seen = np.lib.stride_tricks.as_strided(image, shape, strides, writeable=False)
        return matrix, [copy(columns, seen)]


def evenly(rows: int, most: int) -> int:
    """Rows of a tile, at most about `most`, so that the last tile is no remnant."""
    return -(-rows // max(1, round(rows / max(1, most))))


def depthwise_rows(weighted: Weighted, grid: Grid) -> int:
    """Output rows of a depthwise tile; what it reads is a tile of the operator before it."""
    read = grid.width * grid.channels * weighted.y.stride * weighted.x.stride
    return evenly(grid.rows, TILE // max(1, read))


class Depthwise:
    """A depthwise convolution: sums over the taps of long runs.

    sections: the source. columns: of 16-bit sums; None for float sums.
    """

    def __init__(self, weighted: Weighted, rescaling: Rescaling, grid: Grid, scratch: Scratch,
                 output: Output, sections: Sections, columns: Columns | None) -> None:  # fmt: skip
        self.weighted, self.grid, self.output = weighted, grid, output
        self.scratch = scratch
        self.rescaler = Rescaler(rescaling, scratch)
        self.sections, self.columns = sections, columns
        self.dtype = np.dtype(np.float64 if sections.dtype == np.float64 else np.float32)
        self.done = 0
        self._weights: dict[int, np.ndarray] = {}

    @property
    def tile_rows(self) -> int:
        return depthwise_rows(self.weighted, self.grid)

    def advance(self, first: int, last: int) -> list[Call]:
        """Calls to run before input rows for output rows first..last are made."""
        return self.sections.advance(first, last)

    def needs(self, upto: int) -> int:
        y = self.weighted.y
        return min(y.size, (upto - 1) * y.stride + (y.kernel - 1) * y.dilation + 1 - y.before)

    def calls(self, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last from the source forms."""
        shape = (last - first) * self.grid.width, self.sections.channels
        products = self.scratch.take("products", shape, self.dtype)
        if self.columns is None:
            calls = [self._sum(first, last, products)]
        else:
            sums = self.scratch.take("sums", shape, np.int16)
            calls = [self._sum(first, last, sums), *self._raised(sums)]
            calls.append(copy(products, sums.view(self.columns.read)))
            calls += _joined(products, self.columns.counts)
        return calls + rescaled(self.rescaler, products, self.scratch, self.output, first, last)

    def _sum(self, first: int, last: int, out: np.ndarray) -> Call:
        source = self.sections
        limit = RUN32 if self.columns is None else RUN16
        count = max(
            (n for n in range(1, self.grid.width + 1)
             if self.grid.width % n == 0 and (n == 1 or n * source.channels <= limit)),
        )  # fmt: skip
        seen = source.taps(first, last, count * source.channels)
        target = out.reshape(seen.shape[0], seen.shape[1], seen.shape[4])
        if count not in self._weights:
            parts = self.weighted if self.columns is None else self.columns
            weights = np.tile(parts.weights, (1, 1, count))
            self._weights[count] = aligned_copy(weights, source.dtype)
        weights = self._weights[count]
        return partial(c_einsum, "hbyxp,yxp->hbp", seen, weights, out=target)

    def _raised(self, sums: np.ndarray) -> list[Call]:
        """Calls that make sums positive, modulo 2**16, where they need it."""
        added = self.columns.added.astype(np.uint16).view(np.int16)
        if not added.any():
            return []
        count = repeats(*sums.shape)
        wide = sums.reshape(-1, count * sums.shape[1])
        return [partial(np.add, wide, aligned_copy(np.tile(added, count), np.int16), wide)]


def _joined(products: np.ndarray, counts: tuple[int, ...]) -> list[Call]:
    """Calls that add further parts of channels to the first ones."""
    calls, end = [], counts[0]
    for count in counts[1:]:
        first, other = products[:, counts[0] - count : counts[0]], products[:, end : end + count]
        if count <= FEW_COLUMNS:  # loops along the columns are longer
            calls.append(partial(np.add, first.T, other.T, first.T, order="C"))
        else:
            calls.append(partial(np.add, first, other, first))
        end += count
    return calls
