"""Operators on types that no kernel of LiteRT takes together are told, and whether they were there
before."""

import html
import json
from pathlib import Path

import numpy as np
import pytest

from tflite_requant.cli import main
from tflite_requant.errors import UnsupportedOperatorError
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels._refusals import types_without_kernel
from tflite_requant.model import Model
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme
from tflite_requant.schemes.loader import preset_names
from tflite_requant.testing import GraphBuilder, TensorSpec

SCHEMA = Path(__file__).resolve().parents[2] / "schema" / "report.schema.json"
KEPT = Options(keep_unknown=True)
UNSIGNED = "symmetric-unsigned"


def svdf(state: str) -> Model:
    """RELU before an SVDF of one filter, whose state and time weights are of a type."""
    graph = GraphBuilder()
    x, h = (graph.tensor(TensorSpec("uint8", (1, 2), 0.5, 3, name=n)) for n in "xh")
    data, y = (graph.tensor(TensorSpec("int8", (1, n), 0.5, 0, name=f"i{n}")) for n in (2, 1))
    weights = (
        graph.tensor(TensorSpec("int8", scale=0.5, data=[[3, -2]])),
        graph.tensor(TensorSpec(state, scale=0.5, data=[[1, 2]])),
        graph.tensor(TensorSpec("int32", scale=0.25, data=np.array([4]))),
        graph.tensor(TensorSpec(state, (1, 2), 0.5, 0, is_variable=True)),
    )
    graph.operator("RELU", (x,), (h,))
    graph.operator("QUANTIZE", (h,), (data,))
    graph.operator("SVDF", (data, *weights), (y,), {"rank": 1})
    return graph.build((x,), (y,))


def warnings_of(report) -> list:
    return [f for f in report.findings if f.law == "operand-types"]


def test_kept_on_types_without_a_kernel():
    (found,) = warnings_of(requantize(svdf("int8"), "symmetric", options=KEPT).report)
    assert (found.severity, found.where.split()[2]) == ("warning", "SVDF")
    assert found.found == "LiteRT runs no SVDF on int8, int8, int8, int32, int8, giving int8"
    assert found.need == "int8, int8, int16, int32 or none, int16, giving int8"
    assert found.hint.startswith("LiteRT does not run the source either; ")


def test_a_kernel_keeps_silent():
    assert warnings_of(requantize(svdf("int16"), "symmetric", options=KEPT).report) == []


def test_what_the_interpreter_says_of_it():
    """TFLite Micro runs it, by a kernel that is not among ours."""
    for arithmetic, said in (("tflm", "TFLite Micro may have"), ("litert-reference", "no kernel")):
        with pytest.raises(UnsupportedOperatorError) as caught:
            Interpreter(svdf("int8"), arithmetic).run([np.zeros((1, 2), np.uint8)])
        assert said in caught.value.findings[-1].hint


def test_files_are_written_and_say_that_nothing_was_measured(folder, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    (folder / "svdf.tflite").write_bytes(svdf("int8").to_bytes())
    words = "svdf.tflite -s symmetric --keep-unknown -o x.tflite --report p.html --report r.json"
    assert main([*words.split(), "--overlay", "o.json"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    said = "svdf.tflite: the interpreter cannot compute 1 operator that the outputs need, "
    assert f"measured nothing; {said}" in told
    page = html.unescape(Path("p.html").read_text("utf-8"))
    assert f"Nothing was measured: {said}" in page and "on 0 samples" not in page
    value = json.loads(Path("r.json").read_text("utf-8"))
    jsonschema.validate(value, json.loads(SCHEMA.read_text("utf-8")))
    study = value["results"][0]["study"]
    assert study["unmeasured"].startswith(said) and "SVDF" in study["unmeasured"]
    assert (study["samples"], study["tensors"]) == (0, [])
    assert json.loads(Path("o.json").read_text("utf-8"))["results"] == {}


@pytest.mark.parametrize("name", preset_names())
def test_what_schemes_make_of_sound_models(name):
    """Also where both 8-bit types meet, which is told in words of its own."""
    x, y = (TensorSpec("uint8", (1, 2), 0.5, 128, name=n) for n in "xy")
    graph = GraphBuilder()
    a, b = graph.tensor(x), graph.tensor(y)
    w = graph.tensor(TensorSpec("uint8", scale=0.25, zero_point=128, data=[[1, 2], [130, 40]]))
    c = graph.tensor(TensorSpec("int32", scale=0.125, data=np.array([4, 5])))
    graph.operator("FULLY_CONNECTED", (a, w, c), (b,), {"fused_activation_function": "RELU"})
    made = requantize(graph.build((a,), (b,)), load_scheme(name)).model
    assert list(types_without_kernel(made)) == []
    if name == UNSIGNED:
        assert {t.dtype for t in made.main.tensors} == {"int8", "uint8", "int32"}
