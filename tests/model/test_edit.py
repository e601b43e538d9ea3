"""Changes are collected against a source that stays as it was."""

from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.flatbuffer import read, write
from tflite_requant.model import (
    Buffer,
    Edit,
    OperatorCode,
    QParams,
    Signature,
    TensorType,
    new_operator,
)
from tflite_requant.testing import GraphBuilder, TensorSpec

NEW = TensorType("int8", QParams.of(0.25))


def chain(length=3):
    """x -> RESHAPE -> ... -> y, with a constant that nobody needs."""
    graph = GraphBuilder()
    tensors = [graph.tensor(TensorSpec("int8", (4,), 0.5, name=f"t{i}")) for i in range(length + 1)]
    for a, b in zip(tensors, tensors[1:], strict=False):
        graph.operator("RESHAPE", (a,), (b,))
    graph.tensor(TensorSpec("int8", scale=0.5, data=[1, 2, 3, 4], name="k"))
    return graph.build((tensors[0],), (tensors[-1],))


def with_shared_buffers():
    """Tensors a, b, c read one buffer; d reads its own."""
    graph = GraphBuilder()
    specs = [TensorSpec("int8", scale=0.5, data=[1, 2], name=n) for n in "abcd"]
    for spec in specs:
        graph.tensor(spec)
    model = graph.build((), ())
    main = model.main
    shared = tuple(replace(t, buffer=1) if t.name in "abc" else t for t in main.tensors)
    return replace(model, subgraphs=(replace(main, tensors=shared),))


class TestPurity:
    def test_the_source_keeps_its_bytes_and_values(self):
        source = read(chain().to_bytes())
        before = source.to_bytes(), write(source)
        edit = Edit(source)
        main = edit.subgraphs[0]
        main.retype(0, NEW)
        main.set_constant(4, np.array([9, 9], np.int8), NEW)
        main.rename(1, "renamed")
        main.set_operator(0, version=7)
        main.remove_operator(1)
        main.insert_after(2, new_operator("QUANTIZE", 1, (0,), (1,)))
        edit.set_metadata("m", b"x")
        edit.replace_io(0, 3, main.add_tensor("new", (4,), NEW), outputs=True)
        changed = edit.commit()
        assert (source.to_bytes(), write(source)) == before
        assert changed.to_bytes() != before[0]
        assert source.main.tensors[4].array().tolist() == [1, 2, 3, 4]

    def test_commit_can_be_repeated(self):
        edit = Edit(chain())
        edit.subgraphs[0].set_constant(4, np.array([9], np.int8), NEW)
        assert edit.commit().to_bytes() == edit.commit().to_bytes()

    def test_a_changed_model_does_not_claim_the_bytes_that_were_read(self):
        source = read(chain().to_bytes())
        assert source.source is not None
        assert Edit(source).commit().source is None


