"""Operators that make their output row by row, and the calls for a range of rows.

Each makes a tile of integers in the byte domain; `Output` stores it wherever it is wanted.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.apply import Rescaler
from tflite_requant.engine.buffers import Scratch, aligned_copy
from tflite_requant.engine.forms import Call, Flat, Grid, Image, Sections, centred, copy
from tflite_requant.engine.rescaling import Rescaling
from tflite_requant.engine.weighted import Weighted

TILE = 1 << 17  # elements of a tile: half a mebibyte of float32, in the second-level cache
RUN16, RUN32 = 4096, 1024  # elements of one run of a depthwise sum that stay in the first level
SMALL_WINDOW = 32  # numbers of one window row below which unrolling goes tap by tap


class Output:
    """Where an operator's tiles go: forms of the tensor, and a follower that takes them at once."""

    def __init__(self) -> None:
        self.forms: list = []
        self.follower: Product | None = None

    def calls(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        calls = [c for form in self.forms for c in form.stores(tile, first, last)]
        if self.follower is not None:
            calls += self.follower.take(tile, first, last)
        return calls


class Product:
    """A convolution or FULLY_CONNECTED as matrix products."""

    def __init__(self, weighted: Weighted, rescaling: Rescaling, dtype, grid: Grid,
                 scratch: Scratch, output: Output) -> None:  # fmt: skip
        self.weighted, self.grid, self.output = weighted, grid, output
        self.dtype = np.dtype(dtype)
        self.scratch = scratch
        self.matrix = aligned_copy(weighted.weights, self.dtype)
        self.rescaler = Rescaler(rescaling, scratch)
        self.source: Flat | Image | None = None
        self.done = 0
        self._begun = 0  # first row whose products wait for being rescaled

    @property
    def tile_rows(self) -> int:
        size = self.grid.width * max(self.grid.channels, len(self.matrix) // 2)
        return max(1, TILE // max(1, size))

    def needs(self, upto: int) -> int:
        """Input rows that output rows below `upto` read."""
        y = self.weighted.y
        if y is None:
            return upto
        return min(y.size, (upto - 1) * y.stride + (y.kernel - 1) * y.dilation + 1 - y.before)

    def calls(self, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last from the source form."""
        width, channels = self.grid.width, self.grid.channels
        rows, calls = self._rows(first, last)
        products = self.scratch.take("products", ((last - first) * width, channels), self.dtype)
        calls.append(partial(np.matmul, rows, self.matrix, products))
        return calls + self._finish(products, first, last)

    def take(self, tile: np.ndarray, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last of a pointwise product from integers in a tile.

        Products wait until there are enough of them to be worth rescaling.
        """
        width, channels = self.grid.width, self.grid.channels
        # The sums that the tile was made of are no longer needed, and their memory is at hand.
        rows = self.scratch.take("products", tile.shape, self.dtype)
        whole = self.scratch.take("waiting", (self.grid.positions, channels), self.dtype)
        at = slice(first * width, last * width)
        calls = [copy(rows, tile), *centred(rows, self.weighted.centre)]
        calls.append(partial(np.matmul, rows, self.matrix, whole[at]))
        if last == self.grid.rows or (last - self._begun) * width * channels >= TILE:
            calls += self._finish(whole[self._begun * width : at.stop], self._begun, last)
            self._begun = last
        return calls

    def _finish(self, products: np.ndarray, first: int, last: int) -> list[Call]:
        calls, tile = self.rescaler.calls(products)
        return calls + self.output.calls(tile, first, last)

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


class Depthwise:
    """A depthwise convolution: sums over the taps of long runs.

    sections: the source. added: int16, what 16-bit sums are raised by, modulo 2**16; None for
    float sums. tail: float32 source of the last channels, where the sums of `sections` are only
    right for the channels before it.
    """

    def __init__(self, weighted: Weighted, rescaling: Rescaling, grid: Grid, scratch: Scratch,
                 output: Output, sections: Sections, tail: Sections | None,
                 added: np.ndarray | None) -> None:  # fmt: skip
        self.weighted, self.grid, self.output = weighted, grid, output
        self.scratch = scratch
        self.rescaler = Rescaler(rescaling, scratch)
        self.sections, self.tail, self.added = sections, tail, added
        self.dtype = np.dtype(np.float64 if sections.dtype == np.float64 else np.float32)
        self.done = 0
        self._weights: dict[tuple[int, str], np.ndarray] = {}

    @property
    def tile_rows(self) -> int:
        y = self.weighted.y
        read = self.grid.width * self.grid.channels * y.stride * self.weighted.x.stride
        return max(1, TILE // max(1, read))

    def needs(self, upto: int) -> int:
        y = self.weighted.y
        return min(y.size, (upto - 1) * y.stride + (y.kernel - 1) * y.dilation + 1 - y.before)

    def calls(self, first: int, last: int) -> list[Call]:
        """Calls that make output rows first..last from the source forms."""
        positions, channels = (last - first) * self.grid.width, self.grid.channels
        products = self.scratch.take("products", (positions, channels), self.dtype)
        if self.sections.dtype != np.int16:
            calls = [self._sum(self.sections, first, last, products)]
        else:
            sums = self.scratch.take("sums", (positions, channels), np.int16)
            calls = [self._sum(self.sections, first, last, sums)]
            calls.append(partial(np.add, sums, self.added, sums))
            calls.append(copy(products, sums.view(np.uint16)))
        if self.tail is not None:
            few = self.scratch.take("tail", (positions, self.tail.channels), self.dtype)
            calls.append(self._sum(self.tail, first, last, few))
            calls.append(copy(products[:, self.tail.from_channel :], few))
        more, tile = self.rescaler.calls(products)
        return calls + more + self.output.calls(tile, first, last)

    def _sum(self, source: Sections, first: int, last: int, out: np.ndarray) -> Call:
        limit = RUN16 if source.dtype == np.int16 else RUN32
        count = max(
            (n for n in range(1, self.grid.width + 1)
             if self.grid.width % n == 0 and (n == 1 or n * source.channels <= limit)),
        )  # fmt: skip
        seen = source.taps(first, last, count * source.channels)
        target = out.reshape(seen.shape[0], seen.shape[1], seen.shape[4])
        weights = self._repeated(source, count)
        return partial(np.einsum, "hbyxp,yxp->hbp", seen, weights, out=target, optimize=False)

    def _repeated(self, source: Sections, count: int) -> np.ndarray:
        key = source.from_channel, source.dtype.str
        if key not in self._weights:
            weights = self.weighted.weights[..., source.from_channel :]
            self._weights[key] = aligned_copy(np.tile(weights, (1, 1, count)), source.dtype)
        return self._weights[key]
