"""The pipeline: screen, plan, measure, rewrite, remember. The source model is never changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant import statistics
from tflite_requant.check import check
from tflite_requant.describe import operator_outcomes, refusals, report_of
from tflite_requant.errors import Finding, NotQuantizedError, RefusedError, UsageError
from tflite_requant.model import Edit, Model, require_model
from tflite_requant.model.dtypes import ACTIVATION_DTYPES
from tflite_requant.outcome import Report
from tflite_requant.planning import Plan, dead, explicit, padding, plan, ranges
from tflite_requant.planning.domains import ACCELERATOR_OPERATORS, called_subgraphs
from tflite_requant.planning.units import NO_FACTORS, Unit
from tflite_requant.progress import bar
from tflite_requant.rewrite import Memory, Rewriter, SubgraphRewrite
from tflite_requant.rewrite.remembering import remember
from tflite_requant.rules.weighted import Corrections
from tflite_requant.schemes import POWER_OF_TWO, RATIO, Scheme, load_scheme
from tflite_requant.search import LITERT, Bench, Factors, Found, Search, corrected_biases
from tflite_requant.validation import require_filled, unsound
from tflite_requant.wording import plural

CLAMPS = ("fused", "auto", "exact")
SEARCH_SAMPLES = 32  # images that are made up for a search without samples
CORRECTIONS = (
    "dead-channels", "exact-grid", "scale-search", "error-compensation", "bias-folding",
    "range-fit", "sequential-bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """How to requantize. The defaults are what measures best without being asked.

    keep_io:      graph inputs and outputs keep type and quantization (QUANTIZE at the border).
    keep_unknown: operators outside the catalog stay on their old quantization, fenced by QUANTIZE.
    strict_meaning: every intermediate tensor keeps its real value (no zero-point folding, no
                  relabelled power-of-two scales).
    clamps:       "fused": restore old clamps where a fused activation or the new range can;
                  "exact": also insert MINIMUM and MAXIMUM where neither can; "auto": only where
                  what the source stopped outweighs the new grid's rounding, and the scheme allows
                  these operators.
    allow_padv2:  how many PADV2 operators ("any" for all) may be inserted before convolutions, for
                  zero points to be folded through their padding; see `planning.padding`.
    correction:   which of CORRECTIONS are on.
    search:       run the model on samples again and again, and keep the activation scales under
                  which its outputs are closest to the source's.
    seed:         of everything random (synthetic calibration).
    """

    keep_io: bool = False
    keep_unknown: bool = False
    strict_meaning: bool = False
    clamps: str = "fused"
    allow_padv2: int | str = 0
    correction: tuple[str, ...] = CORRECTIONS
    search: bool = False
    seed: int = 0
    progress: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        unknown = [c for c in self.correction if c not in CORRECTIONS]
        if unknown:
            known = ", ".join(CORRECTIONS)
            raise UsageError(f"unknown correction {unknown[0]!r}; known: {known}")
        if self.clamps not in CLAMPS:
            raise UsageError(f"unknown clamps {self.clamps!r}; known: {', '.join(CLAMPS)}")
        count = self.allow_padv2
        if count != padding.ANY and not (isinstance(count, int) and count >= 0):
            raise UsageError(f"allow_padv2 {count!r}: need a number from 0 or {padding.ANY!r}")
        if count and self.strict_meaning:
            raise UsageError(
                "allow_padv2 lets zero points be folded, which strict_meaning forbids; "
                "give one of them"
            )

    def corrections(self) -> Corrections:
        """The switches that the weighted rule takes."""
        on = set(self.correction)
        return Corrections(
            exact_grid="exact-grid" in on,
            search="scale-search" in on,
            compensate="error-compensation" in on,
            fold="bias-folding" in on,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """The new model and what was done."""

    model: Model
    report: Report


def screen(model: Model) -> None:
    """Refuse files that hold nothing to requantize. Raises NotQuantizedError with one line."""
    for _, op in model.operators():
        compiled = ACCELERATOR_OPERATORS.get(op.name)
        if compiled:
            raise NotQuantizedError(
                f"this is {compiled} (custom operator {op.name}); "
                "requantize the model it was compiled from"
            )
    tensors = [t for s in model.subgraphs for t in s.tensors]
    if not any(t.is_quantized_activation and not t.is_constant for t in tensors):
        found = "it is a float model"
        if any(t.dtype in ("int8", "uint8", "int4") and t.is_constant for t in tensors):
            found = "only its weights are quantized"
        if any(t.dtype in ACTIVATION_DTYPES and not t.is_constant for t in tensors):
            found = "its integer tensors carry no scale"
        raise NotQuantizedError(
            f"not a quantized model: {found}; "
            "quantize its activations to uint8, int8 or int16 first"
        )


def make_plans(
    model: Model,
    scheme: Scheme,
    options: Options,
    rank: padding.Rank | None = None,
    factors: Factors = NO_FACTORS,
    equivalents: Mapping[int, Mapping[int, dead.Equivalent]] | None = None,
) -> dict[int, Plan]:
    """A plan for every subgraph that is not run by another one.

    rank: where explicit padding is worth most; factors: of the main subgraph's free scales;
    equivalents: of each subgraph, what `planning.dead` proves.
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


