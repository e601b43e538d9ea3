"""16-bit sums of depthwise windows are exact modulo 2**16, and read back exactly where proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.engine.buffers import ALIGNMENT, LONG_VECTOR, Scratch, aligned, placed, repeats
from tflite_requant.engine.forms import Grid, Sections
from tflite_requant.engine.products import multiplied
from tflite_requant.engine.splitting import MULTIPLE, columns, parts_of
from tflite_requant.engine.weighted import Weighted, safe_in_16_bits, signed_in_16_bits
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


@pytest.mark.parametrize(
    "taps, fits",
    [
        pytest.param([128], True, id="255*128=32640"),
        pytest.param([129], False, id="255*129=32895"),
        pytest.param([-128], True, id="negative"),
        pytest.param([-129], False, id="too-negative"),
        pytest.param([128, -128], True, id="both-signs"),
    ],
)
def test_what_needs_no_raising(taps, fits):
    assert signed_in_16_bits(weighted(taps)).tolist() == [fits]


@pytest.mark.parametrize("top, safe", [(0, True), (64, True), (65, False)])
def test_smaller_data_allows_larger_weights(top, safe):
    quiet = replace(weighted([113] * 9, [-113] * 9), top=np.array([top, top]))
    assert safe_in_16_bits(quiet).tolist() == [safe, safe]
    assert quiet.reach.tolist() == [top * 113 * 9] * 2


@pytest.mark.parametrize(
    "channels, counts, read",
    [
        pytest.param([[100]] * 20, (20,), np.int16, id="signed"),
        pytest.param([[100]] * 19 + [[200]], (20,), np.uint16, id="raised-rather-than-wider"),
        pytest.param([[100]] * 19 + [[300]], (20, 1, 1), np.int16, id="cut-once-more"),
        pytest.param([[200]] * 19 + [[300]], (20, 1), np.uint16, id="raised"),
    ],
)
def test_sums_are_raised_where_that_is_cheaper(channels, counts, read):
    whole = weighted(*channels)
    found = columns(whole, parts_of(whole), np.arange(len(channels)))
    assert (found.counts, found.read) == (counts, read)
    assert read is np.uint16 or not found.added.any()


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


@pytest.mark.parametrize("window_rows", [None, 16], ids=["whole", "rolling"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_sections_hold_what_the_taps_meet(stride, dilation, kernel, padding, window_rows):
    height, width, channels, fill = 21, 13, 2, 7
    y = axis(height, kernel, stride, dilation, padding)
    x = axis(width, kernel, stride, dilation, padding)
    grid = Grid(height, width, channels)
    data = np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.int16)
    scratch = Scratch()
    scratch.take("sections", (1 << 15,), np.int16).fill(99)  # what another operator left
    sections = Sections(grid, y, x, fill, np.int16, channels, window_rows, scratch)
    done = 0
    for first, last in ((0, 2), (2, 3), (3, 5), *((i, i + 1) for i in range(5, y.out))):
        if last > y.out:
            break
        upto = min(height, (last - 1) * stride + (kernel - 1) * dilation + 1 - y.before)
        calls = sections.advance(first, last)
        if upto > done:
            calls += sections.stores(data[done:upto].reshape(-1, channels), done, upto)
            done = upto
        for call in calls:
            call()
        seen = sections.taps(first, last, channels)
        assert seen.shape == (last - first, x.out, kernel, kernel, channels)
        for i, j, a, b in np.ndindex(seen.shape[:4]):
            row = (first + i) * stride - y.before + a * dilation
            column = j * stride - x.before + b * dilation
            inside = 0 <= row < height and 0 <= column < width
            wanted = data[row, column].tolist() if inside else [fill] * channels
            assert seen[i, j, a, b].tolist() == wanted


@pytest.mark.parametrize(
    "kernel, stride, width, padding, given",
    [
        pytest.param(3, 2, 12, "SAME", True, id="even"),
        pytest.param(3, 2, 13, "SAME", False, id="odd"),
        pytest.param(5, 2, 12, "SAME", True, id="padded-on-both-sides"),
        pytest.param(2, 2, 12, "VALID", True, id="taps-that-share-nothing"),
        pytest.param(5, 3, 12, "SAME", True, id="three"),
        pytest.param(3, 2, 12, "VALID", False, id="unread-columns"),
        pytest.param(3, 1, 12, "SAME", False, id="no-stride"),
    ],
)
def test_columns_that_are_brought_apart(kernel, stride, width, padding, given):
    """What is written column by column of the stride is what storing whole rows makes."""
    rows, channels = 12, 2
    axes = [axis(n, kernel, stride, 1, padding) for n in (rows, width)]
    stored, filled = (
        Sections(Grid(rows, width, channels), *axes, 7, np.int16, channels) for _ in range(2)
    )
    data = np.random.default_rng(0).integers(0, 256, (rows, width, channels)).astype(np.int16)
    for call in stored.stores(data[2:].reshape(-1, channels), 2, rows):
        call()
    target = filled.apart(2, rows)
    assert (target is not None) == given
    if given:
        target[...] = data[2:].reshape(rows - 2, -1, stride, channels).transpose(2, 0, 1, 3)
        for call in filled.repeated(2, rows):
            call()
        assert np.array_equal(filled.array, stored.array)


def test_parts_add_up():
    rng = np.random.default_rng(3)
    taps = rng.integers(-28, 29, (3, 3, 40)) * np.repeat([1, 2, 4], [32, 4, 4])
    whole = Weighted(taps, None, 0)
    parts = parts_of(whole)
    assert parts.min() == 1 and parts.max() >= 3
    order = np.argsort(parts, kind="stable")
    found = columns(whole, parts, order)
    assert safe_in_16_bits(replace(whole, weights=found.weights)).all()
    assert found.channels[:40].tolist() == order.tolist()
    assert sum(found.counts) == parts.sum()
    assert len(found.channels) == -(-parts.sum() // MULTIPLE) * MULTIPLE
    assert not found.weights[..., parts.sum() :].any()
    total = np.zeros_like(taps)
    for column, channel in enumerate(found.channels):
        total[..., channel] += found.weights[..., column]
    assert np.array_equal(total, taps)
    begin = found.counts[0]
    for count in found.counts[1:]:
        assert np.array_equal(found.channels[begin : begin + count], order[40 - count :])
        begin += count


@pytest.mark.parametrize(
    "taps", [pytest.param([255] * 9, id="too-many-parts"), pytest.param([100] * 3, id="too-many")]
)
def test_float_sums_where_parts_would_cost_more(taps):
    assert parts_of(weighted(taps, taps, [1])) is None


def test_matrices_take_turns():
    needs = [(400, 0, 2), (300, 3, 4), (100, 2, 3), (400, 5, 6), (50, 4, 9), (60, 0, 9)]
    found = placed(needs)
    assert [f.size for f in found] == [n[0] for n in needs]
    for (_, first, last), one in zip(needs, found, strict=True):
        for (_, begin, end), other in zip(needs, found, strict=True):
            if one is not other and first <= end and begin <= last:
                assert not np.shares_memory(one, other)
    assert np.shares_memory(found[0], found[1]) and np.shares_memory(found[0], found[3])


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


@pytest.mark.parametrize("m, k, n", [(1, 9, 5), (49, 960, 160), (49, 320, 1280), (3136, 24, 144),
                                     (784, 32, 192), (97, 200, 300), (12544, 27, 32),
                                     (49, 1863, 96), (49, 2500, 64), (49, 160, 976),
                                     (49, 480, 1008), (14, 1280, 1001)])  # fmt: skip
@pytest.mark.parametrize("transposed", [False, True])
def test_cut_products_are_whole_products(m, k, n, transposed):
    rng = np.random.default_rng(0)
    left = rng.integers(0, 9, (k, m)).T if transposed else rng.integers(0, 9, (m, k))
    left, right = left.astype(np.float32), rng.integers(-9, 9, (k, n)).astype(np.float32)
    out = np.full((m, n), np.nan, np.float32)
    for call in multiplied(left, right, out, Scratch()):
        call()
    assert np.array_equal(out, left.astype(np.int64) @ right.astype(np.int64))
