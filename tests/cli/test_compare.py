"""`compare` on the command line: answers, exit codes, JSON under its schema."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from said import messages

import tflite_requant as tr
from tflite_requant.cli import main
from tflite_requant.compare import profiles_with_runtime
from tflite_requant.kernels._refusals import mixed_operator
from tflite_requant.memory import arithmetic_of
from tflite_requant.model import Edit
from tflite_requant.report.comparison import decibels
from tflite_requant.runtime import litert_available
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = Path(__file__).resolve().parents[2] / "schema" / "comparison.schema.json"
needs_litert = pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def other(tiny):
    """other.tflite: tiny.tflite with one weight of the second layer changed."""
    model = tr.load(tiny)
    weights = next(t for t in model.main.tensors if t.name == "w2")
    values = np.array(weights.array())
    values[1, 0] = 90
    edit = Edit(model)
    edit.subgraphs[0].set_constant(weights.index, values, weights.type)
    tr.save(edit.commit(), "other.tflite")
    return Path("other.tflite")


def compare(*words: str) -> int:
    return main(["compare", *words])


def test_equal(tiny, capsys):
    assert compare("tiny.tflite", "tiny.tflite", "--inputs", "random:3") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "tiny.tflite",
        "  on 3 samples: random numbers, seed 0",
        "",
        "  against     tiny.tflite",
        "  arithmetic  litert-reference",
        "  compared    3 tensors, 30 elements, 3 samples: stored values",
        "  answer      equal, 0 elements differ",
        "  top-1       the same in 3 of 3 (100 %)",
    ]


def test_different(other, capsys):
    assert compare("tiny.tflite", "other.tflite", "--inputs", "random:8") == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.strip() for line in out.splitlines()]
    assert "first       op 1 FULLY_CONNECTED logits" in lines
    assert any(line.startswith("1  logits") for line in lines)
    assert not any(line.startswith("0  hidden") for line in lines)
    assert max(map(len, out.splitlines())) <= 80


def test_verbose_shows_every_tensor(other, capsys):
    assert compare("tiny.tflite", "other.tflite", "--inputs", "random:8", "-v") == 1
    assert "  0  hidden" in capsys.readouterr().out


def test_quiet_tells_the_first_difference_on_stderr(other, capsys):
    assert compare("tiny.tflite", "other.tflite", "--inputs", "random:8", "-q") == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = messages(err)
    assert line.startswith(
        "tiny.tflite against other.tflite: first difference at op 1 FULLY_CONNECTED logits: "
    )


@pytest.mark.parametrize(
    "words, code",
    [
        pytest.param("tiny.tflite scheme.tflite", 0, id="by-real-values"),
        pytest.param("tiny.tflite other.tflite --require differing>=1", 0, id="condition-holds"),
        pytest.param("tiny.tflite other.tflite --require differing==0", 1, id="does-not-hold"),
        pytest.param("tiny.tflite other.tflite", 1, id="differs"),
    ],
)
def test_quiet_is_quiet_where_the_answer_is_yes(other, capsys, words, code):
    assert main("tiny.tflite -s symmetric -o scheme.tflite -q".split()) == 0
    assert compare(*words.split(), "--inputs", "random:8", "-q") == code
    out, err = capsys.readouterr()
    assert out == "" and len(messages(err)) == code


@pytest.mark.parametrize(
    "require, code",
    [
        pytest.param("", 0, id="real-valued-is-no-failure"),
        pytest.param("sqnr>=1", 0, id="met"),
        pytest.param("sqnr>=1000", 1, id="not-met"),
        pytest.param("same_top1>=0,differing<1e6", 0, id="two-met"),
        pytest.param("differing==0", 1, id="nothing-may-differ"),
    ],
)
def test_gate_of_another_scheme(demo_model, folder, capsys, require, code):
    assert main([str(demo_model), "-s", "symmetric-po2", "-o", "b.tflite", "-q"]) == 0
    words = [str(demo_model), "b.tflite", "--inputs", "random:2"]
    assert compare(*words, *(["--require", require] if require else [])) == code
    out, err = capsys.readouterr()
    assert err.count("does not hold") == code
    assert "real values, in steps of" in out
    long = [line for line in out.splitlines() if len(line) > 80 and str(demo_model) not in line]
    assert long == []


def test_the_logits_are_those_of_requantize(demo_model, folder, capsys):
    """The same number under one name, whoever measured it; `sqnr` is of another tensor here."""
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    with np.load(samples.rpartition(":")[0]) as held:
        np.save("few.npy", held["calibration"][:6])
    words = [str(demo_model), "-s", "symmetric-po2", "-o", "b.tflite", "--calibration", "few.npy"]
    assert main([*words, "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["results"]
    told = report["numbers"]
    assert told["logits_sqnr"] == told["sqnr"]
    words = [str(demo_model), "b.tflite", "--inputs", "few.npy"]
    for jobs in ("1", "2"):
        assert compare(*words, "--json", "--jobs", jobs) == 0
        (one,) = json.loads(capsys.readouterr().out)["comparisons"]
        assert one["numbers"]["logits_sqnr"] == told["logits_sqnr"] != one["numbers"]["sqnr"]
    compare(*words)
    assert f"logits      SQNR of the logits {decibels(told['sqnr'])}" in capsys.readouterr().out


def test_what_was_not_met_says_what_it_is_of(demo_model, folder, capsys):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    words = [str(demo_model), "-s", "int8", "-o", "b.tflite", "--calibration", samples, "-q"]
    assert main(words) == 0
    assert main([*words, "--require", "sqnr>=90"]) == 1
    said = " ".join(messages(capsys.readouterr().err))
    assert re.search(r"sqnr>=90 does not hold: it is [\d.]+, of the logits, on 16 samples", said)
    words = [str(demo_model), "b.tflite", "--inputs", "random:2", "--require", "sqnr>=90"]
    assert compare(*words, "-q") == 1
    said = " ".join(messages(capsys.readouterr().err))
    assert re.search(r"it is [\d.]+, of the output; that of the logits is logits_sqnr", said)


def test_require_decides_instead_of_equality(other):
    words = ["tiny.tflite", "other.tflite", "--inputs", "random:8", "--require"]
    assert compare(*words, "same_top1>=0", "-q") == 0
    assert compare(*words, "differing==0", "-q") == 1


def problems(validator, text: str) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in validator.iter_errors(json.loads(text))]


@pytest.mark.parametrize(
    "b, require, code",
    [
        pytest.param("tiny.tflite", "", 0, id="equal"),
        pytest.param("other.tflite", "", 1, id="different"),
        pytest.param("other.tflite", "sqnr>=1000", 1, id="unmet"),
        pytest.param("tiny.symmetric.tflite", "", 0, id="real"),
        pytest.param(None, "", 0, marks=needs_litert, id="litert"),
    ],
)
def test_json(other, capsys, validator, b, require, code):
    assert main(["tiny.tflite", "-s", "symmetric", "-q"]) == 0
    words = ["tiny.tflite", *([b] if b else []), "--inputs", "random:8"]
    words += ["--require", require] if require else []
    assert compare(*words, "--json") == code
    out = capsys.readouterr().out
    assert problems(validator, out) == []
    document = json.loads(out)
    assert document["passed"] is not bool(code)
    assert [c["arithmetic"] for c in document["comparisons"]] == (
        ["litert-reference"] if b else list(profiles_with_runtime())
    )
    found = document["comparisons"][0]
    assert bool(found["unmet"]) == bool(require)
    assert found["first"] == {"other.tflite": 6, "tiny.symmetric.tflite": found["first"]}.get(b)
    assert (found["runtime"] is None) == (b is not None)
    for t in found["tensors"]:
        assert sum(t["histogram"].values()) == t["elements"]
        assert t["elements"] - t["histogram"]["0"] == t["differing"]


def test_json_is_the_same_every_time(other, capsys):
    texts = []
    for _ in range(2):
        compare("tiny.tflite", "other.tflite", "--inputs", "random:2", "--json")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_schema_sees_what_is_wrong(tiny, capsys, validator):
    assert compare("tiny.tflite", "tiny.tflite", "--inputs", "random:1", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    document["comparisons"][0]["tensors"][0]["histogram"]["4"] = 1
    assert problems(validator, json.dumps(document))


@needs_litert
def test_every_profile_of_litert(tiny, capsys):
    assert compare("tiny.tflite", "--inputs", "random:2") == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if "  arithmetic " in line] == list(
        profiles_with_runtime()
    )
    assert out.count("equal, 0 elements differ") == len(profiles_with_runtime())


@pytest.fixture
def rooted(folder):
    """rooted.tflite: int8 -> float32 -> SQRT, which was not compared under litert-xnnpack."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 4), 0.5, -128, name="x"))
    real = graph.tensor(TensorSpec("float32", (1, 4), name="real"))
    root = graph.tensor(TensorSpec("float32", (1, 4), name="root"))
    graph.operator("DEQUANTIZE", (x,), (real,))
    graph.operator("SQRT", (real,), (root,))
    Path("rooted.tflite").write_bytes(graph.build((x,), (root,)).to_bytes())
    return "rooted.tflite"


