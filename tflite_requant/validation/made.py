"""Results whose size operands say, and not the file: estimated before they are allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tflite_requant import limits
from tflite_requant.errors import RequantError
from tflite_requant.model.qparams import QArray

BYTES = 16  # an element of a result may take while it is made

Inputs = Sequence["QArray | None"]


def require_room(where: str, name: str, inputs: Inputs) -> None:
    """Raise RequantError where an operator would make more than may be taken."""
    law = SIZES.get(name)
    if law is None or any(q is None for q in inputs):
        return
    need, allowed = BYTES * law(inputs), limits.max_memory()
    if need > allowed:
        raise RequantError(
            f"{where}: its operands ask for about {limits.told(need)}; "
            f"{limits.allowance(allowed)}; --max-memory allows more"
        )


def _values(inputs: Inputs, position: int) -> list[float]:
    return [abs(float(v)) for v in np.asarray(inputs[position].integers).reshape(-1)]


def _count(inputs: Inputs, position: int) -> float:
    return float(math.prod(inputs[position].shape))


def _stated(position: int) -> Callable[[Inputs], float]:
    return lambda inputs: math.prod(_values(inputs, position))


def _padded(inputs: Inputs) -> float:
    pads = np.abs(np.asarray(inputs[1].integers, np.float64)).reshape(-1, 2).sum(axis=1)
    shape = np.array(inputs[0].shape, np.float64)
    return float(np.prod(shape + pads)) if len(pads) == len(shape) else 0.0


def _resized(inputs: Inputs) -> float:
    shape = inputs[0].shape
    return math.prod(_values(inputs, 1)) * shape[0] * shape[-1] if len(shape) == 4 else 0.0


def _range(inputs: Inputs) -> float:
    start, limit, step = (float(np.asarray(q.integers).reshape(-1)[0]) for q in inputs[:3])
    return abs(limit - start) / abs(step) if step else 0.0


def _spread(inputs: Inputs) -> float:
    """Every index takes a whole slice."""
    shape = inputs[0].shape
    return _count(inputs, 1) * _count(inputs, 0) / max(1, min(shape, default=1))


def _blocks(inputs: Inputs) -> float:
    shape = np.array(inputs[0].shape[1:3], np.float64)
    pads = np.abs(np.asarray(inputs[2].integers, np.float64)).reshape(-1, 2).sum(axis=1)
    grown = np.prod((shape + pads[: len(shape)]) if len(pads) >= len(shape) else shape)
    return float(grown) * _count(inputs, 0) / max(1.0, float(np.prod(shape)))


def _segments(inputs: Inputs) -> float:
    rows = max(1, math.prod(inputs[1].shape))
    return max(_values(inputs, 2), default=0.0) * _count(inputs, 0) / rows


SIZES: dict[str, Callable[[Inputs], float]] = {
    "FILL": _stated(0),
    "BROADCAST_TO": _stated(1),
    "TRANSPOSE_CONV": _stated(0),
    "TILE": lambda inputs: _count(inputs, 0) * math.prod(_values(inputs, 1)),
    "ONE_HOT": lambda inputs: _count(inputs, 0) * max(_values(inputs, 1), default=0.0),
    "PAD": _padded,
    "PADV2": _padded,
    "MIRROR_PAD": _padded,
    "RESIZE_BILINEAR": _resized,
    "RESIZE_NEAREST_NEIGHBOR": _resized,
    "RANGE": _range,
    "GATHER": _spread,
    "SCATTER_ND": _stated(2),
    "SPARSE_TO_DENSE": _stated(1),
    "MATRIX_DIAG": lambda inputs: _count(inputs, 0) * max(inputs[0].shape, default=1),
    "UNSORTED_SEGMENT_MAX": _segments,
    "UNSORTED_SEGMENT_MIN": _segments,
    "UNSORTED_SEGMENT_PROD": _segments,
    "UNSORTED_SEGMENT_SUM": _segments,
    "SPACE_TO_BATCH_ND": _blocks,
}
