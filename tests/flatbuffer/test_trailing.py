"""An archive behind the flatbuffer stays readable when the flatbuffer changes its length."""

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer.trailing import move_zip
from tflite_requant.flatbuffer.verify import verify

FILES = {"labels.txt": b"background\ntench\n" * 40, "vocabulary/words.txt": b"a\nb\n", "e": b""}
MODEL = bytes(range(256)) * 4


def archive(prefix: bytes = b"", comment: bytes = b"") -> bytes:
    """ZIP bytes with offsets that count from the start of the prefix."""
    stream = io.BytesIO()
    stream.write(prefix)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as target:
        for name, content in FILES.items():
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        target.comment = comment
    return stream.getvalue()[len(prefix) :]


def to_zip64(data: bytes) -> bytes:
    """The same archive with all offsets in their 64-bit places, written by hand."""
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<2I", data, end + 12)
    base = end - size - start  # position minus offset, for either convention
    directory, position = b"", start + base
    while position < end:
        name, extra, comment = struct.unpack_from("<3H", data, position + 28)
        packed, unpacked = struct.unpack_from("<2I", data, position + 20)
        (offset,) = struct.unpack_from("<I", data, position + 42)
        head = bytearray(data[position : position + 46 + name])
        struct.pack_into("<I", head, 42, 0xFFFFFFFF)
        wide = [offset]
        if not directory:  # the first entry keeps its sizes there, too
            struct.pack_into("<2I", head, 20, 0xFFFFFFFF, 0xFFFFFFFF)
            wide = [unpacked, packed, offset]
        field = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide)
        # A foreign extra field comes first, and has to be stepped over.
        field = struct.pack("<HHb", 0x7075, 1, 0) + field
        struct.pack_into("<H", head, 30, len(field))
        directory += head + field
        position += 46 + name + extra + comment
    count = len(FILES)
    end64 = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), start
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(directory), 1)
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[: start + base] + directory + end64 + locator + tail


def strict_read(file: bytes, base: int = 0) -> dict[str, bytes]:
    """Files of an archive read by its offsets alone, without Python's repair of wrong ones.

    base is what the offsets count from.
    """
    end = file.rindex(b"PK\x05\x06")
    position = struct.unpack_from("<I", file, end + 16)[0]
    stop = end
    if position == 0xFFFFFFFF:
        end64 = base + struct.unpack_from("<Q", file, end - 20 + 8)[0]
        assert file[end64 : end64 + 4] == b"PK\x06\x06"
        position, stop = struct.unpack_from("<Q", file, end64 + 48)[0], end64
    position += base
    found = {}
    while position < stop:
        assert file[position : position + 4] == b"PK\x01\x02"
        name, extra, comment = struct.unpack_from("<3H", file, position + 28)
        (local,) = struct.unpack_from("<I", file, position + 42)
        if local == 0xFFFFFFFF:
            (local,) = struct.unpack_from("<Q", file, position + 46 + name + extra - 8)
        local += base
        assert file[local : local + 4] == b"PK\x03\x04"
        label = file[position + 46 : position + 46 + name]
        assert file[local + 30 : local + 30 + name] == label
        found[label.decode()] = b""
        position += 46 + name + extra + comment
    with zipfile.ZipFile(io.BytesIO(file)) as source:
        assert source.testzip() is None
        return {name: source.read(name) for name in found}


SHAPES = [
    pytest.param(lambda prefix: archive(prefix), id="plain"),
    pytest.param(lambda prefix: archive(prefix, b"made by hand"), id="comment"),
    pytest.param(lambda prefix: to_zip64(archive(prefix)), id="zip64"),
]


@pytest.mark.parametrize("new_length", [0, 16, 1000, 1023, 1024, 5000])
@pytest.mark.parametrize("make", SHAPES)
def test_offsets_from_the_file_start_follow(make, new_length):
    trailing = make(MODEL)
    moved = move_zip(trailing, len(MODEL), new_length)
    assert len(moved) == len(trailing)
    assert (moved == trailing) == (new_length == len(MODEL))
    assert strict_read(bytes(new_length) + moved) == FILES
    assert move_zip(moved, new_length, len(MODEL)) == trailing


