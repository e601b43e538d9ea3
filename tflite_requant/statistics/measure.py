"""The one way to statistics: from samples through the interpreter, or from the prior."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.model import Model
from tflite_requant.statistics.prior import prior_moments


@dataclass(frozen=True, slots=True)
class Statistics:
    """moments: (subgraph, operator) -> Moments; hits: (subgraph, tensor) -> shares of values at the
    least and greatest stored integer; origin: one line that says where they come from."""

    moments: dict[tuple[int, int], Moments]
    hits: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    origin: str = ""


def measure(
    model: Model,
    calibration: np.ndarray | Iterable | str | None = None,
    *,
    progress: bool = False,
    seed: int = 0,
) -> Statistics:
    """Statistics of a model. calibration: samples; None or "prior" for the data-free estimate;
    Statistics come back as they are.

    Raises SampleError for samples that do not fit the model.
    """  # fmt: skip
    if isinstance(calibration, Statistics):
        return calibration
    if calibration is None or isinstance(calibration, str):
        return Statistics(prior_moments(model), origin="no data (analytic prior)")
    from tflite_requant.statistics.calibrated import calibrate

    return calibrate(model, calibration, progress=progress)
