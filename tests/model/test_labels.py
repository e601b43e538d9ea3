"""How messages name tensors."""

from dataclasses import replace

import pytest

from tflite_requant.testing import GraphBuilder, TensorSpec


@pytest.mark.parametrize("name, label", [("x", "tensor 0 x"), ("", "tensor 0")])
def test_a_tensor_is_named_without_a_blank_at_the_end(name, label):
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name="x"))
    y = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name="y"))
    graph.operator("RELU", (x,), (y,))
    tensor = replace(graph.build((x,), (y,)).main.tensors[x], name=name)
    assert tensor.label() == label
