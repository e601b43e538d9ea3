"""Ways into a model: signatures, resized inputs, several samples at once; compared with LiteRT."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tflite_requant.errors import RequantError, SampleError, UsageError
from tflite_requant.interpreter import Interpreter
from tflite_requant.model.graph import Signature
from tflite_requant.runtime import litert_available, litert_run
from tflite_requant.testing import TensorSpec, one_operator_model, with_subgraphs

needs_litert = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
GRID = {"scale": 0.5, "zero_point": 3}


def _pool(size=(1, 4, 4, 2)):
    """MAX_POOL_2D, whose output follows its input's shape."""
    options = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_height": 2,
               "filter_width": 2}  # fmt: skip
    data, out = TensorSpec("int8", size, **GRID), TensorSpec("int8", (1, 2, 2, 2), **GRID)
    return one_operator_model("MAX_POOL_2D", [data], [out], options)


def _drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)


def _signed_model():
    """Two subgraphs, a + b and |a|, each with a signature whose names are not the tensors'."""
    size = (1, 3)
    pair = [TensorSpec("int8", size, 0.5, name=name) for name in ("left", "right")]
    add = one_operator_model("ADD", pair, [TensorSpec("int8", size, 1.0, name="sum")])
    one = TensorSpec("int8", size, 0.5, name="number")
    absolute = one_operator_model("ABS", [one], [TensorSpec("int8", size, 0.5, name="magnitude")])
    model = with_subgraphs(add, absolute)
    both = (
        Signature("add", 0, (("y", 1), ("x", 0)), (("z", 2),)),
        Signature("abs", 1, (("x", 0),), (("z", 1),)),
    )
    return model.changed(signatures=both)


MODEL = _signed_model()
X, Y = np.array([[1, -7, 120]], np.int8), np.array([[4, -90, 100]], np.int8)
RUNNER = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
model, fed = sys.argv[1], json.loads(sys.argv[2])
found = {}
for key, inputs in fed.items():
    reference = {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF}
    runner = Interpreter(model_path=model, **reference).get_signature_runner(key)
    arrays = {name: np.array(values, np.int8) for name, values in inputs.items()}
    found[key] = {name: array.tolist() for name, array in runner(**arrays).items()}
print(json.dumps(found))
"""


@needs_litert
def test_signatures_run_as_in_litert(tmp_path):
    path = tmp_path / "signed.tflite"
    path.write_bytes(MODEL.to_bytes())
    fed = {"add": {"x": X, "y": Y}, "abs": {"x": X}}
    plain = {key: {n: a.tolist() for n, a in inputs.items()} for key, inputs in fed.items()}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(path), json.dumps(plain)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(done.stdout.splitlines()[-1])
    interpreter = Interpreter(path)
    for key, inputs in fed.items():
        ours = interpreter.run(inputs, signature=key)
        assert {name: array.tolist() for name, array in ours.items()} == theirs[key]


def test_a_signature_has_an_order_and_tensors_of_its_own():
    interpreter = Interpreter(MODEL)
    (z,) = interpreter.run([Y, X], signature="add")
    np.testing.assert_array_equal(z, interpreter.run([X, Y])[0])
    kept = interpreter.run([X], signature="abs", keep=["magnitude", 0])
    assert kept["magnitude"].tolist() == [[1, 7, 120]] and kept[0].tolist() == X.tolist()


@pytest.mark.parametrize(
    ("inputs", "signature", "error", "says"),
    [
        ([X], "sum", UsageError, "no signature 'sum'; it has 'add', 'abs'"),
        ({"left": X, "y": Y}, "add", SampleError, "no input named 'left'; inputs are y, x"),
        ({"x": X}, "add", SampleError, "input 'y' is missing"),
        ([X], "add", SampleError, "1 arrays given, the model has 2 inputs: y, x"),
        ([X[:, :2]], "abs", SampleError, r"number: array of shape \[1, 2\], needs \[1, 3\]"),
        ([[[1, 2], [3]]], "abs", SampleError, "number: given what is no array of one shape"),
    ],
    ids=["unknown", "tensor-name", "missing", "count", "shape", "ragged"],
)
def test_what_does_not_fit_a_signature_is_named(inputs, signature, error, says):
    with pytest.raises(error, match=says):
        Interpreter(MODEL).run(inputs, signature=signature)


@needs_litert
@pytest.mark.parametrize("shape", [(3, 4, 4, 2), (1, 6, 9, 2), (2, 2, 5, 7), (0, 4, 4, 2)], ids=str)
def test_resized_inputs_run_as_in_litert(shape):
    """The reference run resizes whatever does not have the file's shape."""
    model, data = _pool(), _drawn(*shape)
    interpreter = Interpreter(model)
    interpreter.resize({0: shape})
    (ours,) = interpreter.run([data])
    (theirs,) = litert_run(model.to_bytes(), [[data]])[0].outputs
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


