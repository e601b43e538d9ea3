"""TFLite Micro in a child process, which dies on some models: results, or None for those."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ARENA = 64 << 20

# A new interpreter for every run: there is no way to reset one's variables.
CHILD = """
import sys
from pathlib import Path
import numpy as np
from tflite_micro import runtime
folder, first, last, arena = Path(sys.argv[1]), *map(int, sys.argv[2:])
for i in range(first, last):
    found = {}
    with np.load(folder / f"{i}.in.npz") as given:
        runs, outputs = int(given["runs"]), int(given["outputs"])
        try:
            for r in range(runs):
                micro = runtime.Interpreter.from_file(str(folder / f"{i}.tflite"), arena_size=arena)
                arrays = [given[f"{r}_{k}"] for k in range(int(given["inputs"]))]
                for k, array in enumerate(arrays):
                    micro.set_input(array, k)
                micro.invoke()
                found.update({f"{r}_{k}": micro.get_output(k) for k in range(outputs)})
                del micro
            np.savez(folder / f"{i}.out.npz", **found)
        except (RuntimeError, ValueError):
            pass
    (folder / f"{i}.done").touch()
"""


def tflm_run_many(
    jobs: Sequence[tuple[bytes, Sequence[Sequence[np.ndarray]], int]],
) -> list[list[list[np.ndarray]] | None]:
    """For each (model, inputs of each run, number of outputs) the outputs of each run.

    None where TFLite Micro refuses the model, or ends the process.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, (model, runs, outputs) in enumerate(jobs):
            (folder / f"{i}.tflite").write_bytes(model)
            arrays = {f"{r}_{k}": a for r, run in enumerate(runs) for k, a in enumerate(run)}
            counts = {"runs": len(runs), "inputs": len(runs[0]), "outputs": outputs}
            np.savez(folder / f"{i}.in.npz", **counts, **arrays)
        start = 0
        while start < len(jobs):
            command = [sys.executable, "-c", CHILD, name, str(start), str(len(jobs)), str(ARENA)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            finished = [i for i in range(start, len(jobs)) if (folder / f"{i}.done").exists()]
            if done.returncode == 0 or len(finished) == len(jobs) - start:
                break
            assert done.returncode < 0, done.stderr[-600:]
            start = (finished[-1] if finished else start - 1) + 2
        return [_outputs(folder / f"{i}.out.npz", job) for i, job in enumerate(jobs)]


def _outputs(path: Path, job) -> list[list[np.ndarray]] | None:
    if not path.exists():
        return None
    _, runs, outputs = job
    with np.load(path) as found:
        return [[found[f"{r}_{k}"] for k in range(outputs)] for r in range(len(runs))]
