"""TFLite_Detection_PostProcess with many ties."""

from __future__ import annotations

import struct
from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import Case, Group


def flexbuffer(fields: dict) -> bytes:
    """A FlexBuffer map of ints, bools and floats, every word four bytes wide."""
    names = sorted(fields)
    body, places = b"", []
    for name in names:
        places.append(len(body))
        body += name.encode() + b"\0"
    body += bytes(-len(body) % 4)
    body += struct.pack("<I", len(names))
    keys = len(body)
    for place in places:
        body += struct.pack("<I", len(body) - place)
    body += struct.pack("<III", len(body) - keys, 4, len(names))
    values = len(body)
    kinds = b""
    for name in names:
        value = fields[name]
        if isinstance(value, bool):
            body, kinds = body + struct.pack("<I", value), kinds + bytes([26 << 2 | 2])
        elif isinstance(value, int):
            body, kinds = body + struct.pack("<i", value), kinds + bytes([1 << 2 | 2])
        else:
            body, kinds = body + struct.pack("<f", value), kinds + bytes([3 << 2 | 2])
    body += kinds + bytes(-(len(body) + len(kinds)) % 4)
    return body + struct.pack("<I", len(body) - values) + bytes([9 << 2 | 2, 4])


def detection(rng, dtype: str, several: bool = False) -> Case:
    """several: more than one class a detection, with ties among them."""
    boxes, classes, room = (
        int(rng.integers(3, 30)),
        int(rng.integers(1, 5)),
        int(rng.integers(2, 9)),
    )
    background = int(rng.integers(0, 2))
    regular = bool(rng.integers(0, 2))
    each = int(rng.integers(2, 4)) if several else 1
    classes = max(classes, each)
    options = {
        "max_detections": room,
        "max_classes_per_detection": each,
        "detections_per_class": int(rng.integers(1, 6)),
        "use_regular_nms": regular,
        "nms_score_threshold": 0.3,
        "nms_iou_threshold": 0.5,
        "num_classes": classes,
        "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
    }  # fmt: skip
    quantized = dtype == "uint8"
    code = {"scale": 0.06, "zero_point": 130} if quantized else {}
    score = {"scale": 1 / 256, "zero_point": 0} if quantized else {}
    anchors = np.clip(rng.uniform(0.05, 0.95, (boxes, 4)), 0.05, 0.95)
    if quantized:
        anchor = TensorSpec("uint8", None, 1 / 255, 0, 0, (anchors * 255).astype(np.uint8))
    else:
        anchor = TensorSpec("float32", data=anchors.astype(np.float32))
    encodings = TensorSpec(dtype, (1, boxes, 4), **code)
    scores = TensorSpec(dtype, (1, boxes, classes + background), **score)
    outputs = [TensorSpec("float32", s) for s in _sizes(room * each)]
    model = one_operator_model(
        "TFLite_Detection_PostProcess", [encodings, scores, anchor], outputs,
        custom_options=flexbuffer(options),
    )  # fmt: skip
    if quantized:
        drawn = rng.integers(0, 256, encodings.shape).astype(np.uint8)
        ranked = rng.integers(0, 20, scores.shape) * 13
        fed = [drawn, ranked.astype(np.uint8)]
    else:
        ranked = rng.integers(0, 10, scores.shape) / 10
        fed = [rng.standard_normal(encodings.shape).astype(np.float32), ranked.astype(np.float32)]
    # Fast suppression leaves what is behind the last detection unwritten; the regular one leaves
    # what it has no detections for.
    defined = (lambda _: room) if regular else (lambda outputs: int(outputs[3][0]) * each)
    return Case(model, [fed], f"detection {options}", defined)


def _sizes(room: int):
    return (1, room, 4), (1, room), (1, room), (1,)


def suppression(opcode: str, rng, dtype: str) -> Case:
    """Boxes with an area, scores all different; how many at most is constant."""
    boxes = int(rng.integers(1, 20))
    room = int(rng.integers(0, boxes + 2))
    soft = opcode.endswith("V5")
    ends = [rng.random() * 0.9 + 0.05, float(rng.choice([0.0, 0.3, -1.0]))]
    ends += [float(rng.choice([0.0, 0.5]))] if soft else []
    inputs = [TensorSpec(dtype, (boxes, 4)), TensorSpec(dtype, (boxes,)),
              TensorSpec("int32", data=np.array(room, np.int32)),
              *(TensorSpec(dtype, data=np.array(end, np.float32)) for end in ends)]  # fmt: skip
    outputs = [TensorSpec("int32", (room,)), TensorSpec("int32", ())]
    outputs[1:1] = [TensorSpec(dtype, (room,))] if soft else []
    model = one_operator_model(opcode, inputs, outputs)
    corners = rng.random((boxes, 4)).astype(np.float32)
    scores = (rng.permutation(boxes).astype(np.float32) + 1) / 20
    return Case(model, [[corners, scores]], f"{opcode} of {boxes} boxes, {room} at most, {ends}")


NAME = "TFLite_Detection_PostProcess"
GROUPS = (
    Group(NAME, ("uint8", "float32"), detection, 16),
    Group(f"{NAME}_SEVERAL", ("uint8", "float32"), partial(detection, several=True), 8),
    *(Group(op, ("float32",), partial(suppression, op), 10)
      for op in ("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")),
)  # fmt: skip
