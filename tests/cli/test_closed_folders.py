"""A folder that nobody may look into is not an empty one."""

import os
from pathlib import Path

import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.testing import TensorSpec, one_operator_model

CLOSED = {
    "subfolder": ("photos/private", ["photos", "photos/private"]),
    "folder": ("photos", ["photos"]),
}


@pytest.mark.parametrize("refused, folders", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("flag", ["calibration", "inputs"])
def test_folders_that_cannot_be_read_are_not_empty(
    folder, capsys, monkeypatch, refused, folders, flag
):  # fmt: skip
    x = TensorSpec("uint8", (1, 4, 4, 3), 0.5, name="x")
    Path("pictures.tflite").write_bytes(one_operator_model("RELU", [x], [x]).to_bytes())
    for name in folders:
        Path(name).mkdir()
        Path(name, "1.png").write_bytes(b"a picture")
    look, asked = os.scandir, Path(refused)

    def scandir(place="."):
        if Path(place) == asked:  # what the system says to anybody but root
            raise PermissionError(13, "Permission denied", os.fspath(place))
        return look(place)

    monkeypatch.setattr(os, "scandir", scandir)
    words = {
        "calibration": "pictures.tflite --calibration photos -o x.tflite",
        "inputs": "run pictures.tflite --inputs photos",
    }
    assert main(words[flag].split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line == f"{refused}: cannot be read: permission denied"
    assert not Path("x.tflite").exists()


def test_files_that_cannot_be_looked_at_are_named(tiny, capsys, monkeypatch):
    look = os.stat

    def stat(place, *words, **more):
        if str(place).startswith("private/"):
            raise PermissionError(13, "Permission denied", os.fspath(place))
        return look(place, *words, **more)

    monkeypatch.setattr(os, "stat", stat)
    assert main("run tiny.tflite --inputs private/in.npy".split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line.startswith("private/in.npy: cannot be ") and "permission denied" in line
