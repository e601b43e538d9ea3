"""LiteRT, in a child process: some files kill the process that runs them.

`python -m tflite_requant.runtime JOB` is the child: it reads the request from a folder, runs, and
writes what came out.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tflite_requant.errors import RequantError, UsageError
from tflite_requant.extras import RUNTIME, install

RESOLVERS = {
    "reference": "BUILTIN_REF",
    "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "default": "AUTO",
}


# Reading any other tensor (a resource handle, say) through LiteRT may end the process.
SHOWN = (
    np.uint8,
    np.int8,
    np.int16,
    np.int32,
    np.int64,
    np.float32,
    np.float16,
    np.bool_,
    np.uint32,
    np.float64,
)
LONGEST_LINE = 300
# The last character of a message that another one follows.
GLUED = re.compile(r"\S(?=Node number \d+ \()|[.)](?=[A-Z][a-z]+ )")


class RuntimeFailure(RequantError):
    """The runtime refused a model, or its process died; nothing is known about what it computes."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeRun:
    """One invocation: the outputs in graph order, and where asked every tensor by its index."""

    outputs: list[np.ndarray]
    tensors: dict[int, np.ndarray]


def litert_available() -> bool:
    """Whether LiteRT can be imported."""
    return find_spec("ai_edge_litert") is not None


def litert_run(
    model_bytes: bytes,
    batches_of_inputs: Iterable[Sequence[np.ndarray]],
    resolver: str = "reference",
    keep_all: bool = False,
    timeout: float | None = 600.0,
    threads: int = 1,
) -> list[RuntimeRun]:
    """Run a model on several inputs, loading it once; variables are reset before each.

    batches_of_inputs: for each invocation, stored arrays in graph order.
    keep_all: return every tensor that the runtime can show; some operators' tensors cannot.
    Raises RuntimeFailure with the runtime's own line, or with how its process ended.
    """
    results = litert_run_many(
        [(model_bytes, list(batches_of_inputs))], resolver, keep_all, timeout, threads
    )
    if isinstance(results[0], RuntimeFailure):
        raise results[0]
    return results[0]


def litert_run_many(
    jobs: Sequence[tuple[bytes, Sequence[Sequence[np.ndarray]]]],
    resolver: str = "reference",
    keep_all: bool = False,
    timeout: float | None = 600.0,
    threads: int = 1,
) -> list[list[RuntimeRun] | RuntimeFailure]:
    """Several models in as few child processes as possible; a failure is returned in its place.

    When a model kills the child, the models after it are run in a new one.
    """
    if resolver not in RESOLVERS:
        raise UsageError(f"unknown resolver {resolver!r}; known: {', '.join(RESOLVERS)}")
    if not litert_available():
        raise UsageError(f"LiteRT is not installed: {install(RUNTIME)}")
    results: list[list[RuntimeRun] | RuntimeFailure] = []
    while len(results) < len(jobs):
        with tempfile.TemporaryDirectory(prefix="litert-") as folder:
            results += _one_child(Path(folder), jobs[len(results) :], resolver, keep_all, timeout,
                                  threads)  # fmt: skip
    return results


def _one_child(folder: Path, jobs, resolver: str, keep_all: bool, timeout, threads: int) -> list:
    """Results up to and including the first job that kills the child."""
    for i, (model, batches) in enumerate(jobs):
        (folder / f"{i}.tflite").write_bytes(model)
        arrays = {f"{b}_{k}": a for b, arrays in enumerate(batches) for k, a in enumerate(arrays)}
        np.savez(folder / f"{i}.in.npz", **arrays)
    request = {
        "resolver": RESOLVERS[resolver],
        "keep_all": keep_all,
        "threads": threads,
        "counts": [[len(arrays) for arrays in batches] for _, batches in jobs],
    }
    (folder / "request.json").write_text(json.dumps(request))
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    environment = {**os.environ, "PYTHONPATH": path}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tflite_requant.runtime", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=timeout,
        )
        ended = _ending(done.returncode, done.stderr)
    except subprocess.TimeoutExpired:
        ended = f"no answer within {timeout:g} s"
    results = []
    for i in range(len(jobs)):
        if not (folder / f"{i}.done").exists():
            return [*results, RuntimeFailure(f"LiteRT: {ended}")]
        results.append(_collect(folder, i, len(jobs[i][1])))
    return results


