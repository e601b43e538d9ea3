"""What sums can reach, against all of them."""

from itertools import product

import numpy as np
import pytest

from tflite_requant.fixedpoint.accumulator import extremes, signed_bits

CASES = {
    "signed": ([[3, -2, 5], [-1, -1, 4]], -3, 2, [7, -7]),
    "unsigned": ([[3, -2, 5], [0, 0, 0]], 0, 4, [-100, 1]),
    "without bias": ([[1, 1, -1]], -4, 3, None),
}


@pytest.mark.parametrize("rows, low, high, bias", CASES.values(), ids=CASES)
def test_extremes_are_reached_and_never_left(rows, low, high, bias):
    """Partial sums too, in every order, with the bias first or last."""
    least, greatest = extremes(np.array(rows), low, high, None if bias is None else np.array(bias))
    for row, taps in enumerate(rows):
        reached = set()
        for inputs in product(range(low, high + 1), repeat=len(taps)):
            for chosen in product((False, True), repeat=len(taps) + 1):
                terms = [w * x for w, x, c in zip(taps, inputs, chosen, strict=False) if c]
                reached.add(sum(terms) + (bias[row] if bias and chosen[-1] else 0))
        assert (least[row], greatest[row]) == (min(reached), max(reached))


@pytest.mark.parametrize(
    "least, greatest, bits",
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 1, 3), (-128, 127, 8), (-129, 0, 9),
     (0, 128, 9), (-(2**31), 2**31 - 1, 32)],
)  # fmt: skip
def test_signed_bits(least, greatest, bits):
    assert signed_bits(least, greatest) == bits
