"""Sequential bias correction: means are met, outputs get closer, what is exact stays."""

import numpy as np
import pytest
from engine_models import images
from search_models import small

from tflite_requant import statistics
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Edit, QArray
from tflite_requant.requantize import CORRECTIONS, Options, requantize
from tflite_requant.schemes import load_scheme
from tflite_requant.search import LITERT, biases
from tflite_requant.search.biases import Rule, Walk, corrected

WITHOUT = Options(correction=tuple(c for c in CORRECTIONS if c != "sequential-bias"))


@pytest.fixture(scope="module")
def source():
    return small()


@pytest.fixture(scope="module")
def samples(source):
    return [list(f.values()) for f in images(source, 11)[3:]]


@pytest.fixture(scope="module")
def known(source, samples):
    return statistics.measure(source, samples)


def shifted(model, operator, steps):
    """The model with one operator's biases off by so many of its output's steps."""
    op = model.main.operators[operator]
    bias, y = (model.main.tensors[t] for t in (op.inputs[2], op.outputs[0]))
    unit = bias.qparams.scales[0] / y.qparams.scale
    edit = Edit(model)
    integers = bias.array().astype(np.int64) + round(steps / unit)
    edit.subgraphs[0].set_constant(bias.index, integers, bias.type)
    return edit.commit()


class EmptyPlan:
    """A model compared with itself: nothing is relabelled."""

    gains, offsets, lifts, home = {}, {}, {}, {}

    def __init__(self, model):
        self.subgraph = model.main


@pytest.mark.parametrize("operator", [0, 2, 3, 5])
def test_a_shifted_bias_comes_back(source, samples, operator):
    """With equal inputs the correction is exact: it finds the source's integers again."""
    op = source.main.operators[operator]
    broken = shifted(source, operator, 3)
    law = load_scheme("symmetric").bias
    found = corrected(source, broken, EmptyPlan(source), samples, law, {op.index})
    old, new = (m.main.tensors[op.inputs[2]].array() for m in (source, found))
    assert (old == new).all()


def test_only_chosen_operators_are_corrected(source, samples):
    broken = shifted(source, 0, 3)
    law = load_scheme("symmetric").bias
    assert corrected(source, broken, EmptyPlan(source), samples, law, set()) is broken
    found = corrected(source, broken, EmptyPlan(source), samples, law, {3})
    changed = {
        t.index for t, u in zip(found.main.tensors, broken.main.tensors, strict=True)
        if t.data is not None and bytes(t.data) != bytes(u.data)
    }  # fmt: skip
    assert changed <= {source.main.operators[3].inputs[2]}


def test_what_makes_outputs_worse_is_left_out(source, samples, monkeypatch):
    monkeypatch.setattr(biases, "RULES", (Rule(share=0.0, most=0.5),))
    broken = shifted(source, 0, 3)
    law = load_scheme("symmetric").bias
    assert corrected(source, broken, EmptyPlan(source), samples, law, {0}) is broken


@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
def test_the_better_walk_stays(source, samples, monkeypatch, first):
    """Whichever it is: of two, one may correct nothing."""
    rules = (Rule(share=0.999, most=0.5), Rule(share=0.0, most=0.5))
    monkeypatch.setattr(biases, "RULES", rules if first else rules[::-1])
    broken, law = shifted(source, 0, 3), load_scheme("symmetric").bias
    found = corrected(source, broken, EmptyPlan(source), samples, law, {0})
    index = source.main.operators[0].inputs[2]
    assert bytes(found.main.tensors[index].data) == bytes(source.main.tensors[index].data)


@pytest.mark.parametrize(
    ("found", "stays"),
    [
        pytest.param([1, 1, 1, 1], True, id="less-on-all"),
        pytest.param([1, 2, 1, 2], True, id="less-on-half"),
        pytest.param([0, 2, 2, 2], False, id="less-on-a-quarter"),
        pytest.param([2, 2, 2, 2], False, id="alike"),
        pytest.param([1, 1, 1, 9], False, id="more-altogether"),
        pytest.param([1.997] * 4, True, id="just-enough"),
        pytest.param([1.999] * 4, False, id="too-little"),
    ],
)
def test_better_is_less_altogether_and_on_enough_samples(found, stays):
    assert Rule(share=0.999, most=0.5).is_better(found, [2, 2, 2, 2]) is stays


def test_the_second_rule_asks_for_more():
    first, second = biases.RULES
    assert second.share < first.share and second.most > first.most


@pytest.mark.parametrize("name", ["symmetric-po2-per-tensor", "symmetric-per-tensor"])
def test_the_pipeline_takes_it(source, known, name):
    found, plain = (
        requantize(source, name, known, options).model for options in (Options(), WITHOUT)
    )
    different = [
        t.name for t, u in zip(found.main.tensors, plain.main.tensors, strict=True)
        if t.data is not None and bytes(t.data) != bytes(u.data)
    ]  # fmt: skip
    biased = {plain.main.tensors[op.inputs[2]].name for op in plain.main.operators
              if len(op.inputs) == 3}  # fmt: skip
    assert set(different) <= biased
    again = requantize(source, name, known).model
    assert again.to_bytes() == found.to_bytes()


def test_without_samples_nothing_is_run(source):
    one, two = (requantize(source, "symmetric", None, o).model for o in (Options(), WITHOUT))
    assert one.to_bytes() == two.to_bytes()


def test_a_walk_computes_what_the_interpreter_does(source, samples):
    walk = Walk(source, source, samples)
    plain = [Interpreter(source, LITERT, fast=False).run(s, keep="all") for s in samples]
    for op in source.main.operators:
        for index in op.inputs:
            if not source.main.tensors[index].is_constant:
                for x, expected in zip(walk.inputs(index), plain, strict=True):
                    assert isinstance(x, QArray)
                    assert (x.integers == expected[index]).all()
        walk.run(op)
    assert not any(walk.values)  # nobody reads what is left
