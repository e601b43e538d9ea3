"""The pipeline: screen, plan, measure, rewrite, remember. The source model is never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tflite_requant import statistics
from tflite_requant.check import check
from tflite_requant.describe import refusals
from tflite_requant.draft import Draft, make_plans
from tflite_requant.errors import NotQuantizedError, RefusedError, SampleError
from tflite_requant.model import Model, require_model
from tflite_requant.model.dtypes import ACTIVATION_DTYPES
from tflite_requant.options import CORRECTIONS, Options
from tflite_requant.outcome import Report
from tflite_requant.planning.domains import ACCELERATOR_OPERATORS
from tflite_requant.rewrite.idle import without_idle
from tflite_requant.schemes import POWER_OF_TWO, RATIO, Scheme, scheme_of
from tflite_requant.search import Bench, Found, Search, is_clearly_better
from tflite_requant.validation import require_filled, unsound
from tflite_requant.wording import plural

__all__ = ["CORRECTIONS", "Options", "Result", "requantize", "screen"]


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


def requantize(
    model: Model,
    scheme: Scheme | str | PathLike,
    calibration: np.ndarray | Iterable | str | statistics.Statistics | None = None,
    options: Options | None = None,
) -> Result:
    """Put a model on a scheme: one that is loaded, a preset's name, or the path of a .toml.

    calibration: samples on axis 0, or any iterable of samples (an array, or a tuple of arrays for
    several inputs); integers of the input's dtype are stored integers, floats real values. "prior":
    the data-free estimate; "synthetic", "synthetic:N": images that are made up; None: what of these
    is better, see `statistics.default_calibration`. `statistics.measure(model, samples)` once, for
    several schemes.

    Raises RefusedError (all laws that forbid it), NotQuantizedError, SampleError, SchemeError;
    TypeError for a path instead of a model, or what is no scheme.
    """
    require_model(model)
    scheme = scheme_of(scheme)
    options = options or Options()
    screen(model)
    require_filled(model)
    make_plans(model, scheme, options)
    if calibration is None:
        calibration = statistics.default_calibration(model, scheme)
    known = statistics.measure(model, calibration, progress=options.progress, seed=options.seed)
    if options.search and not (known.samples or statistics.takes_colour_images(model)):
        raise SampleError(
            "--search needs samples for this model, whose input is no image of three colours; "
            "give some with --calibration"
        )
    draft = Draft(model, scheme, options, known)
    new, found = draft.finished(draft.fitted), None
    if options.search:
        new, found = _searched(draft, new)
    if new is not model:
        new = without_idle(model, new, draft.done, scheme)
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


def _searched(draft: Draft, plain: Model) -> tuple[Model, Found]:
    """The model with the scales that a search ends with, if it is clearly closer to the source on
    samples that were not searched on. Samples are made up where none are at hand."""
    model, options = draft.model, draft.options
    samples, on = draft.known.samples, "sample"
    if not samples or draft.known.made_up:
        on = "synthetic image"
    if not samples:
        samples = tuple(statistics.SyntheticImages(model, seed=options.seed))
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
    found = replace(found, on=plural(len(samples), on))
    new = draft.finished(found.factors)
    noise = bench.noise(bench.variant(plain), before)
    if is_clearly_better(bench.noise(bench.variant(new), draft.plans[0]), noise):
        return new, found
    return draft.finished(draft.fitted), replace(found, factors={}, after=found.before)
