"""Which inputs a filter tap meets, against counting one by one."""

import numpy as np
import pytest

from tflite_requant.statistics.taps import window
from tflite_requant.testing import TensorSpec, one_operator_model

CASES = {
    "VALID": ((5, 6), (3, 2), (1, 1), (1, 1), "VALID"),
    "SAME": ((5, 6), (3, 3), (1, 1), (1, 1), "SAME"),
    "SAME, stride 2, even": ((6, 6), (3, 3), (2, 2), (1, 1), "SAME"),
    "SAME, stride 2, odd": ((5, 7), (3, 3), (2, 2), (1, 1), "SAME"),
    "SAME, stride above the filter": ((7, 7), (1, 1), (3, 2), (1, 1), "SAME"),
    "dilated": ((7, 9), (3, 3), (1, 1), (2, 3), "SAME"),
    "filter larger than the input": ((2, 2), (5, 5), (1, 1), (1, 1), "SAME"),
    "even filter": ((4, 4), (2, 4), (1, 1), (1, 1), "SAME"),
}


def geometry(size, taps, stride, dilation, padding):
    """(padding before, outputs) of each axis, as TFLite computes them."""
    before, out = [], []
    for n, f, s, d in zip(size, taps, stride, dilation, strict=True):
        reach = (f - 1) * d + 1
        o = -(-n // s) if padding == "SAME" else -(-(n - reach + 1) // s)
        out.append(o)
        before.append(max((o - 1) * s + reach - n, 0) // 2 if padding == "SAME" else 0)
    return before, out


@pytest.mark.parametrize(
    ("size", "taps", "stride", "dilation", "padding"), CASES.values(), ids=CASES
)
def test_taps(size, taps, stride, dilation, padding):
    before, out = geometry(size, taps, stride, dilation, padding)
    model = one_operator_model(
        "CONV_2D",
        [
            TensorSpec("int8", (1, *size, 1), 1.0),
            TensorSpec("int8", scale=1.0, data=np.ones((1, *taps, 1))),
            None,
        ],
        [TensorSpec("int8", (1, *out, 1), 1.0)],
        {"padding": padding, "stride_h": stride[0], "stride_w": stride[1],
         "dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]},
    )  # fmt: skip
    view = window(model.main.operators[0], (1, *size, 1), (1, *taps, 1), (1, *out, 1))
    image = np.arange(1, size[0] * size[1] + 1).reshape(size)
    found, share = [], []
    for rows, columns, in_rows, in_columns in view.taps():
        seen = np.zeros(out, int)
        seen[rows, columns] = image[in_rows, in_columns]
        found.append(seen)
    expected = []
    for ky in range(taps[0]):
        for kx in range(taps[1]):
            seen = np.zeros(out, int)
            for oy in range(out[0]):
                for ox in range(out[1]):
                    y = oy * stride[0] + ky * dilation[0] - before[0]
                    x = ox * stride[1] + kx * dilation[1] - before[1]
                    if 0 <= y < size[0] and 0 <= x < size[1]:
                        seen[oy, ox] = image[y, x]
            expected.append(seen)
            share.append((seen > 0).mean())
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert view.coverage().tolist() == share
