"""Writes a set of golden vectors, operator by operator, with a few cases in memory at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tflite_requant import files
from tflite_requant.errors import Finding, RefusedError, UsageError
from tflite_requant.golden.coverage import LETTERS
from tflite_requant.golden.flags import FLAGS
from tflite_requant.golden.folder import MANIFEST, FolderSink, Sink, whole_folder
from tflite_requant.golden.formats import npy_bytes
from tflite_requant.golden.operator_files import OperatorFiles
from tflite_requant.golden.request import Request
from tflite_requant.golden.select import chosen_operators, profiles
from tflite_requant.golden.shares import Job, Share, chained_shares, isolated_shares
from tflite_requant.golden.unit import Unit, stands_alone, unit_of
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Model
from tflite_requant.progress import bar
from tflite_requant.version import VERSION

FORMAT = 1
MODEL = "model.tflite"


@dataclass(frozen=True, slots=True, eq=False)
class GoldenSet:
    """What was written: the manifest's content."""

    manifest: Mapping[str, Any]

    @property
    def operators(self) -> list[Mapping[str, Any]]:
        return self.manifest["operators"]

    @property
    def bytes(self) -> int:
        """Of all files but the manifest."""
        return sum(f["bytes"] for f in self.manifest["files"])


def write_golden_vectors(
    model: Model | bytes | str | PathLike,
    inputs=None,
    folder: str | PathLike = "golden",
    *,
    formats: Iterable[str] = ("npz",),
    layers: Iterable[str | int] = (),
    progress: bool = False,
    executor: Executor | None = None,
    **options,
) -> GoldenSet:
    """Write golden vectors of a model's operators into a folder, which appears whole or not at all.

    model:   path, bytes or Model; the set holds a copy of it.
    inputs:  None: each operator by stimuli of its own (mode "isolated"). Samples of the model's
             inputs, as `compare` takes them ("random:4", a path, an array with the samples on axis
             0, a dict of those, an iterable): each operator by what reaches it (mode "chained").
    layers:  operators by index, type, or regular expression of their output's name; all if empty.
    executor: does the searching and writing in parts; the bytes are the same with any.
    options: further fields of `golden.Request`.

    An existing set in `folder` is replaced. The same model, inputs and options give the same bytes.
    Raises UsageError for what cannot be asked, UnsupportedOperatorError and RequantError where an
    operator has no kernel or refuses its operands, WorkerLost where a worker died.
    """
    mode = "isolated" if inputs is None else "chained"
    request = Request(
        mode=options.pop("mode", mode),
        formats=tuple(formats),
        layers=tuple(str(w) for w in layers),
        **options,
    )
    request.require_effect()
    loaded = files.load(model) if not isinstance(model, Model) else model
    if request.mode == "chained" and inputs is None:
        raise UsageError("chained vectors need inputs of the model")
    samples = None if inputs is None else sample_columns(loaded, inputs)
    with whole_folder(Path(folder)) as temporary:
        return write_set(loaded, request, samples, FolderSink(temporary), executor, progress)


def sample_columns(model: Model, inputs) -> list[list[np.ndarray]]:
    """Stored values of every sample: one array an input, in graph order."""
    from tflite_requant.compare.bench import feeds_of_sample
    from tflite_requant.compare.models import samples_of

    feeds = (feeds_of_sample(model, s) for s in samples_of(inputs, model))
    found = [[np.asarray(a) for a in feed] for feed in feeds]
    if not found:
        raise UsageError("no samples among the inputs; need at least one")
    return found


