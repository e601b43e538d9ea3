"""tools/verify_arithmetic finds no difference, and would: profiles of LiteRT on a few operators.

Governs A5, A6, A8, A11, A12, A13, A15, A16, A18, A20 to A23, A27 of docs/arithmetic.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_requant.runtime import litert_available

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "verify_arithmetic"
GROUPS = {
    "weighted": "CONV_2D,DEPTHWISE_CONV_2D,TRANSPOSE_CONV,FULLY_CONNECTED,BATCH_MATMUL",
    "elementwise": "ADD,SUB,MUL,LEAKY_RELU,ELU,RELU6",
    "reduction": "MEAN,SUM,SOFTMAX,LOG_SOFTMAX,MAX_POOL_2D",
    "functions": "LOGISTIC,TANH,RESIZE_BILINEAR,QUANTIZE,DEQUANTIZE",
}
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Optimized additions and means round by position, as no program does.
PREPARED = {"litert-optimized": WEIGHTED, "litert-xnnpack": (*WEIGHTED, "ADD", "MEAN")}

needs_litert = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@needs_litert
@pytest.mark.parametrize("operators", GROUPS.values(), ids=GROUPS.keys())
def test_no_element_differs(operators):
    done = run("--operators", operators, "--profiles", "litert-optimized,litert-xnnpack", "--json")
    rows = json.loads(done.stdout)
    assert [row for row in rows if row["differing"]] == []
    assert done.returncode == 0, done.stderr
    for name in operators.split(","):
        for profile in ("litert-optimized", "litert-xnnpack"):
            mine = [r for r in rows if (r["operator"], r["profile"]) == (name, profile)]
            assert sum(row["elements"] for row in mine) > 0, (name, profile)
            prepared = sum(row["programs"] for row in mine)
            assert bool(prepared) == (name in PREPARED[profile]), (name, profile)


@needs_litert
def test_a_difference_is_told_and_ends_with_one(tmp_path):
    """A profile whose rounding was put off by a site module loaded before the tool."""
    (tmp_path / "sitecustomize.py").write_text(
        "from tflite_requant.fixedpoint import multiplier as m\n"
        "m.INTEGER_RESCALES['double'] = m.rescale_double_up\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    arguments = ("--operators", "ADD", "--profiles", "litert-reference")
    done = run(*arguments, PYTHONPATH=path)
    assert done.returncode == 1, done.stderr
    assert "first in ADD" in done.stdout
    assert "litert-reference: " in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("flag", ["--operators", "--profiles"])
def test_unknown_names_are_told_with_the_known(flag):
    if not litert_available():
        pytest.skip("ai-edge-litert is not installed")
    done = run(flag, "NOTHING")
    assert done.returncode == 1
    assert "unknown" in done.stderr and "known: " in done.stderr
