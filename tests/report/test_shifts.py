"""Shifts are told alike by report, page, check and golden vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.check import check
from tflite_requant.fixedpoint.power_of_two import told_shifts
from tflite_requant.report.text import shifts
from tflite_requant.requantize import requantize
from tflite_requant.schemes import RescaleLaw, load_scheme
from tflite_requant.study.single import single_weights
from tflite_requant.testing import GraphBuilder, TensorSpec

PO2 = load_scheme("symmetric-po2-per-tensor")
SHIFTS = replace(PO2, rescale=RescaleLaw(multiplier_bits=0))


@pytest.mark.parametrize(
    "real, told",
    [
        pytest.param([0.5, 1.0, 2.0**-9], ([-1, 0, -9], True), id="powers"),
        pytest.param([0.25 * (1 - 2**-23), 0.25 * (1 + 2**-23)], ([-2, -2], True), id="nearly"),
        pytest.param([0.25, 0.3], ([-1, -1], False), id="one-is-none"),
        pytest.param([0.75], ([0], False), id="none"),
    ],
)
def test_a_power_of_two_is_told_whole(real, told):
    found, only = told_shifts(np.array(real))
    assert (found.tolist(), only) == told


@pytest.mark.parametrize(
    "pair, only, text",
    [
        (None, None, ""), ((-7, -7), True, "2^-7"), ((-9, -6), True, "2^-9..-6"),
        ((-9, -6), False, "-9..-6"), ((0, 0), False, "0"),
    ],
)  # fmt: skip
def test_text(pair, only, text):
    assert shifts(pair, only) == text


def fully_connected():
    """int8, 4 to 2: weights lose their scale to a power of two."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 4), 0.03, 0, name="x"))
    w = graph.tensor(TensorSpec("int8", scale=0.01, data=[[1, 99, -40, 7], [8, 2, 0, 1]]))
    b = graph.tensor(TensorSpec("int32", scale=0.0003, data=[5, 9]))
    y = graph.tensor(TensorSpec("int8", (1, 2), 0.05, 0, name="y"))
    graph.operator("FULLY_CONNECTED", (x, w, b), (y,))
    return graph.build((x,), (y,))


@pytest.mark.parametrize("scheme", [PO2, SHIFTS], ids=["multiplies", "only-shifts"])
def test_report_check_and_golden_agree(scheme, folder):
    result = requantize(fully_connected(), scheme)
    row = result.report.operators[0]
    shift = row.shifts[0]
    assert (row.shifts, row.only_shifts) == ((shift, shift), True)
    one = single_weights(result.model)[0]
    assert (one.shifts, one.multipliers, one.only_shifts) == ((shift,), (2.0**shift,), True)
    beyond = replace(scheme, rescale=RescaleLaw(0, (shift + 1, 30)))
    (found,) = [f.found for f in check(result.model, beyond) if f.law == "rescale-shift"]
    assert found.endswith(f" shifts by {shift}")
    tr.write_golden_vectors(result.model, folder="golden", formats=("npz",))
    (constants,) = Path("golden").rglob("constants.npz")
    with np.load(constants) as arrays:
        assert arrays["right_shift"].tolist() == [-shift]


def test_other_multipliers_are_told_as_tflite_does():
    row = requantize(fully_connected(), "symmetric").report.operators[0]
    assert row.only_shifts is False
    assert row.shifts == (-7, -7)  # 0.03 * 0.01 / 0.05 = 0.768 * 2^-7
