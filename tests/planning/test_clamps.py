"""The clamp that a source's saturation made is kept where something can express it."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.model import QParams, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import clamps

CHOICES = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def kind(dtype, scale, zero):
    return TensorType(dtype, QParams.of(scale, zero))


@pytest.mark.parametrize(
    ("source", "fused", "new", "activation", "kept"),
    [
        pytest.param(("uint8", 6 / 255, 0), "NONE", ("int8", 6 / 255, -128), "NONE", True,
                     id="the same range needs nothing"),
        pytest.param(("uint8", 6 / 255, 0), "NONE", ("int8", 6 / 127, 0), "RELU", True,
                     id="0 to 6 on a grid that ends at 6"),
        pytest.param(("uint8", 6 / 255, 0), "NONE", ("int8", 1 / 16, 0), "RELU6", True,
                     id="0 to 6 on a wider grid"),
        pytest.param(("uint8", 6 / 255, 0), "RELU6", ("int8", 1 / 16, 0), "RELU6", True,
                     id="what is fused stays"),
        pytest.param(("uint8", 4 / 255, 0), "NONE", ("int8", 4 / 127, 0), "RELU", True,
                     id="0 to 4 at the range's own end"),
        pytest.param(("uint8", 4 / 255, 0), "NONE", ("int8", 1 / 16, 0), "RELU6", False,
                     id="0 to 4 keeps the nearest bound"),
        pytest.param(("uint8", 2 / 255, 128), "NONE", ("int8", 1 / 64, 0), "RELU_N1_TO_1", True,
                     id="-1 to 1"),
        pytest.param(("uint8", 7 / 255, 73), "NONE", ("int8", 5 / 127, 0), "NONE", False,
                     id="-2 to 5 loses its lower end"),
        pytest.param(("uint8", 7 / 255, 73), "RELU", ("int8", 5 / 127, 0), "RELU", True,
                     id="a fused bound does not care"),
    ],
)  # fmt: skip
def test_restore(source, fused, new, activation, kept):
    restored = clamps.restore(kind(*source), fused, kind(*new), CHOICES)
    assert (restored.activation, restored.kept) == (activation, kept)


def test_an_operator_without_that_option_keeps_what_it_has():
    restored = clamps.restore(kind("uint8", 6 / 255, 0), "NONE", kind("int8", 6 / 127, 0), ())
    assert restored.activation == "NONE"
    assert restored.low_lost == pytest.approx(6 * 128 / 127)


@st.composite
def types(draw):
    dtype = draw(st.sampled_from(["uint8", "int8", "int16"]))
    scale = draw(st.floats(2.0**-12, 1.0, width=32))
    zero = 0 if dtype == "int16" else draw(st.integers(*RANGES[dtype]))
    return TensorType(dtype, QParams((scale,), (zero,)))


@given(types(), types(), st.sampled_from(CHOICES))
def test_a_restored_clamp_never_cuts_into_the_old_interval(source, new, fused):
    restored = clamps.restore(source, fused, new, CHOICES)
    slack = max(source.qparams.scale, new.qparams.scale) * (0.5 + 1e-6)
    low, high = clamps.interval(source, fused)
    bare = clamps.interval(new, fused), clamps.interval(new, "NONE")
    new_low, new_high = clamps.interval(new, restored.activation)
    # Only a range of the new grid itself, or what was fused before, may be narrower.
    assert new_low <= low + slack or new_low in {b[0] for b in bare}
    assert new_high >= high - slack or new_high in {b[1] for b in bare}


@given(types(), types(), st.sampled_from(CHOICES))
def test_the_loss_is_what_the_intervals_say_and_the_least_of_all(source, new, fused):
    restored = clamps.restore(source, fused, new, CHOICES)
    slack = max(source.qparams.scale, new.qparams.scale) * (0.5 + 1e-6)
    low, high = clamps.interval(source, fused)

    def losses(activation):
        a, b = clamps.interval(new, activation)
        return tuple(x if x > slack else 0.0 for x in (low - a, b - high))

    assert (restored.low_lost, restored.high_lost) == losses(restored.activation)
    for other in (fused, "NONE"):
        assert sum(losses(restored.activation)) <= sum(losses(other))


@given(types(), st.sampled_from(CHOICES))
def test_the_same_grid_keeps_the_same_activation(source, fused):
    assert clamps.restore(source, fused, source, CHOICES) == clamps.Restored(fused)


@given(types(), st.sampled_from(CHOICES))
def test_stored_bounds_lie_in_the_type(source, fused):
    low, high = clamps.stored_bounds(source, fused)
    least, greatest = RANGES[source.dtype]
    assert least <= low <= high <= greatest
    bound = clamps.BOUNDS[fused][0]
    if not math.isinf(bound):
        steps = np.float32(bound) / np.float32(source.qparams.scale)  # the kernels' precision
        exact = source.qparams.zero_point + Fraction(float(steps))
        assert low == min(max(least, exact), greatest) or abs(low - exact) <= Fraction(1, 2)
