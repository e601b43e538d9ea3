"""The pipeline as a whole: what it promises of bytes, metadata, versions and refusals."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from graphs import Net, kinds

from tflite_requant.errors import (
    FormatError,
    NotQuantizedError,
    RefusedError,
    SchemeError,
    UsageError,
)
from tflite_requant.flatbuffer import read, write
from tflite_requant.memory import METADATA_NAME, memory_of
from tflite_requant.model import Buffer
from tflite_requant.requantize import Options, requantize, screen
from tflite_requant.rewrite.remembering import described
from tflite_requant.schemes.loader import load_scheme, preset_names
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model
from tflite_requant.version import VERSION


def chain():
    """conv -> add -> concatenation of mixed grids -> pool -> softmax."""
    net = Net()
    x, a, b, s = (
        net.act("x"),
        net.act("a", 6 / 255, 0),
        net.act("b", 8 / 255, 0),
        net.act("s", 0.05, 60),
    )
    c, p, q = (
        net.act("c", 6 / 255, 0, 4),
        net.act("p", 6 / 255, 0, 4, (1, 1, 1, 4)),
        net.act("q", 1 / 256, 0, 4, (1, 1, 1, 4)),
    )
    net.conv(x, a, "RELU6", taps=1)
    net.conv(x, b)
    net.operator("ADD", (a, x), (s,))
    net.operator("CONCATENATION", (a, b), (c,), {"axis": 3})
    pool = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "filter_width": 4, "filter_height": 4}
    net.operator("AVERAGE_POOL_2D", (c,), (p,), pool)
    net.operator("SOFTMAX", (p,), (q,), {"beta": 1.0})
    return net.build((x,), (q, s))


def folded():
    """Two convolutions whose middle folds its zero point under symmetric schemes."""
    net = Net()
    x, h, y = net.act("x"), net.act("h", 6 / 255, 0), net.act("y", 0.3, 100)
    net.conv(x, h, "RELU6")
    net.conv(h, y)
    return net.build((x,), (y,))


def constants():
    """A linear tensor that clamps on both sides, and a constant operand."""
    net = Net()
    x, h, y = net.act("x", 1 / 32), net.act("h", 7 / 255, 73), net.act("y", 0.3, 100)
    net.conv(x, h)
    net.operator("ADD", (h, net.constant("k", [[[[1, 200]]]])), (y,))
    return net.build((x,), (y,))


def fenced():
    """SPACE_TO_DEPTH has no int16 kernel."""
    net = Net()
    x, y, z = net.act("x"), net.act("y", shape=(1, 2, 2, 8)), net.act("z", shape=(1, 2, 2, 8))
    net.operator("SPACE_TO_DEPTH", (x,), (y,), {"block_size": 2})
    net.operator("LEAKY_RELU", (y,), (z,), {"alpha": 0.1})
    return net.build((x,), (z,))


@pytest.fixture(scope="module")
def models(demo_model):
    return {
        "demo": read(demo_model.read_bytes()), "chain": chain(), "folded": folded(),
        "constants": constants(), "fenced": fenced(),
    }  # fmt: skip


# Schemes that take all operators.
EVERYTHING = [n for n in preset_names() if load_scheme(n).operators.allow == ("*",)]
NAMES = ("demo", "chain", "folded", "constants", "fenced")


@pytest.mark.parametrize("scheme", EVERYTHING)
@pytest.mark.parametrize("name", NAMES)
class TestTwice:
    def test_the_second_time_changes_nothing(self, name, scheme, models):
        once = requantize(models[name], scheme)
        data = once.model.to_bytes()
        twice = requantize(read(data), scheme)
        assert not twice.report.changed
        assert twice.model.to_bytes() == data
        assert once.report.changed or load_scheme(scheme).activations.dtype == "uint8"

    def test_from_memory_or_from_the_file_is_the_same(self, name, scheme, models):
        once = requantize(models[name], scheme).model
        again = requantize(once, scheme).model
        assert again is once

    def test_the_same_bytes_every_time(self, name, scheme, models):
        a, b = (requantize(models[name], scheme).model.to_bytes() for _ in range(2))
        assert a == b


@pytest.mark.parametrize("name", NAMES)
def test_the_source_scheme_gives_the_source_back(name, models):
    source = read(write(models[name]) + b"labels")
    result = requantize(source, "uint8")
    assert result.model is source
    assert result.model.to_bytes() == write(models[name]) + b"labels"
    assert result.report.source_sha256 == result.report.result_sha256


@pytest.mark.parametrize("scheme", EVERYTHING)
def test_the_source_model_is_not_changed(scheme, models):
    before = {name: write(m) for name, m in models.items()}
    for model in models.values():
        requantize(model, scheme)
    assert {name: write(m) for name, m in models.items()} == before


@pytest.mark.parametrize("scheme", ["symmetric", "int8", "symmetric-po2"])
@pytest.mark.parametrize("options", [
    pytest.param(Options(keep_io=True), id="keep_io"),
    pytest.param(Options(clamps="exact"), id="exact clamps"),
    pytest.param(Options(strict_meaning=True), id="strict meaning"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["chain", "folded", "constants"])
def test_twice_with_options(scheme, options, name, models):
    once = requantize(models[name], scheme, options=options).model
    twice = requantize(read(once.to_bytes()), scheme, options=options)
    assert kinds(twice.model) == kinds(once)
    assert twice.model.to_bytes() == once.to_bytes()


class TestMetadata:
    def test_what_the_result_remembers(self, models):
        model = models["folded"]
        result = requantize(model, "symmetric")
        memory = memory_of(read(result.model.to_bytes()))
        assert memory["scheme"] == "symmetric"
        assert memory["arithmetic"] == "litert-reference"
        assert memory["source_sha256"] == hashlib.sha256(model.to_bytes()).hexdigest()
        assert memory["source_tensors"] == [len(model.main.tensors)]
        (label,) = memory["relabelled"]
        assert (label["subgraph"], label["tensor"]) == (0, 1)
        assert label["offset"] == pytest.approx(-128 * 6 / 255)

    def test_it_is_canonical_json(self, models):
        data = requantize(models["demo"], "int8").model.metadata_bytes(METADATA_NAME)
        assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()

    def test_hashes_and_sizes_of_the_report(self, models):
        result = requantize(models["demo"], "int8")
        data = result.model.to_bytes()
        assert result.report.result_sha256 == hashlib.sha256(data).hexdigest()
        assert result.report.result_bytes == len(data)
        assert result.report.source_bytes == len(models["demo"].to_bytes())

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"1"])
    def test_memory_of_something_else(self, data):
        model = replace(folded(), buffers=(*folded().buffers, Buffer(data)))
        model = replace(model, metadata=((METADATA_NAME, len(model.buffers) - 1),))
        assert memory_of(model) is None

    def test_requantizing_on_replaces_the_entry(self, models):
        first = requantize(models["demo"], "int8").model
        second = requantize(first, "symmetric").model
        assert [n for n, _ in second.metadata].count(METADATA_NAME) == 1
        assert memory_of(second)["source_sha256"] == hashlib.sha256(first.to_bytes()).hexdigest()

    @staticmethod
    def with_minimum(old: bytes):
        model = folded()
        buffers = (*model.buffers, Buffer(old))
        return replace(
            model, buffers=buffers, metadata=(("min_runtime_version", len(buffers) - 1),)
        )

    @pytest.mark.parametrize(
        ("scheme", "version"),
        [("int8", b"1.14.0"), ("int16x8", b"2.3.0"), ("symmetric", b"1.14.0")],
    )
    def test_the_minimum_runtime_rises(self, scheme, version):
        result = requantize(self.with_minimum(b"1.5.0" + bytes(11)), scheme).model
        assert result.metadata_bytes("min_runtime_version") == version.ljust(16, b"\0")

    def test_no_minimum_is_added(self, models):
        result = requantize(models["folded"], "int8").model
        assert result.metadata_bytes("min_runtime_version") is None


class TestTheFile:
    def test_what_is_not_the_graph_survives(self):
        model = replace(folded(), description="mine", trailing=b"tail")
        again = read(requantize(read(model.to_bytes()), "int8").model.to_bytes())
        note = f"[tflite_requant {VERSION}: int8]"
        assert (again.description, again.trailing) == (f"mine {note}", b"tail")
        assert [t.name for t in again.main.tensors] == [t.name for t in model.main.tensors]

    @pytest.mark.parametrize("old", [None, "", "mine", "mine [of 2019]"])
    def test_the_description_ends_in_one_note(self, old):
        once = described(old, "int8")
        assert described(once, "symmetric") == described(old, "symmetric")
        assert once.startswith(old or "[") and once.endswith(f"[tflite_requant {VERSION}: int8]")

    def test_versions_follow_the_types(self, models):
        versions = {
            scheme: [
                (op.opcode, op.version)
                for op in requantize(models["folded"], scheme).model.main.operators
            ]
            for scheme in ("int8", "int16x8")
        }  # fmt: skip
        assert versions["int8"] == [("CONV_2D", 3)] * 2
        assert versions["int16x8"] == [("CONV_2D", 4)] * 2

    def test_int16_sums_take_the_general_path(self, models):
        result = requantize(models["constants"], "int16x8").model
        add = next(op for op in result.main.operators if op.opcode == "ADD")
        assert add.option("pot_scale_int16") is False
        assert add.version == 3


class TestDirections:
    @pytest.mark.parametrize("first", EVERYTHING)
    @pytest.mark.parametrize("second", EVERYTHING)
    def test_from_every_scheme_to_every_other(self, first, second, models):
        middle = requantize(models["folded"], first).model
        result = requantize(middle, second).model
        dtypes = set(load_scheme(second).activations.dtypes)
        assert {t.dtype for t in (*result.inputs, *result.outputs)} <= dtypes

    def test_there_and_back_is_exact(self, models):
        """uint8 -> int8 -> uint8 keeps every real weight that int8 could hold, and every grid."""
        there = requantize(models["folded"], "int8-per-tensor").model
        back = requantize(there, "uint8").model
        for a, b in zip(there.main.tensors, back.main.tensors, strict=True):
            if a.is_constant:
                assert (a.qarray().real() == b.qarray().real()).all()
        source = models["folded"].main.tensors
        assert [t.type for t in back.main.tensors[:3]] == [t.type for t in source[:3]]


class TestScreen:
    def test_a_float_model(self):
        model = one_operator_model(
            "RELU", [TensorSpec("float32", (4,))], [TensorSpec("float32", (4,))]
        )
        with pytest.raises(NotQuantizedError, match="it is a float model"):
            requantize(model, "int8")

    def test_weights_only(self):
        model = one_operator_model(
            "FULLY_CONNECTED",
            [TensorSpec("float32", (1, 2)), TensorSpec("int8", scale=0.1, data=[[1, 2]]), None],
            [TensorSpec("float32", (1, 1))],
        )
        with pytest.raises(NotQuantizedError, match="only its weights are quantized"):
            requantize(model, "int8")

    @pytest.mark.parametrize(
        ("code", "line"),
        [("edgetpu-custom-op", "an Edge TPU-compiled model"), ("ethos-u", "a Vela-compiled model")],
    )
    def test_compiled(self, code, line):
        graph = GraphBuilder()
        x, y = (graph.tensor(TensorSpec("uint8", (4,), 0.1)) for _ in range(2))
        graph.operator(code, (x,), (y,), custom_options=b"")
        with pytest.raises(NotQuantizedError, match=line):
            screen(graph.build((x,), (y,)))

    def test_constants_that_do_not_fill_their_shapes(self):
        model = folded()
        tensors = tuple(
            replace(t, shape=(*t.shape, 2)) if t.is_constant else t for t in model.main.tensors
        )
        broken = replace(model, subgraphs=(replace(model.main, tensors=tensors),))
        with pytest.raises(FormatError, match="damaged: 4 findings") as caught:
            requantize(broken, "int8")
        assert len(caught.value.findings) == 4

    def test_an_unknown_scheme(self):
        with pytest.raises(SchemeError, match="unknown scheme 'int7'"):
            requantize(folded(), "int7")

    def test_a_refusal_has_all_findings_of_all_subgraphs(self):
        graph = GraphBuilder()
        x, y = (graph.tensor(TensorSpec("uint8", (4,), 0.1)) for _ in range(2))
        graph.operator("Mystery", (x,), (y,), custom_options=b"")
        one = graph.build((x,), (y,))
        both = replace(one, subgraphs=(one.main, replace(one.main, index=1)))
        with pytest.raises(RefusedError, match="2 findings") as caught:
            requantize(both, "int8")
        assert "subgraph 1 op 0" in str(caught.value)


def test_every_subgraph_is_requantized_but_called_ones():
    inner = folded()
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("uint8", (1, 4, 4, 2), 1 / 128, 128)) for _ in range(2))
    graph.operator("CALL_ONCE", (), (), {"init_subgraph_index": 1})
    graph.operator("LOGISTIC", (x,), (y,))
    main = graph.build((x,), (y,)).main
    subgraphs = (main, replace(inner.main, index=1), replace(inner.main, index=2))
    model = replace(inner, subgraphs=subgraphs)
    result = requantize(model, "int8").model
    assert [s.tensors[0].dtype for s in result.subgraphs] == ["int8", "uint8", "int8"]
    # Subgraphs 1 and 2 read the same buffers and part ways.
    for old, kept in zip(inner.main.tensors, result.subgraphs[1].tensors, strict=True):
        if old.is_constant:
            assert bytes(kept.data) == bytes(old.data)
            assert np.array_equal(kept.array(), old.array())


def test_an_integer_calibration_equals_its_real_values(models):
    model = models["folded"]
    stored = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 2)).astype(np.uint8)
    grid = model.inputs[0].qparams
    real = (stored.astype(np.float64) - grid.zero_point) * grid.scale
    a, b = (requantize(model, "symmetric-po2", s).model.to_bytes() for s in (stored, real))
    assert a == b


@pytest.mark.parametrize(
    "words", [{"clamps": "exactly"}, {"correction": ("bias-fold",)}], ids=["clamps", "correction"]
)
def test_unknown_words_in_options_are_usage_errors(words):
    with pytest.raises(UsageError, match="known: "):
        Options(**words)


@pytest.mark.parametrize(("scheme", "told"), [("int8", 1), ("uint8", 0)], ids=["lost", "kept"])
def test_fields_newer_than_the_schema_are_told_where_they_are_lost(demo_model, scheme, told):
    model = replace(read(demo_model.read_bytes()), unknown_fields=("Tensor field 11",))
    findings = requantize(model, scheme).report.findings
    assert sum(f.law == "unknown-field" and f.severity == "warning" for f in findings) == told


@pytest.mark.parametrize("scheme", ["int8-per-tensor", "uint8", "symmetric-po2-per-tensor"])
def test_weights_of_a_file_with_a_scale_per_axis_get_one(scheme):
    """What was read of the old scales does not count against the result."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 2), 0.03, 3, name="x"))
    w = graph.tensor(TensorSpec("int8", scale=[0.01, 0.02, 0.05], data=[[1, 9], [-40, 7], [8, 2]]))
    b = graph.tensor(TensorSpec("int32", scale=[0.0003, 0.0006, 0.0015], data=[5, 9, 0]))
    y = graph.tensor(TensorSpec("int8", (1, 3), 0.05, 0, name="y"))
    graph.operator("FULLY_CONNECTED", (x, w, b), (y,), version=5)
    model = read(graph.build((x,), (y,)).to_bytes())
    result = read(requantize(model, scheme).model.to_bytes())
    weights = result.main.tensors[result.main.operators[0].inputs[1]].qparams
    assert (len(weights.scales), len(weights.zero_points)) == (1, 1)
