"""Grids: legal, wide enough, and left alone where they already are."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tflite_requant.model import QParams, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import grid
from tflite_requant.schemes import ActivationLaw

DTYPES = ("uint8", "int8", "int16")


@st.composite
def sources(draw):
    dtype = draw(st.sampled_from(DTYPES))
    scale = draw(st.floats(2.0**-40, 2.0**20, width=32, allow_nan=False))
    zero = 0 if dtype == "int16" else draw(st.integers(*RANGES[dtype]))
    return TensorType(dtype, QParams((scale,), (zero,)))


@st.composite
def laws(draw):
    dtype = draw(st.sampled_from(DTYPES))
    middle = {"uint8": 128}.get(dtype, 0)
    zero = middle if dtype == "int16" else draw(st.sampled_from(["any", middle]))
    return ActivationLaw(dtype, zero, draw(st.sampled_from(["any", "power-of-two"])))


@given(sources(), laws())
def test_a_fit_is_legal_covers_the_range_and_stays(source, law):
    low, high = grid.real_range(source)
    new = grid.fit(source, law, low, high)
    assert grid.is_legal(new, law)
    new_low, new_high = grid.real_range(new)
    # A zero point is a whole number of steps, and a scale a float32: half a step at either end.
    half = new.qparams.scale * (0.5 + 2.0**-16)
    assert new_low <= min(low, 0.0) + half
    assert new_high >= max(high, 0.0) - half
    assert grid.fit(new, law, *grid.real_range(new)) == new


@given(sources(), laws())
def test_symmetric_grids_hold_the_whole_range(source, law):
    assume(law.zero_point != "any")
    low, high = grid.real_range(source)
    new_low, new_high = grid.real_range(grid.fit(source, law, low, high))
    assert new_low <= min(low, 0.0) * (1 - 2.0**-19)
    assert new_high >= max(high, 0.0) * (1 - 2.0**-19)


@given(sources(), laws())
def test_no_smaller_power_of_two_would_do(source, law):
    assume(law.zero_point != "any" and law.scale == "power-of-two")
    low, high = grid.real_range(source)
    new = grid.fit(source, law, low, high)
    assume(grid.shifted(source, law.dtype) != new)
    least, greatest = RANGES[law.dtype]
    half = new.qparams.scale / 2
    assert high > (greatest - law.zero_point) * half or low < (least - law.zero_point) * half


@given(sources())
def test_what_is_legal_is_kept_bit_for_bit(source):
    law = ActivationLaw(source.dtype, "any" if source.dtype != "int16" else 0)
    assert grid.fit(source, law, *grid.real_range(source)) == source


@pytest.mark.parametrize(
    ("source", "law", "expected"),
    [
        pytest.param(("uint8", 0.1, 7), ("int8", "any", "any"), ("int8", 0.1, -121), id="shift"),
        pytest.param(("int8", 0.1, -121), ("uint8", "any", "any"), ("uint8", 0.1, 7), id="back"),
        pytest.param(("uint8", 0.5, 128), ("int8", 0, "power-of-two"), ("int8", 0.5, 0),
                     id="already symmetric and a power of two"),
        pytest.param(("uint8", 0.5, 0), ("int8", 0, "any"), ("int8", 127.5 / 127, 0), id="right"),
        pytest.param(("uint8", 0.5, 0), ("int8", 0, "power-of-two"), ("int8", 2.0, 0), id="po2"),
        pytest.param(("uint8", 1.0, 128), ("int16", 0, "any"), ("int16", 1 / 256, 0), id="wide"),
        pytest.param(("uint8", 127 / 255, 0), ("int8", 0, "power-of-two"), ("int8", 1.0, 0),
                     id="float noise does not double a scale"),
        pytest.param(("int8", 1.0, 127), ("int8", 0, "any"), ("int8", 255 / 128, 0), id="negative"),
    ],
)  # fmt: skip
def test_examples(source, law, expected):
    source, expected = (TensorType(d, QParams.of(s, z)) for d, s, z in (source, expected))
    assert grid.fit(source, ActivationLaw(*law), *grid.real_range(source)) == expected


@pytest.mark.parametrize("law", [ActivationLaw(), ActivationLaw("int8", 0, "power-of-two")])
def test_a_tensor_that_is_always_zero(law):
    source = TensorType("int16", QParams.of(0.3))
    new = grid.fit(source, law, 0.0, 0.0)
    assert grid.is_legal(new, law)
    assert new.qparams.zero_point == 0


@pytest.mark.parametrize(
    ("zero", "low", "high", "answer"),
    [
        pytest.param("any", -1, 1, True, id="any"),
        pytest.param(-128, 0, 1, True, id="nothing negative"),
        pytest.param(-128, -1, 1, False, id="negative"),
        pytest.param(127, -1, 0, True, id="nothing positive"),
        pytest.param(127, -1, 0.1, False, id="positive"),
    ],
)
def test_can_hold(zero, low, high, answer):
    assert grid.can_hold(ActivationLaw("int8", zero), low, high) is answer


@given(st.floats(2.0**-100, 2.0**100))
def test_power_of_two_at_least(value):
    found = grid.power_of_two_at_least(value)
    assert grid.is_power_of_two(found)
    assert found / 2 < value <= found


@pytest.mark.parametrize(
    ("value", "answer"),
    [(1.0, True), (0.125, True), (3.0, False), (0.0, False), (-2.0, False), (math.inf, False),
     (math.nan, False), (float(np.float32(0.1)), False), (2.0**-126, True)],
)  # fmt: skip
def test_is_power_of_two(value, answer):
    assert grid.is_power_of_two(value) is answer


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        pytest.param(("uint8", 0.5, 3), ("int8", 0.5, -125), True, id="shifted"),
        pytest.param(("uint8", 0.5, 3), ("int8", 0.5, -124), False, id="one off"),
        pytest.param(("uint8", 0.5, 3), ("int16", 0.5, 0), True, id="room in int16"),
        pytest.param(("uint8", 0.5, 3), ("int8", 0.25, -125), False, id="another scale"),
    ],
)
def test_same_integers(old, new, answer):
    old, new = (TensorType(d, QParams.of(s, z)) for d, s, z in (old, new))
    assert grid.same_integers(old, new) is answer
