"""Every kernel equals LiteRT's reference kernel, integer by integer, on generated models.

Governs A2, A7, A9, A10, A11, A28 to A32 of docs/arithmetic.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from cases import NAMES, cases

from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many

pytestmark = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")


@pytest.fixture(scope="session")
def litert():
    """Group name -> LiteRT's results for its cases; every case of the whole suite in one child."""
    groups = {name: cases(name) for name in NAMES}
    jobs = [(case.model.to_bytes(), case.runs) for group in groups.values() for case in group]
    results = iter(litert_run_many(jobs))
    return {name: [(case, next(results)) for case in group] for name, group in groups.items()}


@pytest.mark.parametrize("name", NAMES)
def test_equals_litert_reference(litert, name):
    for case, results in litert[name]:
        assert not isinstance(results, RuntimeFailure), f"{case.label}: {results}"
        interpreter = Interpreter(case.model)
        assert interpreter.unsupported == [], case.label
        for inputs, expected in zip(case.runs, results, strict=True):
            defined = None if case.defined is None else case.defined(expected.outputs)
            for ours, theirs in zip(interpreter.run(inputs), expected.outputs, strict=True):
                assert ours.dtype == theirs.dtype, case.label
                assert ours.shape == theirs.shape, case.label
                if defined is not None and ours.ndim > 1:
                    ours, theirs = ours[:, :defined], theirs[:, :defined]
                np.testing.assert_array_equal(bits(ours), bits(theirs), err_msg=case.label)


def bits(values: np.ndarray) -> np.ndarray:
    """Floats as the integers that store them, every NaN alike; 0 and -0 differ."""
    if values.dtype.kind != "f":
        return values
    stored = np.atleast_1d(values).view(f"u{values.dtype.itemsize}")
    return np.where(np.isnan(np.atleast_1d(values)), stored.dtype.type(0x7FFF), stored)
