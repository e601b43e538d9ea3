"""Proven rescaling equals the exact law: at and around every step, at the ends, and in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tflite_requant.catalog.arithmetic import arithmetic_for
from tflite_requant.engine import rescaling
from tflite_requant.engine.law import Law, thresholds, weighted_law
from tflite_requant.engine.rescaling import AFFINE, AWAY, EVEN, TWICE, fit
from tflite_requant.kernels import OutputType
from tflite_requant.model.qparams import QArray, QParams


def law(
    real, bias, zero: int, reach: int, operator="CONV_2D", dtype="uint8",
    profile="litert-reference",
) -> Law:  # fmt: skip
    """The kernels' law of per-axis weights with these multipliers, for products up to `reach`."""
    real = np.atleast_1d(np.asarray(real, np.float64))
    real = np.repeat(real, 2) if len(real) == 1 else real
    bias = np.broadcast_to(np.asarray(bias, np.int32), real.shape)
    found = weighted_law(
        QParams.of(1.0),
        QArray(np.zeros((len(real), 1), np.int8), QParams.of(real, 0, 0)),
        QArray(bias, QParams.of(real, 0, 0)),
        OutputType(dtype, (1, len(real)), QParams.of(1.0, zero)),
        {},
        arithmetic_for(profile, operator),
        np.full(len(real), -reach, np.int64),
        np.full(len(real), reach, np.int64),
    )
    assert found is not None
    return found


def computed(found: rescaling.Rescaling, products: np.ndarray) -> np.ndarray:
    """What the rescaling makes of products (p, channels), byte domain."""
    form = found.form
    out = np.clip(form.outputs(products.astype(form.slope.dtype)), found.low, found.high)
    for part in found.wide:
        wide = part.form.outputs(products[:, part.channels].astype(np.float64))
        out[:, part.channels] = np.clip(wide, found.low, found.high)
    return out.astype(np.int64)


def probes(of: Law, rng: np.random.Generator) -> np.ndarray:
    """Products at and around every threshold, at both ends, and at random; (p, channels)."""
    at = thresholds(of)
    near = np.concatenate([at + d for d in range(-3, 4)])
    some = rng.integers(of.low, of.high + 1, (2000, of.channels))
    return np.clip(np.concatenate([near, some, of.low[None], of.high[None]]), of.low, of.high)


def agrees(of: Law, found: rescaling.Rescaling) -> bool:
    products = probes(of, np.random.default_rng(0))
    every = np.arange(of.channels)
    return np.array_equal(computed(found, products), of.exact(products, every))


multipliers = st.lists(
    st.floats(2.0**-14, 0.9).map(lambda x: float(np.float32(x))), min_size=1, max_size=24
)


@settings(max_examples=60, deadline=None)
@given(
    multipliers,
    st.integers(-20000, 20000),
    st.sampled_from([0, 1, 121, 128, 254, 255]),
    st.sampled_from([300, 20000, 1 << 20]),
    st.sampled_from(["CONV_2D", "FULLY_CONNECTED"]),
)
def test_rescaling_equals_the_law(real, bias, zero, reach, operator):
    of = law(real, bias, zero, reach, operator)
    found = fit(of)
    assert found is not None
    assert agrees(of, found)


@settings(max_examples=20, deadline=None)
@given(multipliers, st.integers(-3000, 3000), st.integers(0, 255))
def test_every_product(real, bias, zero):
    of = law(real, bias, zero, 6000)
    products = np.broadcast_to(np.arange(-6000, 6001)[:, None], (12001, of.channels))
    assert np.array_equal(computed(fit(of), products), of.exact(products, np.arange(of.channels)))


@settings(max_examples=20, deadline=None)
@given(multipliers, st.integers(-3000, 3000), st.integers(-128, 127))
def test_thresholds_are_the_first_products(real, bias, zero):
    of = law(real, bias, zero, 5000, dtype="int8")
    products = np.broadcast_to(np.arange(-5000, 5001)[:, None], (10001, of.channels))
    outputs = of.exact(products, np.arange(of.channels))
    first = np.stack([(outputs < k).sum(axis=0) for k in range(1, 256)]) - 5000
    assert np.array_equal(thresholds(of), first)


def test_thresholds_without_a_usable_guess():
    of = law([0.01, 0.3, 0.0007], 55, 128, 40000)
    blind = Law(of.exact, of.low, of.high, of.slope * 7, of.offset - 900, of.zero)
    assert np.array_equal(thresholds(blind), thresholds(of))


def test_two_sided_outputs_have_no_affine_form():
    real = np.float32(np.exp(np.random.default_rng(1).uniform(-7, -3, 64)))
    of = law(real, 0, 128, 1 << 18)
    steps = rescaling._steps(of, thresholds(of), 0, 255)
    _, failed = rescaling._search(of, steps, np.arange(64), AFFINE, np.float64)
    assert len(failed) > 48
    found = fit(of)
    assert found.form.kind == TWICE
    assert agrees(of, found)


