"""Nested rounding: where cells of the new grid are made of the source's, and what they hold."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import SAME, VALID, Net, f32, grids, overridden, scheme

from tflite_requant.correction.folding import carried
from tflite_requant.correction.moments import Moments
from tflite_requant.correction.rectified import share_of_positive
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Signature
from tflite_requant.planning import nesting, plan, ranges
from tflite_requant.planning.units import Unit
from tflite_requant.requantize import CORRECTIONS, Options, requantize

# Half a step of h is a whole number of the accumulator's steps: so ties fall where they should.
STEP, W_STEP = 1 / 64, 1 / 64


def net(fused="RELU", step=STEP, zero=0, reader=SAME, x_zero=128, between=None, dtype="uint8"):
    """conv -> h -> conv with padding: h cannot be folded. Weights of int8 keep their grid."""
    made = Net(dtype)
    x, h, y = made.act("x", zero=x_zero), made.act("h", step, zero), made.act("y", 0.05, 100)
    if between is not None:
        g = made.act("g", *between)
        made.conv(x, g, w_scale=W_STEP)
        x, first = g, x
    else:
        first = x
    made.conv(x, h, fused, w_scale=W_STEP)
    made.conv(h, y, taps=3, options=reader, w_scale=0.004)
    return made.build((first,), (y,))


def lifts(model, name="symmetric", **options):
    found = plan(model.main, scheme(name) if isinstance(name, str) else name, **options)
    assert not [f for f in found.findings if f.severity == "error"]
    return {model.main.tensors[t].name: lift for t, lift in found.lifts.items()}


class TestWhere:
    @pytest.mark.parametrize(
        ("model", "nested"),
        [
            pytest.param(net(), {"h"}, id="a padded reader"),
            pytest.param(net("RELU6", 6 / 255), {"h"}, id="a clamp at the range's end"),
            pytest.param(net("RELU6", 6.5 / 255), {"h"}, id="N4: a clamp below it"),
            pytest.param(net("RELU6", 8.6 / 255), set(), id="N4: two thirds of the steps"),
            pytest.param(net("NONE"), {"h"}, id="saturation at 0"),
            pytest.param(net(reader=VALID), set(), id="folded: all steps are there"),
            pytest.param(net(zero=1, fused="NONE"), set(), id="N3: values below 0"),
            pytest.param(net(zero=1), {"h"}, id="N3: none below 0 by the clamp"),
            pytest.param(net(x_zero=127), set(), id="N1: the input is on another grid"),
            pytest.param(net(between=(0.1, 90)), {"h"}, id="N1: behind what keeps its grid"),
        ],
    )
    def test_conditions(self, model, nested):
        assert set(lifts(model)) == nested

    def test_what_comes_after_another_grid_is_not(self):
        """N1: g is nested, so what h is computed from is not the source's any more."""
        made = Net()
        x, g, h = made.act("x"), made.act("g", STEP, 0), made.act("h", STEP, 0)
        y = made.act("y", 0.05, 100)
        made.conv(x, g)
        made.conv(g, h, taps=3, options=SAME)
        made.conv(h, y, taps=3, options=SAME)
        model = made.build((x,), (y,))
        assert set(lifts(model)) == {"g"}
        assert set(lifts(model, allow_padv2="any")) == set()
        first = lifts(model, allow_padv2=1, rank=lambda _: {g: 2.0, h: 1.0})
        assert set(first) == {"h"}

    def test_not_where_another_operator_reads_it(self):
        """N2: an ADD has no bias that could take the mean."""
        made = Net()
        x, h, g, y = (made.act(*t) for t in (("x",), ("h", STEP, 0), ("g", 0.3, 7), ("y", 0.2, 60)))
        made.conv(x, h)
        made.conv(h, g, taps=3, options=SAME)
        made.operator("ADD", (h, g), (y,))
        assert lifts(made.build((x,), (y,))) == {}

    def test_not_where_it_leaves_the_graph(self):
        made = Net()
        x, h, y = made.act("x"), made.act("h", STEP, 0), made.act("y", 0.3, 100)
        made.conv(x, h)
        made.conv(h, y, taps=3, options=SAME)
        assert lifts(made.build((x,), (y, h))) == {}
        signature = Signature("s", 0, (("a", x),), (("hidden", h), ("out", y)))
        named = replace(made.build((x,), (y,)), signatures=(signature,))
        found = requantize(named, "symmetric").report.tensors
        assert {t.name: t.kept for t in found}["h"] == "regridded"

    def test_not_where_nothing_computes_it(self):
        made = Net()
        h, y = made.act("h", STEP, 0), made.act("y", 0.3, 100)
        made.conv(h, y, taps=3, options=SAME)
        assert lifts(made.build((h,), (y,))) == {}

    @pytest.mark.parametrize("name", ["int8", "int8-per-tensor", "uint8", "int16x8"])
    def test_not_where_the_steps_are_kept(self, name):
        assert lifts(net(), name) == {}

    def test_not_where_biases_have_few_bits(self):
        assert lifts(net(), "vitis-dpu") == {}

    def test_not_beside_another_law(self):
        asked = overridden("symmetric", 'tensor = "y"\nactivations.zero_point = "any"\n')
        assert lifts(net(), asked) == {}

    @pytest.mark.parametrize("options", [{"fold": False}, {"nest": False}])
    def test_switches(self, options):
        assert lifts(net(), **options) == {}

    def test_not_where_the_last_value_is_frequent(self):
        """N5: of it, half a cell is lost in whole regions."""
        model = net()
        (h,) = (t.index for t in model.main.tensors if t.name == "h")
        assert nesting.saturated({h: 0.018, 3: 0.019}) == {3}
        assert lifts(model, saturated=frozenset({h})) == {}

    @pytest.mark.parametrize("bright, kept", [(0, "nested"), (1, "nested"), (5, "regridded")])
    def test_how_frequent_it_is_samples_tell(self, bright, kept):
        """Half of h is at its end in an image that is bright."""
        model = net(step=1 / 256)
        images = np.full((60, 4, 4, 2), 128, np.uint8)
        images[:bright] = 255
        ends = [Interpreter(model).run([x[None]], keep=["h"])["h"] == 255 for x in images]
        assert np.mean(ends) == bright / 120
        found = requantize(model, "symmetric", images, Options(correction=("nested-rounding",)))
        assert {t.name: t.kept for t in found.report.tensors}["h"] == kept

    def test_another_scale_ends_it(self):
        """A search may still ask for one, and gets the one that it asks for."""
        model = net()
        (h,) = (t.index for t in model.main.tensors if t.name == "h")
        found = plan(model.main, scheme("symmetric"), factors={Unit("any", (h,)): 0.9})
        assert found.lifts == {}
        plain = plan(model.main, scheme("symmetric"), nest=False)
        assert found.home[h].qparams.scale == f32(plain.home[h].qparams.scale * 0.9)


