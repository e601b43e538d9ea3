"""Loading and saving: messages that begin with the path, files that are whole or not there."""

import os
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import tflite_requant as tr
from tflite_requant import files
from tflite_requant.errors import FormatError, UsageError
from tflite_requant.flatbuffer import source


def test_load_takes_paths_and_bytes(tiny):
    data = tiny.read_bytes()
    for given in (tiny, str(tiny), data, bytearray(data), memoryview(data)):
        assert tr.load(given).to_bytes() == data


def test_messages_begin_with_the_path(folder):
    (folder / "x.tflite").write_bytes(b"0123456789")
    with pytest.raises(FormatError, match="^x.tflite: "):
        tr.load("x.tflite")
    with pytest.raises(UsageError, match="^y.tflite: cannot be read: no such file or directory$"):
        tr.load("y.tflite")
    with pytest.raises(FormatError, match="^(?!.*tflite: )"):
        tr.load(b"0123456789")


@pytest.fixture
def never_whole(monkeypatch):
    """Nobody reads a file as a whole."""

    def read_bytes(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


LOADERS = {"load": tr.load, "interpreter": tr.Interpreter}
HEAD = b"\x1c\0\0\0TFL3"


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize(
    "head, said",
    [
        pytest.param(b"", r"not a TFLite file: identifier is b'\\x00", id="another-kind"),
        pytest.param(b"<html>", "not a TFLite file: it looks like a web page", id="web-page"),
        pytest.param(HEAD, "too large: 3 GiB; need at most 2 GiB", id="too-large"),
    ],
)
def test_a_large_file_is_refused_unread(folder, never_whole, load, head, said):
    with open("x.tflite", "wb") as file:  # sparse
        file.write(head)
        file.truncate(3 << 30)
    with pytest.raises(FormatError, match=said):
        load("x.tflite")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero")
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_device_without_an_end_is_refused(load):
    with pytest.raises(FormatError, match="not a TFLite file: identifier is"):
        load("/dev/zero")


def through_a_pipe(data: bytes, load):
    """What `load` makes of a named pipe."""
    os.mkfifo("pipe")

    def write():
        with suppress(BrokenPipeError), open("pipe", "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return load("pipe")
    finally:
        writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
class TestPipes:
    def test_a_model_is_read(self, tiny):
        data = tiny.read_bytes()
        assert through_a_pipe(data, tr.load).to_bytes() == data

    def test_the_most_is_read_and_no_more(self, tiny, monkeypatch):
        monkeypatch.setattr(source, "MOST", tiny.stat().st_size)
        assert through_a_pipe(tiny.read_bytes(), tr.load).main.operators
        Path("pipe").unlink()
        with pytest.raises(FormatError, match="^pipe: too large: more than .*, and no end; need"):
            through_a_pipe(tiny.read_bytes() + b"1", tr.load)

    def test_what_begins_otherwise_is_refused(self, folder, monkeypatch):
        monkeypatch.setattr(source, "AT_ONCE", 0)
        with pytest.raises(FormatError, match="^pipe: not a TFLite file: it is an archive"):
            through_a_pipe(b"PK\3\4" + bytes(1 << 20), tr.load)


def test_save_and_load(tiny):
    model = tr.load(tiny)
    tr.save(model, tiny.parent / "copy.tflite")
    assert (tiny.parent / "copy.tflite").read_bytes() == tiny.read_bytes()
    tr.save(model.changed(description="other"), "changed.tflite")
    assert tr.load("changed.tflite").description == "other"


def test_a_model_without_a_file_can_be_saved(tiny):
    from dataclasses import replace

    model = replace(tr.load(tiny), source=None, encoder=None)
    tr.save(model, "x.tflite")
    assert len(tr.load("x.tflite").main.operators) == len(model.main.operators)


@pytest.mark.parametrize(
    "path, says",
    [
        pytest.param("no/x", "folder no does not exist", id="no-folder"),
        pytest.param("file/x", "folder file is not a folder", id="folder-is-file"),
        pytest.param("dir", "it is a folder", id="is-folder"),
    ],
)
def test_cannot_be_written(folder, path, says):
    (folder / "file").write_bytes(b"")
    (folder / "dir").mkdir()
    with pytest.raises(UsageError, match=f"^{path}: cannot be written: {says}$"):
        files.write_all({Path("good"): b"1", Path(path): b"2"})
    assert sorted(p.name for p in folder.iterdir()) == ["dir", "file"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_and_links_stay(folder):
    old_mask = os.umask(0o027)
    try:
        files.write_all({Path("new"): b"1"})
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(os.stat("new").st_mode) == 0o640
    Path("old").write_bytes(b"old")
    os.chmod("old", 0o604)
    os.symlink("old", "link")
    files.write_all({Path("link"): b"2"})
    assert Path("link").is_symlink()
    assert Path("old").read_bytes() == b"2"
    assert stat.S_IMODE(os.stat("old").st_mode) == 0o604


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no /dev/null")
def test_a_device_is_written_to_and_stays(folder):
    files.write_all({Path("/dev/null"): b"1"})
    assert not Path("/dev/null").is_file()


def test_what_is_read_back_has_to_be_what_was_written(folder, monkeypatch):
    Path("x").write_bytes(b"old")
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"rotten")
    with pytest.raises(UsageError, match="^x: cannot be written: what was read back is not what"):
        files.write_all({Path("x"): b"new"})
    monkeypatch.undo()
    assert (folder / "x").read_bytes() == b"old"
    assert [p.name for p in folder.iterdir()] == ["x"]


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="^a: cannot be written: no space left on device$"):
        files.write_all({Path("a"): b"1", Path("b"): b"2"})
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_device(folder):
    with pytest.raises(UsageError, match="^/dev/full: cannot be written: no space left on device$"):
        files.write_all({Path("/dev/full"): b"1"})
