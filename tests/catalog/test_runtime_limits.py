"""What the catalog says of ties, fused activations and limits, asked of LiteRT itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")

from litert_runs import BOTH, DEFAULT, REFERENCE, run_named
from one_op_models import INPUT_GRID, OUTPUT_GRID, build, in_tie, lowest_version
from operator_cases import CASES

from tflite_requant.catalog import OPERATORS, version_of
from tflite_requant.model.dtypes import ACTIVATION_DTYPES, RANGES

TYPED = [(name, dtype) for name, spec in OPERATORS.items() for dtype in spec.dtypes]
TIED = [
    (name, dtype)
    for name, dtype in TYPED
    if any(in_tie(output, dtype) for output in OPERATORS[name].outputs)
]
FUSING = [(name, dtype) for name, dtype in TYPED if len(OPERATORS[name].activations) > 1]


def names(cases):
    return ["-".join(case) for case in cases]


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    models = {
        (name, dtype): build(
            OPERATORS[name], dtype, lowest_version(OPERATORS[name]), break_tie=True
        )
        for name, dtype in TIED
    }
    return run_named(models, tmp_path_factory.mktemp("untied"))


@pytest.mark.parametrize(("name", "dtype"), TIED, ids=names(TIED))
def test_what_becomes_of_broken_ties(untied, name, dtype):
    laws = OPERATORS[name].laws
    enforced = (
        "tie-enforced" in laws
        or "constant-grid-enforced" in laws
        or ("concatenation-grids" in laws and dtype == "int8")
    )
    delegate_fails = "tie-xnnpack" in laws and dtype != "int16"
    assert untied[REFERENCE, (name, dtype)].ran == (not enforced)
    if not enforced:
        assert untied[DEFAULT, (name, dtype)].ran == (not delegate_fails)


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    models = {
        (name, dtype, activation): build(OPERATORS[name], dtype, 1, activation=activation)
        for name, dtype in FUSING
        for activation in (*OPERATORS[name].activations, "TANH", "SIGN_BIT")
    }
    return run_named(models, tmp_path_factory.mktemp("fused"), (REFERENCE,))


def bounds(activation, dtype, grid):
    """The integers that a fused activation keeps: nearest to its real bounds, halves away."""
    low, high = RANGES[dtype]
    scale, zero_point = (np.float32(grid[0]), grid[1])
    known = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
    real = known.get(activation, (None, None))

    def integer(value):
        steps = float(np.float32(value) / scale)
        return zero_point + int(np.sign(steps) * np.floor(abs(steps) + 0.5))

    return (
        low if real[0] is None else max(low, integer(real[0])),
        high if real[1] is None else min(high, integer(real[1])),
    )


@pytest.mark.parametrize(("name", "dtype"), FUSING, ids=names(FUSING))
def test_listed_activations_clamp_and_others_do_nothing(fused, name, dtype):
    spec = OPERATORS[name]
    grid = (INPUT_GRID if in_tie(spec.outputs[0], dtype) else OUTPUT_GRID)[dtype]
    plain = np.array(fused[REFERENCE, (name, dtype, "NONE")].outputs)
    for activation in (*spec.activations, "TANH", "SIGN_BIT"):
        outcome = fused[REFERENCE, (name, dtype, activation)]
        if name == "FULLY_CONNECTED" and activation not in spec.activations:
            assert not outcome.ran
            continue
        low, high = bounds(activation, dtype, grid)
        assert outcome.ran, outcome.error
        assert np.array_equal(np.array(outcome.outputs), np.clip(plain, low, high)), activation


@pytest.mark.parametrize("name", [n for n, s in OPERATORS.items() if s.activations == ("NONE",)])
def test_operators_that_fuse_nothing_refuse_relu(name, tmp_path):
    """In the builtin kernels; XNNPACK takes a CONCATENATION with one."""
    spec = OPERATORS[name]
    models = {dtype: build(spec, dtype, 1, activation="RELU") for dtype in spec.dtypes}
    assert not any(outcome.ran for outcome in run_named(models, tmp_path, (REFERENCE,)).values())


def off_grids(spec, dtype):
    """The prescribed output grid with another scale, and with another zero point."""
    scale, zero_point = spec.outputs[0].fixed[dtype]
    beside = zero_point - 1 if zero_point > 0 else zero_point + 1
    return (scale * 2, zero_point), (scale, beside)


@pytest.mark.parametrize(
    "name", [n for n, s in OPERATORS.items() if "fixed-output-checked" in s.laws]
)
def test_checked_outputs_take_no_other_grid(name, tmp_path):
    spec = OPERATORS[name]
    models = {
        (dtype, grid): build(spec, dtype, 1, output_grid=grid)
        for dtype in spec.dtypes
        for grid in off_grids(spec, dtype)
    }
    assert not any(outcome.ran for outcome in run_named(models, tmp_path).values())


def test_logistic_checks_its_scale_alone(tmp_path):
    spec = OPERATORS["LOGISTIC"]
    models = {}
    for dtype in ("uint8", "int8"):
        scale, zero_point = off_grids(spec, dtype)
        models[dtype, "scale"] = build(spec, dtype, 1, output_grid=scale)
        models[dtype, "zero_point"] = build(spec, dtype, 1, output_grid=zero_point)
    outcomes = run_named(models, tmp_path, (REFERENCE,))
    assert {key[1] for key, outcome in outcomes.items() if outcome.ran} == {
        ("uint8", "zero_point"),
        ("int8", "zero_point"),
    }


def test_quantize_pairs(tmp_path):
    spec = OPERATORS["QUANTIZE"]
    models = {
        (source, target): build(
            spec, target, version_of(spec, target), input_dtype=source, output_dtype=target
        )
        for source in ("float32", *ACTIVATION_DTYPES)
        for target in ACTIVATION_DTYPES
    }
    refused = {key[1] for key, outcome in run_named(models, tmp_path).items() if not outcome.ran}
    assert refused == {("int16", "uint8")}


def test_prelu_reads_an_int8_slope_beside_int16(tmp_path):
    """Of an int16 slope it takes the bytes: 3 and 771 = 3 * 257 begin with the same one."""
    spec = OPERATORS["PRELU"]
    as_int16 = replace(spec, inputs=(spec.inputs[0], replace(spec.inputs[1], types={})))
    models = {
        slope: build(as_int16, "int16", 1, case=replace(CASES["PRELU"], constants={1: slope}))
        for slope in (0, 3, 771)
    }
    outcomes = run_named(models, tmp_path)
    for resolver in BOTH:
        zero, low, high = (
            np.array(outcomes[resolver, slope].outputs).reshape(-1, 8) for slope in (0, 3, 771)
        )
        assert np.array_equal(low[:, 0], high[:, 0]) and not np.array_equal(low[:, 0], zero[:, 0])
        assert np.array_equal(low[:, 1], zero[:, 1]) and not np.array_equal(high[:, 1], zero[:, 1])


# operator, dtype, (scale of the accumulator or input) / output scale, and which resolvers run it
LIMITS = [
    *(
        (name, dtype, ratio, runs)
        for name in ("CONV_2D", "DEPTHWISE_CONV_2D")
        for dtype in ("uint8", "int8")
        for ratio, runs in ((250, {REFERENCE, DEFAULT}), (260, {REFERENCE}))
    ),
    ("CONV_2D", "int16", 260, {REFERENCE, DEFAULT}),
    ("ADD", "int8", 2**18, {REFERENCE, DEFAULT}),
    ("ADD", "int8", 2**19, set()),
    ("ADD", "int16", 2**13, {REFERENCE, DEFAULT}),
    ("ADD", "int16", 2**14, set()),
    ("HARD_SWISH", "int8", 120, {REFERENCE, DEFAULT}),
    ("HARD_SWISH", "int8", 130, set()),
]


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    models = {}
    for name, dtype, ratio, _ in LIMITS:
        weight_scale = 0.01 if OPERATORS[name].family == "weighted" else 1.0
        grid = (INPUT_GRID[dtype][0] * weight_scale / ratio, 0)
        spec = OPERATORS[name]
        models[name, dtype, ratio] = build(spec, dtype, 1, output_grid=grid)
    return run_named(models, tmp_path_factory.mktemp("limited"))


@pytest.mark.parametrize(
    ("name", "dtype", "ratio", "runs"),
    LIMITS,
    ids=[f"{name}-{dtype}-{ratio}" for name, dtype, ratio, _ in LIMITS],
)
def test_limits_of_scale_ratios(limited, name, dtype, ratio, runs):
    ran = {resolver for resolver in BOTH if limited[resolver, (name, dtype, ratio)].ran}
    assert ran == runs