@pytest.mark.parametrize("name", ["symmetric", "symmetric-per-tensor", "symmetric-po2"])
def test_the_step_is_twice_the_sources_and_the_lift_half_of_that(name):
    model = net("RELU6", 6 / 255)
    found = plan(model.main, scheme(name))
    ((h, lift),) = found.lifts.items()
    gain = found.gains.get(h, 1.0)
    step = model.main.tensors[h].qparams.scale
    assert found.home[h].qparams.scale == pytest.approx(2 * step * gain, rel=1e-7)
    assert lift == pytest.approx(step * gain / 2, rel=1e-7)


def hidden(model, x):
    """h less its zero point, int64."""
    (zero,) = (t.qparams.zero_point for t in model.main.tensors if t.name == "h")
    return Interpreter(model).run([x], keep=["h"])["h"].astype(np.int64) - zero


def images(count, low=-128, high=128):
    return np.random.default_rng(0).integers(low, high, (count, 1, 4, 4, 2)).astype(np.int8)


@pytest.mark.parametrize("fused", ["NONE", "RELU"])
@pytest.mark.parametrize(
    "correction", [CORRECTIONS, ("exact-grid", "nested-rounding")], ids=["all", "alone"]
)
def test_an_integer_stands_for_two_of_the_sources(fused, correction):
    """n = ceil(k / 2), but for the last k, which has no n of its own; for every kind of sum."""
    model = net(fused, STEP / 2, dtype="int8")
    result = requantize(model, "symmetric", options=Options(correction=correction))
    (row,) = (t for t in result.report.tensors if t.name == "h")
    assert row.kept == "nested"
    seen = set()
    for x in images(400):
        k, n = hidden(model, x), hidden(result.model, x)
        assert (n == np.minimum((k + 1) // 2, 127)).all()
        seen |= set(k.reshape(-1).tolist())
    assert len(seen) > 190 and {0, 1, 255} <= seen


def summed(model, h):
    """What the reader of h makes of it, before it is rounded: real [4, 4, O]."""
    op = model.main.operators[-1]
    x, w, b = (model.main.tensors[t] for t in op.inputs)
    padded = np.pad(h[0] * x.qparams.scale, ((1, 1), (1, 1), (0, 0)))
    rows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    weights, bias = w.qarray().real(), b.qarray().real().reshape(-1)
    return np.einsum("hwcyx,oyxc->hwo", rows, weights) + bias


@pytest.mark.parametrize("name", ["symmetric", "symmetric-per-tensor"])
def test_what_reads_it_errs_less(name):
    """The variance of its error is 1/4 instead of (1 + r^2) / 12 steps, its mean hardly more."""
    model, errors = net(dtype="int8"), {}
    known = images(50, -20, 20)
    for on in (True, False):
        off = {"range-fit"} if on else {"range-fit", "nested-rounding"}
        chosen = tuple(c for c in CORRECTIONS if c not in off)
        new = requantize(model, name, known, Options(correction=chosen)).model
        found = [summed(new, hidden(new, x)) - summed(model, hidden(model, x)) for x in known]
        errors[on] = np.array(found)
    assert (errors[True] ** 2).mean() < 0.85 * (errors[False] ** 2).mean()
    assert abs(errors[True].mean()) < 0.1 * errors[True].std()


class TestRangeFit:
    def counts(self, reach):
        found = np.zeros(256, np.int64)
        found[: reach + 1] = 1000
        return found

    @pytest.mark.parametrize(("reach", "narrowed"), [(240, False), (180, False), (100, True)])
    def test_only_a_grid_that_errs_less_is_taken_instead(self, reach, narrowed):
        planned = plan(net().main, scheme("symmetric"))
        ((h, _),) = planned.lifts.items()
        found = ranges.tightened(planned, {h: self.counts(reach)})
        assert bool(found) == narrowed
        assert all(factor < 0.65 for factor in found.values())


class TestShares:
    @pytest.mark.parametrize("mean", [-3.0, -1.0, -0.2, 0.0, 0.3, 1.0, 2.5])
    def test_of_rectified_normal_values(self, mean):
        x = np.maximum(np.random.default_rng(3).normal(mean, 1, 400_000), 0) * 0.37
        found = share_of_positive(np.array([x.mean()]), np.array([x.var()]))
        assert found[0] == pytest.approx((x > 0).mean(), abs=0.005)

    def test_at_the_ends(self):
        found = share_of_positive(np.array([0.0, 2.0, 1e-9]), np.array([0.0, 0.0, 1.0]))
        assert found.tolist() == [0.0, 1.0, pytest.approx(0.0, abs=1e-6)]

    def test_grows_with_the_mean(self):
        mean = np.linspace(0, 4, 500)
        found = share_of_positive(mean, np.full(500, 0.5))
        assert (np.diff(found) >= 0).all() and 0 <= found[0] < found[-1] <= 1

    def test_of_moments_by_group(self):
        moments = Moments(np.array([[0.0, 1.0], [2.0, 0.0]]), np.zeros((2, 2)))
        weights = np.array([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0], [64.0, 128.0]])
        assert carried(weights, moments).tolist() == [2.0, 8.0, 16.0, 64.0]


def test_it_needs_no_other_correction():
    model = net()
    alone = requantize(model, "symmetric", "prior", Options(correction=("nested-rounding",))).model
    assert grids(alone)["h"] == ("int8", f32(2 * STEP), 0)
