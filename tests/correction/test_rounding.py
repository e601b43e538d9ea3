"""Compensated rounding: the factor is what its formula says, and it pays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tflite_requant.correction import rounding
from tflite_requant.correction.cost import output_error
from tflite_requant.correction.moments import Moments, unknown


def correlated(k, seed, groups=1, rows=100000):
    """Moments of inputs that go together: one strong common factor and some of their own."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(groups, k, 2))
    covariance = common @ common.transpose(0, 2, 1) + np.eye(k) * rng.uniform(0.05, 0.5, k)
    return Moments(rng.normal(size=(groups, k)), covariance, rows)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5, -0.5, 1.5, -2.5, 0.49999999999999994, -0.2], [1, -1, 2, -3, 0, 0])],
)
def test_ties_go_away_from_zero(values, expected):
    # 0.49999999999999994 + 0.5 is 1.0 in float64: the nearest integer to it is still told right
    # for all values that weights and biases can take, which are multiples of larger steps.
    found = rounding.round_half_away(np.array(values))
    assert found[[0, 1, 2, 3, 5]].tolist() == [expected[i] for i in (0, 1, 2, 3, 5)]


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**12))
def test_rounding_against_integers(numerator, denominator):
    exact = (2 * abs(numerator) + denominator) // (2 * denominator)
    denominator_is_exact = denominator & (denominator - 1) == 0
    found = int(rounding.round_half_away(np.array(numerator / denominator)))
    if denominator_is_exact or 2 * (abs(numerator) % denominator) != denominator:
        assert found == (exact if numerator >= 0 else -exact)


@pytest.mark.parametrize(("k", "groups"), [(1, 1), (2, 1), (9, 4), (24, 1), (65, 2), (150, 1)])
def test_the_factor_squares_to_the_matrix(k, groups):
    h = correlated(k, k, groups).covariance + np.eye(k) * 0.01
    v = rounding._upper_factor(h)
    assert (np.tril(v, -1) == 0).all()
    assert (np.diagonal(v, axis1=1, axis2=2) > 0).all()
    assert np.abs(v @ v.transpose(0, 2, 1) - h).max() <= 2.0**-40 * k * np.abs(h).max()


def test_the_factor_of_a_singular_matrix_is_finite():
    assert np.isfinite(rounding._upper_factor(np.ones((1, 3, 3)) + 1e-12 * np.eye(3))).all()


class TestNearest:
    @given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(2.0**-6, 2.0))
    def test_within_half_a_step_or_at_the_end(self, values, step):
        real, scale = np.array([values]), np.array([step])
        found = rounding.nearest(real, scale, -127, 127)
        assert found.dtype == np.int64
        inside = np.abs(real) <= 127 * step
        distance = np.abs(found * step - real)
        assert (distance[inside] <= step / 2 * (1 + 1e-12)).all()
        assert (np.abs(found[~inside]) == 127).all()


