"""Measured moments, against the textbook's on all windows."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tflite_requant.errors import SampleError
from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter, arithmetic_to_run
from tflite_requant.memory import METADATA_NAME
from tflite_requant.model import Edit
from tflite_requant.requantize import requantize
from tflite_requant.samples import array_samples, load_arrays
from tflite_requant.statistics import calibrated, measure
from tflite_requant.testing import GraphBuilder, TensorSpec


def network(opcode, shape, filter_shape, out_shape, **options):
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, *shape), 0.25, 100, name="x"))
    w = graph.tensor(TensorSpec("uint8", scale=0.1, zero_point=9, data=np.ones(filter_shape)))
    axis = 3 if opcode == "DEPTHWISE_CONV_2D" else 0
    b = graph.tensor(TensorSpec("int32", scale=0.025, data=np.zeros(filter_shape[axis])))
    y = graph.tensor(TensorSpec("uint8", (1, *out_shape), 10.0, 0))
    graph.operator(opcode, (x, w, b), (y,), options)
    return graph.build((x,), (y,))


CONV = {"stride_w": 1, "stride_h": 1, "padding": "SAME"}
DEEP = {**CONV, "depth_multiplier": 2}
CASES = {
    "pointwise": network("CONV_2D", (3, 3, 4), (2, 1, 1, 4), (3, 3, 2), **CONV),
    "padded 3x3": network("CONV_2D", (4, 5, 2), (3, 3, 3, 2), (4, 5, 3), **CONV),
    "grouped": network("CONV_2D", (4, 4, 4), (2, 3, 3, 2), (4, 4, 2), **CONV),
    "depthwise": network("DEPTHWISE_CONV_2D", (4, 4, 3), (1, 3, 3, 6), (4, 4, 6), **DEEP),
    "fully connected": network("FULLY_CONNECTED", (6,), (3, 6), (3,)),
}


def windows(model, samples):
    """Every window as rows [groups, rows, K], in real units; zeros beyond the border."""
    op = model.main.operators[0]
    x, w, y = (model.main.tensors[i].shape for i in (*op.inputs[:2], op.outputs[0]))
    real = (samples.astype(np.int64) - 100) * 0.25
    if op.opcode == "FULLY_CONNECTED":
        return real.reshape(1, len(samples), -1)
    taps = w[1:3]
    pads = [(0, 0), *((t // 2, t // 2) for t in taps), (0, 0)]
    padded = np.pad(real.reshape(-1, *x[1:]), pads)
    rows = [
        padded[n, i : i + taps[0], j : j + taps[1]].reshape(-1, x[3])
        for n in range(len(samples)) for i in range(y[1]) for j in range(y[2])
    ]  # fmt: skip
    stack = np.stack(rows)  # [rows, taps, channels]
    if op.opcode == "DEPTHWISE_CONV_2D":
        return stack.transpose(2, 0, 1)
    groups = x[3] // w[3]
    split = stack.reshape(len(rows), -1, groups, w[3]).transpose(2, 0, 1, 3)
    return split.reshape(groups, len(rows), -1)


@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
@pytest.mark.parametrize("batched", [False, True], ids=["array", "list"])
def test_moments(model, batched):
    shape = model.inputs[0].shape[1:]
    samples = np.random.default_rng(3).integers(0, 256, (5, *shape)).astype(np.uint8)
    given = samples if batched else [s[None] for s in samples]
    found = measure(model, given).moments[0, 0]
    rows = windows(model, samples)
    assert found.rows == rows.shape[1]
    mean = rows.mean(axis=1)
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=1e-12)
    expected = np.stack([np.cov(r.T, ddof=0).reshape(r.shape[1], -1) for r in rows])
    assert found.covariance == pytest.approx(expected, rel=1e-9, abs=1e-7)


def test_large_maps_are_sampled_for_the_covariance_but_counted_for_the_mean():
    model = network("CONV_2D", (40, 40, 1), (1, 3, 3, 1), (40, 40, 1), **CONV)
    samples = np.random.default_rng(3).integers(0, 256, (3, 40, 40, 1)).astype(np.uint8)
    found = measure(model, samples).moments[0, 0]
    assert found.rows == 3 * calibrated.ROWS
    assert found.mean == pytest.approx(windows(model, samples).mean(axis=1), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "model", [CASES["padded 3x3"], CASES["depthwise"]], ids=["conv", "depthwise"]
)
def test_order_of_samples_does_not_matter_to_exact_sums(model):
    shape = model.inputs[0].shape[1:]
    samples = np.random.default_rng(4).integers(0, 256, (6, *shape)).astype(np.uint8)
    a, b = (measure(model, s).moments[0, 0] for s in (samples, samples[::-1]))
    assert (a.mean == b.mean).all()
    assert (a.covariance == b.covariance).all()


def test_real_samples_are_put_on_the_grid():
    model = CASES["fully connected"]
    stored = np.random.default_rng(5).integers(0, 256, (4, 6)).astype(np.uint8)
    real = ((stored.astype(float) - 100) * 0.25).astype(np.float32)
    a, b = (measure(model, s).moments[0, 0] for s in (stored, real))
    assert (a.mean == b.mean).all()


def test_hits_count_both_ends():
    model = network("CONV_2D", (2, 2, 1), (1, 1, 1, 1), (2, 2, 1), **CONV)
    found = measure(model, np.full((2, 2, 2, 1), 50, np.uint8))
    assert found.hits[0, 3] == (0.0, 0.0)
    found = measure(model, np.full((2, 2, 2, 1), 200, np.uint8))
    assert found.hits[0, 3] == (1.0, 0.0)


def test_no_samples():
    with pytest.raises(SampleError, match="no calibration samples"):
        measure(CASES["pointwise"], [])


def test_one_sample_is_no_samples():
    model = CASES["fully connected"]
    one = np.zeros((1, *model.inputs[0].shape[1:]), np.uint8)
    assert measure(model, one).origin == "1 calibration sample"


def test_without_data_the_origin_says_so():
    assert "no data" in measure(CASES["pointwise"]).origin
    assert (
        "5 calibration samples"
        in measure(CASES["pointwise"], np.zeros((5, 3, 3, 4), np.uint8)).origin
    )


def test_a_mixed_model_is_calibrated_in_its_own_arithmetic(demo_model):
    """Its operators have int8 beside uint8: litert-reference computes none of them."""
    source = load(demo_model)
    images = load_arrays(demo_model.with_name("digits_samples.npz"))["calibration"][:4]
    mixed = requantize(source, "symmetric-unsigned").model
    assert Interpreter(mixed).unsupported and arithmetic_to_run(mixed) == "extended"
    samples = array_samples((images.astype(int) - 128).astype(np.int8), mixed)
    found = requantize(mixed, "int8", samples)
    assert found.report.data == "4 calibration samples"
    seen = measure(mixed, samples).moments[0, 0].mean
    with ThreadPoolExecutor(2) as executor:
        apart = measure(mixed, samples, executor=executor).moments[0, 0].mean
    assert (apart == seen).all() and (seen == measure(source, images).moments[0, 0].mean).all()


@pytest.mark.parametrize("told", ["shift-half-up", "of-tomorrow"])
def test_a_profile_that_cannot_run_a_model_is_not_taken(told):
    edit = Edit(CASES["pointwise"])
    edit.set_metadata(METADATA_NAME, json.dumps({"arithmetic": told}).encode())
    assert arithmetic_to_run(edit.commit()) == "litert-reference"
