"""What a variant goes through: every command of the program, in this process.

A variant may be refused (exit code 1 or 2 and lines on stderr) or work; anything else is a failure:
an internal error, a traceback, too much time or memory, a file left behind, an unreadable result.
"""

from __future__ import annotations

import contextlib
import io
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tflite_requant import files
from tflite_requant.cli import main
from tflite_requant.errors import RequantError

SECONDS = 5.0
MEMORY = 1 << 30
SCHEMES = ("int8", "symmetric", "int16x8", "symmetric-po2", "uint8", "int8-per-tensor",
           "symmetric-per-tensor", "symmetric-po2-per-tensor")  # fmt: skip
SMALL = 1 << 17  # bytes of a file
RESULT = "result.tflite"


class TooSlow(BaseException):
    """The alarm rang; no handler of the program's own may catch it."""


def commands(model: str, number: int, size: int) -> list[list[str]]:
    """Command lines for one variant; its number chooses scheme and flags. Vectors of large models
    take minutes, damaged or not."""
    scheme = SCHEMES[number % len(SCHEMES)]
    flags = (["--keep-unknown"], ["--keep-io"], ["--strict-meaning"], ["--clamps", "exact"])
    calibration = ["--calibration", "prior"] if number % 5 == 0 else []  # else what is the default
    golden = ["golden", model, "-o", "golden", "--directed", "2", "--formats", "npz,c", "-v"]
    return [
        *([golden] if number % 6 == 1 and size < SMALL else []),
        ["inspect", model, "--json"],
        ["check", model, "-s", scheme, "-v"],
        [model, "-s", scheme, "-o", RESULT, "-v", *flags[number % 4], *calibration],
        ["run", model, "--inputs", "random:1", "-v", "-o", "outputs.npz"],
    ]


def limit_memory() -> None:
    """From now on this process may take MEMORY more than it has: MemoryError tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def failures(data: bytes, number: int, folder: Path) -> Iterator[str]:
    """What goes wrong with a variant; `folder` is empty, is the current one, and is emptied."""
    model = folder / "variant.tflite"
    model.write_bytes(data)
    for words in commands(model.name, number, len(data)):
        name = words[0] if words[0] != model.name else "requantize"
        before = {p.name for p in folder.iterdir()}
        start = time.process_time()
        code, err = _run(words)
        took = time.process_time() - start
        if took > SECONDS:
            yield f"{name}: took {took:.1f} s"
        if code not in (0, 1, 2):
            yield f"{name}: exit code {code}: {_last_lines(err)}"
        elif "Traceback" in err:
            yield f"{name}: traceback: {_last_lines(err)}"
        elif code and not err and name != "check":
            yield f"{name}: exit code {code} without a word"
        new = {p.name for p in folder.iterdir()} - before
        if code and new:
            yield f"{name}: exit code {code} and left {sorted(new)}"
        if not code and RESULT in new:
            yield from _unreadable(folder / RESULT)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run(words: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    previous = signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, 4 * SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return main(words), err.getvalue()
    except TooSlow:
        return 0, err.getvalue()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _ring(*_) -> None:
    raise TooSlow


def _unreadable(path: Path) -> Iterator[str]:
    try:
        files.load(path)
    except RequantError as error:
        yield f"requantize: wrote a file that cannot be read: {error}"


def _last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    places = [line.strip() for line in lines if line.startswith("  File ")]
    return " | ".join([*places[-2:], *lines[-1:]])[:600]
