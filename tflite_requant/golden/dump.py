"""What hardware computed, against a set of golden vectors: what differs, and what it looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tflite_requant import files
from tflite_requant.errors import UsageError
from tflite_requant.flatbuffer import read
from tflite_requant.golden.hypotheses import of_stage, of_storage
from tflite_requant.golden.readers import read_array
from tflite_requant.golden.request import Request
from tflite_requant.golden.rounder import rounder_of
from tflite_requant.golden.unit import Unit, unit_of
from tflite_requant.golden.verify import read_manifest
from tflite_requant.golden.write import MODEL

MOST_CHANNELS = 4096


@dataclass(slots=True)
class Finding:
    """One stage of one operator that differs somewhere.

    cases: ids of those that differ; compared: how many were dumped. elements, differing: counts.
    first: where the first difference is, in words. causes: (kind, sentence) of every fault that
    explains all dumped cases, those that agree too. facts: what can be said without a cause.
    """

    operator: str
    stage: str
    compared: int = 0
    elements: int = 0
    differing: int = 0
    first: str = ""
    cases: list[str] = field(default_factory=list)
    causes: list[tuple[str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DumpReport:
    """arrays: how many were found in the dump and compared; findings: of stages that differ."""

    arrays: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return not self.findings


def compare_dump(folder: str | Path, actual: str | Path) -> DumpReport:
    """Compare a dump with a set and say what the differences look like.

    actual: a folder with the same paths and formats as the set; what it lacks is not compared.
    Raises UsageError where nothing can be compared, or a file does not hold what its place asks.
    """
    folder, actual = Path(folder), Path(actual)
    manifest = read_manifest(folder)
    if not actual.is_dir():
        raise UsageError(f"{actual}: no such folder")
    request = Request.of(manifest["request"])
    model = read(files.read_bytes(folder / MODEL))
    arrays, findings = 0, []
    for operator in manifest["operators"]:
        unit = unit_of(model, model.main.operators[operator["index"]], operator["arithmetic"])
        for stage in _stages(operator):
            pairs = _Pairs(folder, actual, operator, stage, request)
            finding = _counted(unit, pairs, operator["name"], stage)
            arrays += finding.compared
            if finding.differing:
                _explain(unit, pairs, finding)
                findings.append(finding)
    if not arrays:
        raise UsageError(
            f"{actual}: nothing to compare: none of the set's stages or outputs is in it, under "
            "the paths of the manifest"
        )
    return DumpReport(arrays, tuple(findings))


def _stages(operator: Mapping[str, Any]) -> list[str]:
    names = (
        a["name"] for c in operator["cases"] for a in c["arrays"] if a["role"] != "input"
    )  # fmt: skip
    return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """(case, expected, actual) of one stage, read anew each time."""

    folder: Path
    actual: Path
    operator: Mapping[str, Any]
    stage: str
    request: Request

    def __iter__(self) -> Iterator[tuple[Mapping[str, Any], np.ndarray, np.ndarray]]:
        for case in self.operator["cases"]:
            entry = next((a for a in case["arrays"] if a["name"] == self.stage), None)
            found = read_array(self.actual, entry, self.request) if entry else None
            if found is not None:
                yield case, self._expected(entry), found

    def _expected(self, entry: Mapping[str, Any]) -> np.ndarray:
        expected = read_array(self.folder, entry, self.request)
        if expected is None:
            raise UsageError(f"{self.folder}: {entry['name']} is missing; --verify says more")
        return expected

    def stimuli(self, unit: Unit, case: Mapping[str, Any]) -> dict[int, np.ndarray]:
        """What a case feeds."""
        named = {unit.operand_name(p): p for p in unit.fed}
        inputs = (a for a in case["arrays"] if a["role"] == "input")
        return {named[a["name"]]: self._expected(a) for a in inputs}


def _counted(unit: Unit, pairs: _Pairs, name: str, stage: str) -> Finding:
    finding = Finding(name, stage)
    for case, expected, actual in pairs:
        finding.compared += 1
        finding.elements += expected.size
        wrong = _differs(expected, actual)
        count = int(wrong.sum())
        if count:
            finding.differing += count
            finding.cases.append(case["id"])
            if not finding.first:
                at = tuple(int(i) for i in np.argwhere(wrong)[0])
                found, need = actual[at].item(), expected[at].item()
                finding.first = f"{case['id']} at {list(at)}: {found}, not {need}"
    return finding


def _differs(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    if expected.dtype.kind == "f":
        raw = f"u{expected.dtype.itemsize}"
        return np.ascontiguousarray(expected).view(raw) != np.ascontiguousarray(actual).view(raw)
    return expected != actual


def _explain(unit: Unit, pairs: _Pairs, finding: Finding) -> None:
    """Keep the faults that predict every dumped value of every case; or, where there is none and
    only some channels differ, every value of those channels."""
    channels: np.ndarray | None = None
    facts = _Facts(unit)
    for case, expected, actual in pairs:
        channels = _matching(channels, expected, actual)
        facts.add(unit.stages(pairs.stimuli(unit, case)), expected, actual)
    finding.facts = facts.told()
    finding.causes = _surviving(unit, pairs, finding.stage, None)
    order = _permutation(channels)
    if order is not None:
        finding.causes.insert(0, ("channels", f"channel order: {order}"))
    some = facts.some_channels()
    if not finding.causes and some:
        told = "channel" if len(some) == 1 else "channels"
        where = f"in {told} {_listed(some)} only, "
        found = _surviving(unit, pairs, finding.stage, some)
        finding.causes = [(kind, where + text) for kind, text in found]


def _surviving(
    unit: Unit, pairs: _Pairs, stage: str, channels: list[int] | None
) -> list[tuple[str, str]]:
    """(kind, sentence) of the faults that predict what was dumped, in these channels or in all."""
    at = slice(None) if channels is None else np.array(channels)
    alive: dict[tuple[str, str], None] | None = None
    for case, expected, actual in pairs:
        stimuli = pairs.stimuli(unit, case)
        faults = (
            *(of_storage(expected) if channels is None else ()),
            *of_stage(unit, stimuli, unit.stages(stimuli), stage),
        )
        holds: dict[tuple[str, str], None] = {}
        for fault in faults:
            key = fault.kind, fault.text
            tried = alive is None or key in alive
            if tried and np.array_equal(fault.values()[..., at], actual[..., at]):
                holds[key] = None
        alive = holds
    return list(alive or {})


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def _matching(channels, expected: np.ndarray, actual: np.ndarray) -> np.ndarray | None:
    """bool (C, C): where actual channel j holds what channel i should; over all cases so far."""
    if not expected.ndim or not 1 < expected.shape[-1] <= MOST_CHANNELS:
        return None
    ours = _fingerprints(expected)
    theirs = _fingerprints(actual)
    equal = theirs[:, None] == ours[None, :]
    return equal if channels is None else channels & equal


def _fingerprints(array: np.ndarray) -> np.ndarray:
    """A number a channel, the same for equal contents."""
    columns = np.ascontiguousarray(array.reshape(-1, array.shape[-1]).T)
    digests = (hashlib.blake2b(c.tobytes(), digest_size=8).digest() for c in columns)
    return np.array([int.from_bytes(d, "little") for d in digests], np.uint64)


def _permutation(channels: np.ndarray | None) -> str | None:
    """How channels are interchanged, or None where they are not."""
    if channels is None or not channels.any(axis=1).all() or channels.diagonal().all():
        return None
    free = np.ones(len(channels), bool)
    order = np.full(len(channels), -1)
    for j in np.argsort(channels.sum(axis=1), kind="stable"):
        fitting = np.flatnonzero(channels[j] & free)
        if not fitting.size:
            return None
        own = channels[j, j] and free[j]
        order[j] = j if own else fitting[0]
        free[order[j]] = False
    moved = [int(j) for j in np.flatnonzero(order != np.arange(len(order)))]
    shown = ", ".join(f"{j} holds {order[j]}" for j in moved[:6])
    return shown + (f" and {len(moved) - 6} more" if len(moved) > 6 else "")


class _Facts:
    """Where differences are: at ties, at bounds, at borders, in which channels, by how much."""

    def __init__(self, unit: Unit) -> None:
        self._rounder = rounder_of(unit)
        self._total = 0
        self._by_one = 0
        self._counts = {"at negative ties": 0, "at positive ties": 0, "at the bounds": 0,
                        "at the border": 0}  # fmt: skip
        self._channels: set[int] = set()
        self._all_channels = 0

    def add(self, stages, expected: np.ndarray, actual: np.ndarray) -> None:
        wrong = _differs(expected, actual)
        self._total += int(wrong.sum())
        if not wrong.any():
            return
        if expected.dtype.kind in "iu":
            step = actual.astype(np.int64) - expected.astype(np.int64)
            self._by_one += int((np.abs(step[wrong]) == 1).sum())
        if expected.ndim:
            self._all_channels = expected.shape[-1]
            by_channel = wrong.reshape(-1, expected.shape[-1]).any(axis=0)
            self._channels.update(np.flatnonzero(by_channel).tolist())
        if expected.ndim == 4:
            inside = np.zeros(expected.shape, bool)
            inside[:, 1:-1, 1:-1] = True
            if inside.any():
                self._counts["at the border"] += int((wrong & ~inside).sum())
        rounder = self._rounder
        if rounder is None or stages["accumulator"].shape != expected.shape:
            return
        a = stages["accumulator"].astype(np.int64)
        ties = rounder.ties(a)["last_tie"]
        self._counts["at negative ties"] += int((wrong & ties & (a < 0)).sum())
        self._counts["at positive ties"] += int((wrong & ties & (a > 0)).sum())
        output = stages["output"]
        bounds = (output == rounder.low) | (output == rounder.high)
        self._counts["at the bounds"] += int((wrong & bounds).sum())

    def told(self) -> list[str]:
        """Sentences, only where they hold for every difference."""
        found = []
        if self._by_one == self._total:
            found.append("all are off by one")
        found += [f"all are {where}" for where, n in self._counts.items() if n == self._total]
        some = self.some_channels()
        if some:
            found.append(f"{len(some)} of {self._all_channels} channels: {_listed(some)}")
        return found

    def some_channels(self) -> list[int]:
        """The channels that differ, where there are others; else nothing."""
        return sorted(self._channels) if len(self._channels) < self._all_channels else []