def test_resizing_is_taken_back_and_checked():
    interpreter = Interpreter(_pool())
    interpreter.resize({"t0": (1, 6, 6, 2)})
    with pytest.raises(SampleError, match=r"shape \[1, 4, 4, 2\], needs \[1, 6, 6, 2\]"):
        interpreter.run([_drawn(1, 4, 4, 2)])
    interpreter.resize({})
    assert interpreter.run([_drawn(1, 4, 4, 2)])[0].shape == (1, 2, 2, 2)
    with pytest.raises(UsageError, match="'t1', which is no input; inputs are t0"):
        interpreter.resize({"t1": (1,)})
    with pytest.raises(UsageError, match=r"cannot be resized to \[4, 4\]"):
        interpreter.resize({"t0": (4, 4)})


def test_what_a_graph_cannot_follow_is_named():
    data = TensorSpec("int8", (1, 6), **GRID)
    shape = TensorSpec("int32", data=np.array([2, 3], np.int32))
    out = TensorSpec("int8", (2, 3), **GRID)
    interpreter = Interpreter(one_operator_model("RESHAPE", [data, shape], [out]))
    interpreter.resize({0: (1, 7)})
    with pytest.raises(RequantError, match="op 0 RESHAPE t2: "):
        interpreter.run([_drawn(1, 7)])


@needs_litert
def test_several_samples_run_one_by_one_and_are_joined():
    model, data = _pool((2, 4, 4, 2)), _drawn(6, 4, 4, 2)
    kept = Interpreter(model).run({"t0": data}, keep="all")
    assert kept.outputs["t1"].shape == (6, 2, 2, 2)
    each = litert_run(model.to_bytes(), [[data[i : i + 2]] for i in (0, 2, 4)])
    np.testing.assert_array_equal(kept["t1"], np.concatenate([run.outputs[0] for run in each]))
    np.testing.assert_array_equal(kept["t0"], data)


@pytest.mark.parametrize("count", [3, 0])
def test_what_is_no_multiple_of_the_batch_is_refused(count):
    with pytest.raises(SampleError, match=r"needs \[2, 4, 4, 2\]"):
        Interpreter(_pool((2, 4, 4, 2))).run([_drawn(count, 4, 4, 2)])


def test_state_goes_from_sample_to_sample_only_where_it_is_kept():
    data, state = (
        TensorSpec("int8", (1, 1), 1.0),
        TensorSpec("int16", (1, 2), 1.0, is_variable=True),
    )
    feature = TensorSpec("int8", data=np.array([[1]], np.int8), scale=1.0)
    time = TensorSpec("int16", data=np.array([[1, 1]], np.int16), scale=1.0)
    bias = TensorSpec("int32", data=np.zeros(1, np.int32), scale=1.0)
    model = one_operator_model(
        "SVDF", [data, feature, time, bias, state], [TensorSpec("int8", (1, 1), 1.0)],
        {"rank": 1, "fused_activation_function": "RELU"},
    )  # fmt: skip
    x = np.array([[5], [6], [7]], np.int8)
    assert Interpreter(model).run([x])[0].ravel().tolist() == [5, 6, 7]
    lasting = Interpreter(model, keep_state=True)
    assert lasting.run([x])[0].ravel().tolist() == [5, 11, 13]
    assert lasting.run([x])[0].ravel().tolist() == [12, 11, 13]
