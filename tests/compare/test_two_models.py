"""`compare A B`: which tensors are held against each other, and what differs."""

import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from chains import X, chain, one_weight_changed

import tflite_requant as tr
from tflite_requant.compare import Comparison
from tflite_requant.compare.matching import class_scores, match
from tflite_requant.compare.outcome import BEYOND, STEPS
from tflite_requant.errors import UnsupportedOperatorError
from tflite_requant.memory import METADATA_NAME, memory_of
from tflite_requant.model import Edit
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model


def test_a_model_equals_itself():
    found = tr.compare(chain(), chain(), X)
    assert found.equal and found.exact
    assert found.first is None
    assert [(t.name, t.elements, t.differing, t.sqnr) for t in found.tensors] == [
        ("p", 8, 0, math.inf), ("q", 8, 0, math.inf), ("y", 8, 0, math.inf),
    ]  # fmt: skip
    assert found.samples == 2
    assert found.same_top1 is None
    assert found.numbers() == {"sqnr": math.inf, "differing": 0, "differing_tensors": 0}


def test_an_injected_difference_is_found_where_it_is():
    found = tr.compare(chain(), chain(weight=5), X)
    assert found.exact and not found.equal
    first = found.first
    assert (first.name, first.operator) == ("q", "op 1 ADD q")
    assert (first.elements, first.differing) == (8, 2)
    assert first.histogram == {**dict.fromkeys(STEPS, 0), 0: 6, 2: 2, BEYOND: 0}
    assert (first.first.sample, first.first.position) == (0, (0, 2))
    assert (first.first.a, first.first.b) == (7, 9)
    # RELU hides the second sample's difference.
    assert [(t.name, t.differing) for t in found.tensors] == [("p", 0), ("q", 2), ("y", 1)]
    signal, noise = 5.0**2 + 6**2 + 7**2 + 8**2, 2.0**2
    assert found.outputs[0].sqnr == pytest.approx(10 * math.log10(signal / noise))


def test_one_weight_of_the_demo_model(demo_model):
    model = tr.load(demo_model)
    op = model.main.operators[5]
    weights = model.main.tensors[op.inputs[1]]
    found = tr.compare(model, one_weight_changed(model, weights.name, 64), "random:2")
    assert found.first.index == op.outputs[0]
    assert found.first.operator.startswith(f"op 5 {op.name} ")
    before = [t for t in found.tensors if int(t.operator.split()[1]) < 5]
    assert len(before) == 5
    assert [t.differing for t in before] == [0] * 5


def test_tensors_are_not_matched_by_index():
    """B has the same tensors under other indices."""
    graph = GraphBuilder()
    y, q, p, x = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "yqpx")
    one = graph.tensor(TensorSpec("int8", scale=0.5, data=[[1, 1, 1, 1]], name="one"))
    two = graph.tensor(TensorSpec("int8", scale=0.5, data=[[3, 3, 3, 3]], name="two"))
    graph.operator("ADD", [x, one], [p])
    graph.operator("ADD", [p, two], [q])
    graph.operator("RELU", [q], [y])
    found = tr.compare(chain(), graph.build([x], [y]), X)
    assert found.equal
    assert [(t.name, t.index, t.index_b) for t in found.tensors] == [
        ("p", 1, 2), ("q", 2, 1), ("y", 3, 0),
    ]  # fmt: skip


def test_tensors_without_a_partner_are_listed():
    found = tr.compare(chain(), chain(names=("x", "other", "q", "y")), X)
    assert [t.name for t in found.tensors] == ["q", "y"]
    assert (found.only_a, found.only_b) == (("p",), ("other",))


def test_outputs_of_other_names_are_matched_in_graph_order():
    found = tr.compare(chain(), chain(names=("a", "b", "c", "d")), X)
    assert [(t.name, t.is_output) for t in found.tensors] == [("y", True)]


@pytest.mark.parametrize("scheme", ["int8", "symmetric", "symmetric-po2"])
def test_a_result_is_matched_by_its_metadata(demo_model, scheme):
    """Names are taken away: only what the result remembers says which tensor is which."""
    source = tr.load(demo_model)
    result = tr.requantize(source, scheme).model
    main = result.main
    nameless = tuple(replace(t, name=f"n{t.index}") for t in main.tensors)
    result = result.changed(subgraphs=(replace(main, tensors=nameless),))
    pairs = match(source, result)
    assert len(pairs) == len(source.main.operators)
    assert all(p.a.index == p.b.index for p in pairs)


def test_two_results_of_one_source_are_matched(demo_model):
    source = tr.load(demo_model)
    a, b = (tr.requantize(source, s).model for s in ("int8", "symmetric"))
    assert len(match(a, b)) >= len(source.main.operators)


