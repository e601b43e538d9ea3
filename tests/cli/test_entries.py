"""Models of several subgraphs: which one `run`, `compare`, `golden` take, and which they do not."""

import json
from pathlib import Path

import numpy as np
import pytest
from graphs import Net
from said import messages

from tflite_requant.cli import main
from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter
from tflite_requant.memory import relabelled_of
from tflite_requant.model import Signature
from tflite_requant.runtime import litert_available
from tflite_requant.testing import TensorSpec, one_operator_model, with_subgraphs

SCHEMA = Path(__file__).resolve().parents[2] / "schema" / "report.schema.json"


@pytest.fixture
def pair(folder) -> Path:
    """pair.tflite: RELU under the signature first, TANH under second, and under other with other
    names."""
    models = []
    for name in ("RELU", "TANH"):
        x, y = (TensorSpec("int8", (1, 4), 1 / 128, 0, name=n) for n in "xy")
        models.append(one_operator_model(name, [x], [y]))
    keys = (("first", 0, "x", "y"), ("second", 1, "x", "y"), ("other", 1, "a", "b"))
    signatures = tuple(
        Signature(
            key, i, ((x, models[i].main.inputs[0]),), ((y, models[i].main.outputs[0]),)
        )
        for key, i, x, y in keys
    )  # fmt: skip
    path = folder / "pair.tflite"
    path.write_bytes(with_subgraphs(*models).changed(signatures=signatures).to_bytes())
    return path


COMMANDS = pytest.mark.parametrize(
    "words",
    ["run pair.tflite", "compare pair.tflite pair.tflite", "golden pair.tflite -o set"],
    ids=["run", "compare", "golden"],
)


@COMMANDS
def test_what_is_not_run_is_told(pair, capsys, words):
    assert main([*words.split(), "--inputs", "random:2"]) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert " run subgraph 0 main (signature first) not run subgraph 1 sub1 (signature sec" in told
    assert "; --signature second runs it" in told


