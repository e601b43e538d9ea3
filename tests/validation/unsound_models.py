"""A small sound model, and every way of breaking it: id -> (law, what is found, change)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflite_requant.model import QParams
from tflite_requant.testing import GraphBuilder, TensorSpec


def convolution(**options):
    """uint8 [1, 5, 5, 2] -> CONV_2D 3x3 SAME -> AVERAGE_POOL_2D 5x5 -> uint8 [1, 1, 1, 4]."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 5, 5, 2), 0.5, 3, name="x"))
    w = graph.tensor(TensorSpec("uint8", scale=0.25, data=np.ones((4, 3, 3, 2), int), name="w"))
    b = graph.tensor(TensorSpec("int32", scale=0.125, data=[0, 1, 2, 3], name="b"))
    y = graph.tensor(TensorSpec("uint8", (1, 5, 5, 4), 1.0, 0, name="y"))
    z = graph.tensor(TensorSpec("uint8", (1, 1, 1, 4), 1.0, 0, name="z"))
    sides = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    graph.operator("CONV_2D", (x, w, b), (y,), {**sides, **options})
    window = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "filter_height": 5,
              "filter_width": 5}  # fmt: skip
    graph.operator("AVERAGE_POOL_2D", (y,), (z,), window)
    return graph.build((x,), (z,))


def with_tensor(index: int, **changes):
    def change(model):
        tensors = list(model.main.tensors)
        tensors[index] = replace(tensors[index], **changes)
        return replace(model, subgraphs=(replace(model.main, tensors=tuple(tensors)),))

    return change


def with_operator(index: int, **changes):
    def change(model):
        operators = list(model.main.operators)
        operators[index] = replace(operators[index], **changes)
        return replace(model, subgraphs=(replace(model.main, operators=tuple(operators)),))

    return change


def with_options(index: int, **fields):
    def change(model):
        options = model.main.operators[index].options.with_fields(**fields)
        return with_operator(index, options=options)(model)

    return change


def with_graph(**changes):
    return lambda model: replace(model, subgraphs=(replace(model.main, **changes),))


def swapped(model):
    return with_graph(operators=model.main.operators[::-1])(model)


def scales(*values, zero_points=None, axis=0):
    return {"qparams": QParams(values, zero_points or (0,) * len(values), axis)}


