"""`compare`: which tensors are held against each other, what differs, how much, and where first."""

import json
import math
import pickle
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.compare import Comparison, litert_version, profiles_with_runtime
from tflite_requant.compare.litert import RUNTIMES
from tflite_requant.compare.matching import Meaning, Pair, class_scores, match, match_inputs
from tflite_requant.compare.outcome import BEYOND, STEPS
from tflite_requant.compare.tally import Tally
from tflite_requant.errors import SampleError, UnsupportedOperatorError, UsageError
from tflite_requant.memory import METADATA_NAME, memory_of
from tflite_requant.model import Edit, QParams, Tensor
from tflite_requant.runtime import litert_available
from tflite_requant.samples import array_samples, random_samples
from tflite_requant.samples.archive import npz_bytes
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

needs_litert = pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")


def chain(weight: int = 3, names: tuple[str, ...] = ("x", "p", "q", "y"), scale: float = 0.5):
    """x -> ADD constant -> p -> ADD constant -> q -> RELU -> y; `weight` is of the second."""
    graph = GraphBuilder()
    x, p, q, y = (graph.tensor(TensorSpec("int8", (1, 4), scale, 0, name=n)) for n in names)
    one = graph.tensor(TensorSpec("int8", scale=scale, data=[[1, 1, 1, 1]], name="one"))
    two = graph.tensor(TensorSpec("int8", scale=scale, data=[[3, 3, weight, 3]], name="two"))
    graph.operator("ADD", [x, one], [p])
    graph.operator("ADD", [p, two], [q])
    graph.operator("RELU", [q], [y])
    return graph.build([x], [y])


X = np.array([[[1, 2, 3, 4]], [[-9, -9, -9, -9]]], np.int8)


def one_weight_changed(model, name: str, by: int):
    """The model with the middle element of a constant changed."""
    (tensor,) = (t for t in model.main.tensors if t.name == name)
    values = np.array(tensor.array())
    values.reshape(-1)[values.size // 2] += np.array(by).astype(values.dtype)
    edit = Edit(model)
    edit.subgraphs[0].set_constant(tensor.index, values, tensor.type)
    return edit.commit()


# --- two models --------------------------------------------------------------------------------


def test_a_model_equals_itself():
    found = tr.compare(chain(), chain(), X)
    assert found.equal and found.exact
    assert found.first is None
    assert [(t.name, t.elements, t.differing, t.sqnr) for t in found.tensors] == [
        ("p", 8, 0, math.inf), ("q", 8, 0, math.inf), ("y", 8, 0, math.inf),
    ]  # fmt: skip
    assert found.samples == 2
    assert found.same_top1 is None
    assert found.numbers() == {"sqnr": math.inf, "differing": 0, "differing_tensors": 0}


def test_an_injected_difference_is_found_where_it_is():
    found = tr.compare(chain(), chain(weight=5), X)
    assert found.exact and not found.equal
    first = found.first
    assert (first.name, first.operator) == ("q", "op 1 ADD q")
    assert (first.elements, first.differing) == (8, 2)
    assert first.histogram == {**dict.fromkeys(STEPS, 0), 0: 6, 2: 2, BEYOND: 0}
    assert (first.first.sample, first.first.position) == (0, (0, 2))
    assert (first.first.a, first.first.b) == (7, 9)
    # RELU hides the second sample's difference.
    assert [(t.name, t.differing) for t in found.tensors] == [("p", 0), ("q", 2), ("y", 1)]
    signal, noise = 5.0**2 + 6**2 + 7**2 + 8**2, 2.0**2
    assert found.outputs[0].sqnr == pytest.approx(10 * math.log10(signal / noise))


def test_one_weight_of_the_demo_model(demo_model):
    model = tr.load(demo_model)
    op = model.main.operators[5]
    weights = model.main.tensors[op.inputs[1]]
    found = tr.compare(model, one_weight_changed(model, weights.name, 64), "random:2")
    assert found.first.index == op.outputs[0]
    assert found.first.operator.startswith(f"op 5 {op.name} ")
    before = [t for t in found.tensors if int(t.operator.split()[1]) < 5]
    assert len(before) == 5
    assert [t.differing for t in before] == [0] * 5


def test_tensors_are_not_matched_by_index():
    """B has the same tensors under other indices."""
    graph = GraphBuilder()
    y, q, p, x = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "yqpx")
    one = graph.tensor(TensorSpec("int8", scale=0.5, data=[[1, 1, 1, 1]], name="one"))
    two = graph.tensor(TensorSpec("int8", scale=0.5, data=[[3, 3, 3, 3]], name="two"))
    graph.operator("ADD", [x, one], [p])
    graph.operator("ADD", [p, two], [q])
    graph.operator("RELU", [q], [y])
    found = tr.compare(chain(), graph.build([x], [y]), X)
    assert found.equal
    assert [(t.name, t.index, t.index_b) for t in found.tensors] == [
        ("p", 1, 2), ("q", 2, 1), ("y", 3, 0),
    ]  # fmt: skip


