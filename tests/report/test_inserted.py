"""Every inserted operator is told with its place and why it is there."""

import pytest

from tflite_requant.files import load
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme
from tflite_requant.schemes.loader import parse_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec

ISLAND = parse_scheme(
    'name = "i"\n[activations]\ndtype = "int16"\nzero_point = 0\n[bias]\ndtype = "int64"\n'
    '[[override]]\noperator = "LOGISTIC"\nactivations.dtype = "int8"\n'
    'activations.zero_point = "any"',
    "i",
)
SYMMETRIC = load_scheme("symmetric")


def unlike(opcode: str, **options):
    """int8 ADD, the operator, ADD."""
    graph = GraphBuilder()
    x, y, z, last = (
        graph.tensor(TensorSpec("int8", (1, 4), scale, zero, name=name))
        for name, scale, zero in (
            ("x", 0.1, 3), ("y", 0.2, -7), ("z", 1 / 256, -128), ("l", 0.1, 5),
        )
    )
    graph.operator("ADD", (x, x), (y,))
    custom = b"" if opcode == "Odd" else None
    graph.operator(opcode, (y,), (z,), options, custom_options=custom)
    graph.operator("ADD", (z, z), (last,))
    return graph.build((x,), (last,))


@pytest.mark.parametrize(
    "model, scheme, options, places",
    [
        pytest.param(
            unlike("LOGISTIC"), ISLAND, Options(),
            ["before the source's op 1 LOGISTIC, which reads another grid"], id="grid",
        ),
        pytest.param(
            unlike("Odd"), SYMMETRIC, Options(keep_unknown=True),
            ["before the source's op 1 Odd, which is kept as it is"], id="kept",
        ),
        pytest.param(
            unlike("LOGISTIC"), SYMMETRIC, Options(keep_io=True),
            ["at the graph's output, which keeps its type"], id="border",
        ),
    ],
)  # fmt: skip
def test_a_quantize_says_why(model, scheme, options, places):
    report = requantize(model, scheme, options=options).report
    told = [line.split(": ")[1] for line in report.inserted]
    assert [place for place in places if place not in told] == []


def test_a_restored_clamp_says_why(demo_model):
    report = requantize(load(demo_model), "symmetric-po2", options=Options(clamps="exact")).report
    labels = {f"op {op.index} {op.name}" for op in report.operators}
    assert report.inserted
    for line in report.inserted:
        place = line.split(": ")[1]
        assert place.startswith("behind the source's op ")
        assert place.endswith(", whose clamp it restores")
        assert place.removeprefix("behind the source's ").split(",")[0] in labels
