"""Whatever is wrong with the request or the file: one clear line, exit 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy import float32, zeros
from said import messages

from tflite_requant.cli import main
from tflite_requant.testing import TensorSpec, one_operator_model

SCHEME = 'name = "mine"\n[weights]\ngranularitee = "per-axis"\n'
HTML = b"<!DOCTYPE html>\n<html><body>404</body></html>\n"
FILES = (
    "broken.toml",
    "edgetpu.tflite",
    "empty.tflite",
    "float.tflite",
    "folder",
    "html.tflite",
    "mine.toml",
    "short.tflite",
    "tiny.tflite",
    "weights.tflite",
)


def float_model() -> bytes:
    add = one_operator_model(
        "RELU", [TensorSpec("float32", (1, 4))], [TensorSpec("float32", (1, 4))]
    )
    return add.to_bytes()


def hybrid_model() -> bytes:
    weights = TensorSpec("int8", scale=0.1, data=zeros((2, 4), int))
    bias = TensorSpec("float32", data=zeros(2, float32))
    operands = [TensorSpec("float32", (1, 4)), weights, bias]
    return one_operator_model(
        "FULLY_CONNECTED", operands, [TensorSpec("float32", (1, 2))]
    ).to_bytes()


def edge_tpu_model() -> bytes:
    x = TensorSpec("uint8", (1, 4), 0.1, 3)
    return one_operator_model("edgetpu-custom-op", [x], [x], custom_options=b"").to_bytes()


@pytest.fixture
def here(tiny):
    folder = tiny.parent
    (folder / "html.tflite").write_bytes(HTML)
    (folder / "short.tflite").write_bytes(tiny.read_bytes()[:-200])
    (folder / "empty.tflite").write_bytes(b"")
    (folder / "float.tflite").write_bytes(float_model())
    (folder / "weights.tflite").write_bytes(hybrid_model())
    (folder / "edgetpu.tflite").write_bytes(edge_tpu_model())
    (folder / "mine.toml").write_text(SCHEME)
    (folder / "broken.toml").write_text("name = \n")
    (folder / "folder").mkdir()
    return folder


# id: (command line, what the line says)
CASES = {
    "truncated": ("short.tflite", "short.tflite: truncated: "),
    "html": ("html.tflite", "html.tflite: not a TFLite file: "),
    "empty": ("empty.tflite", "empty.tflite: "),
    "no-file": ("missing.tflite", "missing.tflite: cannot be read: no such file"),
    "folder-as-model": ("folder", "folder: cannot be read: is a directory"),
    "float": ("float.tflite", "float.tflite: not a quantized model: it is a float"),
    "weights-only": ("weights.tflite", "only its weights are quantized"),
    "edge-tpu": ("edgetpu.tflite", "edgetpu.tflite: this is an Edge TPU"),
    "check-float": ("check float.tflite", "float.tflite: not a quantized model"),
    "check-html": ("check html.tflite", "html.tflite: not a TFLite file"),
    "inspect-html": ("inspect html.tflite", "html.tflite: not a TFLite file"),
    "scheme-key": (
        "tiny.tflite -s mine.toml",
        "mine.toml: [weights]: unknown key 'granularitee'; need one of dtype, granularity",
    ),
    "scheme-elsewhere": (
        "tiny.tflite -s folder/../mine.toml",
        "folder/../mine.toml: [weights]: unknown key 'granularitee'; need one of",
    ),
    "scheme-elsewhere-check": ("check tiny.tflite -s ./mine.toml", "./mine.toml: [weights]: "),
    "scheme-elsewhere-schemes": ("schemes ./mine.toml", "./mine.toml: [weights]: "),
    "scheme-not-toml": ("tiny.tflite -s broken.toml", "broken.toml: not TOML"),
    "no-scheme-file": ("tiny.tflite -s missing.toml", "as a scheme: no such file"),
    "scheme-name": (
        "tiny.tflite -s symetric",
        "unknown scheme 'symetric', did you mean symmetric? `tflite-requant schemes` lists all",
    ),
    "scheme-unlike": ("tiny.tflite -s tensorrt", "need a .toml file or one of edgetpu-symmetric, "),
    "scheme-empty": ("tiny.tflite -s int8,", "--scheme 'int8,': an empty name"),
    "scheme-twice": ("tiny.tflite -s int8,int8", "two schemes are named 'int8'"),
    "schemes-name": ("schemes symetric", "unknown scheme 'symetric'"),
    "no-output-folder": (
        "tiny.tflite -o out/x.tflite",
        "out/x.tflite: cannot be written: folder out does not exist",
    ),
    "no-output-folder-slash": (
        "tiny.tflite -o out/",
        "out/: cannot be written: the folder does not exist",
    ),
    "no-output-folder-two": (
        "tiny.tflite -o out -s int8,uint8",
        "out: does not exist; 2 schemes need a folder",
    ),
    "file-for-two": (
        "tiny.tflite -o html.tflite -s int8,uint8",
        "html.tflite: is a file; 2 schemes need",
    ),
    "output-below-file": ("tiny.tflite -o mine.toml/x.tflite", "folder mine.toml is not a folder"),
    "onto-source": ("tiny.tflite -o tiny.tflite", "tiny.tflite: this is the model"),
    "onto-source-2": ("tiny.tflite -o ./folder/../tiny.tflite", "this is the model"),
    "depfile-folder": ("tiny.tflite --depfile out/x.d", "out/x.d: cannot be written"),
    "depfile-source": ("tiny.tflite --depfile tiny.tflite", "this is the model"),
    "depfile-output": ("tiny.tflite -o x.tflite --depfile x.tflite", "x.tflite: named twice"),
    "unknown-flag": ("tiny.tflite --shceme int8", "unknown flag --shceme, did you mean --scheme?"),
    "foreign-flag": ("inspect tiny.tflite --scheme int8", "unknown flag --scheme"),
    "command": ("chek tiny.tflite", "unknown command chek, did you mean check?"),
    "no-command": ("convert tiny.tflite", "convert is neither a command nor a file; see "),
    "no-first-model": ("none.tflite tiny.tflite -v", "none.tflite is neither a command nor a "),
    "dashed-model": ("-x.tflite", "; a file of that name is ./-x.tflite, or stands behind --; see"),
    "dashed-second": ("compare tiny.tflite -x.tflite", " a file of that name is ./-x.tflite, or"),
    "two-models": ("tiny.tflite html.tflite", "one model at a time: what is 'html.tflite'?"),
    "nothing": ("", "the following arguments are required: MODEL"),
    "choice": ("tiny.tflite --clamps none", "argument --clamps: invalid choice"),
    "padv2": ("tiny.tflite --allow-padv2 -1", "'-1': need a number from 0, or any"),
    "padv2-strict": ("tiny.tflite --allow-padv2 1 --strict-meaning",
                     "--allow-padv2 lets zero points be folded, which --strict-meaning forbids"),
    "search": ("tiny.tflite --search", "tiny.tflite: --search needs samples for this model"),
    "seed": ("tiny.tflite --seed x", "argument --seed: invalid int value"),
    "correction": (
        "tiny.tflite --correction fold",
        "--correction: unknown 'fold'; known: dead-channels",
    ),
    "correction-none": (
        "tiny.tflite --correction none,bias-folding",
        "--correction: unknown 'none'",
    ),
    "require-name": ("tiny.tflite --require speed>2", "unknown number 'speed'; known: exceptions,"),
    "require-syntax": (
        "tiny.tflite --require exceptions=0",
        "--require 'exceptions=0': need a name, one of >= <=",
    ),
    "require-number": (
        "tiny.tflite --require exceptions==1.2.3",
        "--require 'exceptions==1.2.3': need",
    ),
    "no-calibration": (
        "tiny.tflite --calibration missing.npy",
        "missing.npy: cannot be read: no such file",
    ),
    "arithmetic": (
        "run tiny.tflite --inputs random:1 --arithmetic litert",
        "unknown arithmetic 'litert', did you mean litert-reference?",
    ),
}


@pytest.mark.parametrize("words, says", CASES.values(), ids=CASES)
def test_one_line_exit_2_nothing_written(here, capsys, words, says):
    before = {p.name: p.read_bytes() for p in here.iterdir() if p.is_file()}
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = messages(err)
    assert says in line
    assert {p.name for p in here.iterdir()} == set(FILES)
    assert {p.name: p.read_bytes() for p in here.iterdir() if p.is_file()} == before


def test_every_problem_of_a_scheme_file_has_its_line(here, capsys):
    (here / "mine.toml").write_text('[weights]\nrange = 3\n[bias]\nbits = "x"\n')
    assert main(["tiny.tflite", "-s", "mine.toml"]) == 2
    lines = messages(capsys.readouterr().err)
    assert len(lines) == 3
    assert all(line.startswith("mine.toml: ") for line in lines)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_folder_without_permission(here, capsys):
    (here / "folder").chmod(0o500)
    assert main(["tiny.tflite", "-o", "folder"]) == 2
    assert "no permission to write in folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["html_page_saved_as_tflite", "no_tfl3_ident_pruned_8",
                                  "vela_compiled_person_detect"])  # fmt: skip
def test_real_bad_files(models, folder, capsys, name):
    assert main([str(models / "bad_inputs" / f"{name}.tflite"), "-o", "x.tflite"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(messages(err)) == 1
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/fd is Linux's")
@pytest.mark.parametrize("way", ["pipe", "stdin", "descriptor", "stdin-file"])
def test_a_model_from_a_stream_needs_a_name_for_the_result(tiny, way):
    if way == "pipe":
        os.mkfifo("pipe")
    model = {"pipe": "pipe", "descriptor": "/dev/fd/0"}.get(way, "/dev/stdin")

    def told(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "tflite_requant", model, *words]
        with tiny.open("rb") as file:
            given = {"stdin": file} if way == "stdin-file" else {"input": file.read()}
            return subprocess.run(command, capture_output=True, check=False, **given)

    done = told()
    assert done.returncode == 2
    (line,) = messages(done.stderr.decode())
    assert line == f"{model}: no file that the result could be named after; give --output"
    if way != "pipe":  # which nobody fills
        assert told("-o", "x.tflite").returncode == 0 and Path("x.tflite").stat().st_size > 1000


def test_an_output_folder_that_was_not_made_is_no_file_name(demo_model, folder, capsys):
    missing = folder / "outputs"
    assert main([str(demo_model), "-o", str(missing)]) == 2
    (line,) = messages(capsys.readouterr().err)
    assert "make the folder first" in line
    assert not missing.exists()


@pytest.mark.parametrize("name", ["a/b", "../x", ".", "", "a b"])
def test_a_scheme_cannot_be_named_like_a_path(name, demo_model, folder, capsys):
    scheme = folder / "npu.toml"
    scheme.write_text(f'name = "{name}"\n')
    assert main([str(demo_model), "-s", str(scheme), "-o", str(folder)]) == 2
    assert "name = " in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == ["npu.toml"]