def test_tensors_without_a_partner_are_listed():
    found = tr.compare(chain(), chain(names=("x", "other", "q", "y")), X)
    assert [t.name for t in found.tensors] == ["q", "y"]
    assert (found.only_a, found.only_b) == (("p",), ("other",))


def test_outputs_of_other_names_are_matched_in_graph_order():
    found = tr.compare(chain(), chain(names=("a", "b", "c", "d")), X)
    assert [(t.name, t.is_output) for t in found.tensors] == [("y", True)]


@pytest.mark.parametrize("scheme", ["int8", "symmetric", "symmetric-po2"])
def test_a_result_is_matched_by_its_metadata(demo_model, scheme):
    """Names are taken away: only what the result remembers says which tensor is which."""
    source = tr.load(demo_model)
    result = tr.requantize(source, scheme).model
    main = result.main
    nameless = tuple(replace(t, name=f"n{t.index}") for t in main.tensors)
    result = result.changed(subgraphs=(replace(main, tensors=nameless),))
    pairs = match(source, result)
    assert len(pairs) == len(source.main.operators)
    assert all(p.a.index == p.b.index for p in pairs)


def test_two_results_of_one_source_are_matched(demo_model):
    source = tr.load(demo_model)
    a, b = (tr.requantize(source, s).model for s in ("int8", "symmetric"))
    assert len(match(a, b)) >= len(source.main.operators)


def test_offsets_of_relabelled_tensors_are_undone(demo_model):
    source = tr.load(demo_model)
    result = tr.requantize(source, "symmetric").model
    memory = memory_of(result)
    relabelled = {entry["tensor"] for entry in memory["relabelled"]}
    assert relabelled
    found = tr.compare(source, result, "random:2")
    edit = Edit(result)
    edit.set_metadata(METADATA_NAME, json.dumps({**memory, "relabelled": []}).encode())
    without = tr.compare(source, edit.commit(), "random:2")
    for t, u in zip(found.tensors, without.tensors, strict=True):
        if t.index in relabelled:
            assert t.sqnr > 15 > u.sqnr + 5, t.name
        else:
            assert t == u


def test_real_comparison_counts_steps_of_a():
    """int8 against its uint8 twin: the same real numbers, so nothing differs."""
    spec = {"int8": (0.5, 0), "uint8": (0.5, 128)}
    models = [
        one_operator_model(
            "RELU", [TensorSpec(d, (1, 4), *q)], [TensorSpec(d, (1, 4), *q)]
        )
        for d, q in spec.items()
    ]  # fmt: skip
    found = tr.compare(*models, X)
    assert not found.exact and found.equal
    assert found.tensors[0].histogram[0] == 8


def test_keep_io_outputs_are_matched_with_outputs(demo_model):
    source = tr.load(demo_model)
    result = tr.requantize(source, "symmetric", options=tr.Options(keep_io=True)).model
    (output,) = tr.compare(source, result, "random:1").outputs
    assert output.exact
    assert output.index_b in result.main.outputs


def test_top1_of_classifiers(demo_model):
    source = tr.load(demo_model)
    assert class_scores(source).index == source.main.outputs[0]
    found = tr.compare(source, source, "random:3")
    assert found.same_top1 == 3
    assert found.numbers()["same_top1"] == 100.0


def test_top1_counts_the_samples_that_differ():
    def classifier(order):
        spec = TensorSpec("int8", (1, 3), 0.5, 0, name="x")
        graph = GraphBuilder()
        x = graph.tensor(spec)
        bias = graph.tensor(TensorSpec("int8", scale=0.5, data=[order], name="bias"))
        z = graph.tensor(TensorSpec("int8", (1, 3), 0.5, 0, name="z"))
        y = graph.tensor(TensorSpec("int8", (1, 3), 1 / 256, -128, name="y"))
        graph.operator("ADD", [x, bias], [z])
        graph.operator("SOFTMAX", [z], [y], {"beta": 1.0})
        return graph.build([x], [y])

    inputs = np.array([[[0, 0, 0]], [[100, 0, 0]]], np.int8)
    found = tr.compare(classifier([0, 9, 0]), classifier([0, 0, 9]), inputs)
    assert (found.same_top1, found.samples) == (1, 2)


