#!/usr/bin/env python3
"""Run test_conv.py with cocotb and Icarus Verilog: the right design, and one with a planted bug.

Exit code 1 if the right one fails or the other passes. Without cocotb or iverilog it says so and
exits 0; with --require-simulator it exits 1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from common import BUILD, HERE, LAYERS, SOURCES, make_vectors, manifest, narrow, parameters

PLANTED = 5


def failures(operator: dict, folder, bug: int) -> int:
    """How many cocotb tests fail."""
    from cocotb_tools.runner import get_results, get_runner

    runner = get_runner("icarus")
    build = BUILD / f"cocotb_{operator['index']}_{bug}"
    values = {**parameters(operator), **narrow(folder, operator), "BUG": bug}
    runner.build(
        sources=SOURCES, hdl_toplevel="conv", parameters=values,
        build_dir=build, build_args=["-g2005"], always=True, timescale=("1ns", "1ps"),
        log_file=build / "build.log",
    )  # fmt: skip
    found = {"GOLDEN_SET": str(folder), "GOLDEN_LAYER": str(operator["index"])}
    results = runner.test(
        hdl_toplevel="conv", test_module="test_conv", build_dir=build, test_dir=build,
        extra_env={**found, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        log_file=build / "test.log",
    )  # fmt: skip
    return get_results(results)[1]


def main() -> int:
    if importlib.util.find_spec("cocotb") is None or shutil.which("iverilog") is None:
        print("skipped: needs cocotb (pip install '.[cocotb]') and iverilog (apt-get)")
        return int("--require-simulator" in sys.argv[1:])
    directed, _ = make_vectors()
    operators = manifest(directed)["operators"]
    failed = False
    print("conv.v under cocotb\n")
    for operator in operators:
        wrong = failures(operator, directed, 0)
        failed |= wrong > 0
        layer = f"layer {operator['index']}  {LAYERS[operator['index']]}"
        print(f"  {layer:40}{'WRONG' if wrong else 'right'}")
    caught = any(failures(operator, directed, PLANTED) for operator in operators)
    print(f"  {'an accumulator one bit too narrow':40}{'caught' if caught else 'NOT CAUGHT'}")
    return int(failed or not caught)


if __name__ == "__main__":
    sys.exit(main())
