"""Small models to be compared, and samples of theirs."""

import numpy as np

from tflite_requant.model import Edit
from tflite_requant.testing import GraphBuilder, TensorSpec


def chain(weight: int = 3, names: tuple[str, ...] = ("x", "p", "q", "y"), scale: float = 0.5):
    """x -> ADD constant -> p -> ADD constant -> q -> RELU -> y; `weight` is of the second."""
    graph = GraphBuilder()
    x, p, q, y = (graph.tensor(TensorSpec("int8", (1, 4), scale, 0, name=n)) for n in names)
    one = graph.tensor(TensorSpec("int8", scale=scale, data=[[1, 1, 1, 1]], name="one"))
    two = graph.tensor(TensorSpec("int8", scale=scale, data=[[3, 3, weight, 3]], name="two"))
    graph.operator("ADD", [x, one], [p])
    graph.operator("ADD", [p, two], [q])
    graph.operator("RELU", [q], [y])
    return graph.build([x], [y])


X = np.array([[[1, 2, 3, 4]], [[-9, -9, -9, -9]]], np.int8)


def one_weight_changed(model, name: str, by: int):
    """The model with the middle element of a constant changed."""
    (tensor,) = (t for t in model.main.tensors if t.name == name)
    values = np.array(tensor.array())
    values.reshape(-1)[values.size // 2] += np.array(by).astype(values.dtype)
    edit = Edit(model)
    edit.subgraphs[0].set_constant(tensor.index, values, tensor.type)
    return edit.commit()
