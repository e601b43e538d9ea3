"""Biases of few bits, narrow accumulators and shift ranges: what comes out keeps them."""

from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.check import check
from tflite_requant.errors import RefusedError
from tflite_requant.model import QParams, TensorType
from tflite_requant.requantize import requantize
from tflite_requant.rules import limits
from tflite_requant.schemes import BiasLaw, load_scheme, parse_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec

PLAIN = 'name = "x"\n[activations]\nzero_point = 0\n'
PO2 = 'name = "x"\n[activations]\nzero_point = 0\nscale = "power-of-two"\n'
TENSOR = '[weights]\nscale = "power-of-two"\ngranularity = "per-tensor"\n'

SCHEMES = {
    "20-bit bias": PLAIN + "[bias]\nbits = 20",
    "12-bit bias": PLAIN + "[bias]\nbits = 12",
    "12-bit bias, per tensor": PLAIN + '[weights]\ngranularity = "per-tensor"\n[bias]\nbits = 12',
    "own scale": PLAIN + "[bias]\nbits = 8\nown_scale = true\nshift = [0, 12]",
    "own scale, one position": PLAIN + "[bias]\nbits = 8\nown_scale = true\nshift = [7, 7]",
    "own scale, powers": PO2 + TENSOR + "[bias]\nbits = 8\nown_scale = true\nshift = [0, 16]",
    "18-bit sums": PLAIN + "[accumulator]\nbits = 18",
    "17-bit sums, powers": PO2 + TENSOR + "[accumulator]\nbits = 17",
    "sums of weights": PLAIN + "[weights]\nsum = 900",
    "shifts": PO2 + TENSOR + "[rescale]\nmultiplier_bits = 0\nshift = [-7, 0]",
    "ratios": 'name = "x"\n[activations]\nzero_point = 0\nscale = "power-of-two-ratio"\n'
    "[rescale]\nmultiplier_bits = 0\nshift = [-9, 0]",
}


def network(bias: float = 1.0):
    """Two FULLY_CONNECTED with RELU6 between, uint8; biases in units of the real output range.
    Channel 5 of the first has no weights."""
    rng = np.random.default_rng(3)
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 32), 1 / 128, 128, name="x"))
    h = graph.tensor(TensorSpec("uint8", (1, 16), 6 / 255, 0, name="h"))
    y = graph.tensor(TensorSpec("uint8", (1, 8), 0.1, 120, name="y"))
    for a, b, shape, scale in ((x, h, (16, 32), 1 / 128), (h, y, (8, 16), 6 / 255)):
        data = rng.integers(40, 216, shape)
        if b == h:
            data[5] = 128
        w = graph.tensor(TensorSpec("uint8", scale=0.02, zero_point=128, data=data, name=f"w{b}"))
        values = np.rint(rng.normal(0, bias, shape[0]) / (scale * 0.02))
        if b == h:
            values[5] = 40 * bias / (scale * 0.02)
        bias_tensor = TensorSpec("int32", scale=scale * 0.02, data=values.astype(int), name=f"b{b}")
        options = {"fused_activation_function": "RELU6" if b == h else "NONE"}
        graph.operator("FULLY_CONNECTED", (a, w, graph.tensor(bias_tensor)), (b,), options)
    return graph.build((x,), (y,))


@pytest.mark.parametrize("bias", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("text", SCHEMES.values(), ids=SCHEMES)
def test_what_comes_out_keeps_the_limits(text, bias):
    scheme = parse_scheme(text, "x")
    result = requantize(network(bias), scheme)
    assert [f.line() for f in check(result.model, scheme) if f.severity != "exception"] == []
    assert [f for f in result.report.findings if f.severity == "warning"] == []


def test_what_cannot_be_kept_is_refused_by_its_law():
    scheme = parse_scheme(PLAIN + "[accumulator]\nbits = 16\n[rescale]\nshift = [-31, -12]", "x")
    with pytest.raises(RefusedError) as refusal:
        requantize(network(), scheme)
    assert {f.law for f in refusal.value.findings} <= {"accumulator-width", "rescale-shift"}


@pytest.mark.parametrize("name", ["int8", "symmetric", "symmetric-po2"])
def test_limits_that_nobody_reaches_change_nothing(name):
    scheme = load_scheme(name)
    roomy = replace(scheme, weights=replace(scheme.weights, sum=10**9))
    first, second = (requantize(network(), s).model.to_bytes() for s in (scheme, roomy))
    assert first == second


class TestPlaced:
    """Biases at the hardware's position."""

    LAW = BiasLaw(bits=8, own_scale=True, shift=(0, 4))

    @pytest.mark.parametrize(
        "values, placed",
        [
            ([127, -5], [127, -5]),
            ([128, 3], [128, 4]),
            ([128, -3], [128, -4]),
            ([2032, 8, 7], [2032, 16, 0]),
            ([5000, 8], [2032, 16]),
        ],
    )
    def test_multiples(self, values, placed):
        assert limits.placed(np.array(values, float), self.LAW).tolist() == placed

    def test_without_a_position_only_the_width_counts(self):
        assert limits.placed(np.array([600.0, -600.0]), BiasLaw(bits=10)).tolist() == [511, -511]


def test_a_bias_is_cut_only_where_the_output_saturates_anyway():
    """For every input and for biases around the cut, the output is the same."""
    law = replace(load_scheme("symmetric"), bias=BiasLaw(bits=8))
    steps = limits.steps_of(
        TensorType("int8", QParams.of(0.5, 0)), TensorType("int8", QParams.of(0.25, 10))
    )
    weights, scale = np.array([[3, -2]]), np.array([1 / 16])
    multiplier = 0.5 * scale[0] / 0.25
    for bias in range(-4000, 4000, 7):
        cut = limits.cut(np.array([float(bias)]), weights, scale, steps, law)[0]
        for total in (-5 * 128, -640, 0, 1, 635, 3 * 127 + 2 * 128):
            out = [np.clip(np.rint((total + b) * multiplier) + 10, -128, 127) for b in (bias, cut)]
            assert out[0] == out[1]
    assert cut < 4000