@pytest.mark.parametrize("filler", [b"\x00", b"\x11"], ids=["like-an-empty-archive", "senseless"])
def test_an_end_record_inside_the_comment_is_not_taken(filler):
    comment = b"PK\x05\x06" + filler * 30
    moved = move_zip(archive(MODEL, comment), len(MODEL), 2000)
    plain = move_zip(archive(MODEL), len(MODEL), 2000)
    assert moved == plain[:-2] + struct.pack("<H", len(comment)) + comment
    assert strict_read(bytes(2000) + plain) == FILES


@pytest.mark.parametrize("new_length", [0, 1000, 5000])
@pytest.mark.parametrize("make", [SHAPES[0], SHAPES[2]])
def test_offsets_from_the_archive_start_stay(make, new_length):
    trailing = make(b"")
    moved = move_zip(trailing, len(MODEL), new_length)
    assert moved == trailing
    assert strict_read(bytes(new_length) + moved, base=new_length) == FILES


def test_padding_before_the_archive_is_kept():
    whole = MODEL + b"\0\0\0" + archive(MODEL + b"\0\0\0")
    moved = move_zip(whole[len(MODEL) :], len(MODEL), 100)
    assert moved[:3] == b"\0\0\0"
    assert strict_read(bytes(100) + moved) == FILES


@pytest.mark.parametrize(
    "trailing",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x06\x00\x00\x00\x00\x00\x00\x03", id="left-over-table"),
        pytest.param(b"PK\x05\x06", id="only-a-signature"),
        pytest.param(b"PK\x05\x06" + b"\xff" * 18, id="impossible-sizes"),
        pytest.param(archive(MODEL)[:-1], id="cut-end-record"),
        pytest.param(archive(MODEL).replace(b"PK\x01\x02", b"PK\x01\x03", 1), id="bad-directory"),
    ],
)
def test_what_is_no_archive_is_unchanged(trailing):
    assert move_zip(trailing, len(MODEL), 10) == trailing


def test_an_offset_that_does_not_fit_is_refused():
    trailing = archive(MODEL)
    with pytest.raises(FormatError, match="cannot be moved"):
        move_zip(trailing, len(MODEL), 2**32)


@given(st.binary(max_size=80), st.integers(0, 400), st.integers(0, 5000))
def test_any_damage_is_survived(junk, at, new_start):
    trailing = bytearray(to_zip64(archive(MODEL)))
    trailing[at : at + len(junk)] = junk
    try:
        moved = move_zip(bytes(trailing), len(MODEL), new_start)
    except FormatError:
        return
    assert len(moved) == len(trailing)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-4096, 48], ids=["shorter", "longer"])
def test_archives_of_real_models_stay_readable(shift):
    default = Path(__file__).resolve().parents[3] / "shared" / "models"
    root = Path(os.environ.get("TFLITE_REQUANT_MODELS", default))
    archives = 0
    for path in sorted(root.rglob("*.tflite")):
        data = path.read_bytes()
        if not zipfile.is_zipfile(path) or data[4:8] != b"TFL3":
            continue
        start = verify(data).extent
        moved = bytes(start + shift) + move_zip(data[start:], start, start + shift)
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(io.BytesIO(moved)) as after:
            assert after.testzip() is None
            assert after.namelist() == before.namelist()
            # ZipFile repairs offsets that are all wrong by the same amount: look at the repair.
            assert after.start_dir == before.start_dir + shift
            before_base = before.start_dir - end_offset(data)
            after_base = after.start_dir - end_offset(moved)
        assert (before_base, after_base) in {(0, 0), (start, start + shift)}
        archives += 1
    if not archives:
        pytest.skip("no real model with an archive: set TFLITE_REQUANT_MODELS")


def end_offset(file: bytes) -> int:
    """The directory's offset as the end record states it."""
    return struct.unpack_from("<I", file, file.rindex(b"PK\x05\x06") + 16)[0]
