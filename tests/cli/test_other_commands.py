"""`inspect`, `check`, `schemes`, and what all commands share."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from numpy import array
from said import messages

from tflite_requant.cli import main
from tflite_requant.cli.oddities import block_size
from tflite_requant.files import load
from tflite_requant.memory import memory_of
from tflite_requant.model import Edit, Record, Tensor
from tflite_requant.schemes import parse_scheme, preset_names, preset_text
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

ENTRY = {"subgraph": 0, "tensor": 0, "scale": 1.0, "offset": 0.0, "gain": 2.0}


def told(capsys, *words: str) -> str:
    assert main(list(words)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize(
    "command, said",
    [
        ("check", "only errors are printed"),
        ("inspect", "no table of operators; what else is asked for is printed all the same"),
        ("schemes", "changes nothing: what is asked for is printed all the same"),
    ],
)
def test_help_says_what_quiet_leaves_out(capsys, command, said):
    assert f"-q, --quiet {said}" in " ".join(told(capsys, command, "--help").split())


# --- inspect -----------------------------------------------------------------------------------


def odd_model() -> bytes:
    """A dead channel, a wrong bias scale, an operator that no catalog has."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 3, name="x"))
    w = graph.tensor(TensorSpec("int8", scale=[0.25, 0.5], data=[[0, 0], [1, -2]], name="w"))
    b = graph.tensor(TensorSpec("int32", scale=[0.125, 0.5], data=array([1, 2]), name="b"))
    y = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name="y"))
    z = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name="z"))
    graph.operator("FULLY_CONNECTED", (x, w, b), (y,), {"fused_activation_function": "RELU"})
    graph.operator("MyOperator", (y,), (z,), custom_options=b"\1")
    return graph.build((x,), (z,)).to_bytes()


@pytest.mark.parametrize("words", [[], ["-v"]], ids=["operators", "tensors"])
def test_inspect_fits_80_columns(folder, capsys, words):
    long = "FeatureExtractor/MobilenetV2/expanded_conv_16/project/BatchNorm/FusedBatchNorm"
    x = TensorSpec("int16", (1, 224, 224, 1024), 3.978859e-05, name=long)
    model = one_operator_model("RESIZE_NEAREST_NEIGHBOR", [
        x, TensorSpec("int32", data=array([224, 224], "int32"), name=f"{long}/size"),
    ], [replace(x, scale=5.038283e-06)])  # fmt: skip
    (folder / "wide.tflite").write_bytes(model.to_bytes())
    out = told(capsys, "inspect", "wide.tflite", *words)
    assert max(map(len, out.splitlines())) <= 80
    assert not words or "i16 3.978859e-05 0" in out


def test_inspect_text(folder, capsys):
    (folder / "odd.tflite").write_bytes(odd_model())
    out = told(capsys, "inspect", "odd.tflite")
    lines = [line.split() for line in out.splitlines()]
    assert [
        "0",
        "FULLY_CONNECTED+RELU",
        "1",
        "i8",
        "0.5",
        "3",
        "i8",
        "2",
        "scales",
        "i8",
        "0.5",
        "0",
    ] in lines
    assert ["1", "MyOperator", "1", "i8", "0.5", "0", "i8", "0.5", "0"] in lines
    assert "[dead-channels] 1 place" in out
    assert "[bias-scale] 1 place" in out
    assert "differ from input x weights scale by up to 100 %\n" in out
    assert "MyOperator is not in the operator catalog" in out
    assert "4, 2 of them quantized per axis" not in out
    assert "5, 2 of them quantized per axis" in out


@pytest.mark.parametrize(
    "name, said",
    [("ethos-u", "this is a Vela-compiled model"), ("edgetpu-custom-op", "this is an Edge TPU-co")],
)
def test_inspect_knows_compiled_models(folder, capsys, name, said):
    x, y = (TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in "xy")
    model = one_operator_model(name, [x], [y], custom_options=b"")
    (folder / "c.tflite").write_bytes(model.to_bytes())
    out = " ".join(told(capsys, "inspect", "c.tflite").split())
    assert said in out and "hint requantize the model it was compiled from" in out
    assert "catalog" not in out


def test_inspect_tells_what_a_result_was_made_for(tiny, capsys):
    assert main(["tiny.tflite", "-s", "symmetric-unsigned", "-o", "u.tflite", "-q"]) == 0
    lines = told(capsys, "inspect", "u.tflite").splitlines()
    pairs = [line.split(None, 1) for line in lines]
    assert ["scheme", "symmetric-unsigned"] in pairs and ["arithmetic", "extended"] in pairs
    assert any(pair[0] == "runtime" and pair[1].startswith("none of TFLite's") for pair in pairs)
    names = ("u.tflite", "tiny.tflite")
    made = [json.loads(told(capsys, "inspect", name, "--json"))["made"] for name in names]
    assert made == [{"scheme": "symmetric-unsigned", "arithmetic": "extended"}, None]


