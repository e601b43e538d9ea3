"""Writes a set of golden vectors, operator by operator, with one case in memory at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tflite_requant import files
from tflite_requant.errors import Finding, RefusedError, RequantError, UsageError
from tflite_requant.golden import csource
from tflite_requant.golden.case import Case
from tflite_requant.golden.chain import Recorder, run_chain
from tflite_requant.golden.coverage import LETTERS
from tflite_requant.golden.describe import constants_for_c, constants_of, macros_of, operator_value
from tflite_requant.golden.flags import FLAGS
from tflite_requant.golden.folder import MANIFEST, FolderSink, Sink, whole_folder
from tflite_requant.golden.formats import Array, Group, npy_bytes, write_group
from tflite_requant.golden.plan import Plan
from tflite_requant.golden.request import Request
from tflite_requant.golden.select import chosen_operators, profiles
from tflite_requant.golden.unit import Unit, stands_alone, unit_of
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Model
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
    **options,
) -> GoldenSet:
    """Write golden vectors of a model's operators into a folder, which appears whole or not at all.

    model:   path, bytes or Model; the set holds a copy of it.
    inputs:  None: each operator by stimuli of its own (mode "isolated"). Samples of the model's
             inputs, as `compare` takes them ("random:4", a path, an array with the samples on axis
             0, a dict of those, an iterable): each operator by what reaches it (mode "chained").
    layers:  operators by index, type, or regular expression of their output's name; all if empty.
    options: further fields of `golden.Request`.

    An existing set in `folder` is replaced. The same model, inputs and options give the same bytes.
    Raises UsageError for what cannot be asked, UnsupportedOperatorError and RequantError where an
    operator has no kernel or refuses its operands.
    """
    mode = "isolated" if inputs is None else "chained"
    request = Request(
        mode=options.pop("mode", mode),
        formats=tuple(formats),
        layers=tuple(str(w) for w in layers),
        **options,
    )
    loaded = files.load(model) if not isinstance(model, Model) else model
    if request.mode == "chained" and inputs is None:
        raise UsageError("chained vectors need inputs of the model")
    samples = None if inputs is None else sample_columns(loaded, inputs)
    with whole_folder(Path(folder)) as temporary:
        return write_set(loaded, request, samples, FolderSink(temporary))


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
    model: Model, request: Request, samples: list[list[np.ndarray]] | None, sink: Sink
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
    if request.mode == "chained":
        operators = _chained(interpreter, units, request, samples or [], sink)
    else:
        operators = [_isolated(unit, request, sink) for unit in units]
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


def _isolated(unit: Unit, request: Request, sink: Sink) -> dict[str, Any]:
    writer, plan = OperatorWriter(unit, request, sink), Plan(unit, request)
    for case in plan.cases():
        try:
            stages = unit.stages(case.stimuli)
        except RequantError as error:
            writer.refuse(case, error)
            continue
        writer.add(case, stages)
        plan.learn(case, stages)
    return writer.value(plan.coverage())


def _chained(interpreter, units, request: Request, samples, sink: Sink) -> list[dict[str, Any]]:
    writers = {u.op.index: OperatorWriter(u, request, sink) for u in units}

    def add(unit: Unit, number: int, stimuli: Mapping[int, np.ndarray]) -> None:
        comment = f"what sample {number} of the model's inputs becomes"
        case = Case(f"sample_{number}", comment, ("Given",), stimuli)
        writers[unit.op.index].add(case, unit.stages(stimuli))

    run_chain(interpreter, samples, Recorder(units, add))
    return [w.value() for w in writers.values()]


class OperatorWriter:
    """Writes the constants and cases of one operator."""

    def __init__(self, unit: Unit, request: Request, sink: Sink) -> None:
        self._unit, self._request, self._sink = unit, request, sink
        op = unit.op
        word = "".join(c if c.isalnum() else "_" for c in op.name.lower())
        self._folder = f"{op.index:03d}_{word}"
        self._symbol = f"op{op.index:03d}"
        self._cases: list[dict[str, Any]] = []
        self._refused: list[dict[str, str]] = []
        self._head = operator_value(unit)
        self._constants = self._write_constants()

    def _write_constants(self) -> list[dict[str, Any]]:
        arrays = tuple(
            Array(name, "constant", values, self._fill(name))
            for name, values in constants_of(self._unit).items()
        )
        comment = f"{self._head['name']}: constants; {self._head['arithmetic']}"
        file = f"{self._symbol}_constants"
        group = Group(self._folder, "constants", file, self._symbol, comment, arrays)
        macros = macros_of(self._unit, f"{self._symbol.upper()}_")
        extra = constants_for_c(self._unit).items()
        for_c = tuple(Array(name, "constant", values) for name, values in extra)
        return write_group(group, self._request, self._sink, macros, for_c)

    def _fill(self, name: str) -> int:
        return int(self._head["zero_points"].get(name, 0))

    def refuse(self, case: Case, error: RequantError) -> None:
        """Note that the arithmetic has no result for a case: runtimes abort on it."""
        self._refused.append({"name": case.name, "reason": str(error)})

    def add(self, case: Case, stages: Mapping[str, np.ndarray]) -> None:
        """Write one case and its stages."""
        arrays = [
            Array(self._unit.operand_name(p), "input", a, self._fill(self._unit.operand_name(p)))
            for p, a in case.stimuli.items()
        ]
        arrays += [
            Array(n, "output" if n.startswith("output") else "stage", a, self._fill(n))
            for n, a in stages.items()
        ]
        number = len(self._cases)
        group = Group(
            self._folder,
            f"{number:02d}_{case.name}",
            f"{self._symbol}_case{number:02d}",
            f"{self._symbol}_case{number:02d}",
            f"{self._head['name']}: {case.comment}; flags {' '.join(case.flags)}",
            tuple(arrays),
        )
        entries = write_group(group, self._request, self._sink)
        self._cases.append(
            {
                "id": f"{self._unit.op.index:03d}-{number:02d}",
                "name": case.name,
                "comment": case.comment,
                "flags": list(case.flags),
                "arrays": entries,
            }
        )

    def _index(self) -> bytes:
        symbols = [f"{self._symbol}_case{n:02d}" for n in range(len(self._cases))]
        return csource.index(
            f"GOLDEN_{self._symbol.upper()}_H",
            f"{self._head['name']}: everything",
            [f"{self._symbol}_constants.h", *(f"{s}.h" for s in symbols)],
            f"{self._symbol.upper()}_CASES",
            [(s, c["id"]) for s, c in zip(symbols, self._cases, strict=True)],
        )

    def value(self, coverage: dict[str, Any] | None = None) -> dict[str, Any]:
        """The operator's part of the manifest."""
        if "c" in self._request.formats:
            self._sink.add(f"{self._folder}/{self._symbol}.h", self._index())
        return {
            **self._head,
            "folder": self._folder,
            "constants": self._constants,
            "cases": self._cases,
            "refused": self._refused,
            "coverage": coverage,
        }
