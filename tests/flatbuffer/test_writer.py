"""Nothing is lost between reading and writing, and the bytes are the same every time."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from raw_models import made, packed, quantization, rich
from test_reader import TestBytesBehindTheFlatbuffer as Outside

from tflite_requant.flatbuffer import read, write
from tflite_requant.flatbuffer._generated import schema as fb
from tflite_requant.model import Edit, QParams, TensorType, new_operator
from tflite_requant.testing import TensorSpec, one_operator_model


def fields_of(obj):
    """A table of the object API as nested plain values: every field that the schema has."""
    if obj is None or isinstance(obj, (int, float, bool, str, bytes)):
        return obj
    if isinstance(obj, np.ndarray):
        return [str(obj.dtype), obj.tolist()]
    if isinstance(obj, (list, tuple)):
        return [fields_of(v) for v in obj]
    return {name: fields_of(value) for name, value in sorted(vars(obj).items())}


def tree(data: bytes):
    return fields_of(fb.ModelT.InitFromPackedBuf(data, 0))


def difference(a, b, path="model") -> list[str]:
    """Paths at which two trees differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            d for k in a.keys() | b.keys() for d in difference(a.get(k), b.get(k), f"{path}.{k}")
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in pairs for d in difference(x, y, f"{path}[{i}]")]
    return [] if a == b else [f"{path}: {a!r} -> {b!r}"]


def small(**fields):
    """A model of one tensor with these fields."""
    tensor = made("Tensor", **fields)
    return packed(made("Model", version=3, subgraphs=[made("SubGraph", tensors=[tensor])]))


