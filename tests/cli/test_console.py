"""The program as a process: entry points, exit codes, pipes, imports."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.errors import FormatError
from tflite_requant.files import load
from tflite_requant.flatbuffer._generated import schema
from tflite_requant.limits import allowance, parse_memory
from tflite_requant.testing import TensorSpec, one_operator_model

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "tflite_requant"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(words: list[str], **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, env=environment(), check=False, **how
    )


@pytest.mark.parametrize(
    "words, code",
    [
        pytest.param("--help", 0, id="help"),
        pytest.param("--version", 0, id="version"),
        pytest.param("tiny.tflite", 0, id="done"),
        pytest.param("check tiny.tflite -s int8", 1, id="no"),
        pytest.param("missing.tflite", 2, id="unreadable"),
        pytest.param("tiny.tflite --what", 2, id="usage"),
    ],
)
def test_exit_codes(tiny, words, code):
    done = start(words.split())
    assert done.returncode == code
    assert len(messages(done.stderr)) == (code == 2)


def test_entry_point_is_the_same_program(tiny):
    call = "from tflite_requant.cli import console; console()"
    done = subprocess.run(
        [sys.executable, "-c", call, "missing.tflite"],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == start(["missing.tflite"]).stderr


@pytest.mark.parametrize(
    "words, code", [("inspect tiny.tflite -v", 0), ("check tiny.tflite -s int8", 1)],
    ids=["inspect", "check"],
)  # fmt: skip
def test_reader_who_leaves_does_not_change_the_answer(tiny, words, code):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*PROGRAM, *words.split()],
            stdout=writer, stderr=subprocess.PIPE, text=True, env=environment(), check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


SHUT = {
    "check-stdout": ("check tiny.tflite -s int8", "1", 1),
    "schemes-stdout": ("schemes", "1", 0),
    "requantize-stdout": ("tiny.tflite -s symmetric", "1", 0),
    "help-stdout": ("--help", "1", 0),
    "inspect-stderr": ("inspect tiny.tflite", "2", 0),
    "unreadable-stderr": ("nosuch", "2", 2),
    "usage-stderr": ("tiny.tflite --what", "2", 2),
    "requantize-all": ("tiny.tflite -s symmetric", "0 1 2", 0),
}


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("words, streams, code", SHUT.values(), ids=SHUT)
def test_closed_streams_change_no_answer(tiny, capsys, words, streams, code):
    assert main(words.split()) == code
    out, err = capsys.readouterr()
    told = ["" if "1" in streams else out, "" if "2" in streams else err]
    made = {p.name: p.read_bytes() for p in tiny.parent.iterdir()}
    shut = " ".join(f"{number}>&-" for number in streams.split())
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {shut}', "sh", *PROGRAM, *words.split()],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert [done.returncode, done.stdout, done.stderr] == [code, *told]
    assert {p.name: p.read_bytes() for p in tiny.parent.iterdir()} == made


@contextmanager
def full():
    with open("/dev/full", "w") as stream:
        yield stream


@contextmanager
def left():
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


UNHEARD = {
    "unreadable": ("nosuch", 2),
    "usage": ("tiny.tflite --what", 2),
    "condition": ("tiny.tflite -s int8 --require tensors==0", 2),
    "warned": ("run picture.tflite --inputs dark -q -o x.npz", 0),
    "warned-aloud": ("run picture.tflite --inputs dark -o x.npz", 0),
}


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("sink", [full, left], ids=["full", "reader-left"])
@pytest.mark.parametrize("words, code", UNHEARD.values(), ids=UNHEARD)
def test_what_nobody_hears_changes_no_answer(tiny, words, code, sink):
    image = pytest.importorskip("PIL.Image")
    spec = TensorSpec("uint8", (1, 4, 4, 1), 1 / 255, name="x")
    model = one_operator_model("LOGISTIC", [spec], [replace(spec, scale=1 / 256, name="y")])
    Path("picture.tflite").write_bytes(model.to_bytes())
    Path("dark").mkdir()
    image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)).save("dark/a.png")
    heard = start(words.split())
    assert heard.returncode == code and bool(heard.stderr) == ("-q" not in words)
    made = {p.name: p.read_bytes() for p in tiny.parent.iterdir() if p.is_file()}
    Path("x.npz").unlink(missing_ok=True)
    with sink() as stderr:
        done = subprocess.run(
            [*PROGRAM, *words.split()], stdout=subprocess.PIPE, stderr=stderr, text=True,
            env=buffered(), check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, heard.stdout)
    assert {p.name: p.read_bytes() for p in tiny.parent.iterdir() if p.is_file()} == made


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "both"])
@pytest.mark.parametrize("words", ["inspect tiny.tflite", "--help", "--version"])
def test_an_answer_that_cannot_be_written(tiny, words, both):
    with full() as stdout:
        done = subprocess.run(
            [*PROGRAM, *words.split()], stdout=stdout, env=buffered(), text=True, check=False,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
        )  # fmt: skip
    said = None if both else ["cannot write the answer: no space left on device"]
    assert done.returncode == 2
    assert (None if both else messages(done.stderr)) == said


def buffered() -> dict[str, str]:
    """An environment in which Python writes late, and once more at exit."""
    return {k: v for k, v in environment().items() if k != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams_that_python_lacks(tiny, capsys, monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    assert main(["inspect", "tiny.tflite"]) == 0
    assert main(["nosuch"]) == 2
    monkeypatch.undo()
    out, err = capsys.readouterr()
    assert bool(out) == (name == "stderr") and bool(err) == (name == "stdout")
    assert "nosuch" not in out


def test_no_terminal_no_bars_no_colour(demo_model, folder):
    done = start([str(demo_model), "-o", "x.tflite", "--calibration",
                  f"{demo_model.parent / 'digits_samples.npz'}:calibration"])  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_interrupt(demo_model, folder):
    # The model is a pipe that the test opens and never fills: the program waits in the middle.
    os.mkfifo("model.tflite")
    process = subprocess.Popen(
        [*PROGRAM, "model.tflite", "-o", "x.tflite"],
        stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    writer = wait_for_reader("model.tflite")
    time.sleep(0.5)  # a signal between opening and reading is seen when the read ends: never
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    os.close(writer)
    assert process.returncode == 130
    assert err == "tflite-requant: interrupted\n"
    assert os.listdir() == ["model.tflite"]


def wait_for_reader(pipe: str) -> int:
    """The pipe's writing end, once somebody reads from the other one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the program never opened its model")


