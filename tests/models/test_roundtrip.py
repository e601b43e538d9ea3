"""Published models read and written are the same models: field by field, and when they run."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tflite_requant.errors import FormatError
from tflite_requant.files import load
from tflite_requant.flatbuffer import read, write
from tflite_requant.flatbuffer._generated import schema
from tflite_requant.flatbuffer.records import to_record
from tflite_requant.model import Edit, Record
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run
from tflite_requant.samples import random_inputs

pytestmark = pytest.mark.slow

BROKEN = {"bad_inputs/html_page_saved_as_tflite.tflite", "bad_inputs/no_tfl3_ident_pruned_8.tflite"}


def readable(models: Path) -> list[Path]:
    return [
        path
        for path in sorted(models.glob("*/*.tflite"))
        if path.relative_to(models).as_posix() not in BROKEN
    ]


def fields(data: bytes) -> Record:
    """Everything that the file says, by the generated object API, without our reader."""
    return to_record(schema.ModelT.InitFromPackedBuf(data, 0))


def differences(one, other, path: str = "") -> Iterator[str]:
    """Where two records differ; buffers' offsets say where bytes lie, not what they are."""
    if isinstance(one, Record) and isinstance(other, Record) and one.type == other.type:
        for key in sorted({*one.fields, *other.fields}):
            if one.type != "Buffer" or key not in ("offset", "size"):
                yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif not (np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other):
        yield path


def constants(data: bytes) -> list[bytes | None]:
    """Every buffer's bytes, whether they lie inside the flatbuffer or behind it."""
    return [None if b.data is None else bytes(b.data) for b in read(data).buffers]


def members(data: bytes) -> dict[str, bytes] | None:
    """The files in the ZIP archive behind a flatbuffer, or None."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path) -> tuple[bytes, bytes]:
    data = path.read_bytes()
    return data, write(read(data))


def test_everything_in_the_file_survives(models):
    archives = 0
    for path in readable(models):
        old, new = rewritten(path)
        assert list(differences(fields(old), fields(new))) == [], path.name
        assert constants(old) == constants(new), path.name
        assert members(old) == members(new), path.name
        assert write(read(new)) == new, path.name
        archives += members(old) is not None
    assert archives >= 5


def test_a_changed_field_is_seen(demo_model):
    model = load(demo_model)
    edit = Edit(model)
    edit.subgraphs[0].set_options(0, stride_h=7)
    edit.subgraphs[0].rename(3, "other")
    found = list(differences(fields(write(model)), fields(write(edit.commit()))))
    assert found == [
        ".subgraphs[0].operators[0].builtin_options.stride_h",
        ".subgraphs[0].tensors[3].name",
    ]


def test_broken_files_say_so_in_one_line(models):
    for name in sorted(BROKEN):
        with pytest.raises(FormatError) as caught:
            load(models / name)
        assert "\n" not in str(caught.value), name


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
def test_what_ran_before_runs_and_says_the_same(models):
    ran = 0
    for path in readable(models):
        old, new = rewritten(path)
        inputs = [random_inputs(read(old))]
        try:
            expected = litert_run(old, inputs)[0].outputs
        except RuntimeFailure:
            continue
        found = litert_run(new, inputs)[0].outputs
        assert all(same(a, b) for a, b in zip(expected, found, strict=True)), path.name
        ran += 1
    assert ran >= 40


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
