"""A study tells of a result what can be counted by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.files import load
from tflite_requant.model import QArray, QParams
from tflite_requant.requantize import Options, requantize
from tflite_requant.samples import load_samples
from tflite_requant.study import study
from tflite_requant.study.values import Counter, weight_histogram
from tflite_requant.testing import GraphBuilder, TensorSpec


def activation(dtype, scale=0.5, zero_point=0):
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec(dtype, (1, 4), scale, zero_point))
    return graph.build((x,), (x,)).inputs[0]


@pytest.mark.parametrize(
    "dtype, values, first, width, bars",
    [
        pytest.param("uint8", [0, 0, 255], 0, 1, {0: 2, 255: 1}, id="uint8"),
        pytest.param("int8", [-128, 127, 0], -128, 1, {0: 1, 255: 1, 128: 1}, id="int8"),
        pytest.param(
            "int16", [-32768, -32513, -32512], -32768, 256, {0: 2, 1: 1}, id="int16 shares bars"
        ),
    ],
)
def test_counts_of_activations(dtype, values, first, width, bars):
    counter = Counter(activation(dtype))
    counter.add(np.array(values, dtype))
    found = counter.result()
    assert (found.first, found.width, found.scale) == (first, width, 0.5)
    assert {i: n for i, n in enumerate(found.counts) if n} == bars


def test_counts_of_weights_are_less_their_zero_points():
    per_tensor = QArray(np.array([[120, 122], [125, 122]], np.uint8), QParams.of(0.25, 122))
    found = weight_histogram(per_tensor)
    assert (found.first, found.counts, found.scale, found.zero_point) == (
        -2, (1, 0, 2, 0, 0, 1), 0.25, 122,
    )  # fmt: skip
    per_axis = QArray(np.array([[1], [-1]], np.int8), QParams((0.1, 0.2), (0, 0), 0))
    found = weight_histogram(per_axis)
    assert (found.first, found.counts, found.scale) == (-1, (1, 0, 1), None)


def test_the_demo(demo_model):
    source = load(demo_model)
    result = requantize(source, "symmetric-po2").model
    found = study(source, result, load_samples("random:2", source), "random")
    assert found.samples == 2 and len(found.tensors) == len(source.main.operators)
    for tensor in found.tensors:
        assert sum(tensor.steps.values()) == tensor.elements
        assert sum(tensor.before.counts) == sum(tensor.after.counts) == tensor.elements
    weighted = [op.index for op in source.main.operators if op.opcode.endswith("CONV_2D")]
    assert [w.operator for w in found.weights if "CONV" in w.name] == weighted
    for w in found.weights:
        assert w.only_shifts
        assert all(math.log2(m) == s for m, s in zip(w.multipliers, w.shifts, strict=True))
    (softmax,) = (op for op in source.main.operators if op.opcode == "SOFTMAX")
    assert (found.judged, found.logits) == ((softmax.inputs[0],), True)
    assert any(t.gain != 1 for t in found.tensors) and any(t.offset for t in found.tensors)


ROUNDING = Options(correction=("exact-grid", "scale-search", "bias-folding"))


@pytest.mark.parametrize(
    "scheme, options",
    [
        pytest.param("symmetric", ROUNDING, id="folded"),
        pytest.param("symmetric", replace(ROUNDING, allow_padv2="any"), id="framed"),
        pytest.param("symmetric", replace(ROUNDING, clamps="exact"), id="clamped"),
        pytest.param("symmetric", replace(ROUNDING, keep_io=True), id="kept-borders"),
        pytest.param("symmetric-po2", ROUNDING, id="folded-and-relabelled"),
    ],
)
def test_the_change_of_biases_is_what_rounding_added(demo_model, scheme, options):
    """Folded zero points, up to 128 steps of a bias, have no share in it."""
    source = load(demo_model)
    result = requantize(source, scheme, options=options)
    found = study(source, result.model, load_samples("random:1", source), "random")
    folded = {op.label: op.folded for op in result.report.operators}
    assert len(found.weights) == 14 and any(t.offset for t in found.tensors)
    for w in found.weights:
        half_a_bias_step = max(w.multipliers) / 2
        assert abs(max(map(abs, w.bias_change)) - folded[w.label]) <= half_a_bias_step * 1.0001


def test_a_channel_without_weights_has_no_change(demo_model):
    """Its bias stands for its constant."""
    source = load(demo_model)
    result = requantize(source, "symmetric")
    found = study(source, result.model, load_samples("random:1", source), "random")
    dead = {op.label: op.dead_channels for op in result.report.operators}
    some = [w for w in found.weights if dead[w.label]]
    assert some and all(w.bias_change.count(0.0) >= dead[w.label] for w in some)


def test_a_relabelled_tensor_is_drawn_where_its_real_values_are(demo_model):
    """Means of both histograms, as reals, are close: gain and offset are undone."""
    source = load(demo_model)
    result = requantize(source, "symmetric-po2").model
    found = study(source, result, load_samples("random:2", source), "random")
    relabelled = [t for t in found.tensors if t.offset]
    for t in relabelled:
        before = mean(t.before)
        after = mean(t.after) / t.gain - t.offset
        assert abs(after - before) < 4 * t.before.scale


def mean(histogram):
    total = sum(histogram.counts)
    stored = sum((histogram.first + i) * n for i, n in enumerate(histogram.counts)) / total
    return (stored - histogram.zero_point) * histogram.scale
