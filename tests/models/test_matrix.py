"""Which result of which model runs is a checked-in table, and the table is true."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_requant.catalog import LAWS
from tflite_requant.errors import FormatError
from tflite_requant.files import load
from tflite_requant.runtime import litert_available
from tflite_requant.schemes import load_scheme, preset_names

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).resolve().parent / "matrix.tsv"
SMALL = 20_000  # bytes

# Of uint8 models made of these alone, every scheme's result runs.
CONVOLUTIONAL = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "LOGISTIC",
    "MAX_POOL_2D",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SOFTMAX",
}

needs_litert = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")


FINE = {"runs", "same", "runs in ours", "same in ours"}


def takes(scheme: str, kinds: set[str]) -> bool:
    """Whether the scheme allows all these operators."""
    return all(load_scheme(scheme).operators.allows(kind) for kind in kinds)


def table() -> dict[str, dict[str, str]]:
    """Model -> scheme -> cell."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row.pop("model"): row for row in csv.DictReader(file, delimiter="\t")}


def recomputed(*flags: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / "run_matrix"), "--check", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_has_every_model_and_preset(models):
    rows = table()
    assert list(rows) == sorted(p.relative_to(models).as_posix() for p in models.glob("*/*.tflite"))
    assert all(list(cells) == list(preset_names()) for cells in rows.values())
    assert all(all(cells.values()) for cells in rows.values())


def test_every_cell_is_an_outcome():
    """Refusals name their laws, and nothing fails in a way that nobody foresaw."""
    known = FINE | {"not quantized", "unreadable"}
    cells = {(name, s): c for name, row in table().items() for s, c in row.items()}
    odd = {where: c for where, c in cells.items() if c not in known}
    assert {where: c for where, c in odd.items() if not c.startswith("refused: ")} == {}
    laws = {law for c in odd.values() for law in c.removeprefix("refused: ").split(",")}
    assert laws <= set(LAWS)


def test_uint8_convolutional_models_run_on_every_scheme(models):
    judged = 0
    for name, cells in table().items():
        try:
            model = load(models / name)
        except FormatError:
            continue
        kinds = {op.name for _, op in model.operators()}
        if kinds <= CONVOLUTIONAL and all(t.dtype == "uint8" for t in model.inputs):
            readable = set(cells.values()) != {"unreadable"}
            taken = [cell for scheme, cell in cells.items() if takes(scheme, kinds)]
            assert not readable or set(taken) <= FINE, name
            judged += readable
    assert judged >= 10


@needs_litert
def test_small_models_are_as_the_table_says(models):
    recomputed("--below", str(SMALL))


@needs_litert
@pytest.mark.slow
def test_all_models_are_as_the_table_says(models):
    recomputed()
