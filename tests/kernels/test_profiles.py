"""litert-optimized and litert-xnnpack equal LiteRT's two other resolvers, integer by integer.

A sample of the generated cases by default; all of them, ten times over, in a full run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import BEYOND, FULL, NAMES, cases
from cases.make import Case

from tflite_requant.catalog import arithmetic
from tflite_requant.catalog.verified import VERIFIED, verified
from tflite_requant.errors import UnsupportedOperatorError
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import KERNELS
from tflite_requant.model import Model
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.testing import TensorSpec, one_operator_model

needs_litert = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")

RESOLVERS = {"litert-optimized": "optimized", "litert-xnnpack": "default"}
SAMPLE = None if FULL else 3


def leading(model: Model) -> tuple[str, str]:
    """The operator of a one-operator model, and the type that decides about its arithmetic."""
    (op,) = model.main.operators
    return op.name, model.main.tensors[op.input(KERNELS[op.name].position)].dtype


def sampled(name: str) -> list[Case]:
    """The first cases of a group, and the first of every leading type."""
    kept, seen = [], set()
    for case in cases(name):
        key = leading(case.model)
        if SAMPLE is None or len(kept) < SAMPLE or key not in seen:
            kept.append(case)
            seen.add(key)
    return kept


@pytest.fixture(scope="session")
def litert():
    """Profile -> group name -> LiteRT's results for its cases; run when first asked for."""
    found: dict[str, dict] = {}

    def results(profile: str) -> dict:
        if profile not in found:
            groups = {name: sampled(name) for name in (*NAMES, *BEYOND)}
            jobs = [(case.model.to_bytes(), case.runs) for g in groups.values() for case in g]
            ran = iter(litert_run_many(jobs, RESOLVERS[profile]))
            found[profile] = {n: [(case, next(ran)) for case in g] for n, g in groups.items()}
        return found[profile]

    return results


@pytest.fixture(scope="session")
def compared() -> set[tuple[str, str]]:
    """Operators and leading types of the cases that are run."""
    names = (*NAMES, *BEYOND)
    return {leading(case.model) for name in names for case in sampled(name)}


@pytest.mark.parametrize("profile", RESOLVERS)
def test_every_entry_of_the_table_has_cases(compared, profile):
    """What the table says to have been compared is compared by the test below."""
    named = {(operator, t) for operator, types in VERIFIED[profile].items() for t in types}
    assert sorted(named - compared) == []


@needs_litert
@pytest.mark.parametrize("name", (*NAMES, *BEYOND))
@pytest.mark.parametrize("profile", RESOLVERS)
def test_equals_litert(litert, profile, name):
    for case, results in litert(profile)[name]:
        interpreter = Interpreter(case.model, arithmetic=profile)
        if not verified(profile, *leading(case.model)):
            assert "not compared" in interpreter.unsupported[0].found
            continue
        assert not isinstance(results, RuntimeFailure), f"{case.label}: {results}"
        assert interpreter.unsupported == [], case.label
        for inputs, expected in zip(case.runs, results, strict=True):
            defined = None if case.defined is None else case.defined(expected.outputs)
            for ours, theirs in zip(interpreter.run(inputs), expected.outputs, strict=True):
                assert ours.dtype == theirs.dtype, case.label
                assert ours.shape == theirs.shape, case.label
                if defined is not None and ours.ndim > 1:
                    ours, theirs = ours[:, :defined], theirs[:, :defined]
                np.testing.assert_array_equal(ours, theirs, err_msg=case.label)


