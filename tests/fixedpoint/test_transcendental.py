"""float32 functions are the exact ones, rounded once: compared with 40-digit decimals."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from tflite_requant.fixedpoint.transcendental import elementwise, exp32, log32, logistic32, tanh32


def _nearest32(exact: Decimal) -> np.float32:
    """The float32 nearest to a decimal."""
    guess = np.float32(float(exact))
    around = [np.nextafter(guess, np.float32(s)) for s in (-np.inf, np.inf)]
    return min([guess, *around], key=lambda f: abs(Fraction(float(f)) - Fraction(exact)))


def _tanh(x: Decimal) -> Decimal:
    twice = (x * 2).exp()
    return (twice - 1) / (twice + 1)


@pytest.mark.parametrize(
    ("ours", "exact", "low"),
    [(exp32, Decimal.exp, -20.0), (log32, Decimal.ln, 1e-3), (tanh32, _tanh, -5.0)],
    ids=["exp", "log", "tanh"],
)
def test_rounded_once(ours, exact, low):
    values = np.random.default_rng(3).uniform(low, 20.0, 300).astype(np.float32)
    with localcontext() as context:
        context.prec = 40
        expected = [_nearest32(exact(Decimal(float(v)))) for v in values]
    np.testing.assert_array_equal(ours(values), np.array(expected, np.float32))


def test_each_step_of_the_logistic_function_is_rounded():
    x = np.float32(-3.3)
    e = np.float32(math.exp(-float(x)))
    assert logistic32(x) == np.float32(1) / (np.float32(1) + e)


@pytest.mark.parametrize(
    ("ours", "value", "expected"),
    [
        (exp32, 1000.0, np.inf),
        (exp32, -1000.0, 0.0),
        (log32, 0.0, -np.inf),
        (log32, -1.0, np.nan),
        (logistic32, -200.0, 0.0),
        (logistic32, 200.0, 1.0),
    ],
)
def test_ends(ours, value, expected):
    np.testing.assert_array_equal(ours(np.float32(value)), np.float32(expected))


def test_shapes_and_repeats_are_kept():
    values = np.array([[1.0, 2.0], [1.0, 3.0]])
    np.testing.assert_array_equal(elementwise(lambda x: x * 10, values), values * 10)
    assert elementwise(math.exp, np.zeros((0, 3))).shape == (0, 3)
