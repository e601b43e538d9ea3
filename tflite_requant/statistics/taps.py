"""Which input each filter tap meets: windows as slices, borders as zeros.

A tap is one (row, column) of a filter. For taps of CONV_2D and DEPTHWISE_CONV_2D this gives, per
tap, the slice of the input that it meets over all output positions that it does not miss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tflite_requant.model import Operator


@dataclass(frozen=True, slots=True)
class Window:
    """Geometry of one convolution: filter, stride, dilation (rows, columns), padding before."""

    filter: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    size: tuple[int, int]
    out: tuple[int, int]

    def spans(self, axis: int) -> list[tuple[slice, slice]]:
        """Per tap of one axis: (outputs that see it, inputs they see)."""
        spans = []
        for tap in range(self.filter[axis]):
            shift = tap * self.dilation[axis] - self.before[axis]
            stride, size = self.stride[axis], self.size[axis]
            first = max(0, -(shift // stride)) if shift < 0 else 0
            last = min(self.out[axis], (size - 1 - shift) // stride + 1)
            last = max(last, first)
            start = first * stride + shift
            spans.append(
                (slice(first, last), slice(start, start + (last - first) * stride, stride))
            )
        return spans

    def taps(self) -> Iterator[tuple[slice, slice, slice, slice]]:
        """(output rows, output columns, input rows, input columns) of every tap, row by row."""
        columns = self.spans(1)
        for out_rows, in_rows in self.spans(0):
            for out_columns, in_columns in columns:
                yield out_rows, out_columns, in_rows, in_columns

    def coverage(self) -> np.ndarray:
        """Share of output positions that meet real input, per tap; float64 [taps]."""
        whole = max(self.out[0] * self.out[1], 1)
        shares = [(r.stop - r.start) * (c.stop - c.start) / whole for r, c, _, _ in self.taps()]
        return np.array(shares)


def window(op: Operator, x_shape: tuple, w_shape: tuple, y_shape: tuple) -> Window:
    """The window of a CONV_2D or DEPTHWISE_CONV_2D; shapes NHWC, filter [., rows, columns, .]."""
    stride = (op.option("stride_h", 1), op.option("stride_w", 1))
    dilation = (op.option("dilation_h_factor", 1) or 1, op.option("dilation_w_factor", 1) or 1)
    size, out, taps = x_shape[1:3], y_shape[1:3], w_shape[1:3]
    before = (0, 0)
    if op.option("padding") == "SAME":
        before = tuple(
            max((o - 1) * s + (f - 1) * d + 1 - n, 0) // 2
            for o, s, f, d, n in zip(out, stride, taps, dilation, size, strict=True)
        )
    return Window(tuple(taps), stride, dilation, before, tuple(size), tuple(out))