class TestInterruptsAtAnyMoment:
    """The old file or the new one, never less, and one line: whenever the signal comes."""

    OLD = b"what was there before"

    def outcomes(self, demo_model, number: int, moments) -> set[int]:
        made = start([str(demo_model), "-o", "new.tflite"])
        assert made.returncode == 0
        new, codes = Path("new.tflite").read_bytes(), set()
        for moment in moments:
            Path("x.tflite").write_bytes(self.OLD)
            process = subprocess.Popen(
                [*PROGRAM, str(demo_model), "-o", "x.tflite"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(),
            )  # fmt: skip
            time.sleep(moment)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            codes.add(process.returncode)
            assert Path("x.tflite").read_bytes() in (self.OLD, new), moment
            if number != signal.SIGKILL:
                assert sorted(os.listdir()) == ["new.tflite", "x.tflite"], moment
            if process.returncode in (130, 143):
                assert err == "tflite-requant: interrupted\n", moment
                assert Path("x.tflite").read_bytes() == self.OLD
            else:
                assert process.returncode in (0, -number), err
        return codes

    # Before about 30 ms Python itself has not started yet and answers as it likes.
    MOMENTS = [0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7]

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
    def test_by_the_clock(self, demo_model, folder, name):
        codes = self.outcomes(demo_model, getattr(signal, name), self.MOMENTS)
        assert codes - {0}

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
    @pytest.mark.parametrize("module", ["numpy", "absl", "argparse", "flatbuffers", "tqdm"])
    def test_while_importing(self, tiny, module):
        # The signal comes the moment that a module is imported: the same place on any machine.
        hook = (
            "import os, signal, sys\n"
            "class Hook:\n"
            "    def find_spec(self, name, *_):\n"
            f"        if name == {module!r}:\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Hook())\n"
            f"sys.modules.pop({module!r}, None)\n"
            "sys.argv[1:] = ['tiny.tflite']\n"
            "from tflite_requant.start import console\n"
            "console()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", hook], capture_output=True, text=True, env=environment(),
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) in (
            (130, "tflite-requant: interrupted\n"),
            (0, ""),  # a module that this command does not need
        )
        assert done.returncode == 0 or os.listdir() == ["tiny.tflite"]
        assert done.returncode == 130 or module == "tqdm"


