"""What other grids cost at the outputs, measured on the source itself."""

import numpy as np
import pytest
from engine_models import images
from graphs import VALID, Net, grids
from search_models import residual, small

from tflite_requant.errors import UsageError
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QArray, QParams, TensorType
from tflite_requant.requantize import Options, requantize
from tflite_requant.search import LITERT, GridJudge
from tflite_requant.statistics.disturbance import on_grids
from tflite_requant.testing import TensorSpec


def samples_of(model, count):
    return [list(feeds.values()) for feeds in images(model, count)]


def coarser(model, index, factor):
    kind = model.main.tensors[index].type
    return TensorType("int8", QParams.of(kind.qparams.scale * factor, 0))


def computed(model):
    return [op.outputs[0] for op in model.main.operators][:-1]


@pytest.fixture(scope="module", params=[small, residual], ids=["small", "residual"])
def case(request):
    model = request.param()
    samples = samples_of(model, 5)
    return model, samples, GridJudge(model, samples)


def test_the_source_s_own_grid_costs_nothing(case):
    model, _, judge = case
    assert judge({t: model.main.tensors[t].type for t in computed(model)}) == 0


def test_against_the_same_by_plain_kernels(case):
    model, samples, judge = case
    some = computed(model)[1:4]
    wanted = {t: coarser(model, t, 3) for t in some}

    def real(one):
        run, (tensor,) = Interpreter(one, LITERT, fast=False), one.outputs
        return np.array([QArray(run.run(s)[0], tensor.qparams).real() for s in samples])

    old, new = real(model), real(on_grids(model, wanted))
    expected = ((new - old) ** 2).sum() / (old**2).sum()
    assert judge(wanted) == pytest.approx(expected, rel=1e-9) and expected > 0


def test_what_was_asked_before_changes_nothing(case):
    model, samples, judge = case
    questions = [{t: coarser(model, t, f)} for t in computed(model) for f in (2, 5)]
    forth = [judge(q) for q in questions]
    back = [judge(q) for q in reversed(questions)]
    alone = [GridJudge(model, samples)(q) for q in questions[:3]]
    assert forth == back[::-1] and forth[:3] == alone


def test_inputs_and_constants_stay_as_they_are(case):
    model, _, judge = case
    (x,) = model.main.inputs
    constant = next(t.index for t in model.main.tensors if t.is_constant)
    assert judge({x: coarser(model, x, 9), constant: coarser(model, x, 9)}) == 0


def test_a_model_without_quantized_outputs_cannot_be_judged():
    net = Net()
    x, y = net.act("x"), net.act("y")
    net.operator("RELU", (x,), (y,))
    model = net.build((x,), (x,))
    with pytest.raises(UsageError):
        GridJudge(model, [[np.zeros((1, 4, 4, 2), np.uint8)]])


def thresholds(bias):
    """x -> y -> z = y + bias, from 0 to 1 and no further."""
    net = Net()
    x, y, z = net.act("x", 0.03), net.act("y", 0.03), net.act("z", 1 / 255, 0)
    identity = np.array([125, 120, 120, 125]).reshape(2, 1, 1, 2)
    for source, target, real in ((x, y, 0.0), (y, z, bias)):
        w = net.constant(f"w{target}", identity, 0.2, 120)
        data = np.full(2, round(real / 0.006))
        b = net.tensor(TensorSpec("int32", scale=0.2 * 0.03, data=data, name=f"b{target}"))
        net.operator("CONV_2D", (source, w, b), (target,), VALID)
    return net.build((x,), (z,))


@pytest.mark.parametrize(("bias", "factor"), [(0.0, 0.5), (-1.5, 1.0)], ids=["low", "high"])
def test_outputs_decide_between_powers_of_two(bias, factor):
    """A peak that half the range cuts off is lost on z anyway, or all that z tells."""
    model = thresholds(bias)
    samples = np.random.default_rng(0).integers(83, 174, (12, 4, 4, 2)).astype(np.uint8)
    samples[0, 0, 0, 0] = 198
    whole, judged = (
        requantize(model, "symmetric-po2", samples, Options(correction=on, strict_meaning=True))
        for on in ((), ("range-fit",))
    )
    (_, before, _), (_, after, _) = grids(whole.model)["y"], grids(judged.model)["y"]
    assert after == factor * before
