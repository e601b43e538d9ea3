"""Parts of models: what they keep, and that they compute what the whole computes."""

import numpy as np
import pytest

from tflite_requant.errors import UsageError
from tflite_requant.extract import cut_at, last_softmax_input, single_operator
from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import litert_available, litert_run
from tflite_requant.samples import random_inputs
from tflite_requant.testing import GraphBuilder, TensorSpec


@pytest.fixture(scope="module")
def demo(demo_model):
    return load(demo_model)


@pytest.fixture(scope="module")
def whole(demo):
    """Every tensor of one run of the demo model."""
    return Interpreter(demo).run(list(random_inputs(demo)), keep="all")


def classifier(*after: str, beta: float = 0.5):
    """uint8 [1, 4] -> SOFTMAX -> operators of these kinds."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 4), 0.1, 128))
    first = y = graph.tensor(TensorSpec("uint8", (1, 4), 1 / 256, 0))
    graph.operator("SOFTMAX", (x,), (y,), {"beta": beta})
    for opcode in after:
        scale = None if opcode == "DEQUANTIZE" else 1 / 256
        z = graph.tensor(TensorSpec("float32" if scale is None else "uint8", (1, 4), scale))
        graph.operator(opcode, (y, first) if opcode == "ADD" else (y,), (z,))
        y = z
    return graph.build((x,), (y,))


@pytest.mark.parametrize("after", [(), ("RESHAPE",), ("RESHAPE", "DEQUANTIZE")], ids="-".join)
def test_logits_are_found(after):
    found = last_softmax_input(classifier(*after))
    assert (found.tensor, found.beta) == (0, 0.5)


def test_a_softmax_in_the_middle_is_no_classifier():
    assert last_softmax_input(classifier("ADD")) is None


def test_the_last_of_two_classifiers():
    graph = GraphBuilder()
    outputs = []
    for beta in (1.0, 2.0):
        x = graph.tensor(TensorSpec("uint8", (1, 4), 0.1, 128))
        y = graph.tensor(TensorSpec("uint8", (1, 4), 1 / 256, 0))
        graph.operator("SOFTMAX", (x,), (y,), {"beta": beta})
        outputs.append(y)
    found = last_softmax_input(graph.build((0, 2), outputs[::-1]))
    assert (found.tensor, found.beta) == (2, 2.0)


def test_a_cut_keeps_what_is_needed_and_no_more(demo):
    middle = demo.main.operators[6].outputs[0]
    cut = cut_at(demo, 0, middle)
    assert [t.index for t in cut.outputs] == [middle]
    assert cut.main.inputs == demo.main.inputs
    read = {t for op in cut.main.operators for t in op.inputs} | {middle}
    assert all(read.intersection(op.outputs) for op in cut.main.operators)
    assert [op.index for op in cut.main.operators] == list(range(len(cut.main.operators)))
    assert len(cut.main.operators) <= 7
    again = load(cut.to_bytes())
    assert {op.code for op in again.main.operators} == set(again.operator_codes)


def test_every_cut_computes_what_the_whole_does(demo, whole):
    inputs = list(random_inputs(demo))
    for op in demo.main.operators[::5]:
        (found,) = Interpreter(cut_at(demo, 0, op.outputs[0]).to_bytes()).run(inputs)
        assert np.array_equal(found, whole[op.outputs[0]]), demo.main.label(op)


def test_a_cut_with_several_outputs(demo, whole):
    wanted = (demo.main.operators[4].outputs[0], demo.main.operators[1].outputs[0])
    found = Interpreter(cut_at(demo, 0, wanted)).run(list(random_inputs(demo)))
    assert all(np.array_equal(f, whole[t]) for f, t in zip(found, wanted, strict=True))


def test_every_operator_alone_computes_what_it_does_inside(demo, whole):
    for op in demo.main.operators:
        alone = single_operator(demo, op)
        fed = [
            t for t in dict.fromkeys(op.inputs) if t >= 0 and not demo.main.tensors[t].is_constant
        ]
        (found,) = Interpreter(alone.to_bytes()).run([whole[t] for t in fed])
        assert np.array_equal(found, whole[op.outputs[0]]), demo.main.label(op)
        assert len(alone.main.tensors) == len({*op.inputs, *op.outputs} - {-1})
        assert len(alone.to_bytes()) < len(demo.to_bytes())


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
def test_parts_run_in_litert(demo, whole):
    inputs = list(random_inputs(demo))
    op = demo.main.operators[5]
    found = litert_run(cut_at(demo, 0, op.outputs[0]).to_bytes(), [inputs])[0].outputs[0]
    assert np.array_equal(found, whole[op.outputs[0]])
    fed = [t for t in dict.fromkeys(op.inputs) if not demo.main.tensors[t].is_constant]
    alone = single_operator(demo, op).to_bytes()
    found = litert_run(alone, [[whole[t] for t in fed]])[0].outputs[0]
    assert np.array_equal(found, whole[op.outputs[0]])


@pytest.mark.parametrize("subgraph, tensor", [(0, 9999), (0, -1), (3, 0)], ids=str)
def test_places_that_do_not_exist(demo, subgraph, tensor):
    with pytest.raises(UsageError):
        cut_at(demo, subgraph, tensor)


def test_an_operator_that_runs_others_cannot_stand_alone():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int32", (1,)))
    y = graph.tensor(TensorSpec("int32", (1,)))
    graph.operator("WHILE", (x,), (y,))
    model = graph.build((x,), (y,))
    with pytest.raises(UsageError, match="runs other subgraphs"):
        single_operator(model, model.main.operators[0])