# --- forms of inputs, and what does not fit ----------------------------------------------------


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param("random:2", id="words"),
        pytest.param(X, id="array"),
        pytest.param({"x": X}, id="by-name"),
        pytest.param([X[0], X[1]], id="list-of-arrays"),
        pytest.param([(X[0],), (X[1],)], id="list-of-tuples"),
        pytest.param((X[i] for i in range(2)), id="generator"),
        pytest.param(array_samples(X, chain()), id="samples"),
        pytest.param(random_samples(chain(), 2), id="random-samples"),
    ],
)
def test_forms_of_inputs(inputs):
    assert tr.compare(chain(), chain(), inputs).samples == 2


def test_paths_and_bytes(tmp_path):
    data = chain().to_bytes()
    (tmp_path / "a.tflite").write_bytes(data)
    assert tr.compare(tmp_path / "a.tflite", data, X).equal


def test_inputs_are_wired_by_name():
    def subtract(names):
        operands = [TensorSpec("int8", (1, 4), 0.5, 0, name=n) for n in names]
        return one_operator_model("SUB", operands, [TensorSpec("int8", (1, 4), 0.5, 0, name="y")])

    a, b = subtract("uv"), subtract("vu")
    assert [p for p, _, _ in match_inputs(a, b)] == [1, 0]
    found = tr.compare(a, b, {"u": X, "v": np.zeros_like(X)})
    assert found.tensors[0].first.a == -found.tensors[0].first.b == 1


def _mystery():
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "xy")
    graph.operator("Mystery", [x], [y], custom_options=b"")
    return graph.build([x], [y])


def _wider():
    spec = TensorSpec("int8", (1, 5), 0.5, 0, name="x")
    return one_operator_model("RELU", [spec], [replace(spec, name="y")])


@pytest.mark.parametrize(
    "b, inputs, error, words",
    [
        pytest.param(chain(), X[:, :, :3], SampleError, "tensor 0 x", id="shape"),
        pytest.param(chain(), X.astype(np.int32), SampleError, "int32", id="dtype"),
        pytest.param(chain(), {"z": X, "w": X}, SampleError, "which array", id="input-name"),
        pytest.param(chain(), [(X[0], X[0])], SampleError, "2 arrays", id="count"),
        pytest.param(chain(), [X[0, :, :3]], SampleError, "shape [1, 3]", id="sample-shape"),
        pytest.param(chain(), [], SampleError, "no samples", id="none"),
        pytest.param(_wider(), X, UsageError, "x [1, 4] and x [1, 5]", id="other-inputs"),
        pytest.param(_mystery(), X, UnsupportedOperatorError, "op 0 Mystery y", id="unsupported"),
    ],
)
def test_what_does_not_fit(b, inputs, error, words):
    with pytest.raises(error) as raised:
        tr.compare(chain(), b, inputs)
    assert words in str(raised.value)


def test_an_unsupported_operator_that_nothing_needs_is_left_out():
    graph = GraphBuilder()
    x, y, z = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "xyz")
    graph.operator("RELU", [x], [y])
    graph.operator("Mystery", [x], [z], custom_options=b"")
    model = graph.build([x], [y])
    found = tr.compare(model, model, X)
    assert [t.name for t in found.tensors] == ["y"]
    assert found.only_a == ("z",)


# --- counting ----------------------------------------------------------------------------------


def pair(dtype_a, qparams_a, dtype_b, qparams_b, offset_b=0.0) -> Pair:
    a = Tensor(0, "a", (4,), dtype_a, qparams_a, 0)
    b = Tensor(0, "b", (4,), dtype_b, qparams_b, 0)
    return Pair(a, b, meaning_b=Meaning(offset=offset_b))


HALF, QUARTER = QParams.of(0.5, 0), QParams.of(0.25, 0)
INT8 = ("int8", HALF, "int8", HALF)