def requantize(
    model: Model,
    scheme: Scheme | str,
    calibration: np.ndarray | Iterable | str | statistics.Statistics | None = None,
    options: Options | None = None,
) -> Result:
    """Put a model on a scheme.

    calibration: samples on axis 0, or any iterable of samples (an array, or a tuple of arrays for
    several inputs); integers of the input's dtype are stored integers, floats real values. "prior":
    the data-free estimate; "synthetic", "synthetic:N": images that are made up; None: what of these
    is better, see `statistics.default_calibration`. `statistics.measure(model, samples)` once, for
    several schemes.

    Raises RefusedError (all laws that forbid it), NotQuantizedError, SampleError; TypeError for a
    path instead of a model.
    """
    require_model(model)
    scheme = load_scheme(scheme) if isinstance(scheme, str) else scheme
    options = options or Options()
    screen(model)
    require_filled(model)
    make_plans(model, scheme, options)
    if calibration is None:
        calibration = statistics.default_calibration(model, scheme)
    known = statistics.measure(model, calibration, progress=options.progress, seed=options.seed)
    draft = _Draft(model, scheme, options, known)
    new, found = draft.finished(draft.fitted), None
    if options.search:
        new, found = _searched(draft, new)
    judged = check(new, scheme, options.keep_unknown)
    broken = tuple(f for f in judged if f.severity == "error")
    if not (broken or unsound(model)):
        broken = unsound(new)
    if broken:
        broken = refusals(broken, new, scheme, draft.done)
        raise RefusedError(
            f"cannot be put on scheme {scheme.name}: the result would have "
            f"{plural(len(broken), 'finding')}",
            broken,
        )
    return Result(new, draft.report(new, judged, found))


class _Draft:
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
        self._memories: dict[int, Memory] | None = {} if options.search else None
        self.fitted: dict[Unit, float] = self._ranges()

    def _ranges(self) -> dict[Unit, float]:
        """Factors that samples ask for before any search."""
        counts = {t: n for (s, t), n in self.known.counts.items() if s == 0}
        if "range-fit" not in self.options.correction or not counts:
            return {}
        plan = make_plans(self.model, self.scheme, self.options)[0]
        # How far outputs reach beyond them, samples are too few to tell.
        spared = {*self.model.main.outputs, *statistics.judged_tensors(self.model)}
        fitted = ranges.tightened(plan, counts, spared)
        if not self.options.allow_padv2:
            return fitted
        # What a PADV2 lets be folded saturates where its clamp is.
        wide = replace(self.options, allow_padv2=padding.ANY)
        folded = make_plans(self.model, self.scheme, wide)[0].offsets.keys()
        kept = (u for u in fitted if u.kind == "power" or folded.isdisjoint(u.tensors))
        return {unit: fitted[unit] for unit in kept}

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
        return make_plans(self.model, self.scheme, self.options, rank, factors, self._equivalents)

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

    def _clamped(self, index: int, one: Plan) -> frozenset[int]:
        """Operators whose lost clamp is restored by further operators."""
        if self.options.clamps == "exact":
            return frozenset(one.lost_clamps)
        return self._worthwhile(index, one) if self.options.clamps == "auto" else frozenset()

    def _worthwhile(self, index: int, one: Plan) -> frozenset[int]:
        """Those whose clamp matters, where the scheme allows what restores it."""
        known = {t: found for (s, t), found in self.known.overshoots.items() if s == index}
        matters = explicit.worthwhile(one, known)
        return frozenset(op for op in matters if not self._refused(one, op))

    def _refused(self, one: Plan, op: int) -> list[str]:
        """What restores an operator's lost clamp and the scheme does not allow."""
        needed = one.lost_clamps[op].needed
        return [name for name in needed if not self.scheme.operators.allows(name)]

    def report(self, new: Model, judged: list[Finding], found: Found | None) -> Report:
        return report_of(
            self.model, new, self.scheme, self.options.correction, self.plans, self.done,
            self.known, judged=judged, lost=self._hints(), searched=_search_line(found),
        )  # fmt: skip

    def _hints(self) -> dict[tuple[int, int], str]:
        """(subgraph, operator) whose clamp is lost -> what would restore it."""
        found = {}
        for index, one in self.plans.items():
            matters = self._worthwhile(index, one)
            for op in one.lost_clamps.keys() - self._clamped(index, one):
                hint = f"--clamps {'auto' if op in matters else 'exact'} restores it"
                refused = " and ".join(self._refused(one, op))
                if refused:
                    hint = (
                        f"the scheme does not allow {refused}, which could restore it; "
                        "add to [operators] allow what the hardware runs"
                    )
                found[index, op] = hint
        return found


def _searched(draft: _Draft, plain: Model) -> tuple[Model, Found]:
    """The model with the scales that a search ends with, unless samples that it did not see say
    that the plain one is closer to the source. Samples are made up where none are at hand."""
    model, options = draft.model, draft.options
    samples = draft.known.samples
    if not samples:
        samples = tuple(statistics.SyntheticImages(model, SEARCH_SAMPLES, options.seed))
    judges = samples[2::3] or samples
    scheme = draft.scheme
    follows = scheme.weights.scale == POWER_OF_TWO or scheme.activations.scale == RATIO
    bench, before = Bench(model, judges, draft.profile), draft.plans[0]
    found = Search(
        model, [s for i, s in enumerate(samples) if i % 3 != 2], draft.plan_main,
        snaps=follows and not options.strict_meaning,
        start=draft.fitted, profile=draft.profile,
        title=draft.title("searching scales"),
    ).run()  # fmt: skip
    new = draft.finished(found.factors)
    after = draft.plans[0]
    if sum(bench.noise(bench.variant(new), after)) < sum(bench.noise(bench.variant(plain), before)):
        return new, found
    return draft.finished(draft.fitted), replace(found, factors={}, after=found.before)


def _search_line(found: Found | None) -> str:
    if found is None:
        return ""
    if not found.factors:
        return f"; {found.tried} trials searched, nothing better on samples kept apart"
    gain = 10 * math.log10(found.before / found.after) if found.after else math.inf
    return (
        f"; {plural(len(found.factors), 'scale')} moved by {plural(found.tried, 'trial')} "
        "searched, "
        f"{gain:.2f} dB less noise on its samples"
    )
