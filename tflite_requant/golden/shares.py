"""A set of golden vectors as work in parts: what an operator is fed, then the files of its cases.

Cases of one operator are found one after the other, since later ones look for what earlier ones did
not reach; operators know nothing of each other. Workers answer with stimuli, which are small, and
with the files of a few cases at a time, so that little is in memory anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tflite_requant import files
from tflite_requant.errors import RequantError
from tflite_requant.golden.case import Case
from tflite_requant.golden.chain import chained_stimuli
from tflite_requant.golden.folder import FileRecord, KeepingSink
from tflite_requant.golden.operator_files import OperatorFiles
from tflite_requant.golden.plan import Plan
from tflite_requant.golden.request import Request
from tflite_requant.golden.unit import Unit, unit_of
from tflite_requant.interpreter import Interpreter
from tflite_requant.spread import kept_by_thread, spread

SHARE_BYTES = 1 << 22  # elements of input and output of the cases that a worker writes at once
Written = list[tuple[FileRecord, bytes]]


Refused = list[dict[str, str]]  # cases that the arithmetic has no result for: runtimes abort


@dataclass(frozen=True, slots=True)
class Share:
    """Files of some cases of an operator, and what the manifest says of them.

    refused, coverage: with the last cases of an operator, what became of all of them.
    """

    operator: int
    written: Written
    cases: list[dict[str, Any]]
    refused: Refused
    coverage: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Job:
    """What all workers have to know: the model's bytes, whose arithmetic, and the request."""

    model: bytes
    profile: str
    request: Request


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """What an operator is fed."""

    operator: int
    cases: list[Case]
    refused: Refused
    coverage: dict[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """Cases to be written, the first of which has this number."""

    draft: _Draft
    number: int


def isolated_shares(
    job: Job, writers: list[OperatorFiles], executor: Executor | None
) -> Iterator[Share]:
    """Every operator by stimuli of its own, in order, in one or more shares each."""
    if executor is None:
        for writer in writers:
            yield from _isolated(writer, job.request)
        return
    units = {w.unit.op.index: w.unit for w in writers}
    drafts = spread(executor, partial(_drafted, job), units)
    tasks = (task for draft in drafts for task in _tasks(units[draft.operator], draft))
    yield from spread(executor, partial(_written, job), tasks)


def chained_shares(
    job: Job,
    interpreter: Interpreter,
    writers: list[OperatorFiles],
    samples: list[list[np.ndarray]],
    executor: Executor | None,
) -> Iterator[Share]:
    """Every operator by what reaches it, a share each and sample, all of a sample together."""
    own = {w.unit.op.index: w for w in writers}
    stimuli = chained_stimuli(interpreter, [w.unit for w in writers], samples)
    if executor is None:
        for unit, number, fed in stimuli:
            yield _share(own[unit.op.index], number, [(_sample(number, fed), None)])
        return
    tasks = (
        _Task(_Draft(unit.op.index, [_sample(number, fed)], [], None), number)
        for unit, number, fed in stimuli
    )
    yield from spread(executor, partial(_written, job), tasks)


def _sample(number: int, stimuli: Mapping[int, np.ndarray]) -> Case:
    comment = f"what sample {number} of the model's inputs becomes"
    return Case(f"sample_{number}", comment, ("Given",), stimuli)


def _isolated(writer: OperatorFiles, request: Request) -> Iterator[Share]:
    plan, refused = Plan(writer.unit, request), []
    for number, found in enumerate(_computed(plan, writer.unit, refused)):
        yield _share(writer, number, [found])
    yield Share(writer.unit.op.index, [], [], refused, plan.coverage())


def _computed(
    plan: Plan, unit: Unit, refused: Refused
) -> Iterator[tuple[Case, dict[str, np.ndarray]]]:
    """Cases of an operator and their stages; those without are added to `refused`."""
    for case in plan.cases():
        try:
            stages = unit.stages(case.stimuli)
        except RequantError as error:
            refused.append({"name": case.name, "reason": str(error)})
            continue
        plan.learn(case, stages)
        yield case, stages


def _share(
    writer: OperatorFiles, number: int, cases: Iterable, refused: Refused = (), coverage=None
) -> Share:
    """The files of (case, its stages or None), the first of which has this number."""
    sink, told = KeepingSink(), []
    for at, (case, stages) in enumerate(cases, number):
        stages = writer.unit.stages(case.stimuli) if stages is None else stages
        told.append(writer.case(at, case, stages, sink))
    return Share(writer.unit.op.index, sink.taken(), told, list(refused), coverage)


def _tasks(unit: Unit, draft: _Draft) -> Iterator[_Task]:
    """The cases of an operator in parts of a few megabytes; at least one part."""
    tensors = [unit.tensor(p) for p in unit.fed] + list(unit.outputs)
    each = sum(int(np.prod(t.shape, dtype=np.int64)) for t in tensors)
    size = max(1, SHARE_BYTES // max(each, 1))
    for first in range(0, max(len(draft.cases), 1), size):
        is_last = first + size >= len(draft.cases)
        ends = (draft.refused, draft.coverage) if is_last else ([], None)
        yield _Task(_Draft(draft.operator, draft.cases[first : first + size], *ends), first)


def _drafted(job: Job, operator: int) -> _Draft:
    """A worker's share: what an operator is fed."""
    unit, refused = _writer(job, operator).unit, []
    plan = Plan(unit, job.request)
    cases = [case for case, _ in _computed(plan, unit, refused)]
    return _Draft(operator, cases, refused, plan.coverage())


def _written(job: Job, task: _Task) -> Share:
    """A worker's share: the files of some cases."""
    draft = task.draft
    cases = [(case, None) for case in draft.cases]
    writer = _writer(job, draft.operator)
    return _share(writer, task.number, cases, draft.refused, draft.coverage)


def _writer(job: Job, operator: int) -> OperatorFiles:
    known = _known(job)
    if operator not in known:
        model = known["model"]
        unit = unit_of(model, model.main.operators[operator], job.profile)
        known[operator] = OperatorFiles(unit, job.request)
    return known[operator]


@kept_by_thread
def _known(job: Job) -> dict[Any, Any]:
    """What a worker made of a job so far: the model, and its operators by index."""
    return {"model": files.load(job.model)}