@pytest.mark.parametrize(
    "kind, a, b, differing, steps",
    [
        pytest.param(INT8, [1, 2, 3, 4], [1, 2, 3, 4], 0, {0: 4}, id="equal"),
        pytest.param(INT8, [1, 2, 3, 4], [0, 4, 3, 1], 3, {-1: 1, 0: 1, 2: 1, -3: 1}, id="steps"),
        pytest.param(INT8, [-128, 127, 0, 0], [127, -128, 4, -4], 4, {BEYOND: 4}, id="far"),
        pytest.param(
            ("int8", HALF, "int8", QUARTER), [1, 2, 3, 4], [2, 4, 7, 12], 1, {0: 3, 2: 1},
            id="half-steps-to-even",
        ),
        pytest.param(
            ("int8", HALF, "int8", HALF, 1.0), [1, 2, 3, 4], [3, 4, 5, 7], 1, {0: 3, 1: 1},
            id="offset",
        ),
        pytest.param(
            ("float32", None, "int8", HALF), [0.5, 1.0, 1.5, 2.0], [1, 2, 3, 5], 1, {0: 3, 1: 1},
            id="float-against-int8",
        ),
        pytest.param(
            ("float32", None, "float32", None), [0.5, math.nan, 1, math.inf],
            [0.5, math.nan, 2, math.inf], 1, None, id="float",
        ),
        pytest.param(
            ("bool", None, "bool", None), [True, False, True, False], [True, True, False, False],
            2, {-1: 1, 0: 2, 1: 1}, id="bool",
        ),
        pytest.param(
            ("int64", None, "int64", None), [2**62, 0, 0, 0], [2**62 + 1, 0, 0, -(2**62)], 2,
            {0: 2, 1: 1, BEYOND: 1}, id="int64",
        ),
    ],
)  # fmt: skip
def test_tally(kind, a, b, differing, steps):
    dtypes = {"float32": np.float32, "int8": np.int8, "bool": np.bool_, "int64": np.int64}
    tally = Tally(pair(*kind))
    tally.add(0, np.array(a, dtypes[kind[0]]), np.array(b, dtypes[kind[2]]))
    found = tally.result("op 0 X a")
    assert (found.elements, found.differing) == (4, differing)
    expected = {} if steps is None else {**dict.fromkeys([*STEPS, BEYOND], 0), **steps}
    assert found.histogram == expected
    assert (found.first is None) == (differing == 0)


def test_tally_of_scalars():
    scalar = Tensor(0, "a", (), "int8", HALF, 0)
    tally = Tally(Pair(scalar, replace(scalar, qparams=QUARTER)))
    tally.add(0, np.array(4, np.int8), np.array(4, np.int8))
    found = tally.result("op 0 X a")
    assert found.first.position == ()
    assert (found.first.a, found.first.b) == (2.0, 1.0)


def test_tally_of_other_shapes():
    tally = Tally(pair(*INT8))
    tally.add(0, np.zeros(4, np.int8), np.zeros(3, np.int8))
    found = tally.result("op 0 X a")
    assert (found.differing, found.histogram[BEYOND]) == (4, 4)
    assert (found.first.a, found.first.b) == ("[4]", "[3]")
    assert found.sqnr == -math.inf


def test_labels_have_no_sqnr():
    tally = Tally(pair("int32", None, "int32", None))
    tally.add(0, np.zeros(4, np.int32), np.ones(4, np.int32))
    assert tally.result("op 0 X a").sqnr is None


# --- LiteRT ------------------------------------------------------------------------------------


@needs_litert
@pytest.mark.parametrize("profile", profiles_with_runtime())
def test_demo_model_in_litert(demo_model, profile):
    found = tr.compare(demo_model, None, "random:2", arithmetic=profile)
    assert found.against == RUNTIMES[profile].title
    assert found.equal, found.first
    model = tr.load(demo_model)
    count = len(model.main.operators) if RUNTIMES[profile].every_tensor else 1
    assert len(found.tensors) == count
    assert found.same_top1 == 2
    assert litert_version()


@needs_litert
def test_a_difference_from_litert_is_found_where_it_is(monkeypatch):
    """A kernel that is wrong by one step in one place."""
    from tflite_requant import kernels

    right = kernels.load

    def load(name):
        def wrong(operands, attributes, law):
            for stage, array in right(name)(operands, attributes, law):
                if stage == "output" and name == "RELU":
                    array = array.copy()
                    array[0, 1] += 1
                yield stage, array

        return wrong

    monkeypatch.setattr(kernels, "load", load)
    found = tr.compare(chain(), None, X)
    assert [(t.name, t.differing) for t in found.tensors] == [("p", 0), ("q", 0), ("y", 2)]
    assert found.first.operator == "op 2 RELU y"
    assert found.first.histogram[-1] == 2