X, W, B, Y, Z = range(5)
# id: (law, what was found, change)
CASES = {
    "type": ("tensor-type", "type 99", with_tensor(X, dtype="99")),
    "negative-size": ("shape", "[1, -5, 5, 2]", with_tensor(X, shape=(1, -5, 5, 2))),
    "rank": ("shape", "9 dimensions", with_tensor(X, shape=(1,) * 9)),
    "product": ("shape", "elements", with_tensor(X, shape=(2**30, 2**30, 2**30, 2))),
    "signature": ("shape", "signature", with_tensor(X, shape_signature=(1, 5))),
    "signature-size": ("shape", "signature", with_tensor(X, shape_signature=(1, 6, 5, 2))),
    "short-buffer": ("constant-size", "its buffer has 71 bytes", with_tensor(W, data=bytes(71))),
    "long-buffer": ("constant-size", "its buffer has 73 bytes", with_tensor(W, data=bytes(73))),
    "variable-data": ("variable", "with data", with_tensor(W, is_variable=True)),
    "scale-zero": ("scale-positive", "scale 0", with_tensor(X, **scales(0.0))),
    "scale-nan": ("scale-positive", "scale nan", with_tensor(W, **scales(float("nan")))),
    "scale-infinite": ("scale-positive", "scale inf", with_tensor(W, **scales(float("inf")))),
    "scale-negative": ("scale-positive", "scale -1", with_tensor(W, **scales(-1.0))),
    "scale-denormal": ("scale-positive", "scale 1e-40", with_tensor(X, **scales(1e-40))),
    "scale-count": ("scale-count", "3 scales", with_tensor(W, **scales(1.0, 2.0, 3.0))),
    "scale-axis": ("scale-count", "dimension 7", with_tensor(W, **scales(1, 2, 3, 4, axis=7))),
    "zero-point": ("zero-point", "256", with_tensor(X, **scales(1.0, zero_points=(256,)))),
    "zero-point-low": ("zero-point", "-1", with_tensor(X, **scales(1.0, zero_points=(-1,)))),
    "no-scale": ("operand-scale", "has no scale", with_tensor(Y, qparams=None)),
    "no-weight-scale": ("operand-scale", "has no scale", with_tensor(W, qparams=None)),
    "input-twice": ("graph-inputs", "an input twice", with_graph(inputs=(X, X))),
    "constant-input": ("graph-inputs", "is a constant", with_graph(inputs=(X, W))),
    "unordered": ("graph-order", "before op 0 CONV_2D y writes it", swapped),
    "cycle": ("graph-order", "before op 1", with_operator(0, inputs=(Z, W, B))),
    "unwritten": ("graph-order", "which nothing writes", with_graph(inputs=())),
    "no-output": ("graph-outputs", "nothing writes",
                  with_operator(1, outputs=(Y,))),
    "two-writers": ("graph-writer", "op 0 CONV_2D y writes", with_operator(1, outputs=(Y,))),
    "writes-constant": ("graph-writer", "a constant", with_operator(0, outputs=(W,))),
    "writes-input": ("graph-writer", "a graph input", with_operator(0, outputs=(X,))),
    "writes-variable": ("graph-writer", "a variable", with_tensor(Y, is_variable=True)),
    "few-operands": ("operand-count", "1 operands", with_operator(0, inputs=(X,))),
    "many-operands": ("operand-count", "5 operands", with_operator(0, inputs=(X, W, B, B, B))),
    "absent-operand": ("operand-count", "operand 1 is absent", with_operator(0, inputs=(X, -1, B))),
    "no-result": ("operand-count", "0 results", with_operator(0, outputs=())),
    "operand-rank": ("operand-rank", "has 3 dimensions", with_tensor(X, shape=(5, 5, 2))),
    "result-type": ("operand-type", "is float32", with_tensor(Y, dtype="float32")),
    "weights-type": ("operand-type", "is bool", with_tensor(W, dtype="bool", qparams=None)),
    "bias-type": ("operand-type", "is float32", with_tensor(B, dtype="float32")),
    "no-options": ("options", "no options", with_operator(0, options=None)),
    "other-options": ("options", "Pool2DOptions", lambda m: with_operator(
        0, options=m.main.operators[1].options)(m)),
    "stride": ("options", "stride_h is 0", with_options(0, stride_h=0)),
    "dilation": ("options", "dilation_w_factor is -2", with_options(0, dilation_w_factor=-2)),
    "filter": ("options", "filter_width is 0", with_options(1, filter_width=0)),
    "padding": ("options", "padding is 7", with_options(0, padding=7)),
    "activation": ("options", "fused_activation_function is 99",
                   with_options(0, fused_activation_function=99)),
    "output-shape": ("shape", "[1, 5, 6, 4]; need [1, 5, 5, 4]",
                     with_tensor(Y, shape=(1, 5, 6, 4))),
    "bias-count": ("shape", "a bias of shape [5]", with_tensor(B, shape=(5,), data=bytes(20))),
    "channels": ("shape", "on 3 channels", with_tensor(X, shape=(1, 5, 5, 3))),
    "window": ("shape", "need [1, 0, 1, 4]", with_options(1, filter_height=6)),
    "dynamic-batch": ("shape", "[1, 5, 6, 4]; need [1, 5, 5, 4]",
                      with_tensor(Y, shape=(1, 5, 6, 4), shape_signature=(-1, 5, 6, 4))),
    "no-window": ("shape", "a window of 9", with_options(1, filter_height=9)),
}  # fmt: skip
