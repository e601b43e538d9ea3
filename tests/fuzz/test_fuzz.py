"""A few of the damaged files that `tools/fuzz` tries by the thousand."""

import pytest
from damage import Source
from target import failures
from unsound_models import CASES, convolution

from tflite_requant.testing import TensorSpec, one_operator_model

VARIANTS = 120
UNWRITABLE = {"type"}  # the writer has no number for it


@pytest.fixture(scope="module")
def demo(demo_model) -> Source:
    return Source(demo_model.read_bytes())


@pytest.mark.parametrize("part", range(4))
def test_damaged_files_are_refused_or_work(demo, folder, part):
    step = VARIANTS // 4
    for number in range(part * step, part * step + step):
        assert list(failures(demo.variant(7, number), number, folder)) == [], number


def test_variants_are_deterministic(demo, demo_model):
    again = Source(demo_model.read_bytes())
    assert [demo.variant(3, n) for n in range(40)] == [again.variant(3, n) for n in range(40)]
    assert len({demo.variant(3, n) for n in range(40)}) > 30


def test_tables_without_fields_are_no_obstacle():
    x, y = (TensorSpec("uint8", (1, 4), scale, 0) for scale in (0.1, 0.2))
    source = Source(one_operator_model("QUANTIZE", [x], [y]).to_bytes())
    assert len({source.variant(0, n) for n in range(200)}) > 100


@pytest.mark.parametrize("name", [n for n in CASES if n not in UNWRITABLE])
def test_what_once_crashed(folder, name):
    change = CASES[name][2]
    data = change(convolution()).to_bytes()
    assert list(failures(data, 0, folder)) == []


def test_a_target_that_finds_nothing_would_be_worthless(demo, folder, monkeypatch):
    def broken(self, *_):
        raise KeyError("oh")

    monkeypatch.setattr("tflite_requant.interpreter.Interpreter.run", broken)
    found = list(failures(demo.data, 0, folder))
    assert len(found) == 1 and "exit code 3" in found[0]
