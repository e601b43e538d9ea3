"""Integer products through floating point are exact, or are not made that way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.fixedpoint.matmul import exact_matmul, float_type_for, product_bound


def _exact(a: np.ndarray, b: np.ndarray) -> list[list[int]]:
    rows, columns = a.tolist(), list(zip(*b.tolist(), strict=True))
    return [[sum(x * y for x, y in zip(r, c, strict=True)) for c in columns] for r in rows]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(255, np.float32), (2**15, np.float64), (2**28, np.int64)],
    ids=["float32", "float64", "int64"],
)
def test_each_way_of_computing(limit, expected):
    rng = np.random.default_rng(limit)
    a = rng.integers(-limit, limit + 1, (5, 40))
    b = rng.integers(-limit, limit + 1, (40, 3))
    assert float_type_for(product_bound(a, b)) is expected
    assert exact_matmul(a, b).tolist() == _exact(a, b)


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (2**24 - 1, np.float32),
        (2**24, np.float64),
        (2**53 - 1, np.float64),
        (2**53, np.int64),
    ],
)
def test_the_bounds_themselves(bound, expected):
    assert float_type_for(bound) is expected


@given(st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_no_partial_sum_exceeds_the_bound(depth, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 128, (4, depth)), rng.integers(-127, 128, (depth, 4))
    partial = np.cumsum(np.abs(a[:, :, None] * b[None]), axis=1)
    assert partial.max(initial=0) <= product_bound(a, b)


def test_an_empty_product():
    assert exact_matmul(np.zeros((2, 0), int), np.zeros((0, 3), int)).tolist() == [[0] * 3] * 2
