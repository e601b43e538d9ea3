"""Products of reals: close to the exact one, and the same however BLAS adds."""

from fractions import Fraction

import numpy as np
import pytest

from tflite_requant.correction.products import BITS, BLOCK, product


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 2), (2, BLOCK, 5), (2, BLOCK + 1, 3)])
def test_against_rational_arithmetic(shape):
    m, k, n = shape
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(m, k)) * 10.0 ** rng.integers(-3, 3, (m, k)), rng.normal(size=(k, n))
    found = product(a, b)
    for i in range(m):
        for j in range(n):
            exact = sum(Fraction(x) * Fraction(y) for x, y in zip(a[i], b[:, j], strict=True))
            bound = 4 * k * np.abs(a[i]).max() * np.abs(b[:, j]).max() * 2.0 ** (-2 * BITS + 2)
            assert abs(float(exact) - found[i, j]) <= bound


@pytest.mark.parametrize("split", [5, 30])
def test_rows_and_columns_are_computed_alone(split):
    """Another number of rows makes BLAS add in another order; nothing of it is seen."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(33, 100)), rng.normal(size=(100, 17))
    whole = product(a, b)
    assert (product(a[:split], b) == whole[:split]).all()
    assert (product(a, b[:, :3]) == whole[:, :3]).all()


def test_sums_of_integers_stay_exact():
    assert 2 * BITS + int(np.log2(BLOCK)) <= 53


def test_zeros():
    assert (product(np.zeros((2, 3)), np.ones((3, 4))) == 0).all()
    assert product(np.ones((2, 0)), np.ones((0, 4))).shape == (2, 4)