def test_offsets_of_relabelled_tensors_are_undone(demo_model):
    source = tr.load(demo_model)
    result = tr.requantize(source, "symmetric").model
    memory = memory_of(result)
    relabelled = {entry["tensor"] for entry in memory["relabelled"]}
    assert relabelled
    found = tr.compare(source, result, "random:2")
    edit = Edit(result)
    edit.set_metadata(METADATA_NAME, json.dumps({**memory, "relabelled": []}).encode())
    without = tr.compare(source, edit.commit(), "random:2")
    for t, u in zip(found.tensors, without.tensors, strict=True):
        if t.index in relabelled:
            assert t.sqnr > 15 > u.sqnr + 5, t.name
        else:
            assert t == u


def test_real_comparison_counts_steps_of_a():
    """int8 against its uint8 twin: the same real numbers, so nothing differs."""
    spec = {"int8": (0.5, 0), "uint8": (0.5, 128)}
    models = [
        one_operator_model(
            "RELU", [TensorSpec(d, (1, 4), *q)], [TensorSpec(d, (1, 4), *q)]
        )
        for d, q in spec.items()
    ]  # fmt: skip
    found = tr.compare(*models, X)
    assert not found.exact and found.equal
    assert found.tensors[0].histogram[0] == 8


def test_keep_io_outputs_are_matched_with_outputs(demo_model):
    source = tr.load(demo_model)
    result = tr.requantize(source, "symmetric", options=tr.Options(keep_io=True)).model
    (output,) = tr.compare(source, result, "random:1").outputs
    assert output.exact
    assert output.index_b in result.main.outputs


def test_top1_of_classifiers(demo_model):
    source = tr.load(demo_model)
    assert class_scores(source).index == source.main.outputs[0]
    found = tr.compare(source, source, "random:3")
    assert found.same_top1 == 3
    assert found.numbers()["same_top1"] == 100.0


def test_top1_counts_the_samples_that_differ():
    def classifier(order):
        spec = TensorSpec("int8", (1, 3), 0.5, 0, name="x")
        graph = GraphBuilder()
        x = graph.tensor(spec)
        bias = graph.tensor(TensorSpec("int8", scale=0.5, data=[order], name="bias"))
        z = graph.tensor(TensorSpec("int8", (1, 3), 0.5, 0, name="z"))
        y = graph.tensor(TensorSpec("int8", (1, 3), 1 / 256, -128, name="y"))
        graph.operator("ADD", [x, bias], [z])
        graph.operator("SOFTMAX", [z], [y], {"beta": 1.0})
        return graph.build([x], [y])

    inputs = np.array([[[0, 0, 0]], [[100, 0, 0]]], np.int8)
    found = tr.compare(classifier([0, 9, 0]), classifier([0, 0, 9]), inputs)
    assert (found.same_top1, found.samples) == (1, 2)


def test_each_model_is_run_in_the_arithmetic_of_its_metadata():
    source = chain()
    edit = Edit(source)
    edit.set_metadata(METADATA_NAME, json.dumps({"arithmetic": "single-rounding"}).encode())
    made = edit.commit()
    profiles = [(c.arithmetic, c.arithmetic_b) for c in (
        tr.compare(source, made, X), tr.compare(made, source, X),
        tr.compare(source, made, X, arithmetic="tflm"),
    )]  # fmt: skip
    assert profiles == [
        ("litert-reference", "single-rounding"),
        ("single-rounding", "litert-reference"),
        ("tflm", "tflm"),
    ]


@pytest.mark.parametrize("swapped", [False, True], ids=["B", "A"])
def test_a_refusal_says_which_model_it_is_about(swapped):
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec(d, (1, 4), 0.5, 0, name=d)) for d in ("int8", "uint8"))
    p = graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name="y"))
    graph.operator("QUANTIZE", [x], [y])
    graph.operator("ADD", [x, y], [p])
    pair = [chain(), graph.build([x], [p])]
    with pytest.raises(UnsupportedOperatorError) as caught:
        tr.compare(*(pair[::-1] if swapped else pair), X)
    again = pickle.loads(pickle.dumps(caught.value))  # as a worker's
    assert str(again) == str(caught.value)
    assert str(again).startswith(f"{'A' if swapped else 'B'}: the interpreter cannot compute 1 ope")
    assert again.findings == caught.value.findings


def test_the_outcome_is_a_value():
    assert tr.compare(chain(), chain(5), X) == tr.compare(chain(), chain(5), X)
    assert isinstance(tr.compare(chain(), chain(), X), Comparison)
