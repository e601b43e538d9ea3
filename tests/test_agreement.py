"""Boxes and masks: agreement counted by hand on cases small enough to see."""

import numpy as np
import pytest

from tflite_requant.accuracy import measure
from tflite_requant.accuracy.agreement import Boxes, Masks, overlaps
from tflite_requant.samples import array_samples
from tflite_requant.testing import GraphBuilder, TensorSpec

LEFT, RIGHT, LOW = (0, 0, 1, 0.5), (0, 0.5, 1, 1), (0.5, 0, 1, 1)


def detected(*found):
    """(box, class, score) of each as a detector's four outputs, padded as it pads."""
    rows = [*found, ((0, 0, 0, 0), 0, 0.0)]
    boxes, classes, scores = (np.array([row[i] for row in rows], np.float32) for i in range(3))
    return [boxes[None], classes[None], scores[None], np.array([len(found)], np.float32)]


@pytest.mark.parametrize(
    "box, other, expected",
    [
        pytest.param(LEFT, LEFT, 1.0, id="same"),
        pytest.param(LEFT, RIGHT, 0.0, id="side by side"),
        pytest.param(LEFT, LOW, 1 / 3, id="corner"),
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), 0.0, id="empty"),
    ],
)
def test_overlaps(box, other, expected):
    found = overlaps(np.array(box, float), np.array([other], float))
    assert found == pytest.approx([expected])


@pytest.mark.parametrize(
    "base, other, agreement, overlap",
    [
        pytest.param([(LEFT, 1, 0.9)], [(LEFT, 1, 0.6)], 1.0, 1.0, id="score moves"),
        pytest.param([(LEFT, 1, 0.9)], [(LEFT, 2, 0.9)], 0.0, None, id="other class"),
        pytest.param([(LEFT, 1, 0.9)], [(LEFT, 1, 0.4)], 0.0, None, id="not confident"),
        pytest.param([(LEFT, 1, 0.9)], [(LEFT, 1, 0.9)] * 2, 2 / 3, 1.0, id="one box twice"),
        pytest.param(
            [(LEFT, 1, 0.6), (RIGHT, 1, 0.9)],
            [(LEFT, 1, 0.9), (RIGHT, 1, 0.6)],
            1.0,
            1.0,
            id="other order",
        ),
        pytest.param([], [], None, None, id="nothing"),
        pytest.param([(LEFT, 1, 0.9)], [((0, 0, 1, 0.7), 1, 0.9)], 1.0, 5 / 7, id="wider"),
    ],
)
def test_boxes(base, other, agreement, overlap):
    boxes = Boxes()
    boxes.add(detected(*base), detected(*other))
    assert boxes.result() == (agreement, overlap and pytest.approx(overlap))


def test_masks():
    masks = Masks()
    masks.add(np.array([[0, 0], [1, 1]]), np.array([[0, 1], [1, 1]]))
    masks.add(np.array([2]), np.array([2]))
    same, iou = masks.result()
    assert same == 4 / 5
    assert iou == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)


def scores_model(dtype="uint8", scale=1.0, zero_point=0, labels=False):
    """2 x 2 positions of 2 classes, enlarged to themselves; then perhaps ARG_MAX."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec(dtype, (1, 2, 2, 2), scale, zero_point))
    size = graph.tensor(TensorSpec("int32", data=np.array([2, 2], np.int32)))
    y = graph.tensor(TensorSpec(dtype, (1, 2, 2, 2), scale, zero_point))
    graph.operator("RESIZE_BILINEAR", (x, size), (y,), {})
    if not labels:
        return graph.build((x,), (y,))
    axis = graph.tensor(TensorSpec("int32", data=np.array(3, np.int32)))
    z = graph.tensor(TensorSpec("int32", (1, 2, 2)))
    graph.operator("ARG_MAX", (y, axis), (z,), {"output_type": "INT32"})
    return graph.build((x,), (z,))


@pytest.mark.parametrize("labels", [False, True], ids=["scores", "labels"])
def test_models_that_end_in_masks(labels):
    source, coarse = (scores_model(s, k, 0, labels) for s, k in (("uint8", 1.0), ("int8", 4.0)))
    given = np.array([[[[9, 4], [1, 0]], [[0, 9], [0, 1]]]], np.uint8)  # classes 0 0 / 1 1
    samples = array_samples(given, source)
    (output,) = measure(source, {"c": coarse}, samples, through="interpreter").rows[0].outputs
    # On steps of 4 the last position becomes a tie, which goes to class 0.
    assert (output.same, output.iou) == (3 / 4, pytest.approx((2 / 3 + 1 / 2) / 2))
    assert (output.sqnr is None) == labels and output.equal is None
