"""Weights that take what a bias of few bits cannot hold."""

import itertools

import numpy as np
import pytest

from tflite_requant.correction.moments import Moments
from tflite_requant.correction.narrow_bias import settled
from tflite_requant.correction.rounding import nearest


def moments_of(kind, k, channels, seed=0):
    """Inputs as a RELU leaves them: means above zero, and what goes together."""
    rng = np.random.default_rng(seed)
    groups = channels if kind == "grouped" else 1
    common = rng.normal(size=(groups, k, 2))
    covariance = common @ common.transpose(0, 2, 1) + np.eye(k) * 0.3
    mean = rng.uniform(0.2, 1.5, (groups, k))
    if kind == "variances":
        covariance = np.einsum("gkk->gk", covariance).copy()
    return Moments(mean, covariance)


def disturbance(integers, real, scale, moments, rest):
    """e^T C e + (r + e . m)^2, row by row and term by term."""
    found, group = [], moments.group_of(len(real))
    for o, g in enumerate(group):
        error, covariance = real[o] - integers[o] * scale[o], moments.covariance[g]
        spread = error @ (np.diag(covariance) if covariance.ndim == 1 else covariance) @ error
        found.append(spread + (rest[o] + error @ moments.mean[g]) ** 2)
    return np.array(found)


def case(kind, k=6, channels=4, seed=3):
    rng = np.random.default_rng(seed)
    real, scale = rng.normal(size=(channels, k)), np.full(channels, 0.05)
    rest = np.array([0.3, -0.4, 0.0, 0.05])[:channels]
    return nearest(real, scale, -128, 127), real, scale, moments_of(kind, k, channels), rest


KINDS = ("full", "grouped", "variances")


@pytest.mark.parametrize("kind", KINDS)
def test_no_single_step_lowers_the_error_further(kind):
    integers, real, scale, moments, rest = case(kind)
    found = settled(integers, real, scale, -128, 127, moments, rest)
    before, after = (disturbance(i, real, scale, moments, rest) for i in (integers, found))
    assert (after <= before).all() and (after[rest != 0] < before[rest != 0]).all()
    for k, step in itertools.product(range(real.shape[1]), (-1, 1)):
        other = found.copy()
        other[:, k] += step
        worse = disturbance(other, real, scale, moments, rest) - after
        assert (worse[rest != 0] > -1e-9).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_bias_that_lost_nothing_moves_no_weight(kind):
    integers, real, scale, moments, rest = case(kind)
    found = settled(integers, real, scale, -128, 127, moments, rest)
    assert np.array_equal(found[2], integers[2])


def test_weights_stay_in_their_range():
    integers, real, scale, moments, rest = case("full")
    top, least = int(integers.max()), int(integers.min())
    found = settled(integers, real, scale, least, top, moments, 20 * rest)
    assert found.max() <= top and found.min() >= least and (found != integers).any()


def test_without_means_there_is_nothing_to_do_it_with():
    integers, real, scale, moments, rest = case("full")
    blind = Moments(np.zeros_like(moments.mean), moments.covariance)
    assert np.array_equal(
        settled(nearest(real, scale, -128, 127), real, scale, -128, 127, blind, rest),
        settled(integers, real, scale, -128, 127, blind, 0.5 * rest),
    )


def test_the_same_by_hand():
    """Two weights, uncorrelated inputs with means 1 and 3: one step of the second undoes 0.3."""
    moments = Moments(np.array([[1.0, 3.0]]), np.array([[0.01, 0.01]]))
    found = settled(
        np.array([[5, 7]]), np.array([[0.5, 0.7]]), np.array([0.1]), -128, 127, moments,
        np.array([0.3]),
    )  # fmt: skip
    assert found.tolist() == [[5, 8]]
