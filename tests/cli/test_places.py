"""What a command reads is never written over, whatever it is called."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from said import messages

from tflite_requant.c_array import main as c_array_alone
from tflite_requant.cli import main
from tflite_requant.schemes import preset_text
from tflite_requant.testing import TensorSpec, one_operator_model

KEPT = "which is never changed; name another file"


@pytest.fixture
def here(tiny):
    """Beside the model: samples of all kinds, a scheme, and links to them."""
    folder = tiny.parent
    np.save("in.npy", np.zeros((2, 4), np.uint8))
    np.savez("in.npz", test=np.zeros((2, 4), np.uint8))
    Path("npu.toml").write_text(preset_text("symmetric").replace('"symmetric"', '"npu"', 1))
    for name in ("tiny.tflite", "in.npy", "in.npz", "npu.toml"):
        (folder / f"link.{name.split('.')[1]}").symlink_to(name)
    shutil.copy("tiny.tflite", "m.html")
    shutil.copy("tiny.tflite", "m.cc")
    shutil.copy("tiny.tflite", "m.h")
    x = TensorSpec("uint8", (1, 4, 4, 3), 0.5, name="x")
    Path("pictures.tflite").write_bytes(one_operator_model("RELU", [x], [x]).to_bytes())
    Path("photos").mkdir()
    Path("photos", "1.png").write_bytes(b"a picture")
    return folder


# id: (command line, which file is kept, what it is)
INPUTS = {
    "requantize-calibration": ("tiny.tflite --calibration in.npy -o in.npy", "in.npy",
                               "what --calibration reads"),
    "requantize-array": ("tiny.tflite --calibration in.npz:test -o in.npz", "in.npz",
                         "what --calibration reads"),
    "requantize-link": ("tiny.tflite --calibration link.npy -o in.npy", "in.npy",
                        "what --calibration reads"),
    "requantize-to-link": ("tiny.tflite --calibration in.npy -o link.npy", "link.npy",
                           "what --calibration reads"),
    "requantize-scheme": ("tiny.tflite -s npu.toml -o npu.toml", "npu.toml",
                          "a scheme that is read"),
    "requantize-schemes": ("tiny.tflite -s int8,./npu.toml -o photos --depfile npu.toml",
                           "npu.toml", "a scheme that is read"),
    "depfile-scheme": ("tiny.tflite -s npu.toml --depfile npu.toml", "npu.toml",
                       "a scheme that is read"),
    "depfile-scheme-link": ("tiny.tflite -s link.toml --depfile npu.toml", "npu.toml",
                            "a scheme that is read"),
    "depfile-calibration": ("tiny.tflite --calibration in.npz:test --depfile in.npz", "in.npz",
                            "what --calibration reads"),
    "depfile-model": ("tiny.tflite --depfile link.tflite", "link.tflite", "the model"),
    "image": ("pictures.tflite --calibration photos -o photos/1.png", "photos/1.png",
              "an image that --calibration reads"),
    "report": ("m.html --report m.html", "m.html", "the model"),
    "c-array": ("m.cc --c-array m.cc", "m.cc", "the model"),
    "c-array-header": ("m.h --c-array m.c", "m.h", "the model"),
    "run-npy": ("run tiny.tflite --inputs in.npy -o in.npy", "in.npy", "what --inputs reads"),
    "run-array": ("run tiny.tflite --inputs in.npz:test -o in.npz", "in.npz",
                  "what --inputs reads"),
    "run-link": ("run tiny.tflite --inputs in.npz:test -o link.npz", "link.npz",
                 "what --inputs reads"),
    "inspect-plot": ("inspect m.html --plot ./m.html", "m.html", "the model"),
}  # fmt: skip


@pytest.mark.parametrize("words, path, what", INPUTS.values(), ids=INPUTS)
def test_no_input_is_written_over(here, capsys, words, path, what):
    before = contents(here)
    assert main(words.split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line == f"{path}: this is {what}, {KEPT}"
    assert contents(here) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_only_lies_in_a_folder_of_images_may_be_replaced(here):
    pytest.importorskip("PIL.Image").new("RGB", (4, 4)).save("photos/1.png")
    Path("photos/x.tflite").write_bytes(b"an older result")
    words = "pictures.tflite --calibration photos -o photos/x.tflite -q"
    assert main(words.split()) == 0
    assert Path("photos/x.tflite").read_bytes() != b"an older result"


@pytest.mark.parametrize(
    "words, told",
    [
        ("set/model.tflite", "the model is in it (set/model.tflite)"),
        ("tiny.tflite --inputs set/x.npy", "what --inputs reads is in it (set/x.npy)"),
        ("pictures.tflite --inputs set", "what --inputs reads is in it (set)"),
        ("pictures.tflite --inputs set/photos", "what --inputs reads is in it (set/photos)"),
    ],
    ids=["model", "inputs", "images", "images-below"],
)
def test_no_set_of_vectors_replaces_what_it_is_made_of(here, capsys, words, told):
    assert main("golden tiny.tflite -o set --layers 0 --directed 0 -q".split()) == 0
    shutil.copytree("photos", "set/photos")
    np.save("set/x.npy", np.zeros((2, 4), np.uint8))
    before = contents(here)
    assert main(["golden", *words.split(), "-o", "./set"]) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line == f"set: would be replaced, and {told}; name another folder"
    assert contents(here) == before


@pytest.mark.parametrize("words", ["m.cc m.cc", "m.h m.cc"], ids=["source", "header"])
def test_c_source_alone(here, capsys, words):
    before = contents(here)
    assert c_array_alone(words.split()) == 2
    assert f"{words.split()[0]}: this is the model, which is never" in capsys.readouterr().err
    assert contents(here) == before


def test_two_outputs_of_one_name_through_a_link(here, capsys):
    os.symlink("x.d", "link.d")
    assert main("tiny.tflite -o x.d --depfile link.d".split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line == "link.d: named twice as an output"


LOOPS = {
    "model": "a.tflite",
    "model-inspect": "inspect a.tflite",
    "model-run": "run a.tflite --inputs random:1 -o x.npz",
    "output": "tiny.tflite -o a.tflite",
    "depfile": "tiny.tflite --depfile a.tflite",
    "calibration": "tiny.tflite --calibration a.npy -o x.tflite",
    "scheme": "tiny.tflite -s a.toml -o x.tflite",
}


@pytest.mark.parametrize("words", LOOPS.values(), ids=LOOPS)
def test_links_in_a_circle(tiny, capsys, words):
    for suffix in (".tflite", ".npy", ".toml"):
        os.symlink(f"b{suffix}", f"a{suffix}")
        os.symlink(f"a{suffix}", f"b{suffix}")
    before = sorted(os.listdir())
    assert main(words.split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line.startswith("a.") and "too many levels of symbolic links" in line
    assert sorted(os.listdir()) == before


FOLDERS = {
    f"{command or 'default'}-{name}": (f"{command} {name}{rest}".strip(), name)
    for name in (".", "./", "/", "..")
    for command, rest in (("", ""), ("", " -o x.tflite"), ("inspect", ""), ("check", ""))
    if not (rest and name != ".")
}


@pytest.mark.parametrize("words, name", FOLDERS.values(), ids=FOLDERS)
def test_folders_without_a_name_are_no_models(folder, capsys, words, name):
    assert main(words.split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line == f"{Path(name)}: cannot be read: is a directory"
    assert os.listdir() == []
