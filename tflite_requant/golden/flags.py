"""What cases are for: flags, and what a failure of a case that carries one suggests."""

from __future__ import annotations

FLAGS: dict[str, str] = {
    "Given": "Values that were given, passed through the model.",
    "Random": "Every stored value equally likely; the baseline that directed cases are above.",
    "Zero": "Every input stands for 0: bias, zero points and the output offset are seen alone.",
    "AllMin": "Every input is the smallest stored value.",
    "AllMax": "Every input is the largest stored value.",
    "Alternating": "Smallest and largest stored value like a chessboard over all axes.",
    "OneHot": "Single elements that are not 0, no two in one window: which tap meets which weight.",
    "Border": "Extremes at the border, 0 inside: what is read beyond the border.",
    "Ramp": "Stored values in order, up or down: addresses, strides, the order of elements.",
    "Sweep": "Every value, or every pair of values, that 8-bit inputs can have.",
    "AccumulatorMax": "The largest accumulator that a channel can reach: width and overflow.",
    "AccumulatorMin": "The smallest accumulator that a channel can reach: width and overflow.",
    "SaturationLow": "Outputs just below, at and just above the lower activation bound.",
    "SaturationHigh": "Outputs just below, at and just above the upper activation bound.",
    "TiePositive": "A rounding step meets exactly half, in a positive value.",
    "TieNegative": "A rounding step meets exactly half, in a negative value.",
    "DoubleRounding": "Rounding once and rounding twice give different outputs.",
    "Truncation": "Dropping the bits and rounding give different outputs.",
}