CHANGES = {
    "retype": lambda e: e.subgraphs[0].retype(0, NEW),
    "set_constant": lambda e: e.subgraphs[0].set_constant(4, np.zeros(4, np.int8), NEW),
    "add_tensor": lambda e: e.subgraphs[0].add_tensor("n", (1,), NEW),
    "rename": lambda e: e.subgraphs[0].rename(0, "n"),
    "set_operator": lambda e: e.subgraphs[0].set_operator(0, version=2),
    "remove_operator": lambda e: e.subgraphs[0].remove_operator(0),
    "insert_before": lambda e: e.subgraphs[0].insert_before(0, new_operator("ABS", 1, (0,), (0,))),
    "insert_after": lambda e: e.subgraphs[0].insert_after(2, new_operator("ABS", 1, (0,), (0,))),
    "insert_first": lambda e: e.subgraphs[0].insert_first(new_operator("ABS", 1, (0,), (0,))),
    "replace_input": lambda e: e.subgraphs[0].replace_input(0, 0, 1),
    "replace_output": lambda e: e.subgraphs[0].replace_output(0, 0, 2),
    "replace_io": lambda e: e.replace_io(0, 0, 1, outputs=False),
    "set_metadata": lambda e: e.set_metadata("m", b""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_is_changed(change):
    edit = Edit(chain())
    assert not edit.is_changed
    change(edit)
    assert edit.is_changed


def test_replacing_an_input_by_itself_changes_nothing():
    edit = Edit(chain())
    edit.subgraphs[0].replace_input(0, 0, 0)
    assert not edit.is_changed


def test_operators_stand_in_the_order_in_which_they_were_put():
    edit = Edit(chain())
    main = edit.subgraphs[0]
    for name in ("ABS", "EXP"):
        main.insert_before(1, new_operator(name, 1, (0,), (0,)))
    for name in ("LOG", "NEG"):
        main.insert_after(1, new_operator(name, 1, (0,), (0,)))
    main.insert_first(new_operator("SQRT", 1, (0,), (0,)))
    main.insert_before(0, new_operator("RSQRT", 1, (0,), (0,)))
    main.remove_operator(1)
    operators = edit.commit().main.operators
    assert [op.opcode for op in operators] == [
        "SQRT", "RSQRT", "RESHAPE", "ABS", "EXP", "LOG", "NEG", "RESHAPE",
    ]  # fmt: skip
    assert [op.index for op in operators] == list(range(8))
    with pytest.raises(KeyError):
        main.operator(1)


class TestSharedBuffers:
    @staticmethod
    def placed(changes):
        edit = Edit(with_shared_buffers())
        for index, values in changes.items():
            edit.subgraphs[0].set_constant(index, np.array(values, np.int8), NEW)
        model = edit.commit()
        tensors = model.main.tensors
        assert [t.array().tolist() for t in tensors] == [changes.get(i, [1, 2]) for i in range(4)]
        assert all(bytes(model.buffers[t.buffer].data) == bytes(t.data) for t in tensors)
        return [t.buffer for t in tensors], len(model.buffers)

    @pytest.mark.parametrize(
        ("changes", "buffers", "count"),
        [
            pytest.param({0: [5, 6]}, [5, 1, 1, 4], 6, id="one of three"),
            pytest.param({0: [5, 6], 1: [5, 6]}, [5, 5, 1, 4], 6, id="two alike"),
            pytest.param({0: [5, 6], 1: [7, 8]}, [5, 6, 1, 4], 7, id="two apart"),
            pytest.param({0: [5, 6], 1: [5, 6], 2: [5, 6]}, [1, 1, 1, 4], 5, id="all alike"),
            pytest.param({0: [5, 6], 1: [7, 8], 2: [5, 6]}, [1, 5, 1, 4], 6, id="all, apart"),
            pytest.param({3: [5, 6]}, [1, 1, 1, 4], 5, id="its own"),
        ],
    )
    def test_each_fate(self, changes, buffers, count):
        assert self.placed(changes) == (buffers, count)

    def test_a_buffer_that_metadata_names_is_kept(self):
        model = replace(with_shared_buffers(), metadata=(("note", 4),))
        edit = Edit(model)
        edit.subgraphs[0].set_constant(3, np.array([5, 6], np.int8), NEW)
        changed = edit.commit()
        assert changed.metadata_bytes("note") == b"\x01\x02"
        assert changed.main.tensors[3].array().tolist() == [5, 6]


class TestMetadata:
    @pytest.mark.parametrize(
        ("metadata", "expected"),
        [
            pytest.param((), {"m": b"new"}, id="added"),
            pytest.param((("m", 4),), {"m": b"new"}, id="replaced"),
            pytest.param((("m", 4), ("n", 4)), {"m": b"new", "n": b"\x01\x02"}, id="shared entry"),
            pytest.param((("m", 0),), {"m": b"new"}, id="the empty buffer"),
        ],
    )
    def test_set(self, metadata, expected):
        source = with_shared_buffers()
        tensors = source.main.tensors[:3]
        main = replace(source.main, tensors=tensors)
        edit = Edit(replace(source, subgraphs=(main,), metadata=metadata))
        edit.set_metadata("m", b"new")
        changed = edit.commit()
        assert {name: changed.metadata_bytes(name) for name, _ in changed.metadata} == expected
        assert changed.buffers[0].data is None

    def test_a_buffer_that_a_tensor_reads_is_not_overwritten(self):
        edit = Edit(replace(with_shared_buffers(), metadata=(("m", 4),)))
        edit.set_metadata("m", b"new")
        changed = edit.commit()
        assert changed.metadata_bytes("m") == b"new"
        assert changed.main.tensors[3].array().tolist() == [1, 2]


def test_kinds_that_fall_out_of_use_go_and_unused_ones_stay():
    source = replace(
        chain(),
        operator_codes=(OperatorCode("ADD", None, 1), OperatorCode("RESHAPE", None, 1)),
    )
    edit = Edit(source)
    for op in source.main.operators:
        edit.subgraphs[0].set_operator(op.index, version=2)
    assert edit.commit().operator_codes == (
        OperatorCode("ADD", None, 1),
        OperatorCode("RESHAPE", None, 2),
    )


def test_a_name_can_be_handed_on():
    main = Edit(chain()).subgraphs[0]
    main.rename(3, "inner")
    assert main.tensors[main.add_tensor("t3", (4,), NEW)].name == "t3"
    assert main.tensors[main.add_tensor("t3", (4,), NEW)].name == "t3_2"
    assert main.tensors[main.add_tensor("inner", (4,), NEW)].name == "inner_2"


def test_replace_io_reaches_signatures_of_that_subgraph_only():
    source = chain()
    twin = replace(source.main, index=1)
    signatures = (
        Signature("first", 0, (("a", 0),), (("b", 3), ("c", 3))),
        Signature("second", 1, (("a", 0),), (("b", 3),)),
    )
    edit = Edit(replace(source, subgraphs=(source.main, twin), signatures=signatures))
    new = edit.subgraphs[0].add_tensor("new", (4,), NEW)
    edit.replace_io(0, 3, new, outputs=True)
    changed = edit.commit()
    assert changed.main.outputs == (new,)
    assert changed.subgraphs[1].outputs == (3,)
    assert changed.signatures[0].outputs == (("b", new), ("c", new))
    assert changed.signatures[0].inputs == (("a", 0),)
    assert changed.signatures[1] == signatures[1]


def test_constants_that_are_added_share_a_buffer_where_they_are_equal():
    edit = Edit(chain())
    main = edit.subgraphs[0]
    one = main.add_tensor("one", (), NEW, integers=np.array([3, 4]))
    two = main.add_tensor("two", (), NEW, integers=np.array([3, 4]))
    model = edit.commit()
    assert model.main.tensors[one].buffer == model.main.tensors[two].buffer
    assert model.main.tensors[one].shape == (2,)


def test_an_external_buffer_stays_external_when_it_changes():
    model = with_shared_buffers()
    buffers = tuple(Buffer(b.data, external=i == 4) for i, b in enumerate(model.buffers))
    edit = Edit(replace(model, buffers=buffers))
    edit.subgraphs[0].set_constant(3, np.array([5, 6], np.int8), NEW)
    again = read(edit.commit().to_bytes())
    assert [b.external for b in again.buffers] == [False, False, False, False, True]
    assert again.main.tensors[3].array().tolist() == [5, 6]


def test_options_of_an_operator_without_options():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1,), 0.5))
    graph.operator("mine", (x,), (x,), custom_options=b"")
    edit = Edit(graph.build((x,), (x,)))
    with pytest.raises(ValueError, match="operator 0 has no options"):
        edit.subgraphs[0].set_options(0, fused_activation_function="RELU")