def one_line(text: str) -> str:
    """What LiteRT said, cut at a word where it is long. Its messages come without anything between
    them: a sign that ends one is followed by a space, anything else by a semicolon."""
    text = GLUED.sub(lambda end: end[0] + (" " if end[0] in ".:;" else "; "), text)
    return textwrap.shorten(text, LONGEST_LINE, placeholder=" ...")


def _ending(code: int, stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    last = f" ({lines[-1].strip()})" if lines else ""
    if code < 0:
        try:
            name = f" {signal.Signals(-code).name}"
        except ValueError:
            name = ""
        return f"process died with signal {-code}{name}"
    return f"process ended with code {code}{last}"


def _collect(folder: Path, job: int, batches: int) -> list[RuntimeRun] | RuntimeFailure:
    failure = folder / f"{job}.error"
    if failure.exists():
        return RuntimeFailure(f"LiteRT: {failure.read_text()}")
    with np.load(folder / f"{job}.out.npz") as found:
        runs = []
        for b in range(batches):
            outputs = [found[f"{b}_out_{k}"] for k in range(int(found["outputs"]))]
            marker = f"{b}_t_"
            tensors = {
                int(name.removeprefix(marker)): found[name]
                for name in found.files
                if name.startswith(marker)
            }
            runs.append(RuntimeRun(outputs, tensors))
        return runs


def _child(folder: Path) -> None:
    """The child's work: every job of the request, each marked when it is done."""
    request = json.loads((folder / "request.json").read_text())
    for i, counts in enumerate(request["counts"]):
        try:
            with np.load(folder / f"{i}.in.npz") as given:
                batches = [[given[f"{b}_{k}"] for k in range(n)] for b, n in enumerate(counts)]
            found = _invoke(folder / f"{i}.tflite", batches, request)
            np.savez(folder / f"{i}.out.npz", **found)
        except (RuntimeError, ValueError) as error:
            (folder / f"{i}.error").write_text(one_line(str(error)))
        (folder / f"{i}.done").touch()


def _invoke(model: Path, batches, request) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    runtime = None
    for b, arrays in enumerate(batches):
        if runtime is None or _holds_resources(runtime):
            runtime = _loaded(model, arrays, request)
        runtime.reset_all_variables()
        for details, array in zip(runtime.get_input_details(), arrays, strict=True):
            runtime.set_tensor(details["index"], array)
        runtime.invoke()
        outputs = runtime.get_output_details()
        found["outputs"] = np.array(len(outputs))
        for k, details in enumerate(outputs):
            found[f"{b}_out_{k}"] = runtime.get_tensor(details["index"])
        if request["keep_all"]:
            for details in runtime.get_tensor_details():
                if details["dtype"] not in SHOWN:
                    continue
                try:
                    found[f"{b}_t_{details['index']}"] = runtime.get_tensor(details["index"])
                except ValueError:
                    continue  # the runtime holds no data for it
    return found


def _loaded(model: Path, arrays: Sequence[np.ndarray], request):
    """An interpreter with memory for inputs of these shapes."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    runtime = Interpreter(
        model_content=model.read_bytes(),
        experimental_op_resolver_type=OpResolverType[request["resolver"]],
        experimental_preserve_all_tensors=request["keep_all"],
        num_threads=request["threads"],
    )
    for details, array in zip(runtime.get_input_details(), arrays, strict=True):
        if tuple(details["shape"]) != array.shape:
            runtime.resize_tensor_input(details["index"], array.shape)
    runtime.allocate_tensors()
    return runtime


def _holds_resources(runtime) -> bool:
    """Whether there may be variables that only a new interpreter resets."""
    return any(details["dtype"] not in SHOWN for details in runtime.get_tensor_details())


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