BOTH = "--arithmetic litert-reference,litert-optimized"
CURE = f"{BOTH} takes what can be computed"
# flags -> (profiles that are compared, those that are refused, exit code)
PARTLY = {
    "": (["litert-reference", "litert-optimized"], ["litert-xnnpack"], 1),
    "--require differing==0": (["litert-reference", "litert-optimized"], ["litert-xnnpack"], 1),
    "--arithmetic litert-xnnpack,litert-optimized": (["litert-optimized"], ["litert-xnnpack"], 1),
    "--arithmetic litert-xnnpack": ([], ["litert-xnnpack"], 1),
    BOTH: (["litert-reference", "litert-optimized"], [], 0),
}


@needs_litert
@pytest.mark.parametrize("flags", PARTLY, ids=[f or "every-profile" for f in PARTLY])
def test_a_profile_that_cannot_be_computed_leaves_the_others(rooted, capsys, validator, flags):
    compared, refused, code = PARTLY[flags]
    words = [rooted, "--inputs", "random:2", *flags.split()]
    assert compare(*words) == code
    out, err = capsys.readouterr()
    assert out.count("equal, 0 elements differ") == len(compared)
    assert out.count("none, refused") == (len(refused) if compared else 0)
    said = messages(err)
    assert len(said) == len(refused) or not compared
    assert (CURE in " ".join(err.split())) is bool(refused)
    if compared and refused:
        (line,) = said
        assert line.startswith("rooted.tflite against LiteRT ")
        assert "not compared: op 1 SQRT root: SQRT on float32 was not compared" in line
    assert compare(*words, "--json") == code
    out = capsys.readouterr().out
    assert problems(validator, out) == []
    document = json.loads(out)
    assert document["passed"] is not bool(code)
    assert [c["arithmetic"] for c in document["comparisons"]] == compared
    assert [r["arithmetic"] for r in document["refused"]] == refused
    assert all(f["hint"] == CURE for r in document["refused"] for f in r["findings"])


