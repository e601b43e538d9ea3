"""The generated cases tell right arithmetic from nearly right: each mutant changes some output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import cases

from tflite_requant.catalog import arithmetic
from tflite_requant.fixedpoint import multiplier
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import (
    _accumulate,
    _activation,
    _table,
    _weighted,
    _window,
    depthwise_conv_2d,
    relu,
    softmax,
)


def _rounding(monkeypatch):
    monkeypatch.setitem(multiplier.INTEGER_RESCALES, "double", multiplier.rescale_double_up)


def _single_rounding(monkeypatch):
    monkeypatch.setitem(multiplier.INTEGER_RESCALES, "double", multiplier.rescale_single)


def _wide_as_narrow(monkeypatch):
    monkeypatch.setitem(multiplier.INTEGER_RESCALES, "int64", multiplier.rescale_single)


def _fully_connected_as_integers(monkeypatch):
    monkeypatch.setitem(arithmetic.PROFILES, "litert-reference", ())


def _scale_product_in_double(monkeypatch):
    rules = arithmetic.PROFILES["litert-reference"]
    double = (("uint8", arithmetic.Rescaling()),)
    monkeypatch.setitem(
        arithmetic.PROFILES,
        "litert-reference",
        tuple(replace(rule, default=arithmetic.Rescaling(), per_tensor=double) for rule in rules),
    )


def _no_input_zero_point(monkeypatch):
    monkeypatch.setattr(depthwise_conv_2d, "centred32", lambda q: q.integers.astype(np.int32))


def _padding_in_front(monkeypatch):
    original = _window.axis

    def shifted(*arguments):
        axis = original(*arguments)
        return replace(axis, before=axis.after)

    monkeypatch.setattr(_window, "axis", shifted)


def _activation_bound(monkeypatch):
    original = _activation.on_grid
    monkeypatch.setattr(_activation, "on_grid", lambda real, out: original(real, out) - 1)


def _no_bias(monkeypatch):
    original = _accumulate.add_bias
    monkeypatch.setattr(_weighted, "add_bias", lambda p, bias, wide: original(p, None, wide))


def _relu_bound(monkeypatch):
    monkeypatch.setattr(relu, "on_grid", lambda real, out: _activation.on_grid(real, out) - 1)


def _floor_in_softmax(monkeypatch):
    monkeypatch.setattr(softmax, "shift_half_away", lambda values, bits: values >> bits)


def _other_table(monkeypatch):
    monkeypatch.setattr(_table, "round_half_away", np.floor)


MUTANTS = [
    (_rounding, "CONV_2D-int8"),
    (_rounding, "ADD-int8"),
    (_rounding, "QUANTIZE-int8"),
    (_rounding, "MEAN-uint8"),
    (_single_rounding, "DEPTHWISE_CONV_2D-uint8"),
    (_single_rounding, "MUL-int8"),
    (_wide_as_narrow, "CONV_2D-int16"),
    (_fully_connected_as_integers, "FULLY_CONNECTED-int8"),
    (_scale_product_in_double, "CONV_2D-uint8"),
    (_scale_product_in_double, "DEPTHWISE_CONV_2D-uint8"),
    (_no_input_zero_point, "DEPTHWISE_CONV_2D-int8"),
    (_padding_in_front, "CONV_2D-uint8"),
    (_padding_in_front, "AVERAGE_POOL_2D-int8"),
    (_activation_bound, "CONV_2D-int8"),
    (_relu_bound, "RELU6-uint8"),
    (_no_bias, "CONV_2D-int8"),
    (_floor_in_softmax, "SOFTMAX-int8"),
    (_other_table, "TANH-int8"),
]


def _outputs(name: str) -> list[np.ndarray]:
    found = []
    for case in cases(name):
        interpreter = Interpreter(case.model)
        found += [out for inputs in case.runs for out in interpreter.run(inputs)]
    return found


@pytest.mark.parametrize(("mutate", "name"), MUTANTS)
def test_mutants_are_seen(monkeypatch, mutate, name):
    right = _outputs(name)
    mutate(monkeypatch)
    wrong = _outputs(name)
    assert any(not np.array_equal(a, b) for a, b in zip(right, wrong, strict=True))