def test_inspect_tells_types_without_a_kernel(folder, capsys):
    x, alpha = TensorSpec("int16", (1, 2), 0.5, 0), TensorSpec("int16", scale=0.5, data=[[1, 2]])
    Path("p.tflite").write_bytes(one_operator_model("PRELU", [x, alpha], [x]).to_bytes())
    out = " ".join(told(capsys, "inspect", "p.tflite").split())
    assert "[operand-types] 1 place op 0 PRELU t2 LiteRT runs no PRELU on int16, int16" in out


@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "beside-quantized"])
def test_inspect_tells_hybrid_operators(folder, capsys, mixed):
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("float32", (1, 2), name=n)) for n in "xy")
    w = graph.tensor(TensorSpec("int8", scale=0.25, data=[[1, 2], [3, -2]], name="w"))
    graph.operator("FULLY_CONNECTED", (x, w), (y,))
    if mixed:
        z = graph.tensor(TensorSpec("int8", (1, 2), 0.5, 0, name="z"))
        graph.operator("QUANTIZE", (y,), (z,))
    Path("h.tflite").write_bytes(graph.build((x,), (z if mixed else y,)).to_bytes())
    out = " ".join(told(capsys, "inspect", "h.tflite").split())
    assert "[hybrid] 1 place file 1 operator with quantized weights and float activations" in out
    assert ("hint requantize refuses this model" in out) is not mixed
    if not mixed:
        assert main(["h.tflite"]) == 2
        assert "not a quantized model" in " ".join(messages(capsys.readouterr().err))


@pytest.mark.parametrize(
    "details, size",
    [
        pytest.param(Record("BlockwiseQuantization", {"block_size": 32}), 32, id="blockwise"),
        pytest.param(Record("CustomQuantization", {"custom": b""}), None, id="custom"),
        pytest.param(None, None, id="none"),
    ],
)
def test_block_size(details, size):
    quantization = Record("QuantizationParameters", {"details": details})
    rest = Record("Tensor", {"quantization": quantization})
    assert block_size(Tensor(0, "w", (4, 64), "int4", None, 0, b"", rest=rest)) == size
    assert block_size(Tensor(0, "w", (4, 64), "int4", None, 0, b"")) is None


def test_inspect_tells_blockwise_weights(models, capsys):
    out = told(capsys, "inspect", str(models / "hybrid" / "qwen_fc_blockwise_int4.tflite"), "-v")
    assert "f32    int4 blocks of 32  f32" in out and "1024x1024  int4 blocks of 32" in out
    assert "[hybrid] 1 place" in out


def test_inspect_tells_what_relabelled_tensors_mean(demo_model, folder, capsys):
    assert main([str(demo_model), "-s", "symmetric-po2", "-o", "y.tflite", "-q"]) == 0
    entries = json.loads(told(capsys, "inspect", "y.tflite", "--json"))["relabelled"]
    assert entries and entries == memory_of(load("y.tflite"))["relabelled"]
    assert "relabelled" not in told(capsys, "inspect", "y.tflite")
    out = told(capsys, "inspect", "y.tflite", "-v")
    table = out.split("relabelled: true value = scale x (q - zero point) - offset\n")[1]
    head, *rows = table.splitlines()
    assert head.split() == ["no", "name", "in", "the", "file", "scale", "offset"]
    assert max(map(len, table.splitlines())) <= 80
    assert [(int(r.split()[0]), *r.split()[-2:]) for r in rows] == [
        (e["tensor"], f"{e['scale']:.7g}", f"{e['offset']:.7g}") for e in entries
    ]


@pytest.mark.parametrize(
    "relabelled",
    [
        pytest.param(5, id="no-list"),
        pytest.param([{"tensor": 0}], id="incomplete"),
        pytest.param([{**ENTRY, "tensor": 99}], id="no-tensor"),
        pytest.param([{**ENTRY, "subgraph": -1}], id="no-subgraph"),
        pytest.param([{**ENTRY, "scale": "wide"}], id="no-number"),
    ],
)
def test_a_wrongly_formed_entry_says_nothing(tiny, capsys, relabelled):
    edit = Edit(load("tiny.tflite"))
    edit.set_metadata("tflite_requant", json.dumps({"relabelled": relabelled}).encode())
    Path("odd.tflite").write_bytes(edit.commit().to_bytes())
    assert json.loads(told(capsys, "inspect", "odd.tflite", "--json"))["relabelled"] == []
    assert "relabelled" not in told(capsys, "inspect", "odd.tflite", "-v")


