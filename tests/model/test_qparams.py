"""Scales, zero points, and what integers stand for."""

import numpy as np
import pytest

from tflite_requant.model import QArray, QParams


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(QParams.of(0.5), QParams((0.5,), (0,), 0), id="a number"),
        pytest.param(QParams.of(0.5, 3, axis=2), QParams((0.5,), (3,), 0), id="one has no axis"),
        pytest.param(QParams.of([0.5, 2.0], 3, 1), QParams((0.5, 2.0), (3, 3), 1), id="repeated"),
        pytest.param(QParams.of(0.1), QParams((float(np.float32(0.1)),), (0,)), id="float32"),
    ],
)
def test_of(made, expected):
    assert made == expected
    assert hash(made) == hash(expected)


def test_too_few_zero_points():
    with pytest.raises(ValueError, match="3 scales but 2 zero points"):
        QParams.of([1, 2, 3], [0, 0])


@pytest.mark.parametrize(
    ("integers", "qparams", "real"),
    [
        pytest.param([[0, 3], [5, 255]], QParams.of(0.5, 3), [[-1.5, 0], [1, 126]], id="tensor"),
        pytest.param([[2, 4], [6, 8]], QParams.of([1.0, 0.5], [0, 4], 1), [[2, 0], [6, 2]],
                     id="along the last axis"),
        pytest.param([[2, 4], [6, 8]], QParams.of([1.0, 0.5], [0, 4], 0), [[2, 4], [1, 2]],
                     id="along the first axis"),
        pytest.param(7, QParams.of(0.25, -1), 2.0, id="a scalar"),
        pytest.param([1, 2], None, [1.0, 2.0], id="unquantized"),
    ],
)  # fmt: skip
def test_real(integers, qparams, real):
    array = QArray(np.array(integers, np.uint8), qparams)
    assert array.real().tolist() == real
    assert array.real().dtype == np.float64


def test_centred_does_not_wrap():
    array = QArray(np.array([0, 255], np.uint8), QParams.of(1.0, 128))
    assert array.centred().tolist() == [-128, 127]
