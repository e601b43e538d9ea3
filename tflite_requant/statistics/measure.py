"""The one way to statistics: from samples through the interpreter, or from the prior."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.errors import UsageError
from tflite_requant.interpreter import Interpreter, arithmetic_to_run
from tflite_requant.model import Model
from tflite_requant.planning.explicit import Sides
from tflite_requant.schemes import Scheme
from tflite_requant.statistics.prior import prior
from tflite_requant.statistics.synthetic import DEFAULT_COUNT, SyntheticImages, takes_colour_images
from tflite_requant.wording import plural


@dataclass(frozen=True, slots=True)
class Statistics:
    """moments: (subgraph, operator) -> Moments; hits: (subgraph, tensor) -> shares of values at the
    least and greatest stored integer; origin: one line that says where they come from; examples: a
    few of the inputs, for what has to be tried out; samples: more of them, evenly spaced, for what
    has to run the model again and again; counts: (subgraph, tensor) -> how often each of the 256
    integers of an 8-bit tensor was stored, least first; overshoots: (subgraph, tensor) -> what the
    ends of its range stop, below and above; made_up: whether nobody's data were measured."""

    moments: dict[tuple[int, int], Moments]
    hits: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    origin: str = ""
    examples: tuple = field(default=(), repr=False)
    samples: tuple = field(default=(), repr=False)
    counts: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)
    overshoots: dict[tuple[int, int], Sides] = field(default_factory=dict, repr=False)
    made_up: bool = False


PRIOR, SYNTHETIC = "prior", "synthetic"


def is_data_free(calibration: object) -> bool:
    """Whether a calibration names a way that reads no data: prior, synthetic, synthetic:N."""
    return isinstance(calibration, str) and calibration.split(":")[0] in (PRIOR, SYNTHETIC)


def default_calibration(model: Model, scheme: Scheme) -> str:
    """The way to statistics without data that measures better: "synthetic" where weights or int8
    activations have to leave the grids that they were trained on, in models of colour images that
    can be run; else "prior", which is as good there and takes no time."""
    weights, activations = scheme.weights, scheme.activations
    leave = (
        weights.scale != "any"
        or activations.scale != "any"
        or (weights.granularity == "per-tensor" and weights.zero_point != "any")
        or (activations.zero_point != "any" and activations.dtype == "int8")
    )
    if not (leave and takes_colour_images(model)):
        return PRIOR
    runs = not Interpreter(model, arithmetic_to_run(model)).unsupported
    return SYNTHETIC if runs else PRIOR


def measure(
    model: Model,
    calibration: np.ndarray | Iterable | str | Statistics | None = None,
    *,
    progress: bool = False,
    seed: int = 0,
    executor: Executor | None = None,
) -> Statistics:
    """Statistics of a model.

    calibration: samples; None or "prior" for the data-free estimate (`default_calibration` knows
    which is better); "synthetic" or "synthetic:N"
    for N images that are made up (`seed`); Statistics come back as they are. executor: runs the
    samples in parts; the result is the same with any.

    Raises SampleError for samples that do not fit the model, UsageError for another word.
    """
    if isinstance(calibration, Statistics):
        return calibration
    if calibration is None or (isinstance(calibration, str) and calibration == PRIOR):
        moments, overshoots = prior(model)
        return Statistics(moments, origin="no data (analytic prior)", overshoots=overshoots)
    from tflite_requant.statistics.calibrated import calibrate

    if isinstance(calibration, str):
        images = _synthetic(model, calibration, seed)
        measured = calibrate(model, images, progress=progress, executor=executor)
        # Made-up images say nothing about how often a real value saturates.
        origin = f"no data ({plural(len(images), 'synthetic image')})"
        return Statistics(
            measured.moments, origin=origin, examples=measured.examples, samples=measured.samples,
            overshoots=prior(model)[1], made_up=True,
        )  # fmt: skip
    return calibrate(model, calibration, progress=progress, executor=executor)


def _synthetic(model: Model, calibration: str, seed: int):
    word, _, count = calibration.partition(":")
    if word != SYNTHETIC or (count and not count.isdecimal()):
        raise UsageError(
            f"calibration {calibration!r}: need samples, {PRIOR!r}, {SYNTHETIC!r} or "
            f"'{SYNTHETIC}:N'"
        )
    return SyntheticImages(model, int(count) if count else DEFAULT_COUNT, seed)
