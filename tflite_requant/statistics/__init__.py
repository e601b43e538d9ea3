"""Means and covariances of what weighted operators read: measured, or estimated without data."""

from __future__ import annotations

from tflite_requant.statistics.measure import Statistics, measure

__all__ = ["Statistics", "measure"]
