"""The interpreter around the kernels: inputs, kept tensors, what is missing, observers, state."""

from __future__ import annotations

import numpy as np
import pytest

from tflite_requant.errors import (
    FormatError,
    RequantError,
    SampleError,
    UnsupportedOperatorError,
    UsageError,
)
from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import litert_available, litert_run
from tflite_requant.testing import (
    GraphBuilder,
    TensorSpec,
    one_operator_model,
    with_subgraphs,
)

SIZE = (1, 4)


def _two_step_model():
    """a + b -> sum, relu(sum) -> out, and an operator beside them that nobody has a kernel for."""
    graph = GraphBuilder()
    a = graph.tensor(TensorSpec("int8", SIZE, 0.5, 1, name="a"))
    b = graph.tensor(TensorSpec("int8", SIZE, 0.5, -1, name="b"))
    total = graph.tensor(TensorSpec("int8", SIZE, 0.5, 0, name="sum"))
    out = graph.tensor(TensorSpec("int8", SIZE, 0.5, 0, name="out"))
    strange = graph.tensor(TensorSpec("int8", SIZE, 0.5, 0, name="strange"))
    graph.operator("ADD", [a, b], [total])
    graph.operator("RELU", [total], [out])
    graph.operator("Mystery", [total], [strange], custom_options=b"")
    return graph.build([a, b], [out]), graph.build([a, b], [out, strange])


KNOWN, STRANGE = _two_step_model()
A = np.array([[1, 11, -9, 127]], np.int8)
B = np.array([[-1, -1, -1, 127]], np.int8)
SUM = np.array([[0, 10, -10, 127]], np.int8)
OUT = np.array([[0, 10, 0, 127]], np.int8)


def test_a_list_gives_a_list():
    (out,) = Interpreter(KNOWN).run([A, B])
    np.testing.assert_array_equal(out, OUT)


def test_a_dict_gives_a_dict():
    found = Interpreter(KNOWN).run({"b": B, "a": A})
    assert list(found) == ["out"]
    np.testing.assert_array_equal(found["out"], OUT)


def test_bytes_and_a_path_are_read(tmp_path):
    data = KNOWN.to_bytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        np.testing.assert_array_equal(Interpreter(source).run([A, B])[0], OUT)


def test_kept_tensors_by_index_and_name():
    found = Interpreter(KNOWN).run([A, B], keep=["sum", 0])
    np.testing.assert_array_equal(found["sum"], SUM)
    np.testing.assert_array_equal(found[2], SUM)
    np.testing.assert_array_equal(found["a"], A)
    assert list(found) == [0, 2]
    assert "out" not in found
    np.testing.assert_array_equal(found.outputs[0], OUT)


def test_keeping_all_with_a_dict():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", SIZE, 0.5, name="x"))
    c = graph.tensor(TensorSpec("int8", data=B, scale=0.5, name="c"))
    y = graph.tensor(TensorSpec("int8", SIZE, 0.5, name="y"))
    graph.operator("MAXIMUM", [x, c], [y])
    found = Interpreter(graph.build([x], [y])).run({"x": A}, keep="all")
    assert list(found) == [0, 1, 2]
    np.testing.assert_array_equal(found["c"], B)
    np.testing.assert_array_equal(found.outputs["y"], np.maximum(A, B))


def test_results_do_not_follow_the_callers_array():
    model = one_operator_model(
        "RESHAPE", [TensorSpec("int8", SIZE, 1.0)], [TensorSpec("int8", (4,), 1.0)],
        {"new_shape": (4,)},
    )  # fmt: skip
    given = A.copy()
    (out,) = Interpreter(model).run([given])
    given[:] = 0
    np.testing.assert_array_equal(out, A[0])


@pytest.mark.parametrize(
    ("real", "stored"),
    [(0.0, 1), (0.25, 2), (-0.25, 0), (0.74, 2), (1e9, 127), (-np.inf, -128)],
)
def test_reals_are_put_on_the_grid(real, stored):
    """scale 0.5, zero point 1; ties go away from zero before the zero point is added."""
    found = Interpreter(KNOWN).run([np.full(SIZE, real), B], keep=["a"])
    np.testing.assert_array_equal(found["a"], np.full(SIZE, stored))


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([A], "1 arrays given, the model has 2 inputs: a, b"),
        ([A, B[0]], "tensor 1 b: array of shape [4], needs [1, 4]"),
        ([A, B[:, :3]], "tensor 1 b: array of shape [1, 3], needs [1, 4]"),
        ([A, B.astype(np.int64)], "tensor 1 b: array of int64, needs int8"),
        ([A.view(np.uint8), B], "tensor 0 a: array of uint8, needs int8"),
        ({"a": A}, "input 'b' is missing; inputs are a, b"),
        ({"a": A, "b": B, "x": B}, "no input named 'x'; inputs are a, b"),
        ([A, np.full(SIZE, np.nan)], "tensor 1 b: the array holds NaN"),
        (A, "inputs must be a list"),
    ],
)
def test_inputs_that_do_not_fit(inputs, says):
    with pytest.raises(SampleError) as caught:
        Interpreter(KNOWN).run(inputs)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_size_that_the_file_leaves_open_may_vary():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", SIZE, 0.5))
    y = graph.tensor(TensorSpec("int8", SIZE, 0.5))
    graph.operator("RELU", [x], [y])
    graph._tensors[0] = _open_first_axis(graph._tensors[0])
    model = graph.build([x], [y])
    assert Interpreter(model).run([np.zeros((3, 4), np.int8)])[0].shape == (3, 4)
    with pytest.raises(SampleError):
        Interpreter(model).run([np.zeros((3, 5), np.int8)])


