"""Clamps are restored by operators of their own where what was stopped outweighs rounding."""

import numpy as np
import pytest
from graphs import Net, kinds, scheme

from tflite_requant.planning import explicit, plan
from tflite_requant.planning.explicit import NOTHING, Overshoot, overshoots
from tflite_requant.report.numbers import numbers
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme


def model(zero=73, w_scale=0.005):
    """A linear tensor, from -2 to 5, that an ADD reads: neither foldable nor within RELU bounds."""
    net = Net()
    x, h, y = net.act("x", 1 / 32, 128), net.act("h", 7 / 255, zero), net.act("y", 0.3, 100)
    net.conv(x, h, w_scale=w_scale)
    net.operator("ADD", (h, h), (y,))
    return net.build((x,), (y,))


def counted(*ends):
    """Every integer equally often but for those at the ends: (least, greatest)."""
    found = np.full(256, 100)
    found[0], found[-1] = ends
    return found


@pytest.mark.parametrize(
    ("ends", "lengths"),
    [((0, 0), (0, 0)), ((100, 0), (1, 0)), ((0, 100), (0, 1)), ((500, 50), (5, 0.5))],
)
def test_what_an_end_stops_falls_off_as_what_is_before_it(ends, lengths):
    counts = counted(*ends)
    for found, n, length in zip(overshoots(counts, 0.5), ends, lengths, strict=True):
        assert found.share == n / counts.sum()
        assert found.square == 2 * (0.5 * length) ** 2


def test_an_exponential_tail_is_told():
    """The estimate is of the right size for values that do fall off exponentially."""
    values = np.random.default_rng(1).exponential(30.0, 400000)
    counts = np.bincount(np.clip(np.rint(values), 0, 100).astype(int), minlength=101)
    beyond = np.maximum(values - 100, 0)
    _, above = overshoots(counts, 1.0)
    assert above.share * above.square == pytest.approx((beyond**2).mean(), rel=0.25)


def test_values_that_only_ever_are_at_the_end_go_as_far_as_the_new_grid_does():
    counts = np.zeros(256, np.int64)
    counts[[0, 128]] = 1, 99
    below, above = overshoots(counts, 0.5)
    assert (below.share, below.square, above) == (0.01, np.inf, NOTHING)


@pytest.mark.parametrize(
    ("over", "worth"),
    [
        pytest.param(NOTHING, False, id="nothing is stopped"),
        pytest.param(Overshoot(0.05, 1.0), True, id="often and far"),
        pytest.param(Overshoot(1e-6, 1.0), False, id="hardly ever"),
        pytest.param(Overshoot(0.05, 1e-6), False, id="not far"),
        pytest.param(Overshoot(1e-6, np.inf), False, id="as far as the new grid goes"),
    ],
)
@pytest.mark.parametrize("name", ["symmetric", "symmetric-po2", "int16x8"])
def test_what_is_stopped_is_held_against_rounding(name, over, worth):
    source = model().main
    h = next(t.index for t in source.tensors if t.name == "h")
    made = plan(source, load_scheme(name))
    assert 0 in made.lost_clamps
    wanted = {0: made.lost_clamps[0].needed} if worth else {}
    assert explicit.worthwhile(made, {h: (over, NOTHING)}) == wanted
    assert explicit.worthwhile(made, {}) == {}


def samples(low, high, seed=0):
    return np.random.default_rng(seed).integers(low, high, (8, 4, 4, 2)).astype(np.uint8)


def allowing(name, further):
    """A preset that allows only the model's own operators, and these."""
    names = ", ".join(f'"{n}"' for n in ("CONV_2D", "ADD", *further))
    return scheme(name, ('allow = ["*"]', f"allow = [{names}]"))


def lost(result):
    """Operators of the source whose clamp the result lacks, and what is said of it."""
    found = [f for f in result.report.findings if f.law == "clamp"]
    return {f.where: f.hint for f in found if "CONV_2D" in f.where}


