"""Pooling windows; both kernels work on the stored integers and never look at a grid."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import FUSED, by_dtype, operator, tied

_op = partial(operator, family="pooling")
_ANY = by_dtype(uint8=1, int8=2, int16=3)

OPERATORS = (
    _op(
        "AVERAGE_POOL_2D",
        [tied("input")],
        [tied("output")],
        _ANY,
        max_version=3,
        activations=FUSED,
        between=True,
        laws=("pool-raw",),
    ),
    _op(
        "MAX_POOL_2D",
        [tied("input")],
        [tied("output")],
        _ANY,
        max_version=3,
        activations=FUSED,
        between=True,
        laws=("pool-raw", "raw-order", "tie-xnnpack"),
    ),
)
