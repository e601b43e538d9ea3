"""Ranges that are too wide for what samples reach give way to narrower ones."""

import numpy as np
import pytest
from graphs import SAME, VALID, Net

from tflite_requant.planning import plan, ranges
from tflite_requant.planning.units import Unit
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme

STEP = 0.03  # of the source; its range of 3.8 on either side asks for 2^-5 = 0.03125


def planned_on(scheme, *, zero=128, fold=True):
    """x -> y -> z by 1x1 convolutions."""
    net = Net()
    x, y, z = net.act("x"), net.act("y", STEP, zero), net.act("z", STEP)
    net.conv(x, y)
    net.conv(y, z)
    return plan(net.build((x,), (z,)).main, load_scheme(scheme), fold=fold)


@pytest.fixture(scope="module")
def planned():
    return planned_on("symmetric-po2", fold=False)


def named(planned, *names):
    """Indices of tensors."""
    by_name = {t.name: t.index for t in planned.subgraph.tensors}
    return [by_name[n] for n in names]


def counts(reach, share=0.0):
    """Evenly spread within `reach` steps of the zero point; a share at the end of the range."""
    found = np.zeros(256, np.int64)
    found[128 - reach : 128 + reach + 1] = 1000
    found[255] += round(share * found.sum())
    return found


@pytest.mark.parametrize(
    ("reach", "share", "factor"),
    [(30, 0.0, 0.25), (60, 0.0, 0.5), (127, 0.0, 1.0), (30, 0.01, 1.0), (60, 2e-5, 1.0)],
)
def test_by_what_is_cut_off(planned, reach, share, factor):
    (y,) = named(planned, "y")
    found = ranges.tightened(planned, {y: counts(reach, share)})
    assert found == ({Unit("power", (y,)): factor} if factor != 1 else {})


@pytest.mark.parametrize(("scheme", "zero"), [("symmetric-po2", 128), ("symmetric", 120)])
def test_the_chosen_scale_errs_least(scheme, zero):
    """The choice is the one that the formula makes, by brute force over all integers."""
    planned = planned_on(scheme, zero=zero, fold=False)
    (y,) = named(planned, "y")
    (unit,) = [u for u in planned.units if u.tensors == (y,)]
    steps = ranges.POWERS if unit.kind == "power" else ranges.FRACTIONS
    for reach in (20, 30, 62, 66, 80, 127):
        n = counts(reach)
        x = np.repeat((np.arange(256) - zero) * np.float32(STEP).astype(float), n)
        errors = []
        for factor in steps:
            e = planned.home[y].qparams.scale * factor
            cut = x - np.clip(x, -128 * e, 127 * e)
            errors.append((ranges.CUT * np.mean(cut**2) + e * e / 12) / np.mean(x**2))
            assert ranges._error(planned, {y: factor}, {y: n}) == pytest.approx(errors[-1])
        found = ranges.tightened(planned, {y: n}).get(unit, 1.0)
        worth = 1 if unit.kind == "power" else ranges.WORTH
        best = int(np.argmin(errors))
        assert found == (steps[best] if errors[best] < worth * errors[0] else 1)


def test_spared_and_uncounted_tensors_keep_their_range(planned):
    (y,) = named(planned, "y")
    assert ranges.tightened(planned, {y: counts(30)}, spared=[y]) == {}
    assert ranges.tightened(planned, {}) == {}


def test_a_judge_decides_between_what_some_cut_asks_for(planned):
    (y,) = named(planned, "y")
    asked = []

    def judge(prefers):
        def noise(grids):
            (tensor, grid), = grids.items()
            assert tensor == y and grid.dtype == "int8" and grid.qparams.zero_point == 0
            asked.append(grid.qparams.scale / planned.home[y].qparams.scale)
            return 0.0 if asked[-1] == prefers else 1.0

        return noise

    rare = {y: counts(60, 2e-5)}  # CUT = 1 cuts it off, CUT = 4 does not
    assert ranges.tightened(planned, rare, judge=judge(0.5)) == {Unit("power", (y,)): 0.5}
    assert ranges.tightened(planned, rare, judge=judge(1.0)) == {}
    assert asked == [1.0, 0.5, 1.0, 0.5]
    asked.clear()
    assert ranges.tightened(planned, {y: counts(127)}, judge=judge(0.25)) == {}
    assert ranges.tightened(planned, rare, spared=[y], judge=judge(0.5)) == {}
    assert asked == []


def test_where_outputs_err_alike_the_range_stays(planned):
    (y,) = named(planned, "y")
    assert ranges.tightened(planned, {y: counts(30)}, judge=lambda grids: 2.0) == {}


def test_scales_of_any_size_are_not_asked_about():
    planned = planned_on("symmetric", zero=120, fold=False)
    (y,) = named(planned, "y")

    def never(grids):
        raise AssertionError(grids)

    plain, judged = (ranges.tightened(planned, {y: counts(30)}, judge=j) for j in (None, never))
    assert plain == judged != {}


def test_a_pool_narrows_the_sum_whose_grid_it_shares():
    """Means are much smaller than what they are of, and have no steps of their own."""
    net = Net()
    x, y = net.act("x"), net.act("y", STEP, 120)
    p, z = net.act("p", STEP, 120, shape=(1, 1, 1, 2)), net.act("z", shape=(1, 1, 1, 2))
    net.conv(x, y)
    window = {"filter_width": 4, "filter_height": 4, "fused_activation_function": "NONE"}
    net.operator("AVERAGE_POOL_2D", (y,), (p,), VALID | window)
    net.conv(p, z)
    planned = plan(net.build((x,), (z,)).main, load_scheme("symmetric"), fold=False)
    y, p = named(planned, "y", "p")
    alone, pooled = (
        ranges.tightened(planned, {y: counts(90, 3e-5), p: counts(reach)}) for reach in (90, 8)
    )
    assert alone == {} and 0.7 < pooled[Unit("any", (y, p))] < 1


def test_saturation_that_is_a_clamp_stays():
    """A folded tensor keeps the source's grid; one much finer than that has nothing to gain."""
    folded, plain, fine = (
        planned_on("symmetric", zero=120), planned_on("symmetric", zero=120, fold=False),
        planned_on("int16x8"),
    )  # fmt: skip
    (y,) = named(folded, "y")
    assert y in folded.offsets and {u.tensors for u in folded.units} == {(y,)}
    assert {u.tensors for u in fine.units} >= {(y,)}
    assert ranges.tightened(folded, {y: counts(30)}) == {}
    assert ranges.tightened(fine, {y: counts(30)}) == {}
    assert ranges.tightened(plain, {y: counts(30)}) != {}


def test_what_explicit_padding_folds_keeps_its_range():
    """Also where the plan without PADV2 would narrow it."""
    net = Net()
    x, y, z = net.act("x"), net.act("y", 0.02, 0), net.act("z")
    net.conv(x, y)
    net.conv(y, z, taps=3, options=SAME)
    model = net.build((x,), (z,))
    samples = np.random.default_rng(0).integers(124, 133, (8, 4, 4, 2)).astype(np.uint8)
    plain, padded = (
        requantize(model, "symmetric", samples, Options(allow_padv2=n)).model.main.tensors[y]
        for n in (0, "any")
    )
    assert plain.qparams.scale < 0.9 * 255 / 127 * model.main.tensors[y].qparams.scale
    assert padded.qparams.scale == model.main.tensors[y].qparams.scale
