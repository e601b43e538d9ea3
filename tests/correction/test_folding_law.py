"""Bias folding: the mean of the output stays, up to half a step of the bias."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tflite_requant.correction.folding import moved
from tflite_requant.correction.moments import Moments
from tflite_requant.correction.rounding import round_half_away

numbers = st.integers(-(2**12), 2**12).map(lambda n: n / 2**6)


@st.composite
def problems(draw):
    groups, per_group, k = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 5))
    channels = groups * per_group

    def array(*shape):
        size = int(np.prod(shape))
        return np.array(draw(st.lists(numbers, min_size=size, max_size=size))).reshape(shape)

    mean = array(groups, k)
    return array(channels, k), array(channels, k), Moments(mean, np.ones((groups, k)))


@settings(deadline=None)
@given(problems())
def test_what_the_bias_takes_is_exact(problem):
    """On numbers with few bits the float64 sum is the rational one."""
    old, new, moments = problem
    found = moved(old, new, moments)
    channels = len(old)
    for o in range(channels):
        mean = moments.mean[o * moments.groups // channels]
        terms = zip(old[o].tolist(), new[o].tolist(), mean.tolist(), strict=True)
        assert Fraction(float(found[o])) == sum(
            (Fraction(a) - Fraction(b)) * Fraction(m) for a, b, m in terms
        )


@settings(deadline=None)
@given(problems(), st.floats(2.0**-10, 2.0))
def test_the_mean_output_moves_by_at_most_half_a_step(problem, step):
    """new weights, new bias, mean input: against the old ones, in rational arithmetic."""
    old, new, moments = problem
    bias = np.zeros(len(old))
    integers = round_half_away((bias + moved(old, new, moments)) / step)
    channels = len(old)
    for o in range(channels):
        mean = moments.mean[o * moments.groups // channels].tolist()
        before = sum(Fraction(w) * Fraction(m) for w, m in zip(old[o].tolist(), mean, strict=True))
        after = sum(Fraction(w) * Fraction(m) for w, m in zip(new[o].tolist(), mean, strict=True))
        after += Fraction(float(integers[o])) * Fraction(step)
        # The quotient by the step is one rounded division: its relative error is 2^-53.
        slack = abs(Fraction(float(integers[o]))) * Fraction(step) / 2**52
        assert abs(before - after) <= Fraction(step) / 2 + slack


def test_nothing_is_lost_nothing_is_moved():
    weights = np.arange(6.0).reshape(2, 3)
    assert moved(weights, weights, Moments(np.ones((1, 3)), np.ones((1, 3)))).tolist() == [0, 0]
