"""Constants on activation grids."""

import numpy as np
import pytest

from tflite_requant.model import QArray, QParams, TensorType
from tflite_requant.rules.constants import rewrite


@pytest.mark.parametrize(
    ("stored", "old", "new", "expected"),
    [
        pytest.param([0, 3, 255], (0.1, 3), ("int8", 0.1, -125), [-128, -125, 127], id="shift"),
        pytest.param([0, 3, 255], (0.1, 3), ("int8", 0.2, 0), [-2, 0, 126], id="coarser"),
        pytest.param([3, 4, 5, 6], (1.0, 3), ("int8", 2.0, 0), [0, 1, 1, 2], id="ties away from 0"),
        pytest.param([3, 2, 1, 0], (1.0, 3), ("int8", 2.0, 0), [0, -1, -1, -2], id="ties below"),
        pytest.param([0, 255], (1.0, 128), ("int8", 0.5, 0), [-128, 127], id="saturates"),
        pytest.param([0, 255], (1.0, 128), ("int8", 1.0, 5), [-123, 127], id="a shift saturates"),
        pytest.param([5], (1.0, 3), ("int16", 0.001, 0), [2000], id="finer"),
    ],
)
def test_rewrite(stored, old, new, expected):
    constant = QArray(np.array(stored, np.uint8), QParams.of(*old))
    found = rewrite(constant, TensorType(new[0], QParams.of(*new[1:])))
    assert found.tolist() == expected
    assert found.dtype == np.int64
