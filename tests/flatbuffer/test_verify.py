"""Sound files pass, and whatever happens to them ends in FormatError or in a readable file."""

import os
import struct
import time
from pathlib import Path

import flatbuffers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer import verify as verify_module
from tflite_requant.flatbuffer._generated import layout
from tflite_requant.flatbuffer._generated import schema as fb
from tflite_requant.flatbuffer.verify import Verified, verify


def made(table: str, **fields):
    """An object of the object API with attributes set."""
    instance = getattr(fb, table + "T")()
    for name, value in fields.items():
        assert hasattr(instance, name)
        setattr(instance, name, value)
    return instance


def packed(root) -> bytes:
    builder = flatbuffers.Builder(64)
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convolution() -> bytes:
    """One operator, with an example of every kind of field that the schema has."""
    options = made("Conv2DOptions", strideW=1, strideH=1, padding=fb.Padding.VALID)
    operator = made(
        "Operator", inputs=[0], outputs=[1], builtinOptions=options,
        builtinOptionsType=fb.BuiltinOptions.Conv2DOptions, mutatingVariableInputs=[True],
    )  # fmt: skip
    quantization = made(
        "QuantizationParameters", scale=[0.5], zeroPoint=[-3],
        detailsType=fb.QuantizationDetails.CustomQuantization,
        details=made("CustomQuantization", custom=[1, 2, 3]),
    )  # fmt: skip
    dimension = made(
        "DimensionMetadata", arraySegmentsType=fb.SparseIndexVector.Uint16Vector,
        arraySegments=made("Uint16Vector", values=[7]),
    )  # fmt: skip
    tensors = [
        made("Tensor", name="in", shape=[1, 2], type=fb.TensorType.INT8, buffer=1,
             quantization=quantization),
        made("Tensor", name="out", sparsity=made("SparsityParameters", dimMetadata=[dimension])),
    ]  # fmt: skip
    subgraph = made("SubGraph", tensors=tensors, inputs=[0], outputs=[1], operators=[operator])
    signature = made("SignatureDef", signatureKey="serve", inputs=[made("TensorMap", name="x")])
    model = made(
        "Model", version=3, operatorCodes=[made("OperatorCode", builtinCode=3)],
        subgraphs=[subgraph], buffers=[made("Buffer"), made("Buffer", data=list(range(5)))],
        signatureDefs=[signature], metadataBuffer=[0],
    )  # fmt: skip
    return packed(model)


TINY = convolution()


def unpack(data: bytes) -> fb.ModelT:
    return fb.ModelT.InitFromPackedBuf(bytearray(data))


def checked(data: bytes) -> Verified | None:
    """verify(), and if it says yes everything must be readable; None for FormatError."""
    try:
        verified = verify(data)
    except FormatError as error:
        assert str(error) and "\n" not in str(error)
        return None
    assert 8 <= verified.extent <= len(data)
    unpack(data)
    return verified


def model_with(build) -> bytes:
    """A Model whose field 0 (version) is absent, made by build(builder) -> {slot: offset}."""
    builder = flatbuffers.Builder(64)
    slots = build(builder)
    builder.StartObject(10)
    for slot, offset in slots.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    return bytes(builder.Output())


def table(builder, slots: int, **scalars: int) -> int:
    """A table of uint64 fields, named slot_N, none of them 77; returns its offset."""
    builder.StartObject(slots)
    for name, value in scalars.items():
        builder.PrependUint64Slot(int(name.removeprefix("slot_")), value, 77)
    return builder.EndObject()


def vector(builder, *offsets: int) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def test_a_sound_file_passes():
    assert verify(TINY) == Verified(len(TINY), ())
    assert unpack(TINY).subgraphs[0].tensors[0].quantization.details.custom.tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_any_bytes_like_is_taken(kind):
    assert verify(kind(TINY)).extent == len(TINY)


@pytest.mark.parametrize("appended", [b"PK\x03\x04" + bytes(100), b"\0", b"TFL3" * 9])
def test_appended_bytes_are_not_in_the_extent(appended):
    assert verify(TINY + appended) == verify(TINY)


def test_every_truncation_is_refused():
    for length in range(len(TINY)):
        with pytest.raises(FormatError):
            verify(TINY[:length])