def test_inspect_begins_lines_of_nameless_tensors_with_their_type(folder, capsys):
    x = TensorSpec("int16", (1, 4), 0.5)
    model = one_operator_model("RELU", [x], [x])
    nameless = tuple(replace(t, name="") for t in model.main.tensors)
    model = model.changed(subgraphs=(replace(model.main, tensors=nameless),))
    Path("x.tflite").write_bytes(model.to_bytes())
    lines = told(capsys, "inspect", "x.tflite").splitlines()
    sides = [line for line in lines if line.split()[:1] in (["input"], ["output"])]
    assert sides == [
        f"  {side:<11}int16 1x4 scale 0.5 zero point 0" for side in ("input", "output")
    ]


def test_inspect_tells_of_damage_what_check_tells(folder, capsys):
    x, y = TensorSpec("int8", (1, 4), 0.5), TensorSpec("int8", (1, 5), 0.5)
    Path("x.tflite").write_bytes(one_operator_model("RELU", [x], [y]).to_bytes())
    assert main(["check", "x.tflite"]) == 2
    (line,) = messages(capsys.readouterr().err)
    assert " need [1, 4] (the file is damaged; " in line
    out = " ".join(told(capsys, "inspect", "x.tflite").split())
    assert "[1, 5] need [1, 4] hint the file is damaged; convert or fetch it again" in out


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["usual", "quiet"])
def test_inspect_says_which_page_it_wrote(tiny, capsys, quiet):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    words = ["inspect", "tiny.tflite", "--plot", "p.html", *quiet]
    pairs = [line.split(None, 1) for line in told(capsys, *words).splitlines() if line]
    assert ["written", "p.html"] in pairs
    assert json.loads(told(capsys, *words, "--json"))["written"] == "p.html"
    assert Path("p.html").exists()
    assert json.loads(told(capsys, "inspect", "tiny.tflite", "--json"))["written"] is None
    assert "written" not in told(capsys, "inspect", "tiny.tflite")


def test_inspect_tensors(tiny, capsys):
    assert "hidden" not in told(capsys, "inspect", "tiny.tflite").split("operators", 2)[2]
    assert "hidden" in told(capsys, "inspect", "tiny.tflite", "-v")


def test_inspect_json(tiny, capsys):
    document = json.loads(told(capsys, "inspect", "tiny.tflite", "--json"))
    assert document["bytes"] == tiny.stat().st_size
    assert document["operator_counts"] == {"FULLY_CONNECTED": 2, "SOFTMAX": 1}
    (subgraph,) = document["subgraphs"]
    assert subgraph["operators"][0] == {
        "index": 0, "name": "FULLY_CONNECTED", "version": 1, "activation": "RELU6",
        "cataloged": True, "inputs": [0, 1, 2], "outputs": [3], "weights": 1, "bias": 2,
    }  # fmt: skip
    assert subgraph["tensors"][0] == {
        "index": 0, "name": "x", "dtype": "uint8", "shape": [1, 4], "constant": False,
        "variable": False, "scales": [0.0078125], "zero_points": [128], "axis": None,
        "block_size": None,
    }  # fmt: skip
    assert [(f["law"], f["where"].split()[1]) for f in document["oddities"]] == [
        ("dead-channels", "0")
    ]


def test_inspect_names_appended_files(tiny, capsys):
    with zipfile.ZipFile("tiny.tflite", "a") as archive:
        archive.writestr("labels.txt", "zero\none\n")
    assert "bytes: labels.txt" in told(capsys, "inspect", "tiny.tflite")


@pytest.mark.parametrize("extra", ["", "--json"], ids=["text", "json"])
def test_inspect_real_models(models, capsys, extra):
    files = sorted(p for p in models.glob("*/*.tflite") if p.parent.name != "bad_inputs")
    assert files
    for path in files:
        assert told(capsys, "inspect", str(path), *extra.split())


# --- check -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme, strict, code",
    [
        pytest.param("uint8", "", 0, id="legal"),
        pytest.param("int8", "", 1, id="errors"),
        pytest.param("int8", "--strict", 1, id="errors-strict"),
    ],
)
def test_check_source(tiny, capsys, scheme, strict, code):
    assert main(["check", "tiny.tflite", "-s", scheme, *strict.split()]) == code
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"tiny.tflite: {'not legal' if code else 'legal'} under {scheme}")