@pytest.mark.parametrize("zero", [0, 77, 128, 255])
@pytest.mark.parametrize("profile", ["litert-xnnpack", "shift-half-even"])
def test_ties_of_powers_of_two_go_to_even(profile, zero):
    of = law(2.0 ** -np.arange(1.0, 13), 37, zero, 6000, dtype="int8", profile=profile)
    products = np.broadcast_to(np.arange(-6000, 6001)[:, None], (12001, of.channels))
    found = fit(of)
    assert found.form.kind == EVEN
    assert np.array_equal(computed(found, products), of.exact(products, np.arange(of.channels)))


@settings(max_examples=40, deadline=None)
@given(multipliers, st.integers(-20000, 20000), st.integers(-128, 127))
def test_one_rounding_in_float32(real, bias, zero):
    of = law(real, bias, zero, 1 << 20, dtype="int8", profile="litert-xnnpack")
    found = fit(of)
    assert found is not None
    assert not found.wide
    assert agrees(of, found)


@pytest.mark.parametrize("kind", [TWICE, AWAY])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("zero", [1, 77, 128, 254])
def test_forms_of_layers_with_outputs_on_both_sides(kind, dtype, zero):
    """What a search says that it found is right; it finds most multipliers below and above 1."""
    real = np.float32(np.exp(np.random.default_rng(zero).uniform(-8, 0.4, 64)))
    of = law(real, 30, zero, 1 << 16)
    steps = rescaling._steps(of, thresholds(of), 0, 255)
    form, failed = rescaling._search(of, steps, np.arange(64), kind, dtype)
    good = np.setdiff1d(np.arange(64), failed)
    assert len(good) > 48
    products = probes(of, np.random.default_rng(0))
    found = np.clip(form.outputs(products.astype(dtype)), 0, 255)
    assert np.array_equal(found[:, good], of.exact(products, np.arange(64))[:, good])


def test_halves_that_are_rounded_up_on_both_sides():
    """A multiplier of at least one half needs no second rounding; its ties go up, not away."""
    of = law([0.5, 0.75, 0.001, 0.0313], 3, 128, 5000)
    found = fit(of)
    assert found is not None
    assert agrees(of, found)


def test_one_sided_outputs_are_affine():
    real = np.float32(np.exp(np.random.default_rng(2).uniform(-7, -3, 64)))
    of = law(real, 100, 0, 1 << 18)
    found = fit(of)
    assert found.form.kind == AFFINE
    assert agrees(of, found)


def test_channels_that_float32_cannot_go_to_float64():
    real = np.float32(np.exp(np.random.default_rng(3).uniform(-13, -11, 64)))
    of = law(real, 1 << 21, 0, 1 << 23)
    found = fit(of)
    assert 0 < len(found.wide_channels) <= 64
    assert agrees(of, found)


def test_no_form_is_given_where_none_exists():
    """A law that rounds unlike any form: one step of the staircase is moved by a whole stride."""
    of = law(0.01, 0, 0, 40000)

    def uneven(products, channels):
        exact = of.exact(products, channels)
        return np.where((exact == 100) & (products < 10020), 99, exact)

    assert fit(Law(uneven, of.low, of.high, of.slope, of.offset, of.zero)) is None


def test_dead_channels_may_have_a_huge_bias():
    """Converters give all-zero filters a tiny scale, and so a bias near the end of int32."""
    of = law([1e-7, 0.004, 2e-9], [1 << 30, 100, -(1 << 31) + 1], 3, 0)
    of = replace(of, low=np.array([-200, -40000, 0]), high=np.array([300, 40000, 0]))
    found = fit(of)
    assert found is not None
    assert agrees(of, found)


def test_overflowing_accumulators_are_left_to_the_kernel():
    arguments = (
        QParams.of(1.0),
        QArray(np.zeros((1, 1), np.int8), QParams.of(0.01)),
        None,
        OutputType("int8", (1, 1), QParams.of(1.0)),
        {},
        arithmetic_for("litert-reference", "CONV_2D"),
    )
    for reach, possible in ((1 << 20, True), ((1 << 31) - 1, True), ((1 << 31) + 1, False)):
        low, high = np.array([-reach]), np.array([reach])
        assert (weighted_law(*arguments, low, high) is not None) == possible


@pytest.mark.parametrize("zero", [0, 128])
def test_a_mutant_without_the_check_is_seen(monkeypatch, zero):
    real = np.float32(np.exp(np.random.default_rng(4).uniform(-12, -10, 96)))
    of = law(real, 1 << 20, zero, 1 << 22)
    assert agrees(of, fit(of))
    monkeypatch.setattr(
        rescaling, "passes", lambda form, at, *_: np.ones(at.shape[1], bool)
    )  # fmt: skip
    assert not agrees(of, fit(of))