def _open_first_axis(tensor):
    from dataclasses import replace

    return replace(tensor, shape_signature=(-1, *tensor.shape[1:]))


def test_missing_kernels_are_listed_before_anything_runs():
    ran = []
    interpreter = Interpreter(STRANGE)
    assert [f.law for f in interpreter.unsupported] == ["kernel"]
    with pytest.raises(UnsupportedOperatorError) as caught:
        interpreter.run([A, B], on_operator=lambda *a: ran.append(a))
    assert "op 2 Mystery strange: [kernel] no kernel for Mystery" in str(caught.value)
    assert len(caught.value.findings) == 1
    assert ran == []


def test_what_the_outputs_do_not_need_may_be_missing():
    interpreter = Interpreter(KNOWN)
    assert len(interpreter.unsupported) == 1
    np.testing.assert_array_equal(interpreter.run([A, B])[0], OUT)
    with pytest.raises(UnsupportedOperatorError):
        interpreter.run([A, B], keep=["strange"])


@pytest.mark.parametrize(
    ("opcode", "dtype", "scale", "says"),
    [
        ("HARD_SWISH", "int16", 0.1, "no kernel for HARD_SWISH on int16"),
        ("SOFTMAX", "int32", None, "no kernel for SOFTMAX on int32"),
    ],
)
def test_a_kernel_may_lack_a_type(opcode, dtype, scale, says):
    spec = TensorSpec(dtype, SIZE, scale)
    (finding,) = Interpreter(one_operator_model(opcode, [spec], [spec])).unsupported
    assert finding.found.startswith(says)


def test_a_custom_operator_is_not_taken_for_a_builtin_of_its_name():
    spec = TensorSpec("int8", SIZE, 0.1)
    model = one_operator_model("RELU", [spec], [spec], custom_options=b"")
    assert [f.found for f in Interpreter(model).unsupported] == ["no kernel for RELU"]


def test_operands_that_a_kernel_refuses_name_the_operator():
    specs = [TensorSpec("int8", SIZE, s) for s in (0.1, 0.2)]
    model = one_operator_model("CONCATENATION", specs, [TensorSpec("int8", (2, 4), 0.1)])
    with pytest.raises(RequantError, match=r"^op 0 CONCATENATION t2: int8 operands need"):
        Interpreter(model).run([A, B])


def test_an_observer_sees_every_operator_with_its_operands():
    seen = []

    def observe(subgraph, op, inputs, outputs):
        seen.append((subgraph.index, op.name, [q.integers.tolist() for q in inputs], outputs))
        assert inputs[0].qparams == subgraph.tensors[op.inputs[0]].qparams

    Interpreter(KNOWN).run([A, B], on_operator=observe)
    assert [(s, name) for s, name, _, _ in seen] == [(0, "ADD"), (0, "RELU")]
    assert seen[0][2] == [A.tolist(), B.tolist()]
    np.testing.assert_array_equal(seen[1][3][0], OUT)


def test_unknown_names_are_errors():
    with pytest.raises(UsageError, match="unknown arithmetic 'nonsense'"):
        Interpreter(KNOWN, arithmetic="nonsense")
    with pytest.raises(UsageError, match="keep names tensor 'nobody'"):
        Interpreter(KNOWN).run([A, B], keep=["nobody"])
    with pytest.raises(UsageError, match="keep names tensor 99"):
        Interpreter(KNOWN).run([A, B], keep=[99])
    with pytest.raises(FormatError):
        Interpreter(b"certainly no model")
    with pytest.raises(UsageError, match="no such file"):
        Interpreter("/nonexistent/model.tflite")


