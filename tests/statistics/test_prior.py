"""Beliefs without data: what a clipped normal is, and how beliefs travel."""

import math

import numpy as np
import pytest
from test_calibrated import CASES, CONV, network

from tflite_requant.statistics.prior import Belief, clipped, prior
from tflite_requant.testing import GraphBuilder, TensorSpec


def believed(mean, deviation):
    return Belief(np.array([float(mean)]), np.array([float(deviation) ** 2]))


@pytest.mark.parametrize(
    ("mean", "deviation", "low", "high"),
    [(0, 1, -1, 1), (2, 3, 0, 6), (-5, 1, 0, 6), (0, 1, -30, 30), (1, 0.001, 0, 6), (9, 2, 0, 6)],
)
def test_a_clipped_normal_has_the_moments_of_its_samples(mean, deviation, low, high):
    grid = (np.arange(400000) + 0.5) / 400000
    points = mean + deviation * _quantiles(grid)
    values = np.clip(points, low, high)
    found = clipped(believed(mean, deviation), low, high)
    scale = max(abs(low), abs(high), 1)
    assert found.mean[0] == pytest.approx(values.mean(), abs=2e-4 * scale)
    assert found.variance[0] == pytest.approx(values.var(), abs=2e-3 * scale)
    assert low <= found.mean[0] <= high


def _quantiles(p):
    """Of the standard normal, by bisection on its distribution."""
    xs = np.linspace(-6, 6, 24001)
    cdf = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in xs])
    return np.interp(p, cdf, xs)


@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
def test_there_are_moments_for_every_weighted_operator(model):
    moments = prior(model)[0][0, 0]
    op = model.main.operators[0]
    shape = model.main.tensors[op.inputs[1]].shape
    depthwise = op.opcode == "DEPTHWISE_CONV_2D"
    inputs = model.inputs[0].shape[-1]
    groups = inputs if depthwise else inputs // shape[-1]
    k = shape[1] * shape[2] if depthwise else math.prod(shape[1:])
    assert moments.mean.shape == (groups, k)
    assert moments.variance().shape == (groups, k)
    assert (moments.variance() >= 0).all()
    assert moments.rows == 0


def test_a_graph_input_is_believed_normal_around_its_middle():
    found = prior(CASES["fully connected"])[0][0, 0]
    low, high = -100 * 0.25, 155 * 0.25
    assert found.mean[0].tolist() == [(low + high) / 2] * 6
    assert found.covariance[0].tolist() == [((high - low) / 4) ** 2] * 6


def test_the_border_dims_the_taps_that_miss_it():
    found = prior(network("CONV_2D", (4, 4, 1), (1, 3, 3, 1), (4, 4, 1), **CONV))[0][0, 0]
    middle = found.mean[0, 4]
    assert found.mean[0] / middle == pytest.approx(
        [9 / 16, 3 / 4, 9 / 16, 3 / 4, 1, 3 / 4, 9 / 16, 3 / 4, 9 / 16]
    )


def test_a_belief_spreads_over_other_channel_counts():
    one = Belief(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    assert one.spread(2) is one
    assert one.spread(4).mean.tolist() == [1, 3, 1, 3]
    assert one.spread(3).mean.tolist() == [2, 2, 2]
    assert one.spread(3).variance.tolist() == [2, 2, 2]


def test_it_reaches_through_the_usual_operators():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 4), 0.1, 100))
    a, b, c, d, e, f = (graph.tensor(TensorSpec("uint8", (1, 4), 0.1, 100)) for _ in range(6))
    p, q = (graph.tensor(TensorSpec("uint8", (1, n), 1 / 256, 0)) for n in (4, 8))
    graph.operator("LOGISTIC", (x,), (p,))
    graph.operator("ADD", (x, p), (a,))
    graph.operator("MUL", (a, p), (b,))
    graph.operator("SUB", (b, a), (c,))
    graph.operator("HARD_SWISH", (c,), (d,))
    graph.operator("MEAN", (d,), (e,))
    graph.operator("SOFTMAX", (e,), (f,))
    graph.operator("CONCATENATION", (f, p), (q,), {"axis": 1})
    w = graph.tensor(TensorSpec("uint8", scale=0.1, zero_point=9, data=np.ones((3, 8))))
    y = graph.tensor(TensorSpec("uint8", (1, 3), 1.0, 0))
    graph.operator("FULLY_CONNECTED", (q, w, -1), (y,))
    found = prior(graph.build((x,), (y,)))[0][0, 8]
    assert np.isfinite(found.mean).all()
    # an even share each, moved a little by what clips
    assert (found.mean[0, :4] > 0.2).all() and (found.mean[0, :4] < 0.3).all()
    assert (found.mean[0, 4:] > 0).all() and (found.mean[0, 4:] < 1).all()
