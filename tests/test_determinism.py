"""The same bytes whatever the threads, the BLAS kernels and the vector units of the CPU.

Run as a program this file is the child: `test_determinism.py MODEL` requantizes a model several
ways and prints the SHA-256 of each result.
"""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).resolve()
WAYS = (
    ("symmetric-per-tensor", True),
    ("symmetric-per-tensor", False),
    ("symmetric-po2-per-tensor", False),
)


def show(path: Path) -> None:
    """The child's work."""
    from tflite_requant.flatbuffer import read
    from tflite_requant.requantize import requantize

    model = read(path.read_bytes())
    samples = np.load(path.with_name("digits_samples.npz"))["calibration"]
    for scheme, calibrated in WAYS:
        data = requantize(model, scheme, samples if calibrated else None).model.to_bytes()
        print(scheme, calibrated, hashlib.sha256(data).hexdigest())


def vector_units() -> list[str]:
    """What this CPU has beyond NumPy's baseline, by the names that NumPy can switch off."""
    core = getattr(np, "_core", None) or np.core
    umath = core._multiarray_umath
    return [f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f)]


def environments() -> dict[str, dict[str, str]]:
    units = vector_units()
    wide = any("512" in unit or "V4" in unit for unit in units)
    return {
        "one thread": {"OPENBLAS_NUM_THREADS": "1"},
        "two threads, another hash seed": {"OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "12345"},
        "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
        **({"SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"}} if wide else {}),
        "no vector units": {
            "NPY_DISABLE_CPU_FEATURES": " ".join(units),
            "OPENBLAS_CORETYPE": "Nehalem",
        },
    }


@pytest.fixture(scope="module")
def results(demo_model):
    """Environment -> the lines that the child prints in it."""

    def run(changes):
        keep = {
            k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "NPY_", "OMP"))
        }
        path = os.pathsep.join([str(CHILD.parent.parent), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, str(CHILD), str(demo_model)],
            env={**keep, "PYTHONPATH": path, **changes},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(environments(), pool.map(run, environments().values()), strict=True))


@pytest.mark.parametrize("name", [n for n in environments() if n != "one thread"])
def test_same_bytes(name, results):
    assert len(results[name]) == len(WAYS)
    assert results[name] == results["one thread"]


def test_the_ways_differ(results):
    assert len({line.split()[-1] for line in results["one thread"]}) == len(WAYS)


if __name__ == "__main__":
    show(Path(sys.argv[1]))
