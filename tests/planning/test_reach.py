"""A clamp that no value of the source can meet is not lost, whatever the new grid could hold."""

import pytest

from tflite_requant.planning import plan
from tflite_requant.schemes import load_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec

POSITIVE, LINEAR = (6 / 255, -128), (6 / 255, 0)
LOW = (9 / 255, 42)  # -6 to 3


def model(first: str, second: str, read: tuple, written: tuple):
    """int8: a linear tensor -> `first` (RELU or a copy by QUANTIZE) -> `second`."""
    graph = GraphBuilder()
    grids = [LINEAR, read, written]
    shapes = [(1, 2, 2, 3), (1, 2, 2, 3), (1, 3) if second == "MEAN" else (1, 2, 2, 3)]
    x, p, y = (graph.tensor(TensorSpec("int8", s, *g)) for s, g in zip(shapes, grids, strict=True))
    graph.operator(first, [x], [p])
    axes = graph.tensor(TensorSpec("int32", data=[1, 2]))
    graph.operator(second, [p, axes] if second == "MEAN" else [p], [y])
    return graph.build([x], [y])


@pytest.mark.parametrize("second", ["MEAN", "QUANTIZE"])
@pytest.mark.parametrize(
    ("first", "read", "written", "lost"),
    [
        pytest.param("RELU", POSITIVE, POSITIVE, (False, False), id="same grid"),
        pytest.param("QUANTIZE", POSITIVE, POSITIVE, (False, False), id="no more was read"),
        pytest.param("RELU", POSITIVE, LOW, (False, True), id="narrower above"),
        pytest.param("QUANTIZE", LINEAR, POSITIVE, (True, False), id="narrower below"),
    ],
)
def test_what_cannot_be_met_is_not_lost(first, read, written, lost, second):
    scheme = load_scheme("int16x8")  # whose grids reach far beyond any clamp on both sides
    made = plan(model(first, second, read, written).main, scheme)
    found = made.lost_clamps.get(1)
    sides = (found.low_lost > 0, found.high_lost > 0) if found else (False, False)
    assert sides == lost


def test_a_clamp_of_its_own_operator():
    made = plan(model("RELU", "MEAN", POSITIVE, POSITIVE).main, load_scheme("symmetric"))
    assert 0 not in made.lost_clamps or made.lost_clamps[0].low_lost == 0