def test_what_a_report_did_not_run_is_told(pair, capsys):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    jsonschema = pytest.importorskip("jsonschema")
    np.save("x.npy", np.zeros((2, 1, 4), np.int8))
    words = "pair.tflite -s uint8 -o b.tflite --report p.html --report r.json"
    assert main([*words.split(), "--calibration", "x.npy"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    ran = "run subgraph 0 main (signature first)"
    left = "subgraph 1 sub1 (signature second, other); compare --signature second runs it"
    assert f" measured no difference, on 2 calibration samples {ran} not run {left} " in out
    page = Path("p.html").read_text("utf-8")
    assert f"<dt>not run</dt><dd>{left}</dd>" in page
    assert "SQNR of the worst output of what was run" in page
    value = json.loads(Path("r.json").read_text("utf-8"))
    jsonschema.validate(value, json.loads(SCHEMA.read_text("utf-8")))
    names = {"subgraph": 1, "name": "sub1", "signatures": ["second", "other"]}
    assert value["results"][0]["not_run"] == [names]
    assert main(["pair.tflite", "-s", "uint8", "-o", "b.tflite"]) == 0
    assert "not run" not in capsys.readouterr().out


@COMMANDS
def test_another_signature_is_run(pair, capsys, words):
    words = [*words.split(), "--inputs", "random:2", "--signature", "second"]
    assert main(words) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert " run subgraph 1 sub1 (signature second) not run subgraph 0 main (signature fir" in told
    assert "; --signature first runs it" in told
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["signature"] == "second"
    assert document["not_run"] == [{"subgraph": 0, "name": "main", "signatures": ["first"]}]


def test_vectors_of_a_signature_hold_the_model_that_they_are_of(pair, capsys):
    words = "golden pair.tflite -o set -q --signature other --inputs given.npz".split()
    np.savez("given.npz", a=np.arange(-8, 8, dtype=np.int8).reshape(4, 1, 4))
    assert main(words) == 0
    (op,) = load("set/model.tflite").main.operators
    assert op.name == "TANH"
    manifest = json.loads(Path("set/manifest.json").read_text("utf-8"))
    assert [o["type"] for o in manifest["operators"]] == ["TANH"]
    assert main("golden --verify set".split()) == 0
    assert main("golden --verify set --signature other".split()) == 2
    assert "--verify DIR needs no --signature" in capsys.readouterr().err


def test_its_names_are_those_of_samples_and_outputs(pair):
    given = np.arange(-8, 8, dtype=np.int8).reshape(4, 1, 4)
    np.savez("given.npz", a=given)
    words = "run pair.tflite --inputs given.npz -q -o".split()
    assert main([*words, "other.npz", "--signature", "other"]) == 0
    assert main([*words, "second.npz", "--signature", "second"]) == 0
    interpreter = Interpreter(load("pair.tflite"))
    for key, input_name, output_name in (("other", "a", "b"), ("second", "x", "y")):
        with np.load(f"{key}.npz") as found:
            wanted = [interpreter.run({input_name: s}, signature=key)[output_name] for s in given]
            assert list(found) == [output_name] and np.array_equal(found[output_name], wanted)


@pytest.mark.parametrize(
    "words, said",
    [
        ("run pair.tflite --signature secnd",
         "pair.tflite: --signature: unknown 'secnd', did you mean second?; known: first, second, "
         "other"),
        ("run tiny.tflite --signature x",
         "tiny.tflite: --signature: unknown 'x'; the model has none"),
        ("golden pair.tflite -o set --signature xyz",
         "pair.tflite: --signature: unknown 'xyz'; known: first, second, other"),
        ("compare pair.tflite tiny.tflite --signature first",
         "tiny.tflite: --signature: unknown 'first'; the model has none"),
    ],
    ids=["misspelled", "none", "golden", "of-b"],
)  # fmt: skip
def test_an_unknown_signature(pair, tiny, capsys, words, said):
    assert main([*words.split(), "--inputs", "random:1"]) == 2
    assert messages(capsys.readouterr().err) == [said]


def convolved(seed: int):
    """Two convolutions, between which zero points may be folded."""
    net = Net(seed=seed)
    x, h, y = net.act("x"), net.act("h", 0.02, 0), net.act("y", 0.03, 99)
    net.conv(x, h)
    net.conv(h, y)
    return net.build((x,), (y,))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("scheme, relabelled", [("symmetric-po2", True), ("int8", False)])
def test_what_a_result_remembers_of_that_subgraph(folder, capsys, scheme, relabelled, jobs):
    """As if the subgraph were the main one of a model of its own."""
    alone, other = convolved(1), convolved(2)
    (x,), (y,) = other.main.inputs, other.main.outputs
    both = with_subgraphs(alone, other).changed(
        signatures=(Signature("second", 1, (("in", x),), (("out", y),)),)
    )
    said = []
    for name, model in (("both", both), ("other", other)):
        Path(f"{name}.tflite").write_bytes(model.to_bytes())
        assert main([f"{name}.tflite", "-s", scheme, "-o", "made.tflite", "-q"]) == 0
        told = relabelled_of(load("made.tflite"))
        assert any(e["subgraph"] == (name == "both") for e in told) is relabelled
        words = ["compare", f"{name}.tflite", "made.tflite", "--inputs", "random:12"]
        words += ["--signature", "second"] * (name == "both")
        main([*words, "--json", "--jobs", jobs])
        (found,) = json.loads(capsys.readouterr().out)["comparisons"]
        for tensor in found["tensors"]:
            del tensor["name"], tensor["operator"]
        said.append(found)
    assert len(said[0]["tensors"]) == 2 and said[0] == said[1]


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
def test_a_signature_in_litert(pair, capsys):
    words = "compare pair.tflite --signature second --inputs random:4 --json".split()
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)["comparisons"]
    assert [c["tensors"][0]["operator"].split()[2] for c in found] == ["TANH"] * 3
    assert all(c["equal"] for c in found)


@COMMANDS
def test_json_tells_it_too(pair, capsys, words):
    assert main([*words.split(), "--inputs", "random:2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (left,) = document["not_run"]
    assert left == {"subgraph": 1, "name": "sub1", "signatures": ["second", "other"]}


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
