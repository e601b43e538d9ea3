"""`--require` and `--depfile`, without a model."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tflite_requant.cli.depfile import depfile_bytes, escape, files_of
from tflite_requant.cli.gate import parse_conditions, unmet
from tflite_requant.errors import UsageError

KNOWN = ("sqnr", "exceptions")


@pytest.mark.parametrize(
    "text, value, missed",
    [
        pytest.param("sqnr>=20", 20, 0, id="ge-equal"),
        pytest.param("sqnr>=20", 19.99, 1, id="ge-below"),
        pytest.param("sqnr>20", 20, 1, id="gt-equal"),
        pytest.param("sqnr<20", 20, 1, id="lt-equal"),
        pytest.param("sqnr<=20", 20, 0, id="le-equal"),
        pytest.param("sqnr==20", 20, 0, id="eq"),
        pytest.param("sqnr!=20", 20, 1, id="ne"),
        pytest.param(" sqnr >= 2e1 ", 20, 0, id="spaces-exponent"),
        pytest.param("sqnr>-1.5", -1, 0, id="negative"),
        pytest.param("sqnr>=20,sqnr<=10", 15, 2, id="two"),
        pytest.param("", 15, 0, id="none"),
    ],
)
def test_conditions(text, value, missed):
    assert len(unmet(parse_conditions(text, KNOWN), {"sqnr": value})) == missed


def test_what_does_not_hold_is_told():
    (line,) = unmet(parse_conditions("sqnr>=20", KNOWN), {"sqnr": 18.25})
    assert line == "sqnr>=20 does not hold: it is 18.25"


@pytest.mark.parametrize("text", ["snr>=20", "sqnr", "sqnr=>20", "sqnr>=x", ">=20", "sqnr>=1..2"])
def test_illegal_conditions(text):
    with pytest.raises(UsageError, match="^--require"):
        parse_conditions(text, KNOWN)


NAMES = {
    "plain": ("a/b.tflite", "a/b.tflite"),
    "space": ("my model.tflite", r"my\ model.tflite"),
    "dollar": ("a$b", "a$$b"),
    "hash": ("a#b", r"a\#b"),
    "backslash": ("a\\b", r"a\b"),
    "colon": ("a:b", r"a\:b"),
    "backslash-colon": ("a\\:b", r"a\\\:b"),
    "backslash-space": ("a\\ b", r"a\\\ b"),
}


@pytest.mark.parametrize("name, escaped", NAMES.values(), ids=NAMES)
def test_escape(name, escaped):
    assert escape(Path(name)) == escaped


def test_line_break_is_refused():
    with pytest.raises(UsageError, match="line break"):
        escape(Path("a\nb"))


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    "name", [n for n, _ in NAMES.values() if "/" not in n], ids=list(NAMES)[1:]
)
def test_make_reads_what_we_write(folder, name):
    (folder / name).write_text("")
    out = f"made of {name}"
    (folder / "x.d").write_bytes(depfile_bytes([Path("out"), Path(out)], [Path(name)]))
    (folder / "Makefile").write_text(f"include x.d\nout {escape(Path(out))}:\n\t@touch '$@'\n")

    def runs() -> bool:
        done = subprocess.run(["make", "-q", out], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 1

    assert runs()
    subprocess.run(["make", "-s", out], check=True)
    assert not runs()
    later = (folder / out).stat().st_mtime + 10
    os.utime(folder / name, (later, later))
    assert runs()


def test_files_of(folder):
    (folder / "s.npz").write_text("")
    (folder / "images" / "b").mkdir(parents=True)
    for name in ("images/2.png", "images/1.png", "images/b/0.png"):
        (folder / name).write_text("")
    assert files_of(None) == files_of("prior") == files_of("random:8") == []
    assert files_of("s.npz") == files_of("s.npz:array") == [Path("s.npz")]
    found = [p.as_posix() for p in files_of("images")]
    assert found == ["images", "images/1.png", "images/2.png", "images/b/0.png"]


def test_a_deleted_input_makes_the_target_old_and_does_not_stop_make(folder):
    (folder / "x.d").write_bytes(depfile_bytes([Path("out")], [Path("gone one.npz")]))
    (folder / "Makefile").write_text("out:\n\techo rebuilt > out\n-include x.d\n")
    (folder / "out").write_text("old")
    done = subprocess.run(["make"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "out").read_text() == "rebuilt\n"
