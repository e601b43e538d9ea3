"""What LiteRT aborts on or leaves undefined is refused, naming operator and reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases.recurrent import lstm

from tflite_requant.errors import RequantError
from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.testing import TensorSpec, one_operator_model

FOUR, ROW = (1, 4), (4,)


def spec(dtype: str, shape=FOUR, scale=0.5, zero: int = 0) -> TensorSpec:
    return TensorSpec(dtype, shape, scale, zero)


def numbers(*entries: int) -> TensorSpec:
    return TensorSpec("int32", data=np.array(entries, np.int32))


SLICED = [numbers(2), numbers(9), numbers(1)]

# name: (operator, operands, output, options, what is said)
UNDEFINED = {
    "add-scale": ("ADD", [spec("int8")] * 2, spec("int8", scale=2.0**-20), {}, "LiteRT aborts"),
    "sub-scale": ("SUB", [spec("int8")] * 2, spec("int8", scale=2.0**-21), {}, "LiteRT aborts"),
    "squares": (
        "SQUARED_DIFFERENCE", [spec("int8")] * 2, spec("int8", scale=2.0**-14), {}, "LiteRT aborts",
    ),
    "add-shifts": (
        "ADD", [spec("int16"), spec("int16", (3, 4))], spec("int16", (3, 4)),
        {"pot_scale_int16": True}, "does not broadcast: LiteRT aborts",
    ),
    "compare": ("LESS", [spec("int8", scale=1.0)] * 2, TensorSpec("bool", FOUR), {}, "below 1"),
    "softmax-sum": (
        "SOFTMAX", [spec("int8", (1, 1001), 1e-5)], spec("int8", (1, 1001), 1 / 256, -128),
        {"beta": 1.0}, "LiteRT aborts",
    ),
    "softmax-beta": (
        "SOFTMAX", [spec("int8")], spec("int8", scale=1 / 256, zero=-128), {"beta": 0.0},
        "LiteRT aborts",
    ),
    "exp-table": ("EXP", [spec("int16", scale=1.0)], spec("int16"), {}, "infinite on a grid"),
    "mean-of-none": (
        "MEAN", [spec("int8", (2, 0)), numbers(1)], spec("int8", (2,)), {}, "nothing to reduce",
    ),
    "reverse-none": (
        "REVERSE_V2", [spec("int8", (3, 0)), numbers(0)], spec("int8", (3, 0)), {}, "LiteRT aborts",
    ),
    "scalar": (
        "TRANSPOSE", [spec("int8", ()), TensorSpec("int32", data=np.zeros(0, np.int32))],
        spec("int8", ()), {}, "a scalar: LiteRT writes nothing",
    ),
    "slice": (
        "STRIDED_SLICE", [spec("int8", ROW), *SLICED], spec("int8", (9,)), {"offset": True},
        "LiteRT reads beyond it",
    ),
    "shrunk-backwards": (
        "STRIDED_SLICE", [spec("int8", ROW), numbers(2), numbers(1), numbers(-1)],
        spec("int8", ()), {"shrink_axis_mask": 1}, "LiteRT writes nothing",
    ),
    "extremum-nan": (
        "ARG_MAX", [TensorSpec("float32", data=np.float32([np.nan, 1])), numbers(0)],
        TensorSpec("int32", ()), {"output_type": "INT32"}, "NaN: where LiteRT finds",
    ),
    "hybrid-infinite": (
        "FULLY_CONNECTED",
        [TensorSpec("float32", data=np.float32([[np.inf, 1]])),
         TensorSpec("int8", scale=0.5, data=np.int8([[1, 2]]))],
        TensorSpec("float32", (1, 1)), {}, "have no grid",
    ),
}  # fmt: skip
# Where the process ends every time; elsewhere what happens depends on memory.
ENDS = ("add-scale", "add-shifts", "compare", "softmax-sum", "softmax-beta", "squares")


def model_of(name: str):
    opcode, operands, output, options, _ = UNDEFINED[name]
    return one_operator_model(opcode, operands, [output], options)


def zeros(model) -> list[np.ndarray]:
    return [np.zeros(t.shape, t.dtype) for t in model.inputs]


@pytest.mark.parametrize("name", UNDEFINED)
def test_is_refused_by_operator_and_reason(name):
    model, (opcode, *_, says) = model_of(name), UNDEFINED[name]
    with pytest.raises(RequantError, match=says) as refused:
        Interpreter(model).run(zeros(model))
    assert f"op 0 {opcode} " in str(refused.value)


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
def test_litert_ends_or_refuses_there():
    models = [model_of(name) for name in ENDS]
    found = litert_run_many([(model.to_bytes(), [zeros(model)]) for model in models])
    assert {
        n: r for n, r in zip(ENDS, found, strict=True) if not isinstance(r, RuntimeFailure)
    } == {}


def test_an_lstm_whose_inner_tensor_has_no_scale():
    case = lstm(np.random.default_rng(1), "int8")
    main = case.model.main
    inner = main.operators[0].rest["intermediates"][4]
    tensors = [replace(t, qparams=None) if t.index == inner else t for t in main.tensors]
    model = case.model.changed(subgraphs=(replace(main, tensors=tuple(tensors)),))
    with pytest.raises(RequantError, match="inner tensor 4 of the LSTM has no scale"):
        Interpreter(model).run(case.runs[0])


def test_hybrid_weights_without_a_scale():
    """As files with a scale a block have them."""
    data = TensorSpec("float32", (1, 2))
    weights = TensorSpec("int4", data=np.array([[1, 2], [3, 4]], np.int8))
    model = one_operator_model(
        "FULLY_CONNECTED", [data, weights], [TensorSpec("float32", (1, 2))], {}
    )
    with pytest.raises(RequantError, match="weights that have no scale, or one a block"):
        Interpreter(model).run([np.ones((1, 2), np.float32)])


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "float16"])
def test_an_end_that_xnnpack_takes_for_the_last(dtype, offset):
    data = TensorSpec(dtype, (3,), 0.5 if dtype.endswith("int8") else None)
    operands = [data, numbers(0), numbers(0), numbers(1)]
    model = one_operator_model("STRIDED_SLICE", operands, [data], {"offset": offset}, 8)
    assert Interpreter(model).run(zeros(model))[0].shape == (0,)
    with pytest.raises(RequantError, match="XNNPACK takes it for the last"):
        Interpreter(model, "litert-xnnpack").run(zeros(model))
    if litert_available():
        (found,) = litert_run_many([(model.to_bytes(), [zeros(model)])], "default")
        assert found[0].outputs[0].shape == (3,)


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
@pytest.mark.parametrize("masks", [{"shrink_axis_mask": 1}, {"end_mask": 1}], ids=["one", "open"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_an_end_of_0_that_nobody_reads(dtype, masks):
    scale = 0.5 if dtype == "int8" else None
    operands = [TensorSpec(dtype, (3,), scale), numbers(-1), numbers(0), numbers(1)]
    result = TensorSpec(dtype, () if "shrink_axis_mask" in masks else (1,), scale)
    model = one_operator_model("STRIDED_SLICE", operands, [result], masks)
    given = [np.arange(3).astype(dtype)]
    (found,) = litert_run_many([(model.to_bytes(), [given])], "default")
    assert Interpreter(model, "litert-xnnpack").run(given)[0] == found[0].outputs[0] == 2


def test_types_are_told_in_words():
    """Only forms that begin with the type that is there."""
    weights = TensorSpec("int8", scale=0.5, data=np.ones((2, 4), np.int8))
    model = one_operator_model(
        "FULLY_CONNECTED", [spec("int8"), weights, spec("int16", (2,))], [spec("int8", (1, 2))]
    )
    with pytest.raises(RequantError) as caught:
        Interpreter(model).run([np.zeros(FOUR, np.int8), np.zeros(2, np.int16)])
    (line,) = str(caught.value).splitlines()[1:]
    assert line.endswith(
        "[operand-types] int8, int8, int16, giving int8; need int8, int8 or int4, int32 or none, "
        "giving int8 (no kernel takes these types together; let the converter write those)"
    )