class TestRequantized:
    def test_auto_inserts_what_matters(self):
        """Saturated on all samples, or on none."""
        options = Options(clamps="auto")
        often = requantize(model(), "symmetric", samples(0, 256), options)
        never = requantize(model(), "symmetric", samples(126, 131), options)
        assert "MAXIMUM" in kinds(often.model)
        assert "MAXIMUM" not in kinds(never.model)
        assert lost(often) == {}

    @pytest.mark.parametrize(
        ("calibration", "said"), [(samples(0, 256), "auto"), (samples(126, 131), "exact")]
    )
    def test_the_note_tells_which_flag_restores_it(self, calibration, said):
        whole = Options(correction=("bias-folding",))  # ranges as they are
        found = lost(requantize(model(), "symmetric", calibration, whole))
        assert found["op 0 CONV_2D h"] == f"--clamps {said} restores it"

    def test_without_data_the_prior_tells(self):
        assert "MAXIMUM" in kinds(
            requantize(model(), "symmetric", options=Options(clamps="auto")).model
        )

    @pytest.mark.parametrize("allowed", [[], ["MINIMUM"]])
    def test_never_what_the_scheme_does_not_allow(self, allowed):
        few = allowing("symmetric", allowed)
        result = requantize(model(), few, samples(0, 256), Options(clamps="auto"))
        assert kinds(result.model) == ["CONV_2D", "ADD"]
        (hint,) = set(lost(result).values())
        assert "the scheme does not allow MAXIMUM, which could restore it" in hint

    @pytest.mark.parametrize(
        ("name", "zero", "needed"),
        [
            pytest.param("symmetric", 73, ["MAXIMUM"], id="goes lower"),
            pytest.param("symmetric", 182, ["MINIMUM"], id="goes higher"),
            pytest.param("symmetric-po2", 120, ["MAXIMUM", "MINIMUM"], id="both"),
        ],
    )
    def test_each_side_takes_its_own_operator(self, name, zero, needed):
        """The hint names what is missing of it; what it names is enough."""
        options = Options(clamps="auto", correction=("bias-folding",))  # ranges as they are
        for missing in ([], [needed[0]], needed):
            has = [n for n in ("MAXIMUM", "MINIMUM") if n not in missing]
            result = requantize(model(zero), allowing(name, has), samples(0, 256), options)
            hint = lost(result).get("op 0 CONV_2D h", "")
            told = f"the scheme does not allow {' and '.join(missing)}, " if missing else ""
            assert hint.startswith(told)
            assert bool(hint) == bool(missing)
            assert kinds(result.model)[1:-1][: len(needed)] == ([] if missing else needed)

    @pytest.mark.parametrize(
        ("allowed", "calibration", "side"),
        [
            pytest.param("MINIMUM", samples(0, 256), "lower", id="upper"),
            pytest.param("MAXIMUM", samples(0, 256), "higher", id="lower"),
            pytest.param("MINIMUM", samples(126, 131), None, id="neither matters"),
        ],
    )
    def test_one_side_is_better_than_none(self, allowed, calibration, side):
        """Where a scheme has the operator of one alone, and that one matters by itself."""
        whole = ("bias-folding",)  # ranges as they are
        few = allowing("symmetric-po2", [allowed])
        made, plain = (
            requantize(model(120, 0.02), few, calibration, Options(clamps=clamps, correction=whole))
            for clamps in ("auto", "fused")
        )
        (note, _) = (f for f in made.report.findings if f.law == "clamp")
        assert kinds(made.model) == ["CONV_2D", *([allowed] if side else []), "ADD"]
        assert kinds(plain.model) == ["CONV_2D", "ADD"]
        first = made.report.operators[0]
        assert [s.name for s in first.lost_sides] == (
            ["below" if side == "lower" else "above"] if side else ["below", "above"]
        )
        assert numbers(made.report)["lost_clamps"] == numbers(plain.report)["lost_clamps"]
        if side:
            assert note.found.count("steps") == 1 and f" {side}" in note.found
            end = "upper" if allowed == "MINIMUM" else "lower"
            assert lost(plain)["op 0 CONV_2D h"].startswith(
                f"--clamps auto restores its {end} end; the scheme does not allow "
            )

    def test_a_restored_clamp_is_not_lost(self):
        options = Options(clamps="exact")
        for source in (model(), model(182)):
            report = requantize(source, "symmetric", samples(0, 256), options).report
            assert report.inserted
            assert numbers(report)["lost_clamps"] == 0
            assert [op.clamp_lost for op in report.operators] == [None, None]
        fused = requantize(model(), "symmetric", samples(0, 256)).report
        assert numbers(fused)["lost_clamps"] == len([f for f in fused.findings if f.law == "clamp"])
        assert numbers(fused)["lost_clamps"] > 0
