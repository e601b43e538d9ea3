"""Power of two as a gauge: G1 shared gains, G2 weighted operators join nothing, G3 borders."""

import math

import numpy as np
import pytest
from graphs import Net, inputs_for
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter
from tflite_requant.memory import memory_of
from tflite_requant.model import QArray
from tflite_requant.planning import gauge, plan
from tflite_requant.planning.grid import is_power_of_two
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme

DEMO = "examples/demo/digits_qat_uint8.tflite"
SCALES = st.floats(1e-6, 1e3, allow_nan=False)


@pytest.fixture(scope="module")
def demo(request):
    return load(request.config.rootpath / DEMO)


@pytest.fixture(scope="module")
def planned(demo):
    return plan(demo.main, load_scheme("symmetric-po2"))


@given(st.lists(SCALES, min_size=1, max_size=6))
def test_written_scales_are_powers_of_two_with_one_gain(scales):
    found = gauge.relabelled(scales)
    assert all(is_power_of_two(written) for written, _ in found)
    assert len({gain for _, gain in found}) == 1
    assert all(0.7 < gain < 1.42 for _, gain in found)


@given(SCALES)
def test_a_tensor_of_its_own_keeps_its_scale(scale):
    ((written, gain),) = gauge.relabelled([scale])
    assert math.isclose(written / gain, scale, rel_tol=1e-15)


@given(st.lists(SCALES, min_size=2, max_size=6))
def test_shared_gains_cut_a_range_by_no_more_than_the_slack(scales):
    for scale, (written, gain) in zip(scales, gauge.relabelled(scales), strict=True):
        kept = written / gain / scale
        assert 2.0**-gauge.SLACK * (1 - 1e-12) <= kept < 2.0


def test_g1_what_is_added_shares_one_gain(demo, planned):
    adds = [op for op in demo.main.operators if op.opcode == "ADD"]
    assert adds
    for op in adds:
        assert len({planned.gains[t] for t in (*op.inputs, *op.outputs)}) == 1


def test_g2_tensors_between_weighted_operators_keep_their_symmetric_scale(demo, planned):
    symmetric = plan(demo.main, load_scheme("symmetric"))
    free = [t for t in planned.offsets if t in planned.gains]
    assert free
    for t in free:
        own = planned.home[t].qparams.scale / planned.gains[t]
        assert math.isclose(own, symmetric.home[t].qparams.scale, rel_tol=1e-15)


def test_g3_inputs_outputs_and_fixed_outputs_have_no_gain(demo, planned):
    softmax = next(op for op in demo.main.operators if op.opcode == "SOFTMAX")
    for t in (*demo.main.inputs, *demo.main.outputs, *softmax.outputs):
        assert planned.gains.get(t, 1.0) == 1.0


def test_g3_softmax_takes_the_gain_of_its_input(demo, planned):
    result = requantize(demo, "symmetric-po2").model
    old = next(op for op in demo.main.operators if op.opcode == "SOFTMAX")
    new = next(op for op in result.main.operators if op.opcode == "SOFTMAX")
    gain = planned.gains[old.inputs[0]]
    assert gain != 1
    assert new.option("beta") == np.float32(old.option("beta") / gain)


@pytest.mark.parametrize("name", ["symmetric", "int8", "int16x8", "uint8"])
def test_schemes_without_powers_of_two_have_no_gains(demo, name):
    assert plan(demo.main, load_scheme(name)).gains == {}


def test_strict_meaning_has_no_gains(demo):
    scheme = load_scheme("symmetric-po2")
    assert plan(demo.main, scheme, fold=False).gains == {}
    result = requantize(demo, scheme, options=Options(strict_meaning=True)).model
    assert memory_of(result)["relabelled"] == []


@pytest.mark.parametrize("name", ["symmetric-po2", "symmetric-po2-per-tensor"])
def test_every_written_scale_is_a_power_of_two(demo, name):
    result = requantize(demo, name).model
    fixed = {t for op in result.main.operators if op.opcode == "SOFTMAX" for t in op.outputs}
    for tensor in result.main.tensors:
        if tensor.qparams is not None and tensor.index not in fixed:
            assert all(is_power_of_two(s) for s in tensor.qparams.scales), tensor.name


def test_undoing_the_labels_gives_the_source_back(demo, request):
    """Every relabelled tensor, read as the metadata says, is near the source's real values."""
    samples = np.load(request.config.rootpath / "examples/demo/digits_samples.npz")["test"][:8]
    result = requantize(demo, "symmetric-po2").model
    labels = {e["tensor"]: e for e in memory_of(result)["relabelled"]}
    assert len(labels) > 5
    source, new = Interpreter(demo), Interpreter(result)
    signal, noise = dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 0.0)
    for sample in samples:
        centred = (sample.astype(np.int16) - 128).astype(np.int8)
        old = source.run([sample[None]], keep="all")
        got = new.run([centred[None]], keep="all")
        for t, label in labels.items():
            before, after = demo.main.tensors[t].qparams, result.main.tensors[t].qparams
            real = before.scale * (old[t].astype(float) - before.zero_point)
            read = label["scale"] * (got[t].astype(float) - after.zero_point) - label["offset"]
            signal[t] += float((real**2).sum())
            noise[t] += float(((real - read) ** 2).sum())
    # Read without the labels, a gain of 1.19 or an offset alone would leave less than this.
    for t in labels:
        assert signal[t] > 20 * noise[t], demo.main.tensors[t].name


def concatenated(last, constant=False):
    """Two convolutions on grids of their own, joined on a third, and what reads that."""
    net = Net()
    x, a, b = net.act("x"), net.act("a", 0.1, 120), net.act("b", 0.05, 130)
    joined, y = (net.act(name, 0.11, 125, channels=4) for name in "jy")
    net.conv(x, a)
    net.conv(x, b)
    if constant:
        b = net.constant("c", np.arange(32).reshape(1, 4, 4, 2) * 7, 0.05, 130)
    net.operator("CONCATENATION", (a, b), (joined,), {"axis": 3})
    if last == "LOGISTIC":
        y = net.act("p", 1 / 256, 0, channels=4)
        net.operator("LOGISTIC", (joined,), (y,))
    else:
        net.conv(joined, y)
    return net.build((x,), (y,))


@pytest.mark.parametrize("name", ["symmetric-po2", "symmetric-po2-per-tensor"])
@pytest.mark.parametrize("constant", [False, True], ids=["computed", "constant"])
@pytest.mark.parametrize("last", ["LOGISTIC", "CONV_2D"])
def test_both_sides_of_a_bridge_share_one_gain(last, constant, name):
    """What is joined has the source's real values: a QUANTIZE knows scales, but no gains."""
    model = concatenated(last, constant)
    result = requantize(model, name).model
    gains = {e["tensor"]: e["gain"] for e in memory_of(result).get("relabelled", [])}
    old = Interpreter(model).run(inputs_for(model), keep=["j"])["j"]
    moved = [(f.astype(int) - 128).astype(np.int8) for f in inputs_for(model)]
    new = Interpreter(result).run(moved, keep=["j"])["j"]
    grids = [next(t for t in m.main.tensors if t.name == "j") for m in (model, result)]
    reals = [QArray(v, t.qparams).real() for v, t in zip((old, new), grids, strict=True)]
    step = grids[1].qparams.scale
    assert np.ptp(reals[0]) > 8 * step
    true = reals[1] / gains.get(grids[1].index, 1.0)
    assert np.abs(true - reals[0]).max() <= 2 * step
