"""Profile "tflm" equals TFLite Micro's own interpreter on every generated case that runs there.

Governs A14, A17, A19, A24, A25, A33 of docs/arithmetic.md.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from cases import NAMES, cases
from cases.recurrent import lstm
from tflm_runs import tflm_run_many

from tflite_requant.catalog.verified import verified
from tflite_requant.catalog.verified_micro import MICRO
from tflite_requant.errors import RequantError
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import KERNELS
from tflite_requant.testing import TensorSpec, one_operator_model

needs_micro = pytest.mark.skipif(
    find_spec("tflite_micro") is None, reason="tflite-micro is not installed: extra tflm"
)


def _leading(model) -> tuple[str, str]:
    (op,) = model.main.operators
    index = op.input(KERNELS[op.name].position)
    return op.name, model.main.tensors[index].dtype


@pytest.fixture(scope="module")
def compared():
    """(operator, leading type) -> [(case, our outputs, theirs)] for all that both sides run."""
    chosen = [
        (key, case)
        for name in NAMES
        for case in cases(name)
        if verified("tflm", *(key := _leading(case.model)))
    ]
    jobs = [(case.model.to_bytes(), case.runs, len(case.model.outputs)) for _, case in chosen]
    found = {}
    for (key, case), theirs in zip(chosen, tflm_run_many(jobs), strict=True):
        if theirs is None:
            continue
        try:
            ours = [Interpreter(case.model, "tflm").run(inputs) for inputs in case.runs]
        except RequantError:
            continue  # what it makes of these operands is not defined
        found.setdefault(key, []).append((case, ours, theirs))
    return found


@needs_micro
@pytest.mark.slow
@pytest.mark.parametrize(("operator", "dtype"), [(o, d) for o in sorted(MICRO) for d in MICRO[o]])
def test_equals_tflite_micro(compared, operator, dtype):
    assert compared.get((operator, dtype)), "no case runs in TFLite Micro"
    for case, ours, theirs in compared[operator, dtype]:
        for mine, other in zip(ours, theirs, strict=True):
            for a, b in zip(mine, other, strict=True):
                assert a.dtype == b.dtype, case.label
                # A scalar comes back with one dimension.
                np.testing.assert_array_equal(a.reshape(b.shape), b, err_msg=case.label)


def _sensitive(operator: str, rng):
    """(model, inputs): every int16 value by scales whose product's precision decides some."""
    every = np.arange(-32768, 32768).astype(np.int16)[None]

    def grid(low: float, high: float) -> TensorSpec:
        return TensorSpec("int16", every.shape, float(np.float32(rng.uniform(low, high))))

    if operator == "MUL":
        model = one_operator_model(
            operator, [grid(1e-4, 2e-4), grid(1e-4, 2e-4)], [grid(5e-4, 1e-3)]
        )
        return model, [every, rng.permutation(every[0])[None]]
    options = {"alpha": 0.3} if operator == "LEAKY_RELU" else None
    return one_operator_model(operator, [grid(1e-4, 2e-4)], [grid(2e-4, 3e-4)], options), [every]


@needs_micro
def test_precision_of_scale_products():
    rng = np.random.default_rng(3)
    operators = [name for name in ("MUL", "RELU", "ABS", "LEAKY_RELU") for _ in range(6)]
    chosen = [_sensitive(name, rng) for name in operators]
    results = tflm_run_many([(model.to_bytes(), [inputs], 1) for model, inputs in chosen])
    for name, (model, inputs), theirs in zip(operators, chosen, results, strict=True):
        ours = Interpreter(model, "tflm").run(inputs)
        np.testing.assert_array_equal(ours[0], theirs[0][0], err_msg=name)


@pytest.mark.parametrize(("operator", "dtype"), [("RELU", "uint8"), ("SUM", "int8")])
def test_what_tflite_micro_has_not_is_refused_by_name(operator, dtype):
    grid = TensorSpec(dtype, (1, 4), 0.5)
    inputs = [grid] if operator == "RELU" else [grid, TensorSpec("int32", data=[1])]
    (finding,) = Interpreter(one_operator_model(operator, inputs, [grid]), "tflm").unsupported
    assert f"{operator} on {dtype}" in finding.line()


def test_a_bias_that_tflite_micro_misreads_is_an_error():
    data = TensorSpec("int16", (1, 2, 2, 1), 0.5)
    weights = TensorSpec("int8", None, 0.5, data=np.ones((1, 1, 1, 1), np.int8))
    bias = TensorSpec("int32", None, 0.25, data=np.zeros(1, np.int32))
    shape = TensorSpec("int32", data=np.array([1, 2, 2, 1], np.int32))
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "quantized_bias_type": "INT32"}
    model = one_operator_model("TRANSPOSE_CONV", [shape, weights, data, bias], [data], options)
    with pytest.raises(RequantError, match="TFLite Micro reads it as int64"):
        Interpreter(model, "tflm").run([np.ones((1, 2, 2, 1), np.int16)])


def test_words_without_scales_are_refused_where_tflite_micro_has_no_number():
    grid = TensorSpec("int16", (1, 4))
    (finding,) = Interpreter(one_operator_model("MUL", [grid] * 2, [grid]), "tflm").unsupported
    assert "MUL of int16 without scales" in finding.line()


@needs_micro
@pytest.mark.slow
def test_many_cells_of_lstms():
    """Its nonlinearities differ from LiteRT's in the last of 16 bits: seen in few of 8."""
    rng = np.random.default_rng(7)
    drawn = [lstm(rng, "int8") for _ in range(60)]
    drawn = [case for case in drawn if "coupled False" in case.label]
    jobs = [(case.model.to_bytes(), case.runs, len(case.model.outputs)) for case in drawn]
    theirs = tflm_run_many(jobs)
    ran = [(case, found) for case, found in zip(drawn, theirs, strict=True) if found is not None]
    assert len(ran) > 20
    for case, found in ran:
        for inputs, outputs in zip(case.runs, found, strict=True):
            ours = Interpreter(case.model, "tflm").run(inputs)
            np.testing.assert_array_equal(ours[0], outputs[0], err_msg=case.label)
