"""A power of two that is too wide for what samples reach gives way to the next smaller one."""

import numpy as np
import pytest
from graphs import Net

from tflite_requant.planning import plan, ranges
from tflite_requant.planning.units import Unit
from tflite_requant.schemes import load_scheme

STEP = 0.03  # of the source; its range of 3.8 on either side asks for 2^-5 = 0.03125


@pytest.fixture(scope="module")
def planned():
    net = Net()
    x, y, z = net.act("x"), net.act("y", STEP), net.act("z", STEP)
    net.conv(x, y)
    net.conv(y, z)
    return plan(net.build((x,), (z,)).main, load_scheme("symmetric-po2"), fold=False)


def counts(reach, share=0.0):
    """Evenly spread within `reach` steps of the zero point; a share at the end of the range."""
    found = np.zeros(256, np.int64)
    found[128 - reach : 128 + reach + 1] = 1000
    found[255] += round(share * found.sum())
    return found


@pytest.mark.parametrize(
    ("reach", "share", "factor"),
    [(30, 0.0, 0.5), (60, 0.0, 0.5), (127, 0.0, 1.0), (30, 0.01, 1.0), (30, 1e-5, 0.5)],
)
def test_by_what_is_cut_off(planned, reach, share, factor):
    (y,) = [t.index for t in planned.subgraph.tensors if t.name == "y"]
    found = ranges.tightened(planned, {y: counts(reach, share)})
    assert found == ({Unit("power", (y,)): 0.5} if factor == 0.5 else {})


def test_the_smaller_scale_errs_less(planned):
    """The choice is the one that the formula makes, by brute force over all integers."""
    (y,) = [t.index for t in planned.subgraph.tensors if t.name == "y"]
    unit = Unit("power", (y,))
    for reach in (30, 62, 66, 80, 127):
        n = counts(reach)
        x = np.repeat((np.arange(256) - 128) * np.float32(STEP).astype(float), n)
        errors = []
        for factor in ranges.POWERS:
            e = planned.home[y].qparams.scale * factor
            cut = x - np.clip(x, -128 * e, 127 * e)
            errors.append((np.mean(cut**2) + e * e / 12) / np.mean(x**2))
            assert ranges._error(planned, unit, factor, {y: n}) == pytest.approx(errors[-1])
        assert (unit in ranges.tightened(planned, {y: n})) == (errors[1] < errors[0])


def test_spared_and_uncounted_tensors_keep_their_range(planned):
    (y,) = [t.index for t in planned.subgraph.tensors if t.name == "y"]
    assert ranges.tightened(planned, {y: counts(30)}, spared=[y]) == {}
    assert ranges.tightened(planned, {}) == {}