def _accumulating_model():
    """SVDF with one filter: its state remembers the last two inputs."""
    data = TensorSpec("int8", (1, 1), 1.0)
    feature = TensorSpec("int8", data=np.array([[1]], np.int8), scale=1.0)
    time = TensorSpec("int16", data=np.array([[1, 1]], np.int16), scale=1.0)
    bias = TensorSpec("int32", data=np.zeros(1, np.int32), scale=1.0)
    state = TensorSpec("int16", (1, 2), 1.0, is_variable=True)
    out = TensorSpec("int8", (1, 1), 1.0)
    options = {"rank": 1, "fused_activation_function": "RELU"}
    return one_operator_model("SVDF", [data, feature, time, bias, state], [out], options)


def test_state_starts_afresh_unless_it_is_kept():
    model, x = _accumulating_model(), [np.array([[5]], np.int8)]
    fresh = Interpreter(model)
    assert [int(fresh.run(x)[0][0, 0]) for _ in range(3)] == [5, 5, 5]
    lasting = Interpreter(model, keep_state=True)
    assert [int(lasting.run(x)[0][0, 0]) for _ in range(3)] == [5, 10, 10]
    lasting.reset()
    assert int(lasting.run(x)[0][0, 0]) == 5


@pytest.mark.parametrize("missing", ["input", "output"])
def test_a_quantized_tensor_without_a_scale_is_named(missing):
    specs = {"input": TensorSpec("int8", SIZE, 0.1), "output": TensorSpec("int8", SIZE, 0.1)}
    specs[missing] = TensorSpec("int8", SIZE)
    model = one_operator_model("RELU", [specs["input"]], [specs["output"]])
    index = 0 if missing == "input" else 1
    (finding,) = Interpreter(model).unsupported
    assert finding.found == f"tensor {index} t{index} has no scale"


def _counting(opcode: str, other: int, result: str = "int32"):
    """One int32 operand and a constant through a binary operator."""
    constant = TensorSpec("int32", data=np.array([other], np.int32))
    return one_operator_model(
        opcode, [TensorSpec("int32", (1,)), constant], [TensorSpec(result, (1,))]
    )


def _calling(opcode: str, inputs: list[str], options: dict, *called):
    graph = GraphBuilder()
    fed = [graph.tensor(TensorSpec(dtype, (1,))) for dtype in inputs]
    out = graph.tensor(TensorSpec("int32", (1,)))
    graph.operator(opcode, fed, [out], options)
    return with_subgraphs(graph.build(fed, [out]), *called)


def _agrees_with_litert(model, inputs):
    if litert_available():
        data = model.to_bytes()
        assert litert_run(data, [inputs])[0].outputs[0].tolist() == (
            Interpreter(data).run(inputs)[0].tolist()
        )


@pytest.mark.parametrize(("start", "end"), [(0, 7), (6, 7), (30, 30)])
def test_a_loop_runs_while_its_condition_holds(start, end):
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    loop = _calling("WHILE", ["int32"], options, _counting("LESS", 7, "bool"), _counting("ADD", 1))
    inputs = [np.array([start], np.int32)]
    assert Interpreter(loop).run(inputs)[0].tolist() == [end]
    _agrees_with_litert(loop, inputs)


@pytest.mark.parametrize(("condition", "result"), [(True, 8), (False, 15)])
def test_a_branch_runs_one_of_two_subgraphs(condition, result):
    options = {"then_subgraph_index": 1, "else_subgraph_index": 2}
    branch = _calling("IF", ["bool", "int32"], options, _counting("ADD", 3), _counting("MUL", 3))
    inputs = [np.array([condition]), np.array([5], np.int32)]
    assert Interpreter(branch).run(inputs)[0].tolist() == [result]
    _agrees_with_litert(branch, inputs)


def test_a_missing_kernel_in_a_called_subgraph_is_found():
    spec = TensorSpec("int32", (1,))
    strange = one_operator_model("Mystery", [spec], [spec], custom_options=b"")
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    loop = _calling("WHILE", ["int32"], options, _counting("LESS", 7, "bool"), strange)
    (finding,) = Interpreter(loop).unsupported
    assert finding.where == "subgraph 2 op 0 Mystery t1"
    # A delegate's or an accelerator's: not even LiteRT runs it.
    assert finding.hint.startswith("runs only where its own runtime is; take the model that ")


def test_contradicting_sizes_are_one_line():
    specs = [TensorSpec("int8", (1, n), 0.5) for n in (4, 3)]
    model = one_operator_model("ADD", specs, [TensorSpec("int8", SIZE, 0.5)])
    with pytest.raises(RequantError, match=r"^op 0 ADD t2: operands do not fit: ") as caught:
        Interpreter(model).run([A, B[:, :3]])
    assert "\n" not in str(caught.value)


def test_an_output_that_nothing_writes_is_named():
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("int8", SIZE, 0.5, name=n)) for n in ("x", "y"))
    with pytest.raises(RequantError, match=r"^tensor 1 y: a graph output that no operator writes"):
        Interpreter(graph.build([x], [y])).run([A])
