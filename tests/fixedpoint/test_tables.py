"""Lookup tables: 8-bit domains enumerated, 16-bit interpolation against plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tflite_requant.fixedpoint.lut import (
    apply_table,
    every,
    interpolate,
    interpolation_table,
    through_table,
)
from tflite_requant.fixedpoint.sigmoid_table import logistic16, sigmoid_table, tanh16


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_table_is_the_function(dtype):
    values = np.random.default_rng(1).permutation(every(np.dtype(dtype))).astype(dtype)
    squared = through_table(values, lambda x: x * x)
    np.testing.assert_array_equal(squared, values.astype(int) ** 2)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_strided_arrays_are_read_as_they_look(dtype):
    values = every(np.dtype(dtype)).astype(dtype).reshape(16, 16).T[::3]
    table = np.arange(256) * 7
    low = np.iinfo(dtype).min
    np.testing.assert_array_equal(apply_table(values, table), (values.astype(int) - low) * 7)


def test_interpolation_is_exact_at_samples_and_linear_between():
    table = (np.arange(513) * 60 - 15000).astype(np.int64)
    values = np.arange(-32768, 32768)
    exact = (values + 32768) * 60 / 128 - 15000
    np.testing.assert_array_equal(interpolate(values, table), np.floor(exact + 0.5))


def test_an_interpolated_exponential_is_close():
    table = interpolation_table(np.exp, (-10.0, 0.0), (-1.0, 1.0), np.float64)
    values = np.arange(-32768, 32768)
    real = np.exp((values + 32768) * (10.0 / 65536) - 10) * 32768
    assert np.abs(interpolate(values, table) - real).max() < 2


def test_nan_samples_become_the_minimum():
    with np.errstate(invalid="ignore"):
        table = interpolation_table(np.sqrt, (-1.0, 1.0), (-1.0, 1.0), np.float32)
    assert table[:255].max() == -32768
    assert table[512] == 32767


def test_the_sigmoid_table_is_near_the_logistic_function():
    exact = [65536 / (1 + math.exp(-i / 24)) for i in range(256)]
    assert np.abs(sigmoid_table() - np.array(exact)).max() < 1.2
    assert sigmoid_table()[0] == 32768
    assert sigmoid_table()[255] == 65535


@pytest.mark.parametrize(
    ("ours", "unit", "exact"),
    [
        (logistic16, 24 * 512, lambda x: 1 / (1 + np.exp(-x))),
        (tanh16, 48 * 256, np.tanh),
    ],
    ids=["logistic", "tanh"],
)
def test_16_bit_functions_on_their_whole_domain(ours, unit, exact):
    lifted = np.arange(-200000, 200001)
    result = ours(lifted)
    assert np.abs(result - exact(lifted / unit) * 32768).max() < 3
    assert (np.diff(result) >= 0).all()
    assert result.min() >= -32768
    assert result.max() <= 32767
