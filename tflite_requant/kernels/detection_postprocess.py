"""TFLite_Detection_PostProcess: box decoding and non-maximum suppression, as with one thread.

Operands: box encodings (1, boxes, 4 or more) as y, x, h, w; class scores (1, boxes, classes), maybe
with a background class in front; anchors (boxes, 4). Outputs: boxes (y0, x0, y1, x1), classes,
scores, count. Regular suppression works class by class; fast suppression on each box's best class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.transcendental import elementwise
from tflite_requant.kernels._heap import sink
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage

BLOCK = 8  # scores that the runtime dequantizes at a time, in another formula than the rest


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    boxes = _decoded(operands.input(0), operands.input(2), attributes)
    yield "boxes", boxes
    scores = _scores(operands.input(1))
    offset = scores.shape[1] - int(attributes["num_classes"])
    regular = bool(attributes.get("use_regular_nms", False))
    select = _regular if regular else _fast
    rows, classes = select(boxes, scores[:, offset:], attributes)
    each = int(attributes["max_classes_per_detection"])
    room = int(attributes["max_detections"]) * each
    per_box = 1 if regular else _categories(attributes)
    places = np.arange(len(rows))
    if not regular:  # every box has room for as many classes as are asked for
        places = places // per_box * each + places % per_box
    found = [boxes[rows], classes, scores[:, offset:][rows, classes]]
    for position, values in enumerate(found):
        padded = np.zeros((1, room, *values.shape[1:]), np.float32)
        padded[0, places] = values
        yield "output" if position == 0 else f"output{position}", padded
    yield "output3", np.array([len(rows) // per_box], np.float32)


def _categories(attributes: Mapping) -> int:
    return min(int(attributes["max_classes_per_detection"]), int(attributes["num_classes"]))


def _dequantized(operand: QArray) -> np.ndarray:
    """float32 (q - z) * s of a quantized operand; a float one as it is."""
    if operand.dtype.kind == "f":
        return operand.integers
    one = np.float32
    return (operand.integers.astype(np.float32) - one(operand.zero_point)) * one(operand.scale)


def _scores(operand: QArray) -> np.ndarray:
    """(boxes, classes) float32. All but the last few are q * s + (-z * s), each step rounded."""
    if operand.dtype.kind == "f":
        return operand.integers[0]
    one = np.float32
    flat = operand.integers.reshape(-1).astype(np.float32)
    offset = one(-operand.zero_point) * one(operand.scale)
    values = flat * one(operand.scale) + offset
    tail = flat.size // BLOCK * BLOCK
    values[tail:] = _dequantized(operand).reshape(-1)[tail:]
    return values.reshape(operand.shape[1:])


def _decoded(encodings: QArray, anchors: QArray, attributes: Mapping) -> np.ndarray:
    """(boxes, 4) float32 corners; centres and half sizes in float64, then rounded."""
    code = _dequantized(encodings)[0, :, :4].astype(np.float64)
    anchor = _dequantized(anchors).astype(np.float64)
    scale = {k: float(np.float32(attributes[f"{k}_scale"])) for k in "yxhw"}
    y = (code[:, 0] / scale["y"] * anchor[:, 2] + anchor[:, 0]).astype(np.float32)
    x = (code[:, 1] / scale["x"] * anchor[:, 3] + anchor[:, 1]).astype(np.float32)
    h = (0.5 * elementwise(math.exp, code[:, 2] / scale["h"]) * anchor[:, 2]).astype(np.float32)
    w = (0.5 * elementwise(math.exp, code[:, 3] / scale["w"]) * anchor[:, 3]).astype(np.float32)
    corners = np.stack([y - h, x - w, y + h, x + w], axis=1)
    if (corners[:, :2] > corners[:, 2:]).any():
        raise KernelError("a decoded box ends before it starts: LiteRT refuses")
    return corners


def _suppressed(boxes: np.ndarray, scores: np.ndarray, attributes: Mapping, room: int) -> list[int]:
    """Indices of the boxes that survive, best first, at most `room`."""
    threshold = np.float32(attributes["nms_score_threshold"])
    limit = np.float32(attributes["nms_iou_threshold"])
    kept = np.flatnonzero(scores >= threshold)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    active = np.ones(len(order), bool)
    selected: list[int] = []
    for i, box in enumerate(order):
        if len(selected) >= room:
            break
        if active[i]:
            selected.append(int(box))
            active[i + 1 :] &= _overlap(boxes[box], boxes[order[i + 1 :]]) <= limit
    return selected


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union in float32, 0 where an area is not positive."""
    zero = np.float32(0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    size = np.maximum(high - low, zero)
    common = size[:, 0] * size[:, 1]
    with np.errstate(all="ignore"):
        ratio = common / (area + areas - common)
    return np.where((area <= 0) | (areas <= 0), zero, ratio)


def _regular(boxes: np.ndarray, scores: np.ndarray, attributes: Mapping):
    """(rows, classes) of the detections: each class by itself, the best of all kept."""
    room = int(attributes["max_detections"])
    per_class = min(int(attributes.get("detections_per_class", 100)), room)
    best: list[tuple[int, int]] = []
    for c in range(scores.shape[1]):
        best += [(row, c) for row in _suppressed(boxes, scores[:, c], attributes, per_class)]
        best.sort(key=lambda entry: -scores[entry])
        del best[room:]
    found = np.array(best, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _fast(boxes: np.ndarray, scores: np.ndarray, attributes: Mapping):
    """(rows, classes): suppression on each box's best score, then its best few classes."""
    categories = _categories(attributes)
    classes = np.argmax(scores, axis=1)[:, None]
    if categories > 1:
        classes = np.array([_leading(row, categories) for row in scores.tolist()])
        classes = classes.reshape(-1, categories)
    top = scores[np.arange(len(scores)), classes[:, 0]]
    selected = _suppressed(boxes, top, attributes, int(attributes["max_detections"]))
    rows = np.repeat(np.array(selected, np.int64), categories)
    return rows, classes[selected].reshape(-1).astype(np.int64)


def _leading(values: list[float], count: int) -> list[int]:
    """Indices of the `count` greatest, greatest first, equals in the order a heap gives them.

    The heap holds the best so far with the least on top.
    """
    heap = list(range(count))

    def better(first: int, second: int) -> bool:
        return values[first] > values[second]

    for parent in reversed(range(count // 2)):
        sink(heap, parent, count, heap[parent], better)
    for index in range(count, len(values)):
        if better(index, heap[0]):
            sink(heap, 0, count, index, better)
    for last in reversed(range(1, count)):
        index, heap[last] = heap[last], heap[0]
        sink(heap, 0, last, index, better)
    return heap
