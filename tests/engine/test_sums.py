"""16-bit sums of depthwise windows are exact modulo 2**16, and read back exactly where proven."""

from __future__ import annotations

import numpy as np
import pytest

from tflite_requant.engine.buffers import ALIGNMENT, LONG_VECTOR, Scratch, aligned, repeats
from tflite_requant.engine.forms import Grid, Sections
from tflite_requant.engine.weighted import Weighted, safe_in_16_bits
from tflite_requant.kernels._window import axis


def weighted(*channels) -> Weighted:
    """A 3x3 window; each channel's taps given as a list that is filled up with zeros."""
    taps = np.zeros((9, len(channels)), np.int64)
    for c, values in enumerate(channels):
        taps[: len(values), c] = values
    return Weighted(taps.reshape(3, 3, -1), None, 0)


@pytest.mark.parametrize(
    "taps, safe",
    [
        pytest.param([255, 2], True, id="255*257=65535"),
        pytest.param([255, 3], False, id="255*258=65790"),
        pytest.param([-255, -2], True, id="negative"),
        pytest.param([200, -57], True, id="both-signs"),
        pytest.param([200, -58], False, id="both-signs-too-far"),
        pytest.param([], True, id="dead"),
    ],
)
def test_where_16_bits_suffice(taps, safe):
    assert safe_in_16_bits(weighted(taps)).tolist() == [safe]


def wrapped_sums(taps: np.ndarray, data: np.ndarray) -> np.ndarray:
    """int16 einsum, raised by minus the smallest possible sum, read as uint16; int64."""
    low = 255 * np.minimum(taps, 0).sum(axis=(0, 1))
    sums = np.einsum("nyxc,yxc->nc", data.astype(np.int16), taps.astype(np.int16))
    assert sums.dtype == np.int16
    sums += (-low).astype(np.uint16).view(np.int16)
    return sums.view(np.uint16).astype(np.int64) + low


def test_safe_channels_are_read_back_exactly():
    rng = np.random.default_rng(0)
    taps = rng.integers(-60, 61, (3, 3, 400))
    taps = taps[..., safe_in_16_bits(Weighted(taps, None, 0))]
    assert taps.shape[-1] > 50
    worst = np.stack([np.where(taps > 0, 255, 0), np.where(taps < 0, 255, 0)])
    noise = rng.integers(0, 256, (200, *taps.shape))
    for data in (worst, noise):
        exact = np.einsum("nyxc,yxc->nc", data, taps)
        assert np.array_equal(wrapped_sums(taps, data), exact)


def test_an_unsafe_channel_would_be_wrong():
    taps = weighted([255, 3]).weights
    data = np.full((1, 3, 3, 1), 255)
    assert wrapped_sums(taps, data)[0, 0] != 255 * 258


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_sections_hold_what_the_taps_meet(stride, dilation, kernel, padding):
    height, width, channels, fill = 11, 13, 3, 7
    y = axis(height, kernel, stride, dilation, padding)
    x = axis(width, kernel, stride, dilation, padding)
    data = np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.int16)
    sections = Sections(Grid(height, width, channels), y, x, fill, np.int16, 1)
    for first, last in ((0, 4), (4, 5), (5, 11)):
        for call in sections.stores(data[first:last].reshape(-1, channels), first, last):
            call()
    seen = sections.taps(0, y.out, 2)
    assert seen.shape == (y.out, x.out, kernel, kernel, 2)
    for i in range(y.out):
        for j in range(x.out):
            for a in range(kernel):
                for b in range(kernel):
                    row = i * stride - y.before + a * dilation
                    column = j * stride - x.before + b * dilation
                    inside = 0 <= row < height and 0 <= column < width
                    wanted = data[row, column, 1:].tolist() if inside else [fill] * 2
                    assert seen[i, j, a, b].tolist() == wanted


def test_memory_is_aligned_and_vectors_are_long():
    for shape in ((3,), (7, 5), (1, 64)):
        assert aligned(shape, np.float32).ctypes.data % ALIGNMENT == 0
    scratch = Scratch(at_least=10)
    first = scratch.take("a", (4, 5), np.float32)
    assert scratch.take("a", (2, 3), np.float32).ctypes.data == first.ctypes.data
    assert scratch.take("a", (4, 5), np.int16).ctypes.data != first.ctypes.data
    for rows, length in ((672, 96), (49, 960), (7, 3), (1, 10), (13, 5000)):
        count = repeats(rows, length)
        assert rows % count == 0
        assert count * length > LONG_VECTOR or count == rows