def write_set(
    model: Model,
    request: Request,
    samples: list[list[np.ndarray]] | None,
    sink: Sink,
    executor: Executor | None = None,
    progress: bool = False,
) -> GoldenSet:
    """Everything of a set, into a sink; the manifest comes last."""
    profile, of_model = profiles(model, request)
    chosen = chosen_operators(model, request.layers)
    interpreter = Interpreter(model, profile, fast=False)
    units, left_out = _units(model, chosen, profile, interpreter.unsupported)
    if not units:
        raise RefusedError("no chosen operator can be computed", tuple(left_out))
    data = files.model_bytes(model)
    sink.add(MODEL, data)
    for position, arrays in enumerate(zip(*(samples or ()), strict=True)):
        sink.add(f"inputs/{position}.npy", npy_bytes(np.stack(arrays)))
    job, writers = Job(data, profile, request), [OperatorFiles(u, request) for u in units]
    if request.mode == "chained":
        together = _chained
        shares = chained_shares(job, interpreter, writers, samples or [], executor)
    else:
        together, shares = _isolated, isolated_shares(job, writers, executor)
    steps = len(units) * len(samples or [()])
    with bar("writing" if progress else "", "operator", steps) as advance:
        operators = together(shares, writers, sink, advance)
    used = {flag for o in operators for case in o["cases"] for flag in case["flags"]}
    manifest = {
        "format": FORMAT,
        "digest": "",
        "generator": f"tflite_requant {VERSION}",
        "model": {
            "path": MODEL, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        },
        "arithmetic": {
            "profile": profile, "of_model": of_model, "forced": of_model not in (None, profile),
        },
        "request": request.value(),
        "flags": {name: text for name, text in FLAGS.items() if name in used},
        "letters": LETTERS,
        "operators": operators,
        "left_out": [{"operator": f.where, "reason": f.found} for f in left_out],
        "files": [
            {"path": r.path, "bytes": r.bytes, "sha256": r.sha256} for r in sink.records
        ],
    }  # fmt: skip
    text = manifest_bytes(manifest)
    sink.take(MANIFEST, text)
    return GoldenSet(manifest)


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """The manifest as a file, its digest filled in: sha256 of the file with an empty one."""
    empty = {**manifest, "digest": ""}
    manifest["digest"] = hashlib.sha256(_json(empty)).hexdigest()
    return _json(manifest)


def _json(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # of bytes that are no text, JSON's escape


def _units(model, chosen, profile, unsupported) -> tuple[list[Unit], list[Finding]]:
    """Operators that can be computed alone, and why others cannot."""
    reasons = {f.where: f for f in unsupported}
    units, left_out = [], []
    for op in chosen:
        label = model.main.label(op)
        if label in reasons:
            left_out.append(reasons[label])
        elif not stands_alone(op):
            found = "is no function of its operands: it holds a resource or runs another subgraph"
            left_out.append(Finding("error", label, "kernel", found))
        else:
            units.append(unit_of(model, op, profile))
    return units, left_out


def _isolated(shares: Iterator[Share], writers: list[OperatorFiles], sink: Sink, advance) -> list:
    """Every operator's part of the manifest; its files lie together."""
    told = []
    for writer, (_, found) in zip(writers, groupby(shares, lambda s: s.operator), strict=True):
        operator = _Operator(writer, sink)
        for share in found:
            operator.take(share)
        told.append(operator.value())
        advance(1)
    return told


def _chained(shares: Iterator[Share], writers: list[OperatorFiles], sink: Sink, advance) -> list:
    """Every operator's part of the manifest; files come sample by sample."""
    operators = {w.unit.op.index: _Operator(w, sink) for w in writers}
    for share in shares:
        operators[share.operator].take(share)
        advance(1)
    return [operator.value() for operator in operators.values()]


class _Operator:
    """An operator's part of the manifest, as its files come in."""

    def __init__(self, writer: OperatorFiles, sink: Sink) -> None:
        self._writer, self._sink = writer, sink
        self._constants = writer.constants(sink)
        self._cases: list[dict[str, Any]] = []
        self._refused: list[dict[str, str]] = []
        self._coverage: dict[str, Any] | None = None

    def take(self, share: Share) -> None:
        for record, data in share.written:
            self._sink.put(record, data)
        self._cases += share.cases
        self._refused, self._coverage = share.refused, share.coverage

    def value(self) -> dict[str, Any]:
        self._writer.index(self._cases, self._sink)
        return {
            **self._writer.head,
            "folder": self._writer.folder,
            "constants": self._constants,
            "cases": self._cases,
            "refused": self._refused,
            "coverage": self._coverage,
        }