class TestCompensator:
    def test_without_knowledge_it_rounds_to_nearest(self):
        real = np.random.default_rng(1).normal(size=(4, 6))
        scale = np.full(4, 0.1)
        compensator = rounding.Compensator(unknown(6))
        assert not compensator.knows
        found = compensator.round(real, scale, -127, 127, np.zeros(4, int))
        assert (found == rounding.nearest(real, scale, -127, 127)).all()

    def test_independent_inputs_leave_nothing_to_compensate(self):
        moments = Moments(np.zeros((1, 5)), np.diag([1.0, 2, 3, 4, 5])[None], 10**9)
        real = np.random.default_rng(2).normal(size=(7, 5))
        scale = np.full(7, 0.2)
        found = rounding.Compensator(moments).round(real, scale, -127, 127, np.zeros(7, int))
        assert (found == rounding.nearest(real, scale, -127, 127)).all()

    @pytest.mark.parametrize(("k", "groups"), [(8, 1), (32, 1), (9, 16)])
    @pytest.mark.parametrize("step", [0.05, 0.3])
    def test_it_lowers_the_expected_output_error(self, k, groups, step):
        """Over seeded problems the mean error is clearly below that of rounding to nearest."""
        ratio = []
        for seed in range(6):
            moments = correlated(k, seed, groups)
            rng = np.random.default_rng(100 + seed)
            real, scale = rng.normal(size=(16, k)), np.full(16, step)
            group = moments.group_of(16)
            smart = rounding.Compensator(moments).round(real, scale, -127, 127, group)
            plain = rounding.nearest(real, scale, -127, 127)
            errors = [output_error(real - q * step, moments).sum() for q in (smart, plain)]
            ratio.append(errors[0] / errors[1])
        assert np.mean(ratio) < 0.8
        assert max(ratio) < 1

    @pytest.mark.parametrize(("k", "groups"), [(24, 1), (100, 1), (9, 16)])
    def test_sweeps_only_ever_lower_what_they_look_at(self, k, groups):
        """From rounding to nearest, sweep by sweep."""
        h = rounding._shrunken(correlated(k, 5, groups))
        believed = Moments(np.zeros((groups, k)), h)
        real = np.random.default_rng(5).normal(size=(16, k))
        scale, group = np.full(16, 0.3), believed.group_of(16)
        found = rounding.nearest(real, scale, -127, 127).astype(float)
        costs = [output_error(real - found * 0.3, believed)]
        while rounding._sweep(found, real, scale, -127, 127, h, group):
            costs.append(output_error(real - found * 0.3, believed))
            assert (costs[-1] <= costs[-2] * (1 + 1e-6)).all()
        assert 1 < len(costs) < 50
        assert costs[-1].sum() < 0.9 * costs[0].sum()

    def test_one_factor_for_all_rows_or_one_for_each(self):
        """Both ways of rounding give the same integers where all factors are the same."""
        moments = correlated(70, 8)
        apart = Moments(np.repeat(moments.mean, 3, 0), np.repeat(moments.covariance, 3, 0), 10**5)
        # Groups keep their inputs in order: let the strongest inputs come first for both.
        order = np.argsort(-moments.covariance[0].diagonal(), kind="stable")
        moments, apart = (
            Moments(m.mean[:, order], m.covariance[:, order][:, :, order], m.rows)
            for m in (moments, apart)
        )
        real, scale = np.random.default_rng(8).normal(size=(3, 70)), np.full(3, 0.25)
        found = [
            rounding.Compensator(m).round(real, scale, -127, 127, np.arange(3) * (m.groups > 1))
            for m in (moments, apart)
        ]
        assert (found[0] == found[1]).all()

    def test_integers_stay_in_range(self):
        moments = correlated(12, 3)
        real = np.random.default_rng(3).normal(size=(5, 12)) * 100
        found = rounding.Compensator(moments).round(real, np.full(5, 0.1), -8, 7, np.zeros(5, int))
        assert found.min() == -8
        assert found.max() == 7

    @settings(max_examples=20, deadline=None)
    @given(st.permutations(range(6)))
    def test_the_order_of_inputs_does_not_decide(self, order):
        """Inputs of distinct strength are taken strongest first, however they are numbered."""
        moments = correlated(6, 9)
        real, scale = np.random.default_rng(9).normal(size=(3, 6)), np.full(3, 0.25)
        group = np.zeros(3, int)
        base = rounding.Compensator(moments).round(real, scale, -127, 127, group)
        order = list(order)
        moved = Moments(
            moments.mean[:, order], moments.covariance[:, order][:, :, order], moments.rows
        )
        other = rounding.Compensator(moved).round(real[:, order], scale, -127, 127, group)
        assert (other == base[:, order]).all()

    def test_few_rows_shrink_towards_the_diagonal(self):
        """With as many inputs as rows nothing is believed of their covariance."""
        moments = correlated(6, 4, rows=6)
        real, scale = np.random.default_rng(4).normal(size=(3, 6)), np.full(3, 0.25)
        found = rounding.Compensator(moments).round(real, scale, -127, 127, np.zeros(3, int))
        assert (found == rounding.nearest(real, scale, -127, 127)).all()
