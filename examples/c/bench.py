#!/usr/bin/env python3
"""Compile conv_check.c with the headers of golden vectors, and run it: right, and with a bug.

Exit code 1 if the right one fails or the other passes. Without a C compiler it says so and
exits 0; with --require-simulator it exits 1.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEMO = ROOT / "examples" / "demo" / "digits_qat_uint8.tflite"
BUILD = ROOT / "build" / "examples" / "c"
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
RUNS = (("int8", 0), ("int8", 1), ("symmetric-po2", 0))


def program(*words: str) -> None:
    """Run tflite_requant."""
    command = [sys.executable, "-m", "tflite_requant", *words, "--quiet"]
    subprocess.run(command, check=True, cwd=ROOT)


def wrong_cases(compiler: str, folder: Path, bug: int) -> tuple[int, int]:
    """(cases that fail, cases) of the C program with a set's operator."""
    target = BUILD / f"conv_check_{bug}"
    sources = [HERE / "conv_check.c", *sorted(folder.glob("*.c"))]
    words = [compiler, *FLAGS, f"-DBUG={bug}", "-I", folder, "-o", target, *sources]
    subprocess.run([str(word) for word in words], check=True)
    lines = subprocess.run([target], capture_output=True, text=True).stdout.splitlines()
    return sum("WRONG" in line for line in lines), len(lines)


def main() -> int:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        print("skipped: no C compiler (Debian: apt-get install gcc libc6-dev)")
        return int("--require-simulator" in sys.argv[1:])
    BUILD.mkdir(parents=True, exist_ok=True)
    model, golden = BUILD / "digits.tflite", BUILD / "golden"
    failed = False
    print("conv_check.c on golden vectors of digits_qat_uint8, layer 0\n")
    for scheme, bug in RUNS:
        program(str(DEMO), "--scheme", scheme, "--output", str(model))
        program("golden", str(model), "--layers", "0", "--formats", "c", "--output", str(golden))
        wrong, count = wrong_cases(compiler, golden / "000_conv_2d", bug)
        failed |= count == 0 or (wrong > 0) != bool(bug)
        what = f"{scheme}, rounded once instead of twice" if bug else scheme
        print(f"  {what:45}{wrong} of {count} cases wrong")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
