"""What a coarser grid on one tensor costs: measured by running the model with it."""

import numpy as np
import pytest

from tflite_requant import load
from tflite_requant.extract import single_operator
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QParams, TensorType
from tflite_requant.statistics import disturbance, measure
from tflite_requant.statistics.disturbance import EXAMPLES, judged_tensors


@pytest.fixture(scope="module")
def demo(demo_model):
    return load(demo_model)


def relu_tensors(model):
    producers = model.main.producers()
    return [
        t.index
        for t in model.main.tensors
        if t.index in producers
        and producers[t.index].option("fused_activation_function") == "RELU6"
    ] or [op.outputs[0] for op in model.main.operators if op.opcode == "CONV_2D"]


def coarser(model, index, factor):
    grid = model.main.tensors[index].type
    return TensorType("int8", QParams.of(grid.qparams.scale * factor, 0))


def test_the_logits_are_judged(demo):
    (index,) = judged_tensors(demo)
    producers = demo.main.producers()
    softmax = next(op for op in demo.main.operators if op.opcode == "SOFTMAX")
    reshape = producers[softmax.inputs[0]]
    assert reshape.opcode == "RESHAPE"
    assert index == reshape.inputs[0]


def test_its_own_grid_costs_nothing_a_coarse_one_more_than_a_fine_one(demo):
    index = relu_tensors(demo)[0]
    own = {index: demo.main.tensors[index].type}
    assert disturbance(demo, own) == {index: 0.0}
    costs = [disturbance(demo, {index: coarser(demo, index, f)})[index] for f in (2, 8)]
    assert 0 < costs[0] < costs[1]


def test_against_the_same_by_hand(tiny):
    """One tensor rounded by hand, and the operator behind it run alone."""
    model = load(tiny)
    names = {t.name: t for t in model.main.tensors}
    hidden, logits = names["hidden"], names["logits"]
    step = 4 * hidden.qparams.scale
    feeds = [np.array([[3, 90, 200, 255]], np.uint8)]
    stored = Interpreter(model).run(feeds, keep=["hidden", "logits"])
    coarse = np.floor(stored["hidden"] / 4 + 0.5)
    back = np.clip(coarse * 4, 0, 255).astype(np.uint8)
    assert (back != stored["hidden"]).any()
    alone = single_operator(model, model.main.producers()[logits.index])
    apart = logits.qparams.scale * (
        Interpreter(alone).run([back])[0].astype(float) - stored["logits"]
    )
    variance = (logits.qparams.scale * stored["logits"].astype(float)).var()
    grid = TensorType("int8", QParams.of(step, 0))
    found = disturbance(model, {hidden.index: grid}, [feeds])[hidden.index]
    assert found == pytest.approx((apart**2).mean() / variance, rel=1e-6)


def test_statistics_keep_a_few_examples(demo):
    rng = np.random.default_rng(3)
    (x,) = demo.inputs
    samples = rng.integers(0, 256, (5, *x.shape[1:])).astype(x.dtype)
    known = measure(demo, samples)
    assert len(known.examples) == EXAMPLES
    assert np.array_equal(known.examples[0][0], samples[:1])
    assert measure(demo).examples == ()
