"""What `compare` takes as samples, and what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from chains import X, chain

import tflite_requant as tr
from tflite_requant.compare.matching import match_inputs
from tflite_requant.errors import SampleError, UnsupportedOperatorError, UsageError
from tflite_requant.samples import array_samples, random_samples
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param("random:2", id="words"),
        pytest.param(X, id="array"),
        pytest.param({"x": X}, id="by-name"),
        pytest.param([X[0], X[1]], id="list-of-arrays"),
        pytest.param([(X[0],), (X[1],)], id="list-of-tuples"),
        pytest.param((X[i] for i in range(2)), id="generator"),
        pytest.param(array_samples(X, chain()), id="samples"),
        pytest.param(random_samples(chain(), 2), id="random-samples"),
    ],
)
def test_forms_of_inputs(inputs):
    assert tr.compare(chain(), chain(), inputs).samples == 2


def test_paths_and_bytes(tmp_path):
    data = chain().to_bytes()
    (tmp_path / "a.tflite").write_bytes(data)
    assert tr.compare(tmp_path / "a.tflite", data, X).equal


def test_inputs_are_wired_by_name():
    def subtract(names):
        operands = [TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in names]
        return one_operator_model("SUB", operands, [TensorSpec("int8", (1, 4), 0.5, 0, name="y")])

    a, b = subtract("uv"), subtract("vu")
    assert [p for p, _, _ in match_inputs(a, b)] == [1, 0]
    found = tr.compare(a, b, {"u": X, "v": np.zeros_like(X)})
    assert found.tensors[0].first.a == -found.tensors[0].first.b == 1


def _mystery():
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "xy")
    graph.operator("Mystery", [x], [y], custom_options=b"")
    return graph.build([x], [y])


def _wider():
    spec = TensorSpec("int8", (1, 5), 0.5, 0, name="x")
    return one_operator_model("RELU", [spec], [replace(spec, name="y")])


@pytest.mark.parametrize(
    "b, inputs, error, words",
    [
        pytest.param(chain(), X[:, :, :3], SampleError, "tensor 0 x", id="shape"),
        pytest.param(chain(), X.astype(np.int32), SampleError, "int32", id="dtype"),
        pytest.param(chain(), {"z": X, "w": X}, SampleError, "which array", id="input-name"),
        pytest.param(chain(), [(X[0], X[0])], SampleError, "2 arrays", id="count"),
        pytest.param(chain(), [X[0, :, :3]], SampleError, "shape [1, 3]", id="sample-shape"),
        pytest.param(chain(), [], SampleError, "no samples", id="none"),
        pytest.param(_wider(), X, UsageError, "x [1, 4] and x [1, 5]", id="other-inputs"),
        pytest.param(_mystery(), X, UnsupportedOperatorError, "op 0 Mystery y", id="unsupported"),
    ],
)
def test_what_does_not_fit(b, inputs, error, words):
    with pytest.raises(error) as raised:
        tr.compare(chain(), b, inputs)
    assert words in str(raised.value)


def test_an_unsupported_operator_that_nothing_needs_is_left_out():
    graph = GraphBuilder()
    x, y, z = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "xyz")
    graph.operator("RELU", [x], [y])
    graph.operator("Mystery", [x], [z], custom_options=b"")
    model = graph.build([x], [y])
    found = tr.compare(model, model, X)
    assert [t.name for t in found.tensors] == ["y"]
    assert found.only_a == ("z",)