def test_two_models_that_cannot_be_computed_are_refused(rooted, capsys):
    words = [rooted, rooted, "--inputs", "random:1", "--arithmetic", "litert-xnnpack"]
    assert compare(*words) == 1
    out, err = capsys.readouterr()
    assert out == "" and "--arithmetic litert-reference or litert-optimized or" in err


@needs_litert
def test_a_model_that_litert_refuses(folder, capsys):
    spec = TensorSpec("int8", (1, 4), 0.5, 0)
    model = one_operator_model("LOGISTIC", [spec], [spec])  # LiteRT fixes its output's scale
    Path("bad.tflite").write_bytes(model.to_bytes())
    assert compare("bad.tflite", "--inputs", "random:1") == 2
    out, err = capsys.readouterr()
    (line,) = messages(err)
    assert out == ""
    assert line.startswith("bad.tflite: LiteRT, reference kernels: ")


@pytest.fixture
def dying(tiny, monkeypatch):
    """Children that a signal ends."""
    from tflite_requant import runtime

    monkeypatch.setattr(runtime.sys, "executable", str(tiny.parent / "dies"))
    (tiny.parent / "dies").write_text("#!/bin/sh\nkill -ABRT $$\n")
    (tiny.parent / "dies").chmod(0o755)
    return tiny.parent


