"""FlexBuffer maps are read as the flatbuffers package writes them."""

from __future__ import annotations

import pytest
from flatbuffers import flexbuffers

from tflite_requant.kernels._custom_options import decode
from tflite_requant.kernels._types import KernelError

MAPS = {
    "small": {"a": 1, "b": -5, "c": True, "d": False},
    "wide": {"big": 2**40, "negative": -(2**35), "medium": 70000},
    "floats": {"half": 0.5, "third": 1 / 3, "max": 10},
    "texts": {"name": "value", "empty": "", "n": 300},
    "detection": {
        "max_detections": 10,
        "nms_iou_threshold": 0.6,
        "use_regular_nms": True,
        "y_scale": 10.0,
    },
    "empty": {},
}


@pytest.mark.parametrize("fields", MAPS.values(), ids=MAPS.keys())
def test_maps(fields):
    assert dict(decode(bytes(flexbuffers.Dumps(fields)))) == fields


def test_entries_of_other_kinds_are_left_out():
    data = bytes(flexbuffers.Dumps({"kept": 7, "list": [1, 2, 3], "map": {"x": 1}}))
    assert dict(decode(data)) == {"kept": 7}


def test_what_is_no_map_gives_nothing():
    assert dict(decode(b"")) == {}
    assert dict(decode(bytes(flexbuffers.Dumps(5)))) == {}


def test_damaged_bytes_are_an_error():
    data = bytes(flexbuffers.Dumps(MAPS["wide"]))
    with pytest.raises(KernelError, match="no FlexBuffer map"):
        decode(data[-9:])