FILES = {
    "one of everything": lambda: packed(rich()),
    "absent vectors": lambda: packed(made("Model", version=3, subgraphs=[made("SubGraph")])),
    "empty vectors": lambda: packed(
        made("Model", version=3, operatorCodes=[], buffers=[], metadata=[], signatureDefs=[],
             subgraphs=[made("SubGraph", tensors=[], inputs=[], outputs=[], operators=[])])
    ),
    "empty shape": lambda: small(name=b"", shape=[], shapeSignature=[]),
    "absent shape": lambda: small(),
    "has rank": lambda: small(hasRank=True, shape=[]),
    "empty quantization": lambda: small(quantization=made("QuantizationParameters")),
    "per tensor with an axis": lambda: small(
        quantization=quantization(scale=[1.0], zeroPoint=[0], quantizedDimension=3)
    ),
    "no zero point": lambda: small(quantization=made("QuantizationParameters", scale=[1.0, 2.0])),
    "variant": lambda: small(
        type=fb.TensorType.VARIANT,
        variantTensors=[made("VariantSubType", shape=[2], type=fb.TensorType.INT8, hasRank=True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", [f() for f in FILES.values()], ids=FILES)
class TestRoundTrip:
    def test_every_field_is_the_same(self, data):
        assert difference(tree(data), tree(write(read(data)))) == []

    def test_writing_twice_gives_the_same_bytes(self, data):
        once = write(read(data))
        assert write(read(data)) == once
        assert write(read(once)) == once

    def test_identifier(self, data):
        assert write(read(data))[4:8] == b"TFL3"


def addresses(data: bytes) -> list[int]:
    """Where each non-empty buffer's bytes start in the file."""
    root = fb.Model.GetRootAs(data, 0)
    found = []
    for i in range(root.BuffersLength()):
        table = root.Buffers(i)._tab
        offset = table.Offset(4)
        if offset and table.VectorLen(offset):
            found.append(table.Vector(offset))
    return found


@pytest.mark.parametrize("length", [1, 3, 15, 16, 17, 64, 1001])
def test_constants_start_at_multiples_of_16(length):
    rng = np.random.default_rng(length)
    model = one_operator_model(
        "ADD",
        [
            TensorSpec("int8", (length,), 0.5),
            TensorSpec("int8", scale=0.5, data=rng.integers(-9, 9, length)),
        ],
        [TensorSpec("int8", (length,), 1.0)],
    )
    edit = Edit(model)
    edit.set_metadata("odd", b"x" * (length % 7 + 1))
    data = edit.commit().to_bytes()
    assert len(addresses(data)) == 2
    assert [a % 16 for a in addresses(data)] == [0, 0]


def test_unaligned_files_become_aligned():
    data = packed(rich())
    assert any(a % 16 for a in addresses(data))
    assert not any(a % 16 for a in addresses(write(read(data))))


def test_buffers_outside_the_flatbuffer_stay_outside():
    data = Outside().file()
    before, again = read(data), read(write(read(data)))
    assert again.buffers[1].external
    assert bytes(again.buffers[1].data) == Outside.BLOB
    assert again.main.operators[0].rest["large_custom_options"] == Outside.BLOB[8:13]
    root = fb.ModelT.InitFromPackedBuf(write(before), 0)
    assert root.buffers[1].offset % 16 == 0
    assert root.buffers[1].data is None
    assert write(again) == write(before)


def test_trailing_bytes_follow_what_is_outside():
    again = read(write(read(Outside().file() + b"tail")))
    assert again.trailing == b"tail"
    assert bytes(again.buffers[1].data) == Outside.BLOB


def test_an_appended_archive_stays_readable_when_the_model_grows():
    data = packed(rich())
    archive = io.BytesIO(data)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("labels.txt", "one\ntwo")
    model = read(archive.getvalue())
    edit = Edit(model)
    edit.set_metadata("more", bytes(5000))
    grown = edit.commit().to_bytes()
    with zipfile.ZipFile(io.BytesIO(grown)) as file:
        assert file.read("labels.txt") == b"one\ntwo"
        assert file.infolist()[0].header_offset == read(grown).flatbuffer_size


def operator_numbers(data: bytes):
    root = fb.ModelT.InitFromPackedBuf(data, 0)
    return [(c.deprecatedBuiltinCode, c.builtinCode, c.version) for c in root.operatorCodes], [
        op.opcodeIndex for op in root.subgraphs[0].operators
    ]


def test_operators_of_new_kinds_extend_the_table():
    edit = Edit(read(packed(rich())))
    main = edit.subgraphs[0]
    main.insert_before(1, new_operator("QUANTIZE", 2, (0,), (3,)))
    main.insert_after(1, new_operator("FULLY_CONNECTED", 2, (0, 1), (3,)))
    main.insert_after(2, new_operator("STABLEHLO_AND", 1, (0, 1), (3,)))
    codes, used = operator_numbers(edit.commit().to_bytes())
    assert codes == [
        (4, 4, 3),
        (9, 9, 2),
        (32, 32, 1),
        (127, 5000, 1),
        (114, 114, 2),
        (127, 176, 1),
    ]
    assert used == [1, 4, 2, 1, 3, 5]


def test_a_changed_version_is_a_new_kind_and_the_old_one_goes():
    edit = Edit(read(packed(rich())))
    edit.subgraphs[0].set_operator(0, version=4)
    codes, used = operator_numbers(edit.commit().to_bytes())
    assert codes == [(4, 4, 3), (32, 32, 1), (127, 5000, 1), (9, 9, 4)]
    assert used == [3, 1, 2]


def test_changed_quantization_keeps_what_stands_beside_it():
    edit = Edit(read(packed(rich())))
    edit.subgraphs[0].retype(0, TensorType("int8", QParams.of(0.25, -5)))
    edit.subgraphs[0].retype(3, TensorType("int8", QParams.of([1.0, 2.0, 3.0], 0, 1)))
    root = fb.ModelT.InitFromPackedBuf(edit.commit().to_bytes(), 0)
    first, last = (root.subgraphs[0].tensors[i].quantization for i in (0, 3))
    assert (first.scale.tolist(), first.zeroPoint.tolist()) == ([0.25], [-5])
    assert (first.min.tolist(), first.max.tolist()) == ([-1.5], [126.0])
    assert (last.scale.tolist(), last.quantizedDimension) == ([1.0, 2.0, 3.0], 1)
    assert bytes(last.details.custom) == b"\x09\x08\x07"


def test_a_model_that_was_never_a_file():
    model = one_operator_model(
        "RESHAPE", [TensorSpec("int8", (2, 2), 0.5)], [TensorSpec("int8", (4,), 0.5)]
    )
    again = read(model.to_bytes())
    assert again.main.operators[0].opcode == "RESHAPE"
    assert [t.shape for t in again.main.tensors] == [(2, 2), (4,)]
    assert write(again) == write(model)


def test_a_table_of_operators_is_made_where_there_is_none():
    model = replace(read(packed(rich())), operator_codes=())
    codes, _ = operator_numbers(write(model))
    assert codes == [(9, 9, 2), (32, 32, 1), (127, 5000, 1)]
