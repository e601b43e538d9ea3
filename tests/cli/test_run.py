"""`run`: outputs and kept tensors in archives, summaries, and what does not fit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from said import messages

import tflite_requant as tr
from tflite_requant.cli import main
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

X = np.array([[0, 50, 128, 255], [9, 8, 7, 6], [255, 255, 0, 0]], np.uint8)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tiny):
    np.save("x.npy", X)
    return tiny.parent


def run(*words: str) -> int:
    return main(["run", "tiny.tflite", "--inputs", "x.npy", *words])


def expected(name: str) -> np.ndarray:
    interpreter = tr.Interpreter("tiny.tflite")
    return np.stack([interpreter.run([x[None]], keep="all")[name] for x in X])


def test_outputs(here, capsys):
    assert run("-o", "y.npz") == 0
    out, err = capsys.readouterr()
    assert err == ""
    with np.load("y.npz") as found:
        assert found.files == ["probabilities"]
        np.testing.assert_array_equal(found["probabilities"], expected("probabilities"))
        assert found["probabilities"].shape == (3, 1, 3)
    lines = out.splitlines()
    assert lines[:4] == [
        "tiny.tflite",
        "  arithmetic  litert-reference",
        "  samples     3, x.npy",
        "  written     y.npz",
    ]
    values = expected("probabilities")
    row = next(line.split() for line in lines if line.startswith("  probabilities"))
    assert row[:4] == ["probabilities", "uint8", "1x3", f"{values.min()}..{values.max()}"]
    assert max(map(len, lines)) <= 80


def test_best_classes(here, capsys):
    assert run() == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    values = expected("probabilities")[:, 0]
    for i, row in enumerate(values):
        best = int(row.argmax())
        told = next(line[2] for line in lines if line[:2] == ["sample", str(i)])
        assert told.startswith(f"{best}: {row[best] / 256:.4g}, ")


@pytest.mark.parametrize(
    "keep, names",
    [
        pytest.param("all", ["x", "hidden", "logits", "probabilities"], id="all"),
        pytest.param("hidden", ["hidden"], id="name"),
        pytest.param("3", ["hidden"], id="index"),
        pytest.param("logits,3", ["hidden", "logits"], id="both"),
        pytest.param("w1", ["w1"], id="constant"),
    ],
)
def test_keep(here, keep, names):
    assert run("-o", "y.npz", "--keep", keep, "-q") == 0
    with np.load("y.npz") as found:
        assert found.files == names
        for name in names:
            np.testing.assert_array_equal(found[name], expected(name))


def test_tensors_that_share_a_name(folder):
    graph = GraphBuilder()
    x, y, z = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name="same")) for _ in range(3))
    graph.operator("RELU", [x], [y])
    graph.operator("RELU", [y], [z])
    Path("same.tflite").write_bytes(graph.build([x], [z]).to_bytes())
    words = ["run", "same.tflite", "--inputs", "random:1", "-q", "-o", "y.npz"]
    assert main([*words, "--keep", "all"]) == 0
    with np.load("y.npz") as found:
        assert found.files == ["same#0", "same#1", "same#2"]
    assert main(words) == 0
    with np.load("y.npz") as found:
        assert found.files == ["same"]


def test_archive_has_the_same_bytes_every_time(here):
    for name in ("a.npz", "b.npz"):
        assert run("-o", name, "--keep", "all", "-q") == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_a_npy_is_one(here):
    assert run("-o", "y.npy", "-q") == 0
    found = np.load("y.npy", allow_pickle=False)
    assert isinstance(found, np.ndarray) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected("probabilities"))
    assert run("-o", "x2.npy", "--keep", "x", "-q") == 0
    assert main(["run", "tiny.tflite", "--inputs", "x2.npy", "-q", "-o", "again.npy"]) == 0
    assert Path("again.npy").read_bytes() == Path("y.npy").read_bytes()


@pytest.mark.parametrize(
    "words, says",
    [
        pytest.param("-o y.npy --keep all", "y.npy: a .npy holds one tensor, these are 4; need a "
                     ".npz, or --keep with one", id="several"),
        pytest.param("-o y.bin", "--output y.bin: need a name that ends in .npz or .npy", id="bin"),
        pytest.param("-o y", "--output y: need a name that ends in .npz or .npy", id="no-suffix"),
    ],
)  # fmt: skip
def test_names_that_say_another_format(here, capsys, words, says):
    before = sorted(here.iterdir())
    assert run(*words.split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert says in line
    assert sorted(here.iterdir()) == before


def test_a_model_of_that_name_is_kept(here, capsys):
    model = Path("tiny.tflite").rename("tiny.npz").read_bytes()
    assert main("run tiny.npz --inputs x.npy -o ./tiny.npz".split()) == 2
    assert "this is the model, which is never changed" in capsys.readouterr().err
    assert Path("tiny.npz").read_bytes() == model


def test_seed(here):
    def made(seed: str) -> bytes:
        words = ["run", "tiny.tflite", "--inputs", "random:2", "-q", "-o", "y.npz"]
        assert main([*words, "--keep", "x", "--seed", seed]) == 0
        return Path("y.npz").read_bytes()

    assert made("1") == made("1") != made("2")


def test_what_was_kept_is_an_input_again(here):
    assert run("-o", "y.npz", "--keep", "x", "-q") == 0
    assert main(["run", "tiny.tflite", "--inputs", "y.npz", "-q", "-o", "again.npz"]) == 0
    with np.load("again.npz") as found:
        np.testing.assert_array_equal(found["probabilities"], expected("probabilities"))


def test_json(here, capsys):
    assert run("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["command"], document["samples"], document["written"]) == ("run", 3, None)
    (output,) = document["outputs"]
    values = expected("probabilities")
    assert (output["min"], output["max"]) == (values.min(), values.max())
    assert output["shapes"] == [[1, 3]]
    assert output["real_max"] == values.max() / 256
    assert [[t["class"] for t in best] for best in output["top"]] == [
        sorted(range(3), key=lambda i: (-int(row[i]), i)) for row in values[:, 0]
    ]


def test_demo_model_classifies_its_samples(demo_model, folder):
    samples = demo_model.parent / "digits_samples.npz"
    words = ["run", str(demo_model), "--inputs", f"{samples}:test", "-o", "y.npz", "-q"]
    assert main(words) == 0
    with np.load("y.npz") as found, np.load(samples) as given:
        right = found["probabilities"].argmax(axis=-1)[:, 0] == given["test_labels"]
    assert right.mean() > 0.97


def mystery() -> bytes:
    x, y = (TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in "xy")
    return one_operator_model("Mystery", [x], [y], custom_options=b"").to_bytes()


@pytest.mark.parametrize(
    "words, code, said",
    [
        pytest.param("tiny.tflite", 2, "required: --inputs", id="no-inputs"),
        pytest.param("none.tflite --inputs x.npy", 2, "none.tflite: cannot be read", id="no-model"),
        pytest.param("tiny.tflite --inputs wide.npy", 2, "tensor 0 x; need [N, 4]", id="shape"),
        pytest.param("tiny.tflite --inputs words.npy", 2, "array of int64", id="dtype"),
        pytest.param("pair.tflite --inputs one.npz", 2, "no array for input 'v'", id="missing"),
        pytest.param("pair.tflite --inputs odd.npz", 2, "have [1, 2] samples", id="counts"),
        pytest.param("tiny.tflite --inputs random:0", 2, "no samples", id="none"),
        pytest.param(
            "tiny.tflite --inputs x.npy --arithmetic mine", 2, "unknown arithmetic", id="profile"
        ),
        pytest.param("tiny.tflite --inputs x.npy --keep all", 2, "--output", id="keep-nowhere"),
        pytest.param(
            "tiny.tflite --inputs x.npy --keep what -o y.npz", 2, "no tensor 'what'", id="no-tensor"
        ),
        pytest.param(
            "tiny.tflite --inputs x.npy --keep 99 -o y.npz", 2, "no tensor '99'", id="no-index"
        ),
        pytest.param(
            "tiny.tflite --inputs x.npy -o no/y.npz", 2, "folder no does not exist", id="no-folder"
        ),
        pytest.param(
            "tiny.tflite --inputs x.npy -o tiny.tflite", 2, "need a name that ends in .npz",
            id="over-model",
        ),
        pytest.param(
            "mystery.tflite --inputs random:1", 1,
            "mystery.tflite: the interpreter cannot compute 1 operator that the outputs need, in "
            "arithmetic litert-reference op 0 Mystery y [kernel] no kernel",
            id="unsupported",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit(here, capsys, words, code, said):
    Path("mystery.tflite").write_bytes(mystery())
    specs = [TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in "uvy"]
    Path("pair.tflite").write_bytes(one_operator_model("SUB", specs[:2], specs[2:]).to_bytes())
    np.save("wide.npy", np.zeros((1, 5), np.uint8))
    np.save("words.npy", np.zeros((1, 4), np.int64))
    np.savez("one.npz", u=np.zeros((1, 4), np.int8))
    np.savez("odd.npz", u=np.zeros((1, 4), np.int8), v=np.zeros((2, 4), np.int8))
    before = Path("tiny.tflite").read_bytes()
    assert main(["run", *words.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(messages(err))
    assert Path("tiny.tflite").read_bytes() == before
    assert not Path("y.npz").exists()


@pytest.mark.parametrize("command", ["run", "compare"])
def test_help_imports_nothing_heavy(command):
    heavy = ("numpy", "flatbuffers", "tflite_requant.model", "tflite_requant.interpreter", "tqdm")
    code = (
        f"from tflite_requant.cli import main; main([{command!r}, '--help'])\n"
        f"import sys; print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_arithmetic_of_the_metadata_is_taken(here, capsys):
    assert main(["tiny.tflite", "-s", "symmetric-unsigned", "-o", "u.tflite", "-q"]) == 0
    assert main(["run", "u.tflite", "--inputs", "random:2"]) == 0
    assert "  arithmetic  extended" in capsys.readouterr().out.splitlines()
    assert main(["run", "u.tflite", "--inputs", "random:2", "--arithmetic", "single-rounding"]) == 1
    err = capsys.readouterr().err
    assert "u.tflite: the interpreter cannot compute 2 operators" in " ".join(messages(err))
    assert err.splitlines()[-1].strip() == (
        "hint  use --arithmetic extended, or the model that this was made from"
    )


def test_refusals_are_grouped_and_not_all_shown(folder, capsys):
    graph = GraphBuilder()
    tensors = [
        graph.tensor(TensorSpec(dtype, (1, 4), 0.5, 0, name=f"t{i}"))
        for i, dtype in enumerate(["int8", "uint8"] * 20)
    ]
    for x, y in zip(tensors, tensors[1:], strict=False):
        graph.operator("ADD", [x, x], [y])
    Path("mixed.tflite").write_bytes(graph.build(tensors[:1], tensors[-1:]).to_bytes())
    shown = {}
    for flag in ("-q", "-v"):
        assert main(["run", "mixed.tflite", "--inputs", "random:1", flag]) == 1
        shown[flag] = capsys.readouterr().err.splitlines()
        assert sum("mixed-types" in line for line in shown[flag]) == 1
    assert sum(" ADD " in line for line in shown["-q"]) == 20
    assert sum(" ADD " in line for line in shown["-v"]) == 39
    assert "39 operators" in shown["-q"][0]
    assert "the first 20, -v shows all" in " ".join(shown["-q"])
