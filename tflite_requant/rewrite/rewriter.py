"""Goes through a subgraph's operators and rewrites what each needs rewritten."""

from __future__ import annotations

from collections.abc import Mapping

from tflite_requant.catalog import spec_of
from tflite_requant.correction.moments import Moments
from tflite_requant.model import Edit
from tflite_requant.planning import Plan
from tflite_requant.planning.domains import is_weighted
from tflite_requant.progress import Advance
from tflite_requant.rewrite.bridges import Bridges
from tflite_requant.rewrite.constants import Constants
from tflite_requant.rewrite.desk import Desk, SubgraphRewrite
from tflite_requant.rewrite.dimensions import mend
from tflite_requant.rewrite.frames import Frames
from tflite_requant.rewrite.options import set_options, set_versions
from tflite_requant.rewrite.weights import Memory, Weights
from tflite_requant.rules.weighted import Corrections
from tflite_requant.schemes import Scheme


class Rewriter:
    """Applies one plan to one subgraph edit. clamped: operators whose lost clamp is restored ->
    MAXIMUM, MINIMUM, or both."""

    def __init__(
        self, edit: Edit, plan: Plan, scheme: Scheme, moments: dict[int, Moments],
        corrections: Corrections, clamped: Mapping[int, tuple[str, ...]],
        memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self.desk = desk = Desk(edit, plan, scheme)
        self.constants = Constants(desk)
        self.weights = Weights(desk, self.constants, moments, corrections, memory)
        self.bridges, self.frames = Bridges(desk, clamped), Frames(desk)

    def run(self, advance: Advance) -> SubgraphRewrite:
        """All changes, in execution order of the source's operators; advance counts them."""
        desk, plan, source = self.desk, self.desk.plan, self.desk.source
        for index, new in plan.home.items():
            if not source.tensors[index].is_constant and new != source.tensors[index].type:
                desk.edit.retype(index, new)
        for op in source.operators:
            spec = spec_of(op)
            if op.index in plan.domains:
                self.constants.rewrite(op)
                if is_weighted(spec) and plan.domains[op.index].kind != "pinned":
                    self.weights.rewrite(op, spec)
                self.bridges.inputs(op)
                self.frames.pad(op)
                self.bridges.outputs(op)
                set_options(desk, op)
            advance(1)
        self.bridges.borders()
        mend(desk)
        set_versions(desk)
        desk.done.numbers = desk.edit.new_indices()
        return desk.done
