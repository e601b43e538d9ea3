"""NON_MAX_SUPPRESSION_V4 and _V5: the best boxes that do not overlap a better one too much.

Operands: boxes (n, 4) by two corners, scores (n), how many at most, thresholds of overlap and of
score; V5: sigma. With sigma > 0 a score is multiplied by exp(-overlap**2 / (2 * sigma)) for every
selected box, and the box waits for its new turn. What is not selected
is 0 in the outputs: indices, V5: scores, and how many there are. Areas are positive.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

ONE = np.float32


def hard(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    indices, _, count = _selected(operands, ONE(0))
    yield "output", indices
    yield "output1", count


def soft(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    sigma = operands.input(5).integers.reshape(-1)[0]
    indices, scores, count = _selected(operands, sigma)
    yield "output", indices
    yield "output1", scores
    yield "output2", count


def _selected(operands: Operands, sigma: np.float32):
    """(indices, scores, count) as the outputs hold them."""
    boxes, scores = operands.input(0).integers, operands.input(1).integers
    room, limit, least = (operands.input(i).integers.reshape(-1)[0] for i in (2, 3, 4))
    if room < 0:
        raise KernelError(f"{room} boxes at most: LiteRT refuses")
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    if (high <= low).any():
        raise KernelError("a box without area: LiteRT loses the indices of all")
    # Score, index, how many of the selected it was compared with.
    candidates = [[scores[index], index, 0] for index in np.flatnonzero(scores > least).tolist()]
    most, chosen, kept = min(len(candidates), int(room)), [], []
    while candidates and len(chosen) < most:
        score, index, seen = max(candidates)
        candidates.remove([score, index, seen])
        if any(other[0] == score for other in candidates):
            raise KernelError("two candidates of one score: LiteRT's order of them is not known")
        found = _lowered(score, index, chosen[seen:], (low, high), (limit, least, sigma))
        if found is None:
            continue
        if found == score:
            chosen.append(index)
            kept.append(score)
        elif found > least:
            candidates.append([found, index, len(chosen)])
    indices, values = np.zeros(int(room), np.int32), np.zeros(int(room), np.float32)
    indices[: len(chosen)], values[: len(chosen)] = chosen, kept
    return indices, values, np.array(len(chosen), np.int32)


def _lowered(score, index: int, others: list[int], corners, thresholds):
    """The score after comparing with selected boxes, the last first; None where one suppresses."""
    limit, least, sigma = thresholds
    for other in reversed(others):
        overlap = _overlap(index, other, *corners)
        if overlap >= limit:
            return None
        if sigma > 0:
            factor = ONE(-0.5) / sigma * overlap * overlap
            score = score * c_function("expf", np.array([factor], np.float32))[0]
        if score <= least:
            break
    return score


def _overlap(first: int, second: int, low: np.ndarray, high: np.ndarray) -> np.float32:
    """Intersection over union in float32."""
    areas = [(high[i, 0] - low[i, 0]) * (high[i, 1] - low[i, 1]) for i in (first, second)]
    size = np.minimum(high[first], high[second]) - np.maximum(low[first], low[second])
    common = np.maximum(size[0], ONE(0)) * np.maximum(size[1], ONE(0))
    return common / (areas[0] + areas[1] - common)