@needs_litert
def test_samples_in_several_children(monkeypatch):
    from sys import modules

    monkeypatch.setattr(modules["tflite_requant.compare.litert"], "CHUNK_BYTES", 1)
    found = tr.compare(chain(), None, X)
    assert (found.samples, found.equal) == (2, True)


@pytest.mark.parametrize(
    "arithmetic, words",
    [
        pytest.param("litert-imaginary", "unknown arithmetic", id="unknown"),
        pytest.param("", "unknown arithmetic", id="empty"),
    ],
)
def test_profiles_that_litert_does_not_have(arithmetic, words):
    with pytest.raises(UsageError, match=words):
        tr.compare(chain(), None, X, arithmetic=arithmetic)


def test_a_profile_of_another_runtime(monkeypatch):
    from tflite_requant.catalog.arithmetic import PROFILES

    monkeypatch.setitem(PROFILES, "mine", ())
    with pytest.raises(UsageError, match="'mine' is not LiteRT's.*need one of litert-reference"):
        tr.compare(chain(), None, X, arithmetic="mine")


def test_without_litert(monkeypatch):
    from sys import modules

    monkeypatch.setattr(modules["tflite_requant.compare.litert"], "litert_available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install '\.\[runtime\]'"):
        tr.compare(chain(), None, X)


# --- archives ----------------------------------------------------------------------------------


def test_archive_is_what_numpy_reads():
    columns = {"a/b;c": [X[0], X[1]], "s": [np.float32(1.5)[()] * np.ones((), np.float32)]}
    data = npz_bytes(columns)
    with np.load(BytesIO(data)) as found:
        assert found.files == ["a/b;c", "s"]
        np.testing.assert_array_equal(found["a/b;c"], X)
        assert found["a/b;c"].dtype == np.int8
        assert found["s"].tolist() == [1.5]


def test_archive_of_samples_of_other_shapes():
    with np.load(BytesIO(npz_bytes({"n": [np.arange(2), np.arange(3)]}))) as found:
        assert found.files == ["n.0", "n.1"]
        assert found["n.1"].tolist() == [0, 1, 2]


def test_archive_has_no_time_and_no_compression():
    data = npz_bytes({"a": [np.zeros((100, 100), np.float32)]})
    assert data == npz_bytes({"a": [np.zeros((100, 100), np.float32)]})
    (entry,) = zipfile.ZipFile(BytesIO(data)).infolist()
    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.compress_type == zipfile.ZIP_STORED


def test_the_outcome_is_a_value():
    assert tr.compare(chain(), chain(5), X) == tr.compare(chain(), chain(5), X)
    assert isinstance(tr.compare(chain(), chain(), X), Comparison)


# --- arithmetic of each ------------------------------------------------------------------------


def test_each_model_is_run_in_the_arithmetic_of_its_metadata():
    source = chain()
    edit = Edit(source)
    edit.set_metadata(METADATA_NAME, json.dumps({"arithmetic": "single-rounding"}).encode())
    made = edit.commit()
    profiles = [(c.arithmetic, c.arithmetic_b) for c in (
        tr.compare(source, made, X), tr.compare(made, source, X),
        tr.compare(source, made, X, arithmetic="tflm"),
    )]  # fmt: skip
    assert profiles == [
        ("litert-reference", "single-rounding"),
        ("single-rounding", "litert-reference"),
        ("tflm", "tflm"),
    ]


@pytest.mark.parametrize("swapped", [False, True], ids=["B", "A"])
def test_a_refusal_says_which_model_it_is_about(swapped):
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec(d, (1, 4), 0.5, 0, name=d)) for d in ("int8", "uint8"))
    p = graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name="y"))
    graph.operator("QUANTIZE", [x], [y])
    graph.operator("ADD", [x, y], [p])
    pair = [chain(), graph.build([x], [p])]
    with pytest.raises(UnsupportedOperatorError) as caught:
        tr.compare(*(pair[::-1] if swapped else pair), X)
    again = pickle.loads(pickle.dumps(caught.value))  # as a worker's
    assert str(again) == str(caught.value)
    assert str(again).startswith(f"{'A' if swapped else 'B'}: the interpreter cannot compute 1 ope")
    assert again.findings == caught.value.findings
