"""LiteRT in a child process: results, refusals, and deaths that do not reach us."""

from __future__ import annotations

import numpy as np
import pytest

from tflite_requant.errors import UsageError
from tflite_requant.runtime import (
    RuntimeFailure,
    litert_available,
    litert_run,
    litert_run_many,
    one_line,
)
from tflite_requant.testing import TensorSpec, one_operator_model

pytestmark = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")

SIZE = (1, 3)
X = np.array([[-5, 0, 7]], np.int8)


@pytest.mark.parametrize(
    "said, told",
    [
        ("one\n  two", "one two"),
        (f"{'x' * 290} word last-words", f"{'x' * 290} word ..."),
        ("y" * 299, "y" * 299),
        ("a.cc:230 x != y (1 != 2)Node number 0 (ADD) failed to prepare.",
         "a.cc:230 x != y (1 != 2); Node number 0 (ADD) failed to prepare."),
        ("failed to reshape runtimeNode number 1 (X) failed",
         "failed to reshape runtime; Node number 1 (X) failed"),
        ("need 4 dimensions. Was 3.Tensor 33 is bad.Node number 2 (X) failed.",
         "need 4 dimensions. Was 3. Tensor 33 is bad. Node number 2 (X) failed."),
        ("./add.cc:109 scale 0.5 of a.b (INT8 != INT16) e.g. A.BC d", None),
    ],
    ids=["lines", "long", "fits", "glued-bracket", "glued-word", "glued-sentences", "no-glue"],
)
def test_what_litert_says_is_cut_at_a_word(said, told):
    assert one_line(said) == (told or said)


def _relu() -> bytes:
    spec = TensorSpec("int8", SIZE, 0.5)
    return one_operator_model("RELU", [spec], [spec]).to_bytes()


def _fatal() -> bytes:
    """An addition whose output scale is too small: LiteRT aborts the process."""
    inputs = [TensorSpec("int8", SIZE, 1.0) for _ in range(2)]
    return one_operator_model("ADD", inputs, [TensorSpec("int8", SIZE, 2.0**-19)]).to_bytes()


def _refused() -> bytes:
    """int8 operands of different scales: a prepare error."""
    inputs = [TensorSpec("int8", SIZE, s) for s in (0.1, 0.2)]
    out = TensorSpec("int8", (2, 3), 0.1)
    return one_operator_model("CONCATENATION", inputs, [out]).to_bytes()


@pytest.mark.parametrize("resolver", ["reference", "optimized", "default"])
def test_several_inputs_of_one_model(resolver):
    runs = litert_run(_relu(), [[X], [-X]], resolver)
    assert [run.outputs[0].tolist() for run in runs] == [[[0, 0, 7]], [[5, 0, 0]]]
    assert runs[0].tensors == {}


def test_every_tensor_can_be_kept():
    (run,) = litert_run(_relu(), [[X]], keep_all=True)
    np.testing.assert_array_equal(run.tensors[0], X)
    np.testing.assert_array_equal(run.tensors[1], run.outputs[0])


def test_a_death_is_an_exception_that_names_the_signal():
    with pytest.raises(RuntimeFailure, match=r"process died with signal 6 SIGABRT"):
        litert_run(_fatal(), [[X, X]])


def test_a_refusal_is_one_line_of_the_runtimes_own():
    with pytest.raises(RuntimeFailure) as caught:
        litert_run(_refused(), [[X, X]])
    assert "concatenation.cc" in str(caught.value)
    assert "; Node number 0 (CONCATENATION) failed to prepare." in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_after_a_death_still_run():
    good, dead = (_relu(), [[X]]), (_fatal(), [[X, X]])
    results = litert_run_many([good, dead, (_refused(), [[X, X]]), good])
    kinds = [type(r).__name__ for r in results]
    assert kinds == ["list", "RuntimeFailure", "RuntimeFailure", "list"]
    assert results[3][0].outputs[0].tolist() == [[0, 0, 7]]


def test_no_answer_in_time():
    with pytest.raises(RuntimeFailure, match=r"no answer within 0.01 s"):
        litert_run(_relu(), [[X]], timeout=0.01)


def test_unknown_resolver():
    with pytest.raises(UsageError, match="unknown resolver 'fast'"):
        litert_run(_relu(), [[X]], "fast")
