"""Quantized dimensions that LiteRT refuses to load: told, and put right in every result."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import VALID

from tflite_requant.catalog.dimension import dimension_error, stored_dimension
from tflite_requant.check import check
from tflite_requant.cli.oddities import oddities
from tflite_requant.compare import compare
from tflite_requant.flatbuffer import read
from tflite_requant.flatbuffer.reader import quantization_of
from tflite_requant.model import Edit, Model, QParams, TensorType
from tflite_requant.requantize import requantize
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.schemes import load_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec

LAW = "quantized-dimension"
X, W, B, Y = range(4)
ZERO = np.zeros((1, 2, 2, 2), np.int8)


def conv(tensor: int, dimension: int, per_axis: bool = True) -> Model:
    """A file that is on int8, but for the dimension that one tensor names."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 2, 2, 2), 0.5, 3, name="x"))
    scales = [0.5, 0.25] if per_axis else [0.5]
    data = np.array([[1, 2], [3, 4]]).reshape(2, 1, 1, 2)
    w = graph.tensor(TensorSpec("int8", scale=scales, data=data, name="w"))
    b = graph.tensor(TensorSpec("int32", scale=np.array(scales) / 2, data=[5, 6], name="b"))
    y = graph.tensor(TensorSpec("int8", (1, 2, 2, 2), 8.0, 3, name="y"))
    graph.operator("CONV_2D", (x, w, b), (y,), dict(VALID, fused_activation_function="RELU"))
    return naming(read(graph.build((x,), (y,)).to_bytes()), tensor, dimension)


def naming(model: Model, tensor: int, dimension: int) -> Model:
    tensors = list(model.main.tensors)
    old = tensors[tensor]
    record = old.rest["quantization"].with_fields(quantized_dimension=dimension)
    tensors[tensor] = replace(
        old, qparams=quantization_of(record), rest=old.rest.with_fields(quantization=record)
    )
    main = replace(model.main, tensors=tuple(tensors))
    return read(model.changed(subgraphs=(main,)).to_bytes())


SOUND = [
    pytest.param(conv(B, 0), id="bias-0"),
    pytest.param(conv(W, 3, per_axis=False), id="one-scale-3-of-4"),
    pytest.param(conv(Y, 2), id="activation-2-of-4"),
]
REFUSED = [
    pytest.param(conv(B, 3), B, "its scales go along dimension 3 of shape [2]", id="bias-3"),
    pytest.param(conv(B, 1, per_axis=False), B, "its scale goes along dimension 1 of shape [2]",
                 id="bias-of-one-scale"),
    pytest.param(conv(W, 4, per_axis=False), W, "its scale goes along dimension 4 of shape "
                 "[2, 1, 1, 2]", id="weights-of-one-scale"),
    pytest.param(conv(X, 7), X, "its scale goes along dimension 7 of shape [1, 2, 2, 2]",
                 id="input"),
    pytest.param(conv(Y, -1), Y, "its scale goes along dimension -1 of shape [1, 2, 2, 2]",
                 id="negative"),
]  # fmt: skip


@pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")
def test_comparing_with_litert_says_what_puts_it_right():
    with pytest.raises(RuntimeFailure) as caught:
        compare(conv(B, 3), None, ZERO)
    said = str(caught.value)
    assert said.endswith("requantize puts them right: compare its result")
    assert "quantized_dimension" in said and "--arithmetic" not in said


def loads_in_litert(model: Model) -> bool:
    (outcome,) = litert_run_many([(model.to_bytes(), [[ZERO]])], "reference")
    return not isinstance(outcome, RuntimeFailure)


@pytest.mark.parametrize("model", SOUND)
def test_what_litert_loads(model):
    assert [f.law for f in check(model, load_scheme("int8"))] == []
    assert LAW not in [f.law for f in oddities(model)]
    assert requantize(model, "int8").model is model
    if litert_available():
        assert loads_in_litert(model)


@pytest.mark.parametrize("model, tensor, said", REFUSED)
def test_what_litert_refuses(model, tensor, said):
    label = model.main.tensors[tensor].label()
    (found,) = check(model, load_scheme("int8"))
    assert (found.severity, found.where, found.law) == ("error", "op 0 CONV_2D y", LAW)
    assert (found.found, found.need) == (f"{label}: {said}", "dimension 0")
    assert [(f.severity, f.found) for f in oddities(model) if f.law == LAW] == [
        ("warning", found.found)
    ]
    if litert_available():
        assert not loads_in_litert(model)


@pytest.mark.parametrize("model, tensor, said", REFUSED)
@pytest.mark.parametrize("name", ["int8", "symmetric", "int8-per-tensor"])
def test_a_result_is_put_right(model, tensor, said, name):
    result = requantize(model, name)
    told = [f for f in result.report.findings if f.law == LAW]
    assert [f.severity for f in told] == ["note"] and told[0].found.endswith(said)
    assert [dimension_error(t) for t in result.model.main.tensors] == [""] * len(
        result.model.main.tensors
    )
    made = read(result.model.to_bytes())
    assert [f.law for f in check(made, load_scheme(name)) if f.severity == "error"] == []
    assert [stored_dimension(t) for t in made.main.tensors] == [
        stored_dimension(t) for t in result.model.main.tensors
    ]
    if name == "int8":
        assert result.report.count("bit-identical") == 1
        for old, new in zip(model.main.tensors, made.main.tensors, strict=True):
            assert (old.dtype, old.data) == (new.dtype, new.data)
            assert old.qparams.scales == new.qparams.scales
    if litert_available():
        assert loads_in_litert(made)


def test_what_no_operator_touches_has_its_own_place():
    model = conv(B, 0)
    edit = Edit(model)
    lone = edit.subgraphs[0].add_tensor("lone", (2,), TensorType("int8", QParams.of(0.5)))
    model = naming(read(edit.commit().to_bytes()), lone, 5)
    (found,) = check(model, load_scheme("int8"))
    assert found.where == "tensor 4 lone"
    assert found.found == "its scale goes along dimension 5 of shape [2]"


def test_another_grid_forgets_what_the_file_named():
    """As the writer does: what was read belongs to the scales that it stood beside."""
    edit = Edit(conv(Y, 2))
    assert stored_dimension(edit.source.main.tensors[Y]) == 2
    edit.subgraphs[0].retype(Y, TensorType("int8", QParams.of(4.0, 3)))
    made = edit.commit()
    assert stored_dimension(made.main.tensors[Y]) == 0
    assert stored_dimension(read(made.to_bytes()).main.tensors[Y]) == 0
