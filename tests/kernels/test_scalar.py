"""Kernels equal plain loops over Python ints; this needs no runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from cases import NAMES, cases
from scalar import LOOPS

from tflite_requant.interpreter import Interpreter

QUANTIZED = ("uint8", "int8", "int16")  # what the loops are written for
SELECTED = [
    name
    for name, operator, dtype in ((n, *n.rsplit("-", 1)) for n in NAMES)
    if operator in LOOPS and dtype in QUANTIZED
]
MOST_ELEMENTS = 400


@dataclass
class Plain:
    """A tensor as Python numbers."""

    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero: int
    values: list = field(default_factory=list)

    @property
    def scale(self) -> float:
        return self.scales[0]

    def flat(self) -> list:
        return np.array(self.values).reshape(-1).tolist()

    def at(self, place):
        found = self.values
        for p in place:
            found = found[p]
        return found


def _plain(tensor, array=None) -> Plain:
    q = tensor.qparams
    array = tensor.array() if array is None and tensor.is_constant else array
    return Plain(
        tensor.dtype,
        tensor.shape,
        q.scales if q else (),
        q.zero_points[0] if q else 0,
        [] if array is None else array.tolist(),
    )


@pytest.mark.parametrize("name", SELECTED)
def test_equals_a_plain_loop(name):
    compared = 0
    for case in cases(name)[:8]:
        graph = case.model.main
        (op,) = graph.operators
        out = _plain(graph.tensors[op.outputs[0]])
        if np.prod(out.shape) > MOST_ELEMENTS:
            continue
        fed = dict(zip(graph.inputs, case.runs[0], strict=True))
        operands = [None if t < 0 else _plain(graph.tensors[t], fed.get(t)) for t in op.inputs]
        expected = list(LOOPS[op.opcode](dict(op.options.fields), operands, out))
        (ours,) = Interpreter(case.model).run(case.runs[0])
        np.testing.assert_array_equal(ours.reshape(-1), expected, err_msg=case.label)
        compared += 1
    assert compared >= 3