def test_every_single_bit_flip_is_refused_or_readable():
    survivors = 0
    for bit in range(8 * len(TINY)):
        data = bytearray(TINY)
        data[bit // 8] ^= 1 << bit % 8
        survivors += checked(bytes(data)) is not None
    assert 0 < survivors < 8 * len(TINY)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(TINY) - 1), st.binary(min_size=1, max_size=8)), max_size=6
    )
)
def test_random_edits_are_refused_or_readable(edits):
    data = bytearray(TINY)
    for at, value in edits:
        data[at : at + len(value)] = value
    checked(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=64), st.binary(max_size=7))
def test_small_integers_as_a_file_are_refused_or_readable(words, rest):
    body = b"".join(struct.pack("<H", word) for word in words)
    checked(b"\x10\0\0\0TFL3" + body + rest)


def edited(at: int, code: str, value: int) -> bytes:
    data = bytearray(TINY)
    struct.pack_into(code, data, at, value)
    return bytes(data)


ROOT_AT = struct.unpack_from("<I", TINY)[0]
NAME_AT = TINY.index(b"in\0") - 4
OPTIONS_TYPE_AT = fb.Model.GetRootAs(TINY).Subgraphs(0).Operators(0)._tab
OPTIONS_TYPE_AT = OPTIONS_TYPE_AT.Pos + OPTIONS_TYPE_AT.Offset(10)
KNOWN_OPTIONS = len(layout.UNIONS["BuiltinOptions"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "not a TFLite file: the file is empty", id="empty"),
        pytest.param(b"abcdefgh", r"identifier is b'efgh' at byte 4, expected b'TFL3'", id="text"),
        pytest.param(b"abc", r"identifier is b'' at byte 4, expected b'TFL3'", id="three-bytes"),
        pytest.param(b"\n<HTML><body>", "web page; download the file itself", id="html-lines"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", id="lfs"),
        pytest.param(b"PK\x03\x04 and so on", "it is an archive; unpack it first", id="zip"),
        pytest.param(
            b"<!DOCTYPE html>", "it looks like a web page; download the file itself", id="html"
        ),
        pytest.param(b"\0\0\0\0TFL3", r"the root offset at byte 0 holds the offset 0", id="zero"),
        pytest.param(b"\xff\xff\xff\xffTFL3", r"holds the offset 4294967295", id="huge-offset"),
        pytest.param(
            edited(0, "<I", 4000), rf"truncated: .*4000 reaches to 4004, .*ends at {len(TINY)}$",
            id="root-outside",
        ),
        pytest.param(edited(0, "<I", 9), r"at byte 9 is not aligned to 4", id="root-misaligned"),
        pytest.param(
            edited(ROOT_AT, "<i", ROOT_AT + 8), r"table Model \(at byte \d+\) would lie at byte -8",
            id="vtable-before-the-file",
        ),
        pytest.param(
            edited(ROOT_AT, "<i", -4000), r"truncated: the vtable of table Model .* ends at",
            id="vtable-behind-the-file",
        ),
        pytest.param(
            edited(ROOT_AT, "<i", ROOT_AT - 9), r"vtable of table Model .* at byte 9 is not al",
            id="vtable-misaligned",
        ),
        pytest.param(
            edited(NAME_AT, "<I", 1), r"string Tensor.name at byte \d+ has no terminating zero",
            id="string-without-end",
        ),
        pytest.param(
            edited(NAME_AT, "<I", 2**32 - 1), r"truncated: string Tensor.name at byte", id="string"
        ),
        pytest.param(
            edited(OPTIONS_TYPE_AT, "B", KNOWN_OPTIONS),
            r"Operator.builtin_options_type at byte \d+ is \d+, the last known is \d+ \(RightShift",
            id="unknown-union-member",
        ),
    ],
)  # fmt: skip
def test_the_message_says_what_is_wrong(data, message):
    with pytest.raises(FormatError, match=message):
        verify(data)


