"""What is counted of two tensors: elements, steps, SQNR."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.compare.matching import Meaning, Pair
from tflite_requant.compare.outcome import BEYOND, STEPS
from tflite_requant.compare.tally import Tally
from tflite_requant.model import QParams, Tensor


def pair(dtype_a, qparams_a, dtype_b, qparams_b, offset_b=0.0) -> Pair:
    a = Tensor(0, "a", (4,), dtype_a, qparams_a, 0)
    b = Tensor(0, "b", (4,), dtype_b, qparams_b, 0)
    return Pair(a, b, meaning_b=Meaning(offset=offset_b))


HALF, QUARTER = QParams.of(0.5, 0), QParams.of(0.25, 0)
INT8 = ("int8", HALF, "int8", HALF)


@pytest.mark.parametrize(
    "kind, a, b, differing, steps",
    [
        pytest.param(INT8, [1, 2, 3, 4], [1, 2, 3, 4], 0, {0: 4}, id="equal"),
        pytest.param(INT8, [1, 2, 3, 4], [0, 4, 3, 1], 3, {-1: 1, 0: 1, 2: 1, -3: 1}, id="steps"),
        pytest.param(INT8, [-128, 127, 0, 0], [127, -128, 4, -4], 4, {BEYOND: 4}, id="far"),
        pytest.param(
            ("int8", HALF, "int8", QUARTER), [1, 2, 3, 4], [2, 4, 7, 12], 1, {0: 3, 2: 1},
            id="half-steps-to-even",
        ),
        pytest.param(
            ("int8", HALF, "int8", HALF, 1.0), [1, 2, 3, 4], [3, 4, 5, 7], 1, {0: 3, 1: 1},
            id="offset",
        ),
        pytest.param(
            ("float32", None, "int8", HALF), [0.5, 1.0, 1.5, 2.0], [1, 2, 3, 5], 1, {0: 3, 1: 1},
            id="float-against-int8",
        ),
        pytest.param(
            ("float32", None, "float32", None), [0.5, math.nan, 1, math.inf],
            [0.5, math.nan, 2, math.inf], 1, None, id="float",
        ),
        pytest.param(
            ("bool", None, "bool", None), [True, False, True, False], [True, True, False, False],
            2, {-1: 1, 0: 2, 1: 1}, id="bool",
        ),
        pytest.param(
            ("int64", None, "int64", None), [2**62, 0, 0, 0], [2**62 + 1, 0, 0, -(2**62)], 2,
            {0: 2, 1: 1, BEYOND: 1}, id="int64",
        ),
    ],
)  # fmt: skip
def test_tally(kind, a, b, differing, steps):
    dtypes = {"float32": np.float32, "int8": np.int8, "bool": np.bool_, "int64": np.int64}
    tally = Tally(pair(*kind))
    tally.add(0, np.array(a, dtypes[kind[0]]), np.array(b, dtypes[kind[2]]))
    found = tally.result("op 0 X a")
    assert (found.elements, found.differing) == (4, differing)
    expected = {} if steps is None else {**dict.fromkeys([*STEPS, BEYOND], 0), **steps}
    assert found.histogram == expected
    assert (found.first is None) == (differing == 0)


def test_tally_of_scalars():
    scalar = Tensor(0, "a", (), "int8", HALF, 0)
    tally = Tally(Pair(scalar, replace(scalar, qparams=QUARTER)))
    tally.add(0, np.array(4, np.int8), np.array(4, np.int8))
    found = tally.result("op 0 X a")
    assert found.first.position == ()
    assert (found.first.a, found.first.b) == (2.0, 1.0)


def test_tally_of_other_shapes():
    tally = Tally(pair(*INT8))
    tally.add(0, np.zeros(4, np.int8), np.zeros(3, np.int8))
    found = tally.result("op 0 X a")
    assert (found.differing, found.histogram[BEYOND]) == (4, 4)
    assert (found.first.a, found.first.b) == ("[4]", "[3]")
    assert found.sqnr == -math.inf


def test_labels_have_no_sqnr():
    tally = Tally(pair("int32", None, "int32", None))
    tally.add(0, np.zeros(4, np.int32), np.ones(4, np.int32))
    assert tally.result("op 0 X a").sqnr is None
