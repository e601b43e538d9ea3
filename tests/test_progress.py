"""Bars where somebody watches, and nothing anywhere else."""

import errno
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from tflite_requant import statistics
from tflite_requant.accuracy import measure
from tflite_requant.cli import main
from tflite_requant.compare import compare
from tflite_requant.files import load
from tflite_requant.progress import bar
from tflite_requant.requantize import Options, requantize

PHASES = ["rewriting, symmetric-po2", "correcting biases, symmetric-po2"]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Puts a terminal where stderr is; called in the test, as pytest changes stderr before it."""

    def put() -> Screen:
        screen = Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return put


@pytest.fixture
def counted(monkeypatch):
    """(title, total, the steps that were told) of every bar."""
    bars = []

    @contextmanager
    def counting(title, unit, total):
        steps = []
        bars.append((title, total, steps))
        yield steps.append

    modules = ("search.biases", "draft", "statistics.calibrated", "accuracy.table")
    for name in (*modules, "compare.models"):
        monkeypatch.setattr(sys.modules[f"tflite_requant.{name}"], "bar", counting)
    return bars


@pytest.fixture(scope="module")
def model(demo_model):
    return load(demo_model)


@pytest.fixture(scope="module")
def images(model):
    shape = (6, *model.inputs[0].shape[1:])
    return np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)


def test_a_bar_goes_on(terminal):
    screen = terminal()
    with bar("working", "thing", 2) as advance:
        advance(2)
    assert "working" in screen.getvalue()


def test_a_bar_that_nobody_can_see_stops_nothing(terminal, monkeypatch):
    screen = terminal()

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(screen, "write", full)
    monkeypatch.setattr(screen, "flush", full)
    with bar("working", "thing", 2) as advance:
        advance(2)
    assert screen.getvalue() == ""


def test_no_bar_without_a_title(terminal):
    screen = terminal()
    with bar("", "thing", 2) as advance:
        advance(2)
    assert screen.getvalue() == ""


def test_no_bar_without_a_terminal(capsys):
    with bar("working", "thing", 2) as advance:
        advance(2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("quiet", [False, True], ids=["watched", "quiet"])
def test_every_long_phase_of_a_scheme_is_told(demo_model, tmp_path, terminal, quiet):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    screen = terminal()
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    words = [str(demo_model), "-s", "symmetric-po2", "-o", str(tmp_path / "x.tflite"),
             "--calibration", samples, "--report", str(tmp_path / "page.html")]  # fmt: skip
    words += ["-q"] if quiet else []
    assert main(words) == 0
    phases = ["calibrating", *PHASES, "measuring", "comparing", "drawing, symmetric-po2"]
    assert [p for p in phases if p in screen.getvalue()] == ([] if quiet else phases)


def test_phases_go_on_operator_by_operator(model, images, counted):
    requantize(model, "symmetric-po2", images, Options(progress=True))
    told = {title: (total, steps) for title, total, steps in counted}
    operators = len(model.main.operators)
    assert told[PHASES[0]] == (operators, [1] * operators)
    total, steps = told[PHASES[1]]
    assert total == len(steps) > operators


@pytest.mark.parametrize(
    "workers, steps", [(0, [1] * 6), (2, [1] * 6)], ids=["alone", "two-workers"]
)
def test_samples_are_told_as_they_come_back(model, images, counted, workers, steps):
    executor = ThreadPoolExecutor(workers) if workers else None
    statistics.measure(model, images, progress=True, executor=executor)
    samples = [image[None] for image in images]
    measure(model, {"same": model}, samples, through="interpreter", ceiling=False, progress=True,
            executor=executor)  # fmt: skip
    compare(model, model, images, progress=True, executor=executor)
    told = ("calibrating", "measuring", "comparing")
    assert counted == [(title, 6, steps) for title in told]


def test_parts_that_come_back_are_told_whole(model, images, counted):
    many = np.concatenate([images] * 6)
    with ThreadPoolExecutor(2) as executor:
        compare(model, model, many, progress=True, executor=executor)
    assert counted == [("comparing", 36, [4] * 9)]
