"""Models of several subgraphs: which one `run` and `compare` take, and which they do not."""

import json
from pathlib import Path

import pytest

from tflite_requant.cli import main
from tflite_requant.model import Signature
from tflite_requant.testing import TensorSpec, one_operator_model, with_subgraphs


@pytest.fixture
def pair(folder) -> Path:
    """pair.tflite: RELU under the signature first, TANH under the signature second."""
    models = []
    for name in ("RELU", "TANH"):
        x, y = (TensorSpec("int8", (1, 4), 1 / 128, 0, name=n) for n in "xy")
        models.append(one_operator_model(name, [x], [y]))
    signatures = tuple(
        Signature(key, i, (("x", models[i].main.inputs[0]),), (("y", models[i].main.outputs[0]),))
        for i, key in enumerate(("first", "second"))
    )
    path = folder / "pair.tflite"
    path.write_bytes(with_subgraphs(*models).changed(signatures=signatures).to_bytes())
    return path


COMMANDS = pytest.mark.parametrize(
    "words", ["run pair.tflite", "compare pair.tflite pair.tflite"], ids=["run", "compare"]
)


@COMMANDS
def test_what_is_not_run_is_told(pair, capsys, words):
    assert main([*words.split(), "--inputs", "random:2"]) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert " run subgraph 0 main (signature first) not run subgraph 1 sub1 (signature sec" in told
    assert "Interpreter.run(..., signature='second') runs it" in told


@COMMANDS
def test_json_tells_it_too(pair, capsys, words):
    assert main([*words.split(), "--inputs", "random:2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["not_run"] == [{"subgraph": 1, "name": "sub1", "signatures": ["second"]}]


@COMMANDS
def test_models_of_one_subgraph_have_no_such_line(tiny, capsys, words):
    words = words.replace("pair", "tiny").split()
    assert main([*words, "--inputs", "random:1"]) == 0
    assert "not run" not in capsys.readouterr().out
    assert main([*words, "--inputs", "random:1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_run"] == []


@COMMANDS
def test_help_says_so(capsys, words):
    assert main([words.split()[0], "--help"]) == 0
    assert "signatures are named as not run" in " ".join(capsys.readouterr().out.split())
