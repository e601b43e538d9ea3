#!/usr/bin/env python3
"""Simulate conv.v with Icarus Verilog on golden vectors: right, and with seven planted bugs.

Exit code 1 if the right design fails, or a bug passes the directed vectors. Without iverilog it
says so and exits 0; with --require-simulator it exits 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from common import BUILD, HERE, LAYERS, ROOT, SOURCES, make_vectors, manifest, narrow, parameters

BUGS = {
    1: "one lane: negative ties go up",
    2: "one lane: positive ties go down",
    3: "one lane: rounded once instead of twice",
    4: "one lane: high product drops its bits",
    5: "an accumulator one bit too narrow",
    6: "an accumulator that saturates as early",
    7: "a rescaled value one bit too narrow",
}
SHOWN = 1  # the bug whose dump is handed back to the program, and what that has to say
SAID = "negative ties of the last step go up"


def compile_design(operator: dict, bug: int) -> Path:
    """An executable simulation of one operator."""
    target = BUILD / f"conv_{operator['index']}_{bug}.vvp"
    values = {**parameters(operator), **narrow(BUILD / "directed", operator), "BUG": bug}
    words = [f"-Ptb.{name}={value}" for name, value in values.items()]
    files = [str(f) for f in (HERE / "tb.v", *SOURCES)]
    command = ["iverilog", "-g2005", "-o", str(target), "-s", "tb", *words, *files]
    subprocess.run(command, check=True)
    return target


def simulate(design: Path, folder: Path, operator: dict, dump: Path | None = None):
    """(outputs checked, outputs wrong, the first mismatch as words or "")."""
    home = folder / operator["folder"]
    names = [Path(c["arrays"][0]["files"]["hex"]).parent.name for c in operator["cases"]]
    listed = BUILD / "cases.txt"
    listed.write_text("".join(f"{home / name} {name}\n" for name in names))
    words = [f"+constants={home / 'constants'}", f"+cases={listed}"]
    if dump is not None:
        for name in names:
            (dump / operator["folder"] / name).mkdir(parents=True, exist_ok=True)
        words.append(f"+dump={dump / operator['folder']}")
    done = subprocess.run(
        ["vvp", "-n", str(design), *words], check=True, capture_output=True, text=True
    )
    checked = re.search(r"CHECKED (\d+), (\d+) wrong", done.stdout)
    if checked is None:
        sys.exit(f"the simulation did not end: {done.stdout}{done.stderr}")
    first = re.search(r"MISMATCH (.*)", done.stdout)
    return int(checked[1]), int(checked[2]), first[1] if first else ""


def found_at(designs: dict[int, Path], folder: Path, operators: list[dict]) -> tuple[str, bool]:
    """("output 17", True) for the first output that shows a bug, counted over all layers."""
    before = 0
    for operator in operators:
        checked, wrong, _ = simulate(designs[operator["index"]], folder, operator)
        if wrong:
            return f"output {before + checked:,}", True
        before += checked
    return f"missed in {before:,}", False


def main() -> int:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        print("skipped: iverilog is not installed (Debian: apt-get install iverilog)")
        return int("--require-simulator" in sys.argv[1:])
    directed, random = make_vectors()
    operators = {f: manifest(f)["operators"] for f in (directed, random)}
    failed = False
    print("conv.v on golden vectors of digits_qat_uint8, scheme int8\n")
    for operator in operators[directed]:
        design = compile_design(operator, 0)
        counts = [
            simulate(design, f, next(o for o in operators[f] if o["index"] == operator["index"]))
            for f in (directed, random)
        ]
        good = not any(wrong for _, wrong, _ in counts)
        failed |= not good
        verdict = "right" if good else f"WRONG: {counts[0][2] or counts[1][2]}"
        layer = LAYERS[operator["index"]]
        print(f"  layer {operator['index']}  {layer:22}{sum(c for c, _, _ in counts):7,} outputs  "
              f"{verdict}")  # fmt: skip
    print(f"\n  {'planted bug':42}{'directed':>16}{'random':>20}")
    for bug, text in BUGS.items():
        designs = {o["index"]: compile_design(o, bug) for o in operators[directed]}
        (there, caught), (other, _) = (found_at(designs, f, operators[f]) for f in operators)
        failed |= not caught
        print(f"  {text:42}{there:>16}{other:>20}")
    failed |= not diagnosed(directed, operators[directed])
    return int(failed)


def diagnosed(directed: Path, operators: list[dict]) -> bool:
    """Dump what the design with one bug computes, and let the program say what is wrong with it."""
    dump = BUILD / "dump"
    shutil.rmtree(dump, ignore_errors=True)
    for operator in operators:
        simulate(compile_design(operator, SHOWN), directed, operator, dump)
    command = [sys.executable, "-m", "tflite_requant", "golden", "--verify", str(directed)]
    done = subprocess.run([*command, "--actual", str(dump)], capture_output=True, text=True,
                          cwd=ROOT)  # fmt: skip
    print(f"\nWhat golden --actual says of bug {SHOWN}:\n")
    print("\n".join(f"  {line}" for line in done.stdout.splitlines()[1:]))
    return done.returncode == 1 and SAID in " ".join(done.stdout.split())


if __name__ == "__main__":
    sys.exit(main())
