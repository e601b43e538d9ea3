"""Arrays as the bytes of a .npz file; the same arrays give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that ZIP can say
LONGEST = 400  # characters of an entry's name
UNIX, MODE = 3, 0o644 << 16


def npz_bytes(columns: Mapping[str, Sequence[np.ndarray]]) -> bytes:
    """A .npz of one array a name, the samples on axis 0: [N, *shape].

    Where samples differ in shape each gets an array of its own, NAME.0, NAME.1, ...
    """
    return archive_bytes(_entries(columns))


def npy_bytes(samples: Sequence[np.ndarray]) -> bytes:
    """A .npy of one array, the samples of one shape on axis 0: [N, *shape]."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.stack(samples), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def archive_bytes(arrays: Iterable[tuple[str, np.ndarray]]) -> bytes:
    """A .npz of (name, array) pairs.

    Entries are stored, not compressed: what a compressor makes depends on its version.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays:
            entry = zipfile.ZipInfo(f"{entry_name(name)}.npy", DATE)
            entry.create_system, entry.external_attr = UNIX, MODE
            with archive.open(entry, "w", force_zip64=array.nbytes >= 1 << 31) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def entry_name(name: str) -> str:
    """A name that a ZIP can say: what is no text is escaped, what is too long is cut and told
    apart by its hash."""
    clean = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in name)
    if len(clean) <= LONGEST:
        return clean
    return f"{clean[:LONGEST]}~{hashlib.blake2b(clean.encode(), digest_size=4).hexdigest()}"


def _entries(columns: Mapping[str, Sequence[np.ndarray]]):
    for name, arrays in columns.items():
        if len({a.shape for a in arrays}) == 1:
            yield name, np.stack(arrays)
        else:
            yield from ((f"{name}.{i}", np.ascontiguousarray(a)) for i, a in enumerate(arrays))
