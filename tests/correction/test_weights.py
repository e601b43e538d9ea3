"""Grids for weights: lossless first, then the least disturbance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rounding import correlated

from tflite_requant.correction import weights
from tflite_requant.correction.cost import output_error
from tflite_requant.correction.moments import Moments, unknown
from tflite_requant.correction.weights import Grid, Weights, fit

INT8 = Grid(-127, 127)
TENSOR = Grid(-127, 127, per_axis=False)
PO2 = Grid(-127, 127, power_of_two=True)
PO2_TENSOR = Grid(-127, 127, power_of_two=True, per_axis=False)
UINT8 = Grid(0, 255, zero_point=None, per_axis=False)
GRIDS = {
    "per axis": INT8,
    "per tensor": TENSOR,
    "po2": PO2,
    "po2 per tensor": PO2_TENSOR,
    "uint8": UINT8,
}


def f32(values):
    return np.asarray(values, np.float32).astype(np.float64)


@st.composite
def sources(draw):
    channels, k = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    reach = draw(st.sampled_from([3, 127, 255]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    centred = rng.integers(-reach, reach + 1, (channels, k))
    if draw(st.booleans()):
        centred[0] = 0
    exponents = rng.uniform(-10, 2, channels if draw(st.booleans()) else 1)
    scale = np.broadcast_to(f32(2.0**exponents), (channels,)).copy()
    return Weights(centred, scale)


@settings(max_examples=60, deadline=None)
@given(sources(), st.sampled_from(list(GRIDS.values())), st.booleans())
def test_what_every_fit_keeps(source, grid, compensate):
    channels, k = source.centred.shape
    found = fit(source, grid, correlated(k, 1), np.zeros(channels), compensate=compensate)
    assert found.integers.min() >= grid.low
    assert found.integers.max() <= grid.high
    assert (found.scale > 0).all()
    assert (f32(found.scale) == found.scale).all()
    if not grid.per_axis:
        assert (found.scale == found.scale[0]).all()
    if grid.power_of_two:
        assert (np.frexp(found.scale)[0] == 0.5).all()
    assert grid.low <= found.zero_point <= grid.high
    # "exact" is a claim about real numbers
    same = (found.real() == source.real()).all(axis=1)
    assert (found.exact == same).all()
    dead = ~source.centred.any(axis=1)
    assert (found.integers[dead] == found.zero_point).all()


@settings(max_examples=60, deadline=None)
@given(sources())
def test_rows_that_fit_stay_bit_for_bit(source):
    channels, k = source.centred.shape
    found = fit(source, INT8, correlated(k, 2), np.zeros(channels))
    fits = np.abs(source.centred).max(axis=1) <= 127
    assert (found.integers[fits] == source.centred[fits]).all()
    assert (found.scale[fits] == source.scale[fits]).all()
    assert found.exact[fits].all()


@settings(max_examples=60, deadline=None)
@given(sources(), st.sampled_from(list(GRIDS.values())))
def test_fitting_twice_changes_nothing(source, grid):
    channels, k = source.centred.shape
    once = fit(source, grid, correlated(k, 3), np.zeros(channels))
    again = Weights(once.integers - once.zero_point, once.scale)
    twice = fit(again, grid, correlated(k, 3), np.zeros(channels))
    assert twice.exact.all()
    assert (twice.real() == once.real()).all()
    assert (twice.scale == once.scale).all()


@settings(max_examples=60, deadline=None)
@given(sources(), st.sampled_from([INT8, TENSOR, PO2, PO2_TENSOR]), st.floats(2.0**-12, 8.0))
def test_no_live_scale_is_below_its_floor(source, grid, least):
    channels, k = source.centred.shape
    found = fit(source, grid, unknown(k), np.full(channels, least))
    live = source.centred.any(axis=1)
    checked = np.ones(channels, bool) if grid.per_axis else live
    assert (found.scale[checked] >= least * (1 - 2.0**-24)).all()


def test_exact_grid_can_be_switched_off():
    source = Weights(np.array([[1, 2, 100]]), np.array([0.5]))
    kept, refit = (
        fit(source, INT8, unknown(3), np.zeros(1), exact_grid=on, search=False)
        for on in (True, False)
    )
    assert kept.scale[0] == 0.5
    assert refit.scale[0] == f32(50 / 127)


def test_one_scale_for_all_keeps_the_sources_where_it_can():
    source = Weights(np.array([[1, -127], [5, 6]]), np.array([0.5, 0.5]))
    found = fit(source, TENSOR, unknown(2), np.zeros(2))
    assert found.exact.all()
    assert (found.integers == source.centred).all()


@pytest.mark.parametrize("grid", [TENSOR, PO2_TENSOR], ids=["any", "po2"])
@pytest.mark.parametrize("seed", range(4))
def test_the_search_never_costs_more_than_covering(grid, seed):
    rng = np.random.default_rng(seed)
    centred = rng.integers(-255, 256, (8, 12))
    source = Weights(centred, f32(2.0 ** rng.uniform(-8, 0, 8)))
    moments = correlated(12, seed)
    searched, covering = (
        fit(source, grid, moments, np.zeros(8), compensate=False, search=on) for on in (True, False)
    )
    errors = [output_error(source.real() - f.real(), moments).sum() for f in (searched, covering)]
    assert errors[0] <= errors[1] * (1 + 1e-12)


def test_a_dead_channel_with_huge_weights_does_not_decide_the_scale():
    """Its inputs are always zero: what clipping does to it disturbs nothing."""
    rng = np.random.default_rng(5)
    centred = rng.integers(-100, 101, (4, 3))
    scale = np.array([0.01, 0.01, 0.01, 0.1])
    moments = Moments(np.zeros((4, 3)), np.array([[1.0] * 3] * 3 + [[0.0] * 3]))
    found = fit(Weights(centred, scale), TENSOR, moments, np.zeros(4))
    assert found.scale[0] < 0.02


class TestAsymmetric:
    def test_int8_rows_become_uint8_by_a_shift(self):
        source = Weights(np.array([[-127, 0], [5, 127]]), np.array([0.5, 0.5]))
        found = fit(source, UINT8, unknown(2), np.zeros(2))
        assert found.exact.all()
        assert (found.integers == source.centred + 128).all()
        assert found.zero_point == 128

    def test_the_zero_point_moves_where_the_range_is_lopsided(self):
        source = Weights(np.array([[-20, 200]]), np.array([0.5]))
        found = fit(source, UINT8, unknown(2), np.zeros(1))
        assert found.exact.all()
        assert found.zero_point == 55

    def test_rows_of_different_scales_get_one(self):
        source = Weights(np.array([[-100, 100], [50, 60]]), np.array([0.1, 0.3]))
        found = fit(source, UINT8, unknown(2), np.zeros(2))
        assert (found.scale == found.scale[0]).all()
        assert np.abs(found.real() - source.real()).max() <= found.scale[0]


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_all_weights_zero(grid):
    found = fit(Weights(np.zeros((2, 3), int), np.array([0.1, 0.3])), grid, unknown(3), np.zeros(2))
    assert found.exact.all()
    assert (found.real() == 0).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 1.5, 0.3, 2.0**-20], [1.0, 2.0, 0.5, 2.0**-20])],
)
def test_ceil_power(values, expected):
    assert weights._ceil_power(np.array(values)).tolist() == expected
