"""Is a set of golden vectors what it claims to be? Everything is computed again and compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflite_requant import files
from tflite_requant.errors import FormatError, RequantError, UsageError
from tflite_requant.flatbuffer import read
from tflite_requant.golden.folder import MANIFEST, ComparingSink, files_below
from tflite_requant.golden.request import Request
from tflite_requant.golden.write import FORMAT, MODEL, manifest_bytes, write_set
from tflite_requant.samples.load import load_arrays
from tflite_requant.spread import WorkerLost


@dataclass(frozen=True, slots=True)
class Verification:
    """files: how many were compared. problems: (path, what is wrong), sorted by path."""

    files: int
    problems: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        return not self.problems


def read_manifest(folder: Path) -> dict[str, Any]:
    """A set's manifest. Raises UsageError where there is none that can be read."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if not path.is_file():
        raise UsageError(f"{folder}: no golden vectors: there is no {MANIFEST} in it")
    try:
        manifest = json.loads(files.read_bytes(path))
    except ValueError as error:
        raise UsageError(f"{path}: no JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UsageError(f"{path}: no manifest of format {FORMAT}")
    return manifest


def verify_golden_vectors(
    folder: str | Path, *, progress: bool = False, executor: Executor | None = None
) -> Verification:
    """Compute a set again from its model, inputs and request, and compare every byte.

    executor: does the computing in parts; the verdict is the same with any.

    A file that was changed, is missing, or was added is a problem. Where the model, the inputs or
    the manifest are damaged beyond computing, files are compared with the manifest's hashes.
    Raises UsageError where the folder holds no set.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    sources = _changed_sources(folder, manifest)
    if not _digest_fits(folder, manifest):
        sources.append((MANIFEST, "was changed: its digest does not fit"))
    if sources:
        return _result(len(_listed(manifest)), {**dict(sources), **_by_hash(folder, manifest)})
    sink = ComparingSink(folder)
    try:
        request = Request.of(manifest["request"])
        model = read(files.read_bytes(folder / MODEL))
        write_set(model, request, _samples(folder, request), sink, executor, progress)
    except WorkerLost:
        raise
    except (RequantError, KeyError, TypeError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        found = {MANIFEST: f"its request cannot be computed: {what}"}
        return _result(len(_listed(manifest)), {**found, **_by_hash(folder, manifest)})
    problems = dict.fromkeys(sink.missing, "is missing")
    problems.update((path, f"differs: {where}") for path, where in sink.differing)
    expected = {r.path for r in sink.records} | {MANIFEST}
    extra = sorted(set(files_below(folder)) - expected)
    problems.update((path, "does not belong to the set") for path in extra)
    return _result(len(expected), problems)


def _digest_fits(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether the manifest's bytes are those that were written with its digest."""
    try:
        return manifest_bytes(dict(manifest)) == files.read_bytes(folder / MANIFEST)
    except ValueError:
        return False


def _result(count: int, problems: Mapping[str, str]) -> Verification:
    return Verification(count, tuple(sorted(problems.items())))


def _listed(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = manifest.get("files")
    if not isinstance(listed, list):
        return []
    return [f for f in listed if isinstance(f, dict) and isinstance(f.get("path"), str)]


def _is_source(path: str) -> bool:
    return path == MODEL or path.startswith("inputs/")


def _changed_sources(folder: Path, manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Model and inputs that are not what the manifest says; nothing is computed from such."""
    found = [(f["path"], _why(folder, f)) for f in _listed(manifest) if _is_source(f["path"])]
    if MODEL not in [path for path, _ in found]:
        found.append((MODEL, "is not among the manifest's files"))
    return [(path, why) for path, why in found if why]


def _by_hash(folder: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    found = {f["path"]: _why(folder, f) for f in _listed(manifest)}
    problems = {path: why for path, why in found.items() if why}
    extra = set(files_below(folder)) - set(found) - {MANIFEST}
    problems.update((path, "does not belong to the set") for path in sorted(extra))
    return problems


def _why(folder: Path, entry: Mapping[str, Any]) -> str:
    """What is wrong with a file by the manifest's hash, or ""."""
    path = folder / entry["path"]
    if not path.is_file():
        return "is missing"
    data = files.read_bytes(path)
    if hashlib.sha256(data).hexdigest() == entry.get("sha256"):
        return ""
    return "is not the file that the manifest names: sha256 differs"


def _samples(folder: Path, request: Request) -> list[list[np.ndarray]] | None:
    if request.mode != "chained":
        return None
    paths = sorted((folder / "inputs").glob("*.npy"), key=lambda p: int(p.stem))
    columns = [load_arrays(path)[""] for path in paths]
    if not columns:
        raise FormatError("no inputs")
    return [list(sample) for sample in zip(*columns, strict=True)]
