"""What every step of rewriting one subgraph reads, and where it writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tflite_requant.errors import Finding
from tflite_requant.model import Edit, Subgraph, SubgraphEdit
from tflite_requant.planning import Plan
from tflite_requant.rules.weighted import Rewritten
from tflite_requant.schemes import Scheme


@dataclass
class SubgraphRewrite:
    """What was done to one subgraph, for the report. numbers: operators of the source -> their
    indices in the result; clamped: those whose lost clamp was restored -> by which operators;
    removed: those that are gone, a line each."""

    weighted: dict[int, Rewritten] = field(default_factory=dict)
    inserted: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    clamped: dict[int, tuple[str, ...]] = field(default_factory=dict)


class Desk:
    """whole: the model's edit; edit: that of the plan's subgraph, which `source` was."""

    def __init__(self, whole: Edit, plan: Plan, scheme: Scheme) -> None:
        self.whole, self.plan, self.scheme = whole, plan, scheme
        self.source: Subgraph = plan.subgraph
        self.edit: SubgraphEdit = whole.subgraphs[plan.subgraph.index]
        self.done = SubgraphRewrite()
