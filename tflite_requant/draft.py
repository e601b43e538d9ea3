"""Plans of one model for one scheme, and the models that they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from tflite_requant import statistics
from tflite_requant.describe import operator_outcomes, report_of
from tflite_requant.errors import Finding, RefusedError, UnsupportedOperatorError, UsageError
from tflite_requant.model import Edit, Model, TensorType
from tflite_requant.options import Options
from tflite_requant.outcome import Report
from tflite_requant.planning import Plan, dead, explicit, nesting, padding, plan, ranges
from tflite_requant.planning.domains import called_subgraphs
from tflite_requant.planning.units import NO_FACTORS, Unit
from tflite_requant.progress import Advance, bar
from tflite_requant.rewrite import Memory, Rewriter, SubgraphRewrite
from tflite_requant.rewrite.remembering import remember
from tflite_requant.schemes import Scheme
from tflite_requant.search import LITERT, Factors, Found, GridJudge, corrected_biases
from tflite_requant.wording import plural


def make_plans(
    model: Model,
    scheme: Scheme,
    options: Options,
    rank: padding.Rank | None = None,
    factors: Factors = NO_FACTORS,
    equivalents: Mapping[int, Mapping[int, dead.Equivalent]] | None = None,
    saturated: Mapping[int, frozenset[int]] | None = None,
) -> dict[int, Plan]:
    """A plan for every subgraph that is not run by another one.

    rank: where explicit padding is worth most; factors: of the main subgraph's free scales;
    equivalents: of each subgraph, what `planning.dead` proves; saturated: of each subgraph, tensors
    that `planning.nesting` has to leave out.
    Raises RefusedError with every error of every subgraph.
    """
    called = called_subgraphs(model)
    plans, left = {}, options.allow_padv2
    for s in model.subgraphs:
        if s.index in called:
            continue
        plans[s.index] = plan(
            s,
            scheme,
            keep_io=options.keep_io,
            keep_unknown=options.keep_unknown,
            fold=not options.strict_meaning,
            nest="nested-rounding" in options.correction,
            saturated=(saturated or {}).get(s.index, frozenset()),
            named=_named(model, s.index),
            allow_padv2=left,
            rank=rank if s.index == 0 else None,
            factors=factors if s.index == 0 else NO_FACTORS,
            equivalent=(equivalents or {}).get(s.index, {}),
        )
        if left != padding.ANY:
            left -= plans[s.index].frames
    errors = [f for p in plans.values() for f in p.findings if f.severity == "error"]
    if errors:
        raise RefusedError(
            f"cannot be put on scheme {scheme.name}: {plural(len(errors), 'finding')}",
            tuple(errors),
        )
    return plans


def _named(model: Model, subgraph: int) -> frozenset[int]:
    """Tensors of a subgraph that signatures name."""
    own = (s for s in model.signatures if s.subgraph == subgraph)
    return frozenset(t for s in own for _, t in (*s.inputs, *s.outputs))


class Draft:
    """The latest plans of a model, and what was done by them."""

    def __init__(self, model: Model, scheme: Scheme, options: Options, known) -> None:
        self.model, self.scheme, self.options, self.known = model, scheme, options, known
        self.plans: dict[int, Plan] = {}
        self.done: dict[int, SubgraphRewrite] = {}
        self.changed = False
        self._disturbance: dict | None = None
        self._equivalents = {}
        if "dead-channels" in options.correction:
            self._equivalents = {s.index: dead.equivalents(s) for s in model.subgraphs}
        self._saturated = {s.index: self._often_saturated(s.index) for s in model.subgraphs}
        self._memories: dict[int, Memory] | None = {} if options.search else None
        self.fitted: dict[Unit, float] = self._ranges()

    def _ranges(self) -> dict[Unit, float]:
        """Factors that samples ask for before any search."""
        counts = {t: n for (s, t), n in self.known.counts.items() if s == 0}
        if "range-fit" not in self.options.correction or not counts:
            return {}
        plan = self._planned(self.options)[0]
        # How far outputs reach beyond them, samples are too few to tell.
        spared = {*self.model.main.outputs, *statistics.judged_tensors(self.model)}
        with bar(self.title("judging ranges"), "trial", None) as advance:
            fitted = ranges.tightened(plan, counts, spared, self._judge(plan, advance))
        if not self.options.allow_padv2:
            return fitted
        # What a PADV2 lets be folded saturates where its clamp is.
        wide = replace(self.options, allow_padv2=padding.ANY)
        folded = self._planned(wide)[0].offsets.keys()
        kept = (u for u in fitted if u.kind == "power" or folded.isdisjoint(u.tensors))
        return {unit: fitted[unit] for unit in kept}

    def _judge(self, plan: Plan, advance: Advance) -> ranges.Judge | None:
        """What tells the cost of other grids by running the source; None where that cannot be, or
        nobody would ask."""
        if not (self.known.samples and any(u.kind == "power" for u in plan.units)):
            return None
        try:
            judge = GridJudge(self.model, self.known.samples)
        except (UsageError, UnsupportedOperatorError):
            return None

        def judged(grids: Mapping[int, TensorType]) -> float:
            advance(1)
            return judge(grids)

        return judged

    @property
    def profile(self) -> str:
        """The arithmetic under which results are judged: the scheme's, and of LiteRT's several
        ones that of its default kernels."""
        own = self.scheme.arithmetic
        return LITERT if own == "litert-reference" else own

    def title(self, what: str) -> str:
        """Of a progress bar; none where it is not asked for."""
        return f"{what}, {self.scheme.name}" if self.options.progress else ""

    def make(self, factors: Factors) -> Model:
        """The model under these factors of free scales."""
        return self._made(self._plans(factors), self.title("rewriting"))

    def finished(self, factors: Factors) -> Model:
        """The same with biases corrected in order, where there are samples."""
        new = self.make(factors)
        samples = self.known.samples
        if not ("sequential-bias" in self.options.correction and samples and self.changed):
            return new
        rows = operator_outcomes(self.plans[0], self.done[0], self.known)
        # What is exact stays so.
        which = {row.index for row in rows if row.exactness == "approximated"}
        return corrected_biases(
            self.model, new, self.plans[0], samples, self.scheme.bias, which, self.profile,
            self.title("correcting biases"),
        )  # fmt: skip

    def plan_main(self, factors: Factors) -> tuple[Plan, Callable[[], Model]]:
        """The main subgraph's plan, and what makes the model of it."""
        plans = self._plans(factors)
        return plans[0], lambda: self._made(plans)

    def _plans(self, factors: Factors) -> dict[int, Plan]:
        rank = self._ranked if self.options.allow_padv2 else None
        return self._planned(self.options, rank, factors, self._equivalents)

    def _planned(self, options: Options, *more) -> dict[int, Plan]:
        return make_plans(self.model, self.scheme, options, *more, saturated=self._saturated)

    def _often_saturated(self, subgraph: int) -> frozenset[int]:
        shares = {t: o[1].share for (s, t), o in self.known.overshoots.items() if s == subgraph}
        return nesting.saturated(shares)

    def _ranked(self, grids):
        """Where padding is worth most, asked once: it takes running the model."""
        if self._disturbance is None:
            examples = self.known.examples
            self._disturbance = statistics.disturbance(self.model, grids, examples)
        return self._disturbance

    def _made(self, plans: dict[int, Plan], title: str = "") -> Model:
        self.plans = plans
        edit = Edit(self.model)
        total = sum(len(self.model.subgraphs[index].operators) for index in plans)
        with bar(title, "operator", total) as advance:
            self.done = {
                index: self._rewriter(edit, index, one).run(advance) for index, one in plans.items()
            }
        self.changed = edit.is_changed
        if not self.changed:
            return self.model
        remember(edit, self.model, self.scheme, plans, self.options.keep_unknown)
        return edit.commit()

    def _rewriter(self, edit: Edit, index: int, one: Plan) -> Rewriter:
        moments = {op: m for (s, op), m in self.known.moments.items() if s == index}
        memory = None
        if self._memories is not None:
            memory = self._memories.setdefault(index, Memory())
        return Rewriter(
            edit, one, self.scheme, moments, self.options.corrections(),
            self._clamped(index, one), memory,
        )  # fmt: skip

    def _clamped(self, index: int, one: Plan) -> dict[int, tuple[str, ...]]:
        """Operators whose lost clamp is restored -> by which further operators."""
        if self.options.clamps == "exact":
            return {op: lost.needed for op, lost in one.lost_clamps.items()}
        return self._worthwhile(index, one) if self.options.clamps == "auto" else {}

    def _worthwhile(self, index: int, one: Plan) -> dict[int, tuple[str, ...]]:
        """Those whose clamp matters, with what the scheme allows of what restores it."""
        known = {t: found for (s, t), found in self.known.overshoots.items() if s == index}
        return explicit.worthwhile(one, known, self.scheme.operators.allows)

    def report(self, new: Model, judged: list[Finding], found: Found | None) -> Report:
        return report_of(
            self.model, new, self.scheme, self.options.correction, self.plans, self.done,
            self.known, judged=judged, lost=self._hints(), searched=_search_line(found),
        )  # fmt: skip

    def _hints(self) -> dict[tuple[int, int], str]:
        """(subgraph, operator) whose clamp is lost -> what would restore it."""
        found = {}
        for index, one in self.plans.items():
            matters, done = self._worthwhile(index, one), self._clamped(index, one)
            for op, lost in one.lost_clamps.items():
                left = [name for name in lost.needed if name not in done.get(op, ())]
                refused = [n for n in left if not self.scheme.operators.allows(n)]
                if left:
                    found[index, op] = explicit.hint(left, refused, op in matters)
        return found


def _search_line(found: Found | None) -> str:
    if found is None:
        return ""
    if not found.factors:
        tried = f"; {found.tried} trials searched on {found.on}"
        return f"{tried}, nothing clearly better on those kept apart"
    gain = 10 * math.log10(found.before / found.after) if found.after else math.inf
    return (
        f"; {plural(len(found.factors), 'scale')} moved by {plural(found.tried, 'trial')} "
        f"searched on {found.on}, {gain:.2f} dB less noise on its samples"
    )
