"""Documents that state facts are compared with what they state."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_requant.check import check
from tflite_requant.flatbuffer import read
from tflite_requant.requantize import requantize
from tflite_requant.schemes import load_scheme, parse_scheme, preset_names

ROOT = Path(__file__).resolve().parent.parent
SCHEMES = (ROOT / "docs" / "schemes.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", SCHEMES, re.DOTALL)


def test_operators_page_is_what_the_catalog_says():
    tool = ROOT / "tools" / "generate_operators_doc"
    run = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_scheme_of_the_schemes_page_loads(block):
    assert parse_scheme(block, "schemes.md").name


@pytest.mark.parametrize("block", BLOCKS[1:], ids=range(1, len(BLOCKS)))
def test_the_examples_of_the_schemes_page_work(block, demo_model):
    scheme = parse_scheme(block, "schemes.md")
    result = requantize(read(demo_model.read_bytes()), scheme)
    assert [f.line() for f in check(result.model, scheme) if f.severity == "error"] == []
    held = max(op.sum_bits for op in result.report.operators if op.sum_bits)
    assert held <= scheme.accumulator.bits or scheme.accumulator.saturates


def test_the_schemes_page_shows_schemes():
    assert len(BLOCKS) == 5


def test_the_table_of_presets_is_complete_and_right():
    four = r"^\| `([\w-]+)` \| ((?:[^|\n]*\|){2}[^|\n]*) \|$"  # columns; other tables have two
    rows = dict(re.findall(four, SCHEMES, re.MULTILINE))
    assert sorted(rows) == sorted(preset_names())
    for name, cells in rows.items():
        scheme = load_scheme(name)
        activations, weights, bias = cells.split(" | ")
        assert activations.startswith(scheme.activations.dtype), name
        assert weights.startswith(f"{scheme.weights.dtype}, {scheme.weights.granularity}"), name
        assert bias.split(",")[0] == scheme.bias.dtype, name
        narrow = scheme.bias.bits < int(scheme.bias.dtype[3:])
        assert (f"{scheme.bias.bits} bits" in bias) == narrow, name
        assert ("2^" in bias) == scheme.bias.own_scale, name
        kinds = {"any": "", "power-of-two": "scales 2^k", "power-of-two-ratio": "ratios 2^k"}
        assert ("2^k" in activations) == (scheme.activations.scale != "any"), name
        assert kinds[scheme.activations.scale] in activations, name


def test_the_convolution_worked_by_hand_is_right():
    input_scale, weight_scale, zero_point = 6 / 255, 0.01, 122
    centred = [165 - zero_point, 28 - zero_point]
    assert centred == [43, -94]
    assert round(1000 * input_scale * weight_scale, 4) == 0.2353
    assert 1000 + 128 * sum(centred) == -5528
    assert round(1000 * input_scale / (6 / 127)) == 498
