"""When weighted operators are the same function in uint8 and int8: multipliers, steps, biases."""

from __future__ import annotations

import numpy as np
import pytest
from test_identity import GRID, OPTIONS, SAME, word_and_differences

from tflite_requant.fixedpoint.multiplier import quantize_multiplier, rescale_double
from tflite_requant.model import QParams, TensorType
from tflite_requant.planning.identity import same_steps
from tflite_requant.requantize import requantize
from tflite_requant.testing import TensorSpec, one_operator_model

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


def weighted_model(
    opcode: str, input_scale: float, weight_scale: float, output_scale=1.1, dtype: str = "uint8"
):
    """1x1 kernels, weights of at most 100 steps from their zero point."""
    rng = np.random.default_rng(3)
    rows, depth = 8, 8
    zero = 100 if dtype == "uint8" else 0
    shape = {"DEPTHWISE_CONV_2D": (1, 1, 1, rows), "FULLY_CONNECTED": (rows, depth)}.get(
        opcode, (rows, 1, 1, depth)
    )
    weights = (rng.integers(-100, 101, shape) + zero).astype(dtype)
    bias = rng.integers(-5000, 5000, rows).astype(np.int32)
    small = np.float32(input_scale) * np.float32(weight_scale)
    size = (64, depth) if opcode == "FULLY_CONNECTED" else (1, 8, 8, depth)
    data = TensorSpec(dtype, size, input_scale, zero + 20)
    constants = [TensorSpec(dtype, scale=weight_scale, zero_point=zero, data=weights),
                 TensorSpec("int32", scale=float(small), data=bias)]  # fmt: skip
    out = TensorSpec(dtype, (*size[:-1], rows), output_scale, zero + 5)
    options = {} if opcode == "FULLY_CONNECTED" else {
        "padding": "VALID", "stride_w": 1, "stride_h": 1
    }  # fmt: skip
    inputs = [data, *constants]
    if opcode == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 1
    if opcode == "TRANSPOSE_CONV":
        shape_of = TensorSpec("int32", data=np.array([*size[:3], rows], np.int32))
        inputs = [shape_of, constants[0], data, constants[1]]
    return one_operator_model(opcode, inputs, [out], options)


@pytest.mark.parametrize("opcode", CONVOLUTIONS)
@pytest.mark.parametrize("input_scale,output_scale,scheme,word", [
    (0.25, 6300.0, "int8", SAME),  # the float32 product is exact
    (0.21, 6300.0, "int8", GRID),
    (0.21, 6300.0, "uint8", SAME),
    (0.21, 1.1, "int8", SAME),  # the multipliers differ, but not for accumulators that matter
])  # fmt: skip
def test_weighted_operators_are_judged_by_their_multipliers(
    opcode, input_scale, output_scale, scheme, word
):
    model = weighted_model(opcode, input_scale, 0.03, output_scale)
    rng = np.random.default_rng(0)
    runs = [[rng.integers(0, 256, model.inputs[0].shape).astype(np.uint8)] for _ in range(3)]
    found, count = word_and_differences(model, runs, scheme)
    assert found == word
    assert word == GRID or count == 0


@pytest.mark.parametrize("scheme,word", [("int8", SAME), ("int16x8", "approximated")])
def test_fully_connected_multiplies_by_a_double_in_both_types(scheme, word):
    model = weighted_model("FULLY_CONNECTED", 0.21, 0.03, 6300.0)
    (outcome,) = requantize(model, scheme, options=OPTIONS).report.operators
    assert outcome.exactness == word


@pytest.mark.parametrize("factor", [0.6137, 0.13, 0.02, 0.0011, 0.00017])
@pytest.mark.parametrize("zero_point", [-128, -3, 127])
def test_steps_decide_about_all_accumulators(factor, zero_point):
    """Held against every accumulator between the ends of the output, at distances that do and do
    not move a step."""
    output = TensorType("int8", QParams.of(1.0, zero_point))
    reach = int(260 / factor)
    every = np.arange(-reach, reach)
    answers = set()
    for bits in range(8, 31):
        other = factor * (1 + 2.0**-bits)
        pair = [quantize_multiplier(f) for f in (factor, other)]
        exact = [float(np.ldexp(float(m), int(e) - 31)) for m, e in pair]
        found = [
            np.clip(rescale_double(every, *p), -128 - zero_point, 127 - zero_point) for p in pair
        ]
        answers.add(same := same_steps(*exact, output))
        assert same == np.array_equal(*found), bits
    assert answers == {True, False}


def test_a_bias_that_had_to_be_put_right_is_not_identical():
    """The kernel adds the bias integers; read by a scale that breaks the law, they change."""
    model = one_operator_model(
        "FULLY_CONNECTED",
        [TensorSpec("uint8", (1, 2), 0.5, 0),
         TensorSpec("uint8", scale=0.5, zero_point=9, data=np.array([[1, 20]], np.uint8)),
         TensorSpec("int32", scale=0.2501, data=np.array([30000], np.int32))],
        [TensorSpec("uint8", (1, 1), 40.0, 3)],
    )  # fmt: skip
    word, _ = word_and_differences(model, [[np.array([[7, 200]], np.uint8)]], "int8")
    assert word == GRID


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("opcode", [*CONVOLUTIONS, "FULLY_CONNECTED"])
def test_unchanged_operators_are_bit_identical(opcode, dtype):
    done = requantize(weighted_model(opcode, 0.21, 0.03, dtype=dtype), dtype)
    assert [o.exactness for o in done.report.operators] == [SAME]
