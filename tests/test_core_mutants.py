"""The core's tests tell right from nearly right: each mutant makes one of their checks fail."""

import numpy as np
import pytest
import test_constants
import test_folding
import test_ties
import test_weighted
from graphs import inputs_for
from test_folding_law import test_nothing_is_lost_nothing_is_moved as no_loss_no_move

from tflite_requant.correction import folding, rounding
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QParams, TensorType, dtypes
from tflite_requant.planning import clamps, grid
from tflite_requant.planning import folding as conditions
from tflite_requant.requantize import requantize
from tflite_requant.rules import constants, weighted


def bias_takes_the_mean():
    test_weighted.TestFolding().test_the_bias_takes_the_mean_of_what_is_lost()
    no_loss_no_move()


def consumer_undoes_the_offset():
    test_weighted.TestW5Offsets().test_the_consumers_side_is_exact()


def constants_shift():
    test_constants.test_rewrite([0, 3, 255], (0.1, 3), ("int8", 0.1, -125), [-128, -125, 127])


def constants_round():
    test_constants.test_rewrite([3, 2, 1, 0], (1.0, 3), ("int8", 2.0, 0), [0, -1, -1, -2])


def folded_integers_stay():
    test_folding.test_its_integers_move_by_no_more_than_a_rounding(test_folding.pair())


def padding_forbids_a_fold():
    model = test_folding.pair(second=test_folding.SAME, taps=3)
    test_folding.TestWhere().test_conditions(model, set())


def clamp_is_kept():
    old, new = TensorType("uint8", QParams.of(6 / 255)), TensorType("int8", QParams.of(1 / 16))
    assert clamps.restore(old, "NONE", new, ("NONE", "RELU", "RELU6")).activation == "RELU6"


def grid_covers():
    source = TensorType("uint8", QParams.of(0.5, 0))
    found = grid.fit(source, test_folding.scheme("symmetric-po2").activations, 0.0, 127.5)
    assert found.qparams == QParams.of(2.0)


def int8_is_the_source_shifted():
    """A copy of integers gives the source's, less 128."""
    model = test_ties.TestRawCopies.two("MAX_POOL_2D", 6 / 255, 6 / 255)
    result = requantize(model, "int8").model
    (stored,) = inputs_for(model)
    real = (stored.astype(float) - model.inputs[0].qparams.zero_point) * (6 / 255)
    new = Interpreter(result).run([real])[0].astype(int)
    assert (new + 128 == Interpreter(model).run([stored])[0]).all()


def _flip_folding(monkeypatch):
    original = folding.moved
    monkeypatch.setattr(folding, "moved", lambda old, new, m: -original(old, new, m))


def _forget_the_input_offset(monkeypatch):
    monkeypatch.setattr(weighted, "row_sums", lambda real: np.zeros(len(real)))


def _flip_the_input_offset(monkeypatch):
    original = weighted.row_sums
    monkeypatch.setattr(weighted, "row_sums", lambda real: -original(real))


def _drop_the_zero_point(monkeypatch):
    def rewrite(constant, new):
        low, high = dtypes.RANGES[new.dtype]
        return np.clip(constant.centred(), low, high)

    monkeypatch.setattr(constants, "rewrite", rewrite)
    monkeypatch.setattr(test_constants, "rewrite", rewrite)


def _round_half_even(monkeypatch):
    monkeypatch.setattr(constants, "round_half_away", np.rint)


def _truncate_biases(monkeypatch):
    monkeypatch.setattr(weighted, "round_half_away", lambda values: np.trunc(values) + 7)


def _ignore_padding(monkeypatch):
    monkeypatch.setattr(conditions, "reads_padding", lambda subgraph, op: False)


def _allow_nothing_fused(monkeypatch):
    monkeypatch.setitem(clamps.BOUNDS, "RELU6", clamps.BOUNDS["NONE"])


def _smaller_power_of_two(monkeypatch):
    original = grid.power_of_two_at_least
    monkeypatch.setattr(grid, "power_of_two_at_least", lambda value: original(value) / 2)


def _wrong_shift(monkeypatch):
    monkeypatch.setitem(grid.SHIFT, ("uint8", "int8"), -127)


def _weights_one_off(monkeypatch):
    original = rounding.nearest
    monkeypatch.setattr(rounding, "nearest", lambda *a: np.clip(original(*a) + 1, -127, 127))


def rows_are_nearest():
    test_weighted.TestW1Weights().test_directions(
        "int8-per-tensor", ([[1, -5], [100, 50]], [0.1, 0.3], 0), "int8", "one"
    )
    found = rounding.nearest(np.array([[0.3, -0.26]]), np.array([0.1]), -127, 127)
    assert found.tolist() == [[3, -3]]


MUTANTS = {
    "folding with the wrong sign": (_flip_folding, bias_takes_the_mean),
    "input offset forgotten": (_forget_the_input_offset, consumer_undoes_the_offset),
    "input offset with the wrong sign": (_flip_the_input_offset, consumer_undoes_the_offset),
    "constants without their zero point": (_drop_the_zero_point, constants_shift),
    "constants rounded half to even": (_round_half_even, constants_round),
    "biases truncated": (_truncate_biases, consumer_undoes_the_offset),
    "padding ignored": (_ignore_padding, padding_forbids_a_fold),
    "RELU6 without its bound": (_allow_nothing_fused, clamp_is_kept),
    "a power of two too small": (_smaller_power_of_two, grid_covers),
    "the wrong shift between 8-bit types": (_wrong_shift, int8_is_the_source_shifted),
    "weights one off": (_weights_one_off, rows_are_nearest),
}
CHECKS = {check.__name__: check for _, check in MUTANTS.values()} | {"folded": folded_integers_stay}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_code_as_it_is_passes(check):
    check()


@pytest.mark.parametrize(("mutate", "check"), MUTANTS.values(), ids=MUTANTS)
def test_mutant(mutate, check, monkeypatch):
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check()