# Without its record, an operator is computed by a law that is nearly the profile's.
DECISIVE = [
    ("litert-optimized", "CONV_2D", "CONV_2D-uint8"),
    ("litert-optimized", "CONV_2D", "CONV_2D-int8"),
    ("litert-optimized", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D-int8"),
    ("litert-optimized", "TRANSPOSE_CONV", "TRANSPOSE_CONV-int8"),
    ("litert-optimized", "FULLY_CONNECTED", "FULLY_CONNECTED_WIDE-uint8"),
    ("litert-optimized", "FULLY_CONNECTED", "FULLY_CONNECTED_WIDE-int8"),
    ("litert-optimized", "ADD", "ADD_WIDE-uint8"),
    ("litert-optimized", "ADD", "ADD_WIDE-int8"),
    ("litert-optimized", "MUL", "MUL_WIDE-uint8"),
    ("litert-optimized", "MEAN", "MEAN_WIDE-int8"),
    ("litert-optimized", "SUM", "SUM-int8"),
    ("litert-optimized", "LOGISTIC", "LOGISTIC-int16"),
    ("litert-optimized", "RESIZE_BILINEAR", "RESIZE_BILINEAR-uint8"),
    ("litert-optimized", "QUANTIZE", "QUANTIZE-int8"),
    ("litert-optimized", "DEQUANTIZE", "DEQUANTIZE-uint8"),
    ("litert-xnnpack", "CONV_2D", "CONV_2D-uint8"),
    ("litert-xnnpack", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D-int8"),
    ("litert-xnnpack", "FULLY_CONNECTED", "FULLY_CONNECTED_WIDE-int8"),
    ("litert-xnnpack", "ADD", "ADD_WIDE-int8"),
    ("litert-xnnpack", "MUL", "MUL_WIDE-int8"),
    ("litert-xnnpack", "MEAN", "MEAN_WIDE-uint8"),
    ("litert-xnnpack", "LEAKY_RELU", "LEAKY_RELU-int8"),
    ("litert-xnnpack", "RESIZE_BILINEAR", "RESIZE_BILINEAR-int8"),
    ("litert-xnnpack", "QUANTIZE", "QUANTIZE-uint8"),
]


@pytest.mark.parametrize(("profile", "operator", "name"), DECISIVE)
def test_the_cases_tell_the_profile_from_plain_arithmetic(monkeypatch, profile, operator, name):
    right = _outputs(profile, name)
    records = arithmetic.PROFILES[profile]
    assert any(r.operator == operator for r in records)
    kept = tuple(
        replace(r, operator="", default=arithmetic.Rescaling()) if r.operator == operator else r
        for r in records
    )
    monkeypatch.setitem(arithmetic.PROFILES, profile, kept)
    wrong = _outputs(profile, name)
    assert any(not np.array_equal(a, b) for a, b in zip(right, wrong, strict=True))


def _outputs(profile: str, name: str) -> list[np.ndarray]:
    found = []
    for case in cases(name):
        interpreter = Interpreter(case.model, arithmetic=profile)
        found += [out for inputs in case.runs for out in interpreter.run(inputs)]
    return found


@pytest.mark.parametrize("profile", RESOLVERS)
def test_what_was_not_compared_is_refused_by_name(profile):
    size = (1, 3)
    spec = TensorSpec("float32", size)
    interpreter = Interpreter(one_operator_model("TANH", [spec], [spec]), arithmetic=profile)
    (finding,) = interpreter.unsupported
    assert finding.found == f"TANH on float32 was not compared with LiteRT under {profile}"
    with pytest.raises(UnsupportedOperatorError, match="TANH"):
        interpreter.run([np.zeros(size, np.float32)])


def test_activation_bounds_of_the_delegate_round_the_sum_to_even(litert_bound):
    """At a scale of 2.4 six lies midway between two steps."""
    ours, theirs = litert_bound
    np.testing.assert_array_equal(ours, theirs)
    assert ours.max() == 2 + 2  # away from zero it would be 3 steps above the zero point


@pytest.fixture
def litert_bound():
    if not litert_available():
        pytest.skip("ai-edge-litert is not installed")
    same = {"scale": 2.4, "zero_point": 2}
    spec = TensorSpec("uint8", (1, 4, 4, 1), **same)
    options = {
        "padding": "VALID",
        "stride_h": 1,
        "stride_w": 1,
        "filter_height": 1,
        "filter_width": 1,
        "fused_activation_function": "RELU6",
    }
    model = one_operator_model("MAX_POOL_2D", [spec], [spec], options)
    fed = [np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)]
    (run,) = litert_run_many([(model.to_bytes(), [fed])], "default")[0]
    return Interpreter(model, arithmetic="litert-xnnpack").run(fed)[0], run.outputs[0]
