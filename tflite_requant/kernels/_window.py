"""Sliding windows: output sizes, padding before and after, and views of all windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.kernels._types import KernelError


@dataclass(frozen=True, slots=True)
class Axis:
    """A window along one axis; sizes in elements. `before` and `after` are padded positions."""

    size: int
    kernel: int
    stride: int
    dilation: int
    out: int
    before: int

    @property
    def after(self) -> int:
        """How many positions beyond the end the last window reads, 0 where it ends inside."""
        reach = (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
        return max(reach - self.before - self.size, 0)

    def starts(self) -> np.ndarray:
        """First position of each window in the unpadded input; negative where it is padding."""
        return np.arange(self.out) * self.stride - self.before


def axis(size: int, kernel: int, stride: int, dilation: int, padding: str) -> Axis:
    """Window geometry as TFLite computes it.

    SAME: out = ceil(size / stride), the odd padded position is behind. VALID: windows stay inside.
    """
    if stride < 1 or dilation < 1:
        raise KernelError(f"stride {stride}, dilation {dilation}: both must be positive")
    reach = (kernel - 1) * dilation + 1
    if padding == "SAME":
        out = -(-size // stride)
    elif padding == "VALID":
        out = int((size + stride - reach) / stride)  # truncated, as C divides
    else:
        raise KernelError(f"padding {padding!r}: SAME and VALID are known")
    if out < 0:
        raise KernelError(f"a window over {reach} of {size} positions leaves {out}")
    total = max((out - 1) * stride + reach - size, 0)
    return Axis(size, kernel, stride, dilation, out, total // 2)


def axes_2d(shape, kernel_h: int, kernel_w: int, attributes) -> tuple[Axis, Axis]:
    """(vertical, horizontal) windows over an NHWC shape by the usual option fields."""
    padding = attributes["padding"]
    return (
        axis(shape[1], kernel_h, attributes["stride_h"],
             attributes.get("dilation_h_factor", 1) or 1, padding),
        axis(shape[2], kernel_w, attributes["stride_w"],
             attributes.get("dilation_w_factor", 1) or 1, padding),
    )  # fmt: skip


def padded(values: np.ndarray, y: Axis, x: Axis, fill) -> np.ndarray:
    """NHWC values with what the windows read beyond the border filled in."""
    if not (y.before or y.after or x.before or x.after):
        return values
    n, h, w, c = values.shape
    out = np.full((n, h + y.before + y.after, w + x.before + x.after, c), fill, values.dtype)
    out[:, y.before : y.before + h, x.before : x.before + w] = values
    return out


def tap(values: np.ndarray, y: Axis, x: Axis, row: int, column: int) -> np.ndarray:
    """What one kernel position meets in padded NHWC values: (n, y.out, x.out, c) view."""
    top, left = row * y.dilation, column * x.dilation
    return values[
        :,
        top : top + (y.out - 1) * y.stride + 1 : y.stride,
        left : left + (x.out - 1) * x.stride + 1 : x.stride,
    ]


def windows(values: np.ndarray, y: Axis, x: Axis) -> np.ndarray:
    """All windows of padded NHWC values: view of shape (n, y.out, x.out, kernel_h, kernel_w, c)."""
    n, _, _, c = values.shape
    sn, sh, sw, sc = values.strides
    return np.lib.stride_tricks.as_strided(
        values,
        (n, y.out, x.out, y.kernel, x.kernel, c),
        (sn, sh * y.stride, sw * x.stride, sh * y.dilation, sw * x.dilation, sc),
        writeable=False,
    )


def taps_inside(axis_: Axis) -> np.ndarray:
    """How many taps of each window lie inside the input; (out,) int64."""
    positions = axis_.starts()[:, None] + np.arange(axis_.kernel) * axis_.dilation
    return ((positions >= 0) & (positions < axis_.size)).sum(axis=1).astype(np.int64)