@needs_litert
def test_a_model_that_nobody_computes(dying, capsys):
    Path("mystery.tflite").write_bytes(mystery())
    assert compare("mystery.tflite", "--inputs", "random:1") == 2
    (line,) = messages(capsys.readouterr().err)
    assert "SIGABRT; there is nothing to compare with, and our interpreter does not compute it " \
           "either, `run` says why; see whether" in line  # fmt: skip


@needs_litert
@pytest.mark.parametrize(
    "arithmetic, kernels, others",
    [
        ((), "reference kernels", "litert-optimized or litert-xnnpack"),
        (("--arithmetic", "litert-optimized"), "optimized kernels",
         "litert-reference or litert-xnnpack"),
    ],
    ids=["reference", "optimized"],
)  # fmt: skip
def test_a_model_that_kills_litert(dying, capsys, arithmetic, kernels, others):
    """The child ends as the system says it, and the answer is not "no"."""
    assert compare("tiny.tflite", "--inputs", "random:1", *arithmetic) == 2
    out, err = capsys.readouterr()
    assert (out, messages(err)) == ("", [
        f"tiny.tflite: LiteRT, {kernels}: process died with signal 6 SIGABRT; there is nothing to "
        "compare with, what our interpreter computes is not in question; see whether LiteRT runs "
        f"the model that this was made from, or try --arithmetic {others}"
    ])  # fmt: skip


def mystery() -> bytes:
    x, y = (TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in "xy")
    return one_operator_model("Mystery", [x], [y], custom_options=b"").to_bytes()