def vtable_of_root() -> int:
    return ROOT_AT - struct.unpack_from("<i", TINY, ROOT_AT)[0]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        pytest.param(0, 2, r"has 2 bytes for a table of", id="vtable-too-small"),
        pytest.param(0, 7, r"has 7 bytes for a table of", id="vtable-odd"),
        pytest.param(0, 60000, r"truncated: the vtable of table Model", id="vtable-too-long"),
        pytest.param(2, 0, r"for a table of 0 bytes", id="table-too-small"),
        pytest.param(2, 8, r"lies at byte \d+ of a table of 8 bytes", id="field-outside"),
        pytest.param(2, 60000, r"truncated: table Model at byte", id="table-too-long"),
        pytest.param(4, 2, r"Model.version lies at byte 2 of a table", id="field-in-the-header"),
        pytest.param(4, 5, r"Model.version at byte \d+ is not aligned to 4", id="misaligned"),
    ],
)
def test_a_damaged_vtable_is_refused(at, value, message):
    with pytest.raises(FormatError, match=message):
        verify(edited(vtable_of_root() + at, "<H", value))


def test_fields_newer_than_the_schema_are_listed():
    data = model_with(lambda b: {4: vector(b, table(b, 6, slot_5=9), table(b, 4, slot_3=1))})
    assert verify(data).unknown_fields == ("Buffer field 3", "Buffer field 5")


def test_the_deprecated_string_is_walked():
    def build(builder):
        text = builder.CreateString("tag" * 30)
        builder.StartObject(5)
        builder.PrependUOffsetTRelativeSlot(3, text, 0)
        return {7: vector(builder, builder.EndObject())}

    data = model_with(build)
    assert data.index(b"tagtag") + 91 <= verify(data).extent <= len(data)
    with pytest.raises(FormatError, match="SignatureDef.deprecated_tag"):
        verify(data[: data.index(b"tagtag") + 50])


@pytest.mark.parametrize(
    ("start", "size", "behind"),
    [
        pytest.param(400, 100, 500, id="region"),
        pytest.param(1, 1, None, id="placeholder"),
        pytest.param(0, 0, None, id="unused"),
        pytest.param(1, 600, None, id="placeholder-offset"),
        pytest.param(600, 1, None, id="placeholder-size"),
        pytest.param(450, 51, "error", id="one-too-far"),
        pytest.param(2**64 - 1, 2**64 - 1, "error", id="huge"),
    ],
)
def test_data_outside_the_tables_must_exist(start, size, behind):
    data = model_with(lambda b: {4: vector(b, table(b, 3, slot_1=start, slot_2=size))})
    padded = data + bytes(500 - len(data))
    if behind == "error":
        with pytest.raises(FormatError, match=r"truncated: data of Buffer .* ends at 500"):
            verify(padded)
    else:
        assert verify(padded).extent == (behind or len(data))


def test_a_shared_vector_is_walked_once():
    """1100 subgraphs share one vector of 1100 references to one operator."""

    def build(builder):
        operators = vector(builder, *[table(builder, 14)] * 1100)
        subgraphs = []
        for _ in range(1100):
            builder.StartObject(6)
            builder.PrependUOffsetTRelativeSlot(3, operators, 0)
            subgraphs.append(builder.EndObject())
        return {2: vector(builder, *subgraphs)}

    data = model_with(build)
    assert verify(data) == Verified(len(data), ())


def test_the_work_is_bounded(monkeypatch):
    data = model_with(lambda b: {4: vector(b, *[table(b, 3)] * 40)})
    assert verify(data).unknown_fields == ()
    monkeypatch.setattr(verify_module, "MAX_WORK", 60)  # a vector and a visit for each
    with pytest.raises(FormatError, match="more than 60 steps"):
        verify(data)


def models() -> list[Path]:
    default = Path(__file__).resolve().parents[3] / "shared" / "models"
    return sorted(Path(os.environ.get("TFLITE_REQUANT_MODELS", default)).rglob("*.tflite"))


@pytest.mark.slow
def test_real_models_pass_quickly():
    paths = models()
    if not paths:
        pytest.skip("no real models: set TFLITE_REQUANT_MODELS")
    passed, slowest = 0, 0.0
    for path in paths:
        data = path.read_bytes()
        start = time.perf_counter()
        if data[4:8] == b"TFL3":
            verified = verify(data)
            passed += 1
            assert verified.extent <= len(data)
            assert verified.unknown_fields == ()
        else:
            with pytest.raises(FormatError, match="not a TFLite file"):
                verify(data)
        slowest = max(slowest, time.perf_counter() - start)
    assert passed > 0
    assert slowest < 1.0
