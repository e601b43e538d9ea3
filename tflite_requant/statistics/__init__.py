"""Means and covariances of what weighted operators read: measured, or estimated without data."""

from __future__ import annotations

from tflite_requant.statistics.disturbance import disturbance, judged_tensors
from tflite_requant.statistics.measure import (
    Statistics,
    default_calibration,
    is_data_free,
    measure,
)
from tflite_requant.statistics.synthetic import SyntheticImages, takes_colour_images

__all__ = [
    "Statistics", "SyntheticImages", "default_calibration", "disturbance", "is_data_free",
    "judged_tensors", "measure", "takes_colour_images",
]  # fmt: skip
