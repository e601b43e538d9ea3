"""Fused activations as integer bounds on the output's grid, or real bounds of a float output."""

from __future__ import annotations

import numpy as np

from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._types import Attributes, OutputType

REAL_BOUNDS = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def fused(attributes: Attributes) -> str:
    """The name of the fused activation; TANH and SIGN_BIT are ignored, as LiteRT ignores them."""
    return attributes.get("fused_activation_function", "NONE") or "NONE"


def on_grid(real: float, output: OutputType) -> int:
    """zero_point + round(real / scale), the division in float32, ties away from zero."""
    quotient = np.float32(real) / np.float32(output.qparams.scale)
    return int(output.qparams.zero_point) + int(round_half_away(np.float32(quotient)))


def on_grid_half_even(real: float, output: OutputType) -> int:
    """round(real / scale + zero_point), quotient and sum in float32, ties to even."""
    quotient = np.float32(real) / np.float32(output.qparams.scale)
    low, high = limits(output.numpy)
    return int(np.rint(np.clip(quotient + np.float32(output.qparams.zero_point), low, high)))


def bounds(activation: str, output: OutputType, rule: str = "half-away") -> tuple[int, int]:
    """(smallest, largest) integer that the fused activation leaves of the output's type.

    rule: how a profile brings real bounds to the grid, "half-away" or "half-even".
    """
    low, high = limits(output.numpy)
    if activation not in REAL_BOUNDS:
        return low, high
    place = on_grid_half_even if rule == "half-even" else on_grid
    real_low, real_high = REAL_BOUNDS[activation]
    low = max(low, place(real_low, output))
    if real_high is not None:
        high = min(high, place(real_high, output))
    return low, high


def clamp(
    values: np.ndarray, attributes: Attributes, output: OutputType, rule: str = "half-away"
) -> np.ndarray:
    """Integers clamped by the fused activation, in the output's dtype. The upper bound wins."""
    low, high = bounds(fused(attributes), output, rule)
    return np.minimum(np.maximum(values, low), high).astype(output.numpy)


def clamp_real(values: np.ndarray, attributes: Attributes, infinite: bool = False) -> np.ndarray:
    """Floats clamped by the fused activation, and to finite numbers unless `infinite`."""
    low, high = REAL_BOUNDS.get(fused(attributes), (None, None))
    if infinite and low is None and high is None:
        return values
    most = np.inf if infinite else np.finfo(values.dtype).max
    low, high = (-most if low is None else low), (most if high is None else high)
    return bounded_real(values, low, high)


def bounded_real(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Floats between two bounds as C++ clamps them: -0 stays where 0 is a bound, NaN stays."""
    kind = values.dtype.type
    raised = np.where(values < kind(low), kind(low), values)
    return np.where(raised > kind(high), kind(high), raised)
