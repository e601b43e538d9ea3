"""SOFTMAX by tables equals the plain kernel, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from tflite_requant.catalog.arithmetic import arithmetic_for
from tflite_requant.engine import softmax
from tflite_requant.kernels import KernelError, Operands, OutputType
from tflite_requant.kernels import softmax as kernel
from tflite_requant.model.qparams import QArray, QParams

REFERENCE = arithmetic_for("litert-reference", "SOFTMAX")


def operands(values: np.ndarray, scale: float, output: str) -> Operands:
    zero = 0 if output == "uint8" else -128
    made = OutputType(output, values.shape, QParams.of(1 / 256, zero))
    return Operands((QArray(values, QParams.of(scale, 3)),), (made,))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("beta", [1.0, 0.25])
@pytest.mark.parametrize("scale", [0.003, 0.08, 0.5, 4.0])
@pytest.mark.parametrize("shape", [(1, 2), (1, 1001), (4, 37), (2, 3, 300), (256,)])
def test_softmax(dtype, beta, scale, shape):
    rng, low = np.random.default_rng(0), np.iinfo(dtype).min
    attributes = {"beta": beta}
    for spread in (0, 2, 20, 255):
        values = (rng.integers(0, spread + 1, shape) + low).astype(dtype)
        asked = operands(values, scale, dtype)
        read = softmax.reader("SOFTMAX", asked, attributes, REFERENCE)
        try:
            *_, (_, expected) = kernel.stages(asked, attributes, REFERENCE)
        except KernelError:  # 512 equal logits and more
            with pytest.raises(KernelError):
                read(values)
            continue
        found = read(values)
        assert found.dtype == expected.dtype and np.array_equal(found, expected)


@pytest.mark.parametrize(
    "operator, dtype, shape, scale, profile",
    [
        pytest.param("LOG_SOFTMAX", "int8", (1, 9), 0.1, "litert-reference", id="other-operator"),
        pytest.param("SOFTMAX", "int16", (1, 9), 0.1, "litert-reference", id="other-type"),
        pytest.param("SOFTMAX", "int8", (17, 9), 0.1, "litert-reference", id="many-rows"),
        pytest.param("SOFTMAX", "int8", (1, 8192), 0.1, "litert-reference", id="sum-may-wrap"),
        pytest.param("SOFTMAX", "int8", (1, 9), 1e-12, "litert-reference", id="refused"),
        pytest.param("SOFTMAX", "int8", (1, 9), 0.1, "litert-optimized", id="other-arithmetic"),
    ],
)
def test_what_is_left_to_the_plain_kernel(operator, dtype, shape, scale, profile):
    asked = operands(np.zeros(shape, dtype), scale, dtype)
    law = arithmetic_for(profile, operator)
    assert softmax.reader(operator, asked, {}, law) is None
