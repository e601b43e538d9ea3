"""The cost of an error is e^T C e, to the last bits that its integer grids leave."""

from fractions import Fraction

import numpy as np
import pytest
from test_rounding import correlated

from tflite_requant.correction.cost import BITS, output_error
from tflite_requant.correction.moments import Moments, unknown


def exact(error, covariance):
    """e^T C e in rational arithmetic."""
    e = [Fraction(x) for x in error.tolist()]
    c = [[Fraction(x) for x in row] for row in covariance.tolist()]
    k = range(len(e))
    return sum(e[i] * c[i][j] * e[j] for i in k for j in k)


@pytest.mark.parametrize(("k", "groups", "channels"), [(1, 1, 3), (7, 1, 4), (9, 4, 8), (33, 1, 2)])
def test_against_rational_arithmetic(k, groups, channels):
    """One matrix for all rows goes through grids of `bits` bits: each factor moves by at most half
    a grid step of its largest value, so K^2 products by at most K^2 max|e|^2 max|C| 2^-bits."""
    moments = correlated(k, k, groups)
    error = np.random.default_rng(k).normal(size=(channels, k))
    found = output_error(error, moments)
    bits = (BITS - int(np.ceil(np.log2(max(k, 2))))) // 2
    group = moments.group_of(channels)
    for row, (e, value) in enumerate(zip(error, found, strict=True)):
        c = moments.covariance[group[row]]
        bound = k * k * np.abs(e).max() ** 2 * np.abs(c).max() * 2.0**-bits * 1.01
        assert abs(float(Fraction(float(value)) - exact(e, c))) <= bound


def test_variances_alone():
    moments = Moments(np.zeros((2, 3)), np.array([[1.0, 2, 3], [10, 20, 30]]))
    error = np.array([[1.0, 0, 1], [0, 1, 0], [1, 1, 1], [2, 0, 0]])
    assert output_error(error, moments).tolist() == [4, 2, 60, 40]


def test_nothing_known():
    assert output_error(np.array([[3.0, 4.0]]), unknown(2)).tolist() == [25]


def test_no_error_costs_nothing():
    assert output_error(np.zeros((3, 5)), correlated(5, 1)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("groups", [1, 4])
def test_rows_are_judged_alone(groups):
    """The same row costs the same to the last bit, whatever stands beside it."""
    moments = correlated(24, 5, groups)
    error = np.random.default_rng(6).normal(size=(8, 24))
    whole = output_error(error, moments)
    group = moments.group_of(8)
    for row in range(8):
        one = Moments(
            moments.mean[group[row]][None], moments.covariance[group[row]][None], moments.rows
        )
        if groups == 1:
            assert output_error(error[row : row + 1], one)[0] == whole[row]


def test_groups_of_channels():
    moments = Moments(np.zeros((3, 1)), np.ones((3, 1)))
    assert moments.group_of(6).tolist() == [0, 0, 1, 1, 2, 2]
    assert moments.groups == 3
    assert correlated(4, 1).variance().shape == (1, 4)
