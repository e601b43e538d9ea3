"""Profiles without a runtime: against exact fractions, and against a loop compiled from C.

Governs A3, A4, A10, A15, A26 of docs/arithmetic.md.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from cases import cases

from tflite_requant.catalog.arithmetic import PROFILES, arithmetic_for
from tflite_requant.errors import RequantError, UnsupportedOperatorError
from tflite_requant.fixedpoint.multiplier import quantize_multiplier
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import Operands, OutputType, load
from tflite_requant.kernels._window import axes_2d
from tflite_requant.model.qparams import QArray, QParams
from tflite_requant.testing import TensorSpec, one_operator_model

LOOP = Path(__file__).with_name("rescale_loop.c")
ROUNDINGS = {"single-rounding": 0, "shift-half-up": 1, "shift-half-even": 2,
             "shift-half-away": 3, "shift-truncate": 4}  # fmt: skip
SHIFTS = [name for name in ROUNDINGS if name.startswith("shift-")]
EXACT = {
    "single-rounding": lambda v: math.floor(v + Fraction(1, 2)),
    "shift-half-up": lambda v: math.floor(v + Fraction(1, 2)),
    "shift-half-even": round,
    "shift-half-away": lambda v: int(math.copysign(math.floor(abs(v) + Fraction(1, 2)), v)),
    "shift-truncate": math.floor,
}
WEIGHTED = ("CONV_2D-int8", "DEPTHWISE_CONV_2D-int8", "FULLY_CONNECTED-int8")


def _power(scale: float) -> float:
    return 2.0 ** round(math.log2(scale))


def _with_powers_of_two(model):
    """The model with every scale replaced by the nearest power of two; biases keep integers."""
    tensors = tuple(
        t if t.qparams is None else replace(
            t, qparams=QParams(tuple(map(_power, t.qparams.scales)), t.qparams.zero_points,
                               t.qparams.axis))
        for t in model.main.tensors
    )  # fmt: skip
    return model.changed(subgraphs=(replace(model.main, tensors=tensors),))


def _models(name: str, profile: str):
    """(model, inputs) of the generated cases, such that the profile computes them."""
    for case in cases(name):
        model = case.model if profile == "single-rounding" else _with_powers_of_two(case.model)
        yield model, case.runs[0], case.label


def _stages(model, inputs, profile: str) -> dict[str, np.ndarray]:
    """Every stage of the one operator."""
    (op,) = model.main.operators
    fed = dict(zip(model.main.inputs, inputs, strict=True))
    tensors = model.main.tensors
    operands = tuple(
        None if t < 0 else QArray(fed[t], tensors[t].qparams) if t in fed else tensors[t].qarray()
        for t in op.inputs
    )
    outs = tuple(
        OutputType(tensors[t].dtype, tensors[t].shape, tensors[t].qparams) for t in op.outputs
    )
    law = arithmetic_for(profile, op.name)
    return dict(load(op.name)(Operands(operands, outs), op.options.fields, law))


def _reals(model) -> np.ndarray:
    """s_in * s_w / s_out for every output channel, as float64."""
    (op,) = model.main.operators
    data, weights = (model.main.tensors[t].qparams for t in op.inputs[:2])
    out = model.main.tensors[op.outputs[0]].qparams
    weight_scales = np.array(weights.scales)
    if op.name == "FULLY_CONNECTED" and not weights.per_axis:  # its product is a float32
        product = np.float32(data.scale) * weight_scales.astype(np.float32)
        return product.astype(np.float64) / out.scale
    return data.scale * weight_scales / out.scale


@pytest.mark.parametrize("profile", ROUNDINGS)
@pytest.mark.parametrize("name", WEIGHTED)
def test_rescaled_is_the_rounded_fraction(name, profile):
    compared = 0
    for model, inputs, label in _models(name, profile):
        stages = _stages(model, inputs, profile)
        accumulator = stages["accumulator"]
        rows = accumulator.reshape(-1, accumulator.shape[-1])[:60]
        reals = np.broadcast_to(_reals(model), accumulator.shape[-1])
        multipliers, shifts = quantize_multiplier(reals)
        for c, (m, e) in enumerate(zip(multipliers.tolist(), shifts.tolist(), strict=True)):
            real = Fraction(m) * Fraction(2) ** (e - 31)
            exact = [EXACT[profile](int(a) * real) for a in rows[:, c]]
            ours = stages["rescaled"].reshape(-1, accumulator.shape[-1])[: len(rows), c]
            assert ours.tolist() == exact, label
            compared += len(exact)
    assert compared > 200


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: need cc or gcc on the PATH")
    program = tmp_path_factory.mktemp("loop") / "rescale_loop"
    subprocess.run([compiler, "-O1", "-o", str(program), str(LOOP)], check=True)
    return program


def _numbers(model, inputs, rounding: int) -> list[int]:
    """What the compiled loop reads, in its order."""
    (op,) = model.main.operators
    tensors, options = model.main.tensors, op.options.fields
    data, weights = tensors[op.inputs[0]], tensors[op.inputs[1]]
    out = tensors[op.outputs[0]]
    filters = weights.array().astype(int) - weights.qparams.zero_points[0]
    image = inputs[0].astype(int)
    if op.name == "FULLY_CONNECTED":
        filters = filters.reshape(filters.shape[0], 1, 1, -1)
        image = image.reshape(-1, 1, 1, filters.shape[3])
        options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, **options}
    if op.name == "DEPTHWISE_CONV_2D":
        filters = filters.transpose(3, 1, 2, 0)
    count, kernel_h, kernel_w, depth = filters.shape
    y, x = axes_2d(image.shape, kernel_h, kernel_w, options)
    multipliers, shifts = quantize_multiplier(np.broadcast_to(_reals(model), count))
    absent = len(op.inputs) < 3 or op.inputs[2] < 0
    biases = [0] * count if absent else tensors[op.inputs[2]].array().tolist()
    per_channel = zip(biases, multipliers.tolist(), shifts.tolist(), strict=True)
    zero_out = out.qparams.zero_points[0]
    groups = image.shape[3] // depth
    return [
        rounding, groups, *image.shape, count, kernel_h, kernel_w, depth, y.stride, x.stride,
        y.dilation, x.dilation, y.out, x.out, y.before, x.before, data.qparams.zero_points[0],
        zero_out, *_bounds(options, out), *(v for triple in per_channel for v in triple),
        *filters.ravel().tolist(), *image.ravel().tolist(),
    ]  # fmt: skip


def _bounds(options, out) -> tuple[int, int]:
    low, high = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}.get(
        options["fused_activation_function"], (None, None)
    )

    def on_grid(real: float) -> int:
        quotient = float(np.float32(real) / np.float32(out.qparams.scale))
        away = math.floor(abs(quotient) + 0.5)
        return out.qparams.zero_points[0] + (away if quotient >= 0 else -away)

    return (
        -128 if low is None else max(-128, on_grid(low)),
        127 if high is None else min(127, on_grid(high)),
    )


@pytest.mark.parametrize("profile", ROUNDINGS)
@pytest.mark.parametrize("name", WEIGHTED)
def test_equals_a_compiled_loop(loop, name, profile):
    for model, inputs, label in _models(name, profile):
        text = " ".join(map(str, _numbers(model, inputs, ROUNDINGS[profile])))
        done = subprocess.run([str(loop)], input=text, capture_output=True, text=True, check=True)
        (ours,) = Interpreter(model, profile).run(inputs)
        assert ours.ravel().tolist() == [int(v) for v in done.stdout.split()], label


REFUSED = {
    "conv": ("CONV_2D", "s_in * s_w / s_out of channel 1 is 0.75"),
    "relu": ("RELU", "s_in / s_out is 0.3333333333333333"),
    "add": ("ADD", "s1 / s2 is 0.6666666666666666"),
    "mean": ("MEAN", "s_in / (n * s_out) is 0.3333333333333333"),
}


def _refused(operator: str):
    grid = lambda scale, shape=(1, 3): TensorSpec("int8", shape, scale)  # noqa: E731
    if operator == "CONV_2D":
        data = TensorSpec("int8", (1, 1, 1, 1), 0.5)
        weights = TensorSpec("int8", None, [0.5, 0.75], data=np.ones((2, 1, 1, 1), np.int8))
        bias = TensorSpec("int32", None, [0.25, 0.375], data=np.zeros(2, np.int32))
        options = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
        out = TensorSpec("int8", (1, 1, 1, 2), 0.5)
        return one_operator_model(operator, [data, weights, bias], [out], options)
    if operator == "MEAN":
        inputs = [grid(0.5), TensorSpec("int32", data=[1])]
        return one_operator_model(operator, inputs, [grid(0.5, (1,))])
    if operator == "ADD":
        return one_operator_model(operator, [grid(0.5), grid(0.75)], [grid(1.0)])
    return one_operator_model(operator, [grid(0.5)], [grid(1.5)])


@pytest.mark.parametrize("profile", SHIFTS)
@pytest.mark.parametrize(("operator", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_other_multipliers_are_refused_before_anything_runs(profile, operator, told):
    interpreter = Interpreter(_refused(operator), profile)
    (finding,) = interpreter.unsupported
    line = finding.line()
    assert operator in line and told in line and profile in line
    inputs = [np.zeros(t.shape, t.dtype) for t in interpreter.model.inputs]
    with pytest.raises(UnsupportedOperatorError, match="power-of-two"):
        interpreter.run(inputs)


def test_a_kernel_alone_refuses_too():
    model = _refused("CONV_2D")
    with pytest.raises(ValueError, match="multiplier 0.75 of channel 1 is no power of two"):
        _stages(model, [np.ones((1, 1, 1, 1), np.int8)], "shift-half-up")


@pytest.mark.parametrize("profile", SHIFTS)
def test_powers_of_two_are_accepted(profile):
    for name in ("ADD-int8", "MUL-int8", "QUANTIZE-int8", "RELU6-int8", "SUM-int8", "ADD-int16"):
        for case in cases(name)[:4]:
            model = _with_powers_of_two(case.model)
            try:
                Interpreter(model, profile).run(case.runs[0])
            except RequantError as error:  # an output scale that LiteRT aborts on
                assert "LiteRT aborts" in str(error), case.label


@pytest.mark.parametrize("profile", SHIFTS)
@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize(("operator", "sign"), [("ADD", 1), ("SUB", -1)])
def test_addition_rounds_the_exact_sum_once(profile, dtype, operator, sign):
    rng = np.random.default_rng(8)
    info = np.iinfo(dtype)
    pair = [rng.integers(info.min, info.max + 1, 500).astype(dtype)[None] for _ in range(2)]
    scales = [0.25, 1.0], [1.0, 0.125], [0.5, 0.5]
    for (first, second), out_scale in zip(scales, (2.0, 8.0, 1.0), strict=True):
        zeros = (3, -5, 7) if dtype == "int8" else (0, 0, 0)
        specs = [
            TensorSpec(dtype, (1, 500), s, z)
            for s, z in zip((first, second, out_scale), zeros, strict=True)
        ]
        model = one_operator_model(operator, specs[:2], specs[2:], {"pot_scale_int16": True})
        (ours,) = Interpreter(model, profile).run(pair)
        for a, b, found in zip(*(p[0].tolist() for p in pair), ours[0].tolist(), strict=True):
            left, right = Fraction(first) * (a - zeros[0]), Fraction(second) * (b - zeros[1])
            exact = EXACT[profile]((left + sign * right) / Fraction(out_scale)) + zeros[2]
            assert found == min(max(exact, int(info.min)), int(info.max))


@pytest.mark.parametrize("profile", SHIFTS)
def test_sums_of_int8_are_read_as_int8(profile):
    grid = TensorSpec("int8", (1, 4), 0.5)
    model = one_operator_model(
        "SUM", [grid, TensorSpec("int32", data=[1])], [TensorSpec("int8", (1,), 1.0)]
    )
    values = [-3, -1, -2, 1]
    (out,) = Interpreter(model, profile).run([np.array([values], np.int8)])
    assert out.tolist() == [EXACT[profile](Fraction(sum(values), 2))]


def test_unlike_types_need_the_extended_profile():
    data = TensorSpec("uint8", (1, 2), 0.5, 7)
    rows = np.array([[1, -2], [3, 5]], np.int8)
    weights = TensorSpec("int8", None, [0.5, 0.25], data=rows)
    out = TensorSpec("int8", (1, 2), 1.0, 3)
    model = one_operator_model("FULLY_CONNECTED", [data, weights], [out])
    for profile in sorted(set(PROFILES) - {"extended"}):
        if profile == "tflm":
            continue  # it has no uint8 kernel at all
        lines = [f.line() for f in Interpreter(model, profile).unsupported]
        assert len(lines) == 1, (profile, lines)
    (finding,) = Interpreter(model).unsupported
    assert "int8 and uint8 in one operator" in finding.line()
    (found,) = Interpreter(model, "extended").run([np.array([[17, 255]], np.uint8)])
    sums = [sum((x - 7) * int(w) for x, w in zip((17, 255), row, strict=True)) for row in rows]
    away = EXACT["shift-half-away"]
    exact = [3 + away(s * Fraction(f)) for s, f in zip(sums, (0.25, 0.125), strict=True)]
    assert found[0].tolist() == [min(max(v, -128), 127) for v in exact]