def test_names_that_would_steer_a_terminal_are_escaped(folder):
    name = "a\x1b[31m\nb\udcff\u00a0"
    x = TensorSpec("uint8", (1, 4), 0.5, name=name)
    y = TensorSpec("uint8", (1, 4), 0.5, name="y")
    Path("x.tflite").write_bytes(one_operator_model("RELU", [x], [y]).to_bytes())
    done = start(["inspect", "x.tflite", "--json"])
    assert json.loads(done.stdout)["subgraphs"][0]["tensors"][0]["name"] == name
    for words in (["inspect", "x.tflite", "-v"], ["run", "x.tflite", "--inputs", "random:1"]):
        assert start(words).stdout.count("\x1b") == 0


def test_a_damaged_file_has_all_findings_in_one_report(folder):
    x = TensorSpec("uint8", (1, 4), -0.5, name="x")
    y = TensorSpec("uint8", (1, 5), 0.5, 256, name="y")
    Path("x.tflite").write_bytes(one_operator_model("RELU", [x], [y]).to_bytes())
    done = start(["x.tflite"])
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "tflite-requant: x.tflite: damaged: 2 findings"
    assert [line.strip() for line in lines if not line.startswith("   ")][1:] == [
        "tensor 0 x", "tensor 1 y",
    ]  # fmt: skip
    assert start(["inspect", "x.tflite"]).returncode == 0


def damaged(step: str) -> bytes:
    """A model that fails in one of the three steps of reading."""
    x = TensorSpec("uint8", (1, 4), -0.5 if step == "model" else 0.5, name="x")
    data = one_operator_model("RELU", [x], [TensorSpec("uint8", (1, 4), 0.5, name="y")]).to_bytes()
    if step == "index":
        root = schema.ModelT.InitFromPackedBuf(data, 0)
        root.subgraphs[0].outputs = [7]
        builder = flatbuffers.Builder()
        builder.Finish(root.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    return data[:200] if step == "offset" else data


# step -> (exit code of inspect, findings)
STEPS = {"offset": (2, 0), "index": (2, 1), "model": (0, 1)}


@pytest.mark.parametrize("step, code, count", [(s, *v) for s, v in STEPS.items()], ids=STEPS)
def test_what_is_told_of_each_step_of_reading(folder, capsys, step, code, count):
    Path("x.tflite").write_bytes(damaged(step))
    with pytest.raises(FormatError) as caught:
        load("x.tflite")
    assert len(caught.value.findings) == count
    assert main(["x.tflite"]) == 2
    assert main(["inspect", "x.tflite"]) == code
    first, *more = messages(capsys.readouterr().err)
    assert more == ([first] if code else [])


def test_max_memory(tiny):
    done = start(["tiny.tflite", "--max-memory", "100"])
    (line,) = messages(done.stderr)
    assert done.returncode == 2
    assert "of memory, most of it at op" in line and "100 bytes are allowed" in line
    assert start(["tiny.tflite", "--max-memory", "1M"]).returncode == 0
    assert start(["tiny.tflite", "--max-memory", "much"]).returncode == 2


@pytest.mark.parametrize(
    "size, said",
    [("1", "1 byte is"), ("2", "2 bytes are"), ("1K", "1 KiB are"), ("1.5M", "1.5 MiB are")],
)
def test_sizes_in_words(size, said):
    assert allowance(parse_memory(size)) == f"{said} allowed"


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("2", "2")])
def test_products_use_one_thread_unless_told_otherwise(given, used):
    """Decided before NumPy is imported, which reads it."""
    hook = (
        "import os, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy':\n"
        "            print(os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "from tflite_requant.start import console\n"
        "console()\n"
    )
    env = {k: v for k, v in environment().items() if k != "OPENBLAS_NUM_THREADS"}
    env |= {"OPENBLAS_NUM_THREADS": given} if given else {}
    done = subprocess.run(
        [sys.executable, "-c", hook, "none.tflite"], capture_output=True, text=True, env=env,
        check=False,
    )  # fmt: skip
    assert done.stdout == f"{used}\n"