@pytest.mark.parametrize(
    "words, code, said",
    [
        pytest.param("tiny.tflite tiny.tflite", 2, "required: --inputs", id="no-inputs"),
        pytest.param("tiny.tflite x.tflite --inputs random:1", 2, "x.tflite: cannot", id="no-file"),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs random:0", 2, "no samples", id="no-samples"
        ),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs wide.npy", 2, "tensor 0 x; need [N, 4]", id="shape"
        ),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs words.npy", 2, "array of int64", id="dtype"
        ),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs random:1 --arithmetic mine", 2,
            "unknown arithmetic 'mine'", id="profile",
        ),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs random:1 --arithmetic a,b", 2, "one profile",
            id="two-profiles",
        ),
        pytest.param(
            "tiny.tflite --inputs random:1 --arithmetic a,,b", 2, "empty name", id="empty-profile"
        ),
        pytest.param(
            "tiny.tflite tiny.tflite --inputs random:1 --require speed>1", 2,
            "unknown number 'speed'", id="number",
        ),
        pytest.param(
            "tiny.tflite mystery.tflite --inputs random:1", 2, "no output in common",
            id="other-outputs",
        ),
        pytest.param(
            "mystery.tflite mystery.tflite --inputs random:1", 1,
            "mystery.tflite: the interpreter cannot compute 1 operator",
            id="unsupported",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit(tiny, capsys, words, code, said):
    Path("mystery.tflite").write_bytes(mystery())
    np.save("wide.npy", np.zeros((1, 5), np.uint8))
    np.save("words.npy", np.zeros((1, 4), np.int64))
    assert compare(*words.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(messages(err))


def test_without_litert(tiny, capsys, monkeypatch):
    from importlib import import_module

    module = import_module("tflite_requant.compare.litert")
    monkeypatch.setattr(module, "litert_available", lambda: False)
    assert compare("tiny.tflite", "--inputs", "random:1") == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = messages(err)
    assert "pip install '.[runtime]' in a checkout" in line


@pytest.fixture
def unsigned(tiny):
    """u.tflite: tiny.tflite on a scheme whose results only the profile `extended` computes."""
    assert main(["tiny.tflite", "-s", "symmetric-unsigned", "-o", "u.tflite", "-q"]) == 0
    return Path("u.tflite")


def test_each_model_runs_in_its_own_arithmetic(unsigned, capsys, validator):
    words = ("tiny.tflite", "u.tflite", "--inputs", "random:3")
    compare(*words)
    told = " ".join(capsys.readouterr().out.split())
    assert "arithmetic litert-reference of A, extended of B" in told
    compare(*words, "--json")
    document = json.loads(capsys.readouterr().out)
    validator.validate(document)
    (one,) = document["comparisons"]
    assert (one["arithmetic"], one["arithmetic_b"]) == ("litert-reference", "extended")


def test_an_arithmetic_that_is_asked_for_is_that_of_both(unsigned, capsys):
    words = ("tiny.tflite", "u.tflite", "--inputs", "random:3", "--arithmetic")
    compare(*words, "extended")
    assert "  arithmetic  extended" in capsys.readouterr().out.splitlines()
    assert compare(*words, "litert-reference") == 1
    assert "u.tflite: the interpreter cannot" in " ".join(messages(capsys.readouterr().err))
    assert compare(*words, "shift-half-up") == 1
    said = " ".join(messages(capsys.readouterr().err))
    assert said.startswith("tiny.tflite: the interpreter cannot compute")
    assert "in arithmetic shift-half-up" in said


@pytest.mark.parametrize("value, said", [(41.27, "41.2 dB"), (math.inf, "exact"), (-3, "-3.0 dB")])
def test_decibels(value, said):
    assert decibels(value) == said


def test_the_noise_is_that_of_the_output(other, capsys):
    compare("tiny.tflite", "other.tflite", "--inputs", "random:3")
    told = " ".join(capsys.readouterr().out.split())
    assert re.search(r"output probabilities: .* equal, SQNR of the output \S+ dB", told)


def test_an_output_that_is_exact(tiny, capsys):
    """Two outputs, of which only the second differs."""
    for name, constant in (("a", 1), ("b", 2)):
        graph = GraphBuilder()
        x, y, z = (graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name=n)) for n in "xyz")
        c = graph.tensor(TensorSpec("int8", scale=0.5, data=[[constant, 1]], name="c"))
        graph.operator("RELU", [x], [y])
        graph.operator("ADD", [x, c], [z])
        Path(f"{name}.tflite").write_bytes(graph.build([x], [y, z]).to_bytes())
    compare("a.tflite", "b.tflite", "--inputs", "random:4")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("y: 100 % of the elements equal, exact") for line in lines)
    assert "inf" not in " ".join(lines)


def test_a_result_that_no_runtime_takes_is_not_compared_with_one(demo_model, folder, capsys):
    result = tr.requantize(tr.load(demo_model), "symmetric-unsigned").model
    Path("unsigned.tflite").write_bytes(result.to_bytes())
    assert compare("unsigned.tflite", "--inputs", "random:1") == 2
    said = " ".join(messages(capsys.readouterr().err))
    assert "no TFLite kernel runs this model: op 0 CONV_2D" in said
    assert "has int8 and uint8 in one operator" in said


@needs_litert
def test_a_result_for_extended_that_mixes_nothing_is(folder, capsys):
    """What counts is the file's operators, not what its metadata names."""
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("uint8", (1, 4), 0.5, 100, name=n)) for n in "xy")
    graph.operator("ADD", [x, x], [y])
    source = graph.build([x], [y])
    result = tr.requantize(source, "symmetric-unsigned").model
    assert arithmetic_of(result) == "extended" and mixed_operator(result) is None
    Path("plain.tflite").write_bytes(result.to_bytes())
    assert main(["inspect", "plain.tflite"]) == 0
    assert "none of TFLite's" not in capsys.readouterr().out
    words = ("plain.tflite", "--inputs", "random:4", "--arithmetic", "litert-reference")
    assert compare(*words) == 0
    assert "equal, 0 elements differ" in capsys.readouterr().out
