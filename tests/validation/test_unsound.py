"""Every way in which a readable file is no model: one finding each, by its law."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import fully_connected_model

from tflite_requant import files
from tflite_requant.catalog import OPERATORS
from tflite_requant.catalog.forms import FORMS
from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer import read
from tflite_requant.flatbuffer._generated import layout
from tflite_requant.kernels import KERNELS
from tflite_requant.kernels._session import CONTROL
from tflite_requant.limits import allowing, parse_memory
from tflite_requant.model import QParams
from tflite_requant.testing import GraphBuilder, TensorSpec
from tflite_requant.validation import unsound
from tflite_requant.validation.shapes import LAWS


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
    "window": ("shape", "a window of 6", with_options(1, filter_height=6)),
}  # fmt: skip


@pytest.mark.parametrize("law, found, change", CASES.values(), ids=CASES)
def test_one_thing_wrong(law, found, change):
    findings = unsound(change(convolution()))
    lines = [f.line() for f in findings if f.law == law]
    assert any(found in line for line in lines), [f.line() for f in findings]
    assert all(f.severity == "error" and f.where and f.hint for f in findings)


def test_a_sound_model_has_no_findings():
    assert unsound(convolution()) == ()
    assert unsound(fully_connected_model()) == ()


def test_a_dead_channel_of_weights_may_have_scale_0():
    dead = with_tensor(W, **scales(0.0, 1.0, 1.0, 1.0))
    assert unsound(dead(convolution())) == ()


def test_all_findings_of_a_file_are_in_one_error(folder):
    wrong = with_tensor(X, **scales(0.0))(with_tensor(W, data=bytes(71))(convolution()))
    (folder / "x.tflite").write_bytes(with_tensor(X, **scales(0.0))(convolution()).to_bytes())
    with pytest.raises(FormatError, match=r"^x.tflite: tensor 0 x: \[scale-positive\]"):
        files.load("x.tflite")
    assert sorted(f.law for f in unsound(wrong)) == ["constant-size", "scale-positive"]


def test_shapes_are_judged_by_constants():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 2), 1.0))
    paddings = graph.tensor(TensorSpec("int32", data=[[0, 0], [2**30, 2**30]]))
    y = graph.tensor(TensorSpec("uint8", (1, 6), 1.0))
    graph.operator("PAD", (x, paddings), (y,))
    assert "need [1, 2147483650]" in unsound(graph.build((x,), (y,)))[0].line()


def test_a_subgraph_that_runs_itself():
    graph = GraphBuilder()
    condition, x = graph.tensor(TensorSpec("bool", (1,))), graph.tensor(TensorSpec("int32", (1,)))
    y = graph.tensor(TensorSpec("int32", (1,)))
    graph.operator("IF", (condition, x), (y,), {"then_subgraph_index": 0, "else_subgraph_index": 0})
    findings = unsound(graph.build((condition, x), (y,)))
    assert {f.law for f in findings} == {"graph-calls"}


class TestMemory:
    def huge(self) -> bytes:
        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("uint8", (1, 2**14, 2**14, 8), 1.0))
        y = graph.tensor(TensorSpec("uint8", (1, 2**14, 2**14, 8), 1.0))
        graph.operator("RELU", (x,), (y,))
        return graph.build((x,), (y,)).to_bytes()

    def test_refused_before_anything_is_allocated(self):
        with pytest.raises(FormatError, match="of memory, most of it at op 0 RELU t1; 1 GiB are"):
            files.load(self.huge())

    def test_a_larger_limit(self):
        with allowing(parse_memory("1T")):
            assert files.load(self.huge()).main.operators

    def test_padding_by_an_absurd_dilation_counts(self):
        data = convolution(dilation_h_factor=2**15, dilation_w_factor=2**15).to_bytes()
        assert unsound(read(data)) == ()
        with pytest.raises(FormatError, match="op 0 CONV_2D y"):
            files.load(data)


class TestForms:
    def test_every_kernel_and_every_cataloged_operator_has_one(self):
        assert set(FORMS) == {*KERNELS, *OPERATORS, *CONTROL}

    def test_tables_of_options_exist(self):
        assert {f.options for f in FORMS.values() if f.options} <= set(layout.TABLES)

    def test_shape_laws_exist_and_are_used(self):
        assert {f.shapes for f in FORMS.values() if f.shapes} == set(LAWS)

    @pytest.mark.parametrize("name", OPERATORS)
    def test_operands_are_those_of_the_catalog(self, name):
        spec, form = OPERATORS[name], FORMS[name]
        for operands, slots in ((spec.inputs, form.inputs), (spec.outputs, form.outputs)):
            assert len(operands) == len(slots)
            for operand, slot in zip(operands, slots, strict=True):
                assert operand.repeats == bool(slot.repeats)
                kind = {"weights": "w", "bias": "b"}.get(operand.role)
                assert kind is None or slot.kind == kind


def test_real_models_are_sound(models):
    known = {"hello_world_uint8_custom_quant_details", "litert_blockwise_no_scale",
             "html_page_saved_as_tflite", "no_tfl3_ident_pruned_8"}  # fmt: skip
    for path in sorted(models.rglob("*.tflite")):
        if path.stem not in known:
            assert unsound(read(path.read_bytes())) == (), path.name