@pytest.mark.parametrize("strict, code", [("", 0), ("--strict", 1)], ids=["plain", "strict"])
def test_check_exceptions(tiny, capsys, strict, code):
    assert main(["tiny.tflite", "-s", "symmetric", "-q"]) == 0
    words = ["check", "tiny.symmetric.tflite", "-s", "symmetric", *strict.split()]
    assert main(words) == code
    assert "exceptions\n    tensor" in capsys.readouterr().out
    assert main([*words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["legal"] is not bool(code)
    assert [f["severity"] for f in document["findings"]] == ["exception"]


@pytest.mark.parametrize("scheme", [n for n in preset_names() if n != "max78000"])
def test_every_result_is_legal(demo_model, folder, capsys, scheme):
    assert main([str(demo_model), "-s", scheme, "-o", "x.tflite", "-q"]) == 0
    assert main(["check", "x.tflite", "-s", scheme]) == 0, capsys.readouterr().out


def test_check_may_let_unknown_operators_stand(folder, capsys):
    (folder / "odd.tflite").write_bytes(odd_model())
    assert main(["odd.tflite", "-s", "symmetric", "--keep-unknown", "-q", "-o", "o.tflite"]) == 0
    for words, code in ((["odd.tflite"], 1), (["odd.tflite", "--keep-unknown"], 1),
                        (["o.tflite"], 0)):  # fmt: skip
        capsys.readouterr()
        assert main(["check", *words, "-s", "symmetric", "--json"]) == code
        found = json.loads(capsys.readouterr().out)["findings"]
        (unknown,) = [f for f in found if f["law"] == "operator-unknown"]
        asked = words != ["odd.tflite"]
        assert unknown["severity"] == ("exception" if asked else "error")
        assert ("asked for by --keep-unknown" in unknown["found"]) == asked


# --- schemes -----------------------------------------------------------------------------------


def test_schemes_lists_all(capsys):
    lines = told(capsys, "schemes").splitlines()
    assert [line.split()[0] for line in lines] == list(preset_names())
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", preset_names())
def test_scheme_prints_the_file(capsys, name):
    assert told(capsys, "schemes", name) == preset_text(name)


def test_schemes_checks_a_file(folder, capsys):
    text = preset_text("symmetric").replace('name = "symmetric"', 'name = "npu"')
    (folder / "npu.toml").write_text(text)
    assert told(capsys, "schemes", "npu.toml") == text
    (listed,) = json.loads(told(capsys, "schemes", "npu.toml", "--json"))["schemes"]
    assert listed["toml"] == text
    (folder / "bad.toml").write_text(text.replace("[bias]", "[bias]\nbitz = 3"))
    assert main(["schemes", "bad.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "bad.toml: [bias]: unknown key 'bitz'" in " ".join(messages(err))
    assert main(["schemes", "none.toml"]) == 2
    assert "none.toml: cannot be read as a scheme" in " ".join(messages(capsys.readouterr().err))


def test_schemes_json(capsys):
    listed = json.loads(told(capsys, "schemes", "--json"))["schemes"]
    assert [parse_scheme(s["toml"], s["name"]).name for s in listed] == list(preset_names())


# --- all ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", "requantize", "check", "inspect", "schemes"])
def test_help(capsys, command):
    out = told(capsys, *command.split(), "--help")
    assert out.startswith("usage: tflite-requant ")
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["", "requantize", "compare"])
def test_help_is_a_word_too(folder, capsys, command):
    assert told(capsys, "help", *command.split()) == told(capsys, *command.split(), "--help")


@pytest.mark.parametrize("words", ["help me", "help compare a"])
def test_help_with_what_is_no_command(folder, capsys, words):
    assert main(words.split()) == 2
    assert capsys.readouterr().err.count("\n") <= 2


def test_a_model_may_be_called_help(folder, demo_model, capsys):
    shutil.copy(demo_model, "help")
    assert main(["help", "-o", "x.tflite"]) == 0
    assert Path("x.tflite").exists()


def test_version(capsys):
    assert told(capsys, "--version") == "tflite-requant 0.1.0\n"


def test_check_tells_what_to_do_next(tiny, capsys):
    assert main(["check", "tiny.tflite", "--scheme", "symmetric"]) == 1
    command = "tflite-requant tiny.tflite --scheme symmetric"
    assert f"  next    {command}\n" in capsys.readouterr().out
    assert main([*command.split()[1:], "-q"]) == 0
    assert main(["check", "tiny.symmetric.tflite", "--scheme", "symmetric"]) == 0
    assert "next" not in capsys.readouterr().out
