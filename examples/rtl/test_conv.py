"""cocotb: conv.v on one set of golden vectors, read through its manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

SET = Path(os.environ["GOLDEN_SET"])
LAYER = int(os.environ["GOLDEN_LAYER"])


def arrays(entries) -> dict[str, np.ndarray]:
    """Arrays by name, from the .npz that the manifest names."""
    with np.load(SET / entries[0]["files"]["npz"]) as archive:
        return {entry["name"]: archive[entry["name"]] for entry in entries}


def fill(memory, values: np.ndarray) -> None:
    for index, value in enumerate(values.reshape(-1).tolist()):
        memory[index].value = value


@cocotb.test()
async def golden_vectors(dut):
    """Every accumulator and output of every case, in order."""
    operators = json.loads((SET / "manifest.json").read_text("utf-8"))["operators"]
    operator = next(o for o in operators if o["index"] == LAYER)
    constants = arrays(operator["constants"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.reset.value = 1
    for name in ("weights", "bias", "multiplier", "shift"):
        fill(getattr(dut, name), constants[name])
    dut.input_zero_point.value = int(constants["input_zero_point"][0])
    dut.output_zero_point.value = int(constants["output_zero_point"][0])
    dut.low.value = int(constants["activation_min"][0])
    dut.high.value = int(constants["activation_max"][0])
    for case in operator["cases"]:
        expected = arrays(case["arrays"])
        dut.reset.value = 1
        fill(dut.x, expected["input"])
        await FallingEdge(dut.clk)
        dut.reset.value = 0
        sums, outs = (expected[n].reshape(-1).tolist() for n in ("accumulator", "output"))
        for at, (want_sum, want) in enumerate(zip(sums, outs, strict=True)):
            await FallingEdge(dut.clk)
            while not int(dut.valid.value):
                await FallingEdge(dut.clk)
            got = dut.accumulator.value.to_signed(), dut.out.value.to_signed()
            where = f"{case['id']} ({' '.join(case['flags'])}) output {at}"
            assert got == (want_sum, want), f"{where}: {got}, not {(want_sum, want)}"
