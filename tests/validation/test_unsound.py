"""Every way in which a readable file is no model: one finding each, by its law."""

from pathlib import Path

import pytest
from unsound_models import CASES, W, X, convolution, scales, with_tensor

from tflite_requant import files
from tflite_requant.catalog import OPERATORS
from tflite_requant.catalog.forms import FORMS
from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer import read
from tflite_requant.flatbuffer._generated import layout
from tflite_requant.kernels import KERNELS
from tflite_requant.kernels._session import CONTROL
from tflite_requant.limits import allowing, parse_memory
from tflite_requant.testing import GraphBuilder, TensorSpec
from tflite_requant.validation import unsound
from tflite_requant.validation.shapes import LAWS as SHAPE_LAWS
from tflite_requant.validation.words import LAWS


@pytest.mark.parametrize("law, found, change", CASES.values(), ids=CASES)
def test_one_thing_wrong(law, found, change):
    findings = unsound(change(convolution()))
    lines = [f.line() for f in findings if f.law == law]
    assert any(found in line for line in lines), [f.line() for f in findings]
    assert all(f.severity == "error" and f.where and f.hint for f in findings)


def test_a_sound_model_has_no_findings(demo_model):
    assert unsound(convolution()) == ()
    assert unsound(files.load(demo_model)) == ()


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
        assert {f.shapes for f in FORMS.values() if f.shapes} == set(SHAPE_LAWS)

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


def test_docs_tell_every_law():
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text("utf-8")
    for law, statement in LAWS.items():
        assert f"| `{law}` | {statement} |" in text
    assert {law for law, _, _ in CASES.values()} | {"graph-calls"} == set(LAWS)
