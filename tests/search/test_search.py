"""The search for activation scales: what it keeps is better, legal, and always the same."""

import math
import sys

import numpy as np
import pytest
from engine_models import images
from graphs import Net, scheme
from search_models import residual, small

from tflite_requant import statistics
from tflite_requant.check import check
from tflite_requant.errors import SampleError
from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter
from tflite_requant.memory import memory_of
from tflite_requant.planning import plan
from tflite_requant.planning.clamps import interval
from tflite_requant.planning.units import Unit
from tflite_requant.requantize import CORRECTIONS, Options, requantize
from tflite_requant.schemes import load_scheme
from tflite_requant.search import LITERT, factors
from tflite_requant.search.bench import Bench

# What else runs the model, or moves scales, is left out: the search's own work is looked at.
ALONE = tuple(c for c in CORRECTIONS if c not in ("range-fit", "sequential-bias"))


@pytest.fixture(scope="module")
def source():
    return small()


@pytest.fixture(scope="module")
def known(source):
    return statistics.measure(source, [list(f.values()) for f in images(source, 21)[3:]])


def seen(known):
    """The samples that a search sees; the others judge what it found."""
    return [s for i, s in enumerate(known.samples) if i % 3 != 2]


def kept_whatever_it_finds(source, known, name, strict=False):
    """The result of a search, however little it gains."""
    options = Options(search=True, strict_meaning=strict, correction=ALONE)
    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules["tflite_requant.requantize"]
        patch.setattr(module, "is_clearly_better", lambda found, noise: True)
        return requantize(source, name, known, options)


@pytest.fixture(scope="module")
def searched(source, known):
    """(scheme, strict) -> Result; each made once."""
    made = {}

    def result(name, strict=False):
        if (name, strict) not in made:
            made[name, strict] = kept_whatever_it_finds(source, known, name, strict)
        return made[name, strict]

    return result


def noise(source, result, known):
    """Noise over signal of the outputs on the search's samples, by the plain way."""

    def real(model):
        run, (tensor,), (x,) = Interpreter(model, LITERT, fast=False), model.outputs, source.inputs
        values = [(s[0].astype(float) - x.qparams.zero_point) * x.qparams.scale
                  for s in seen(known)]  # fmt: skip
        outputs = [run.run([v])[0].reshape(-1).astype(float) for v in values]
        return (np.array(outputs) - tensor.qparams.zero_point) * tensor.qparams.scale

    old, new = real(source), real(result)
    return ((new - old) ** 2).sum() / (old**2).sum()


CASES = [
    ("symmetric-po2-per-tensor", False),
    ("symmetric-po2-per-tensor", True),
    ("symmetric-po2", False),
]


@pytest.mark.parametrize(("name", "strict"), CASES)
def test_less_noise_than_without(source, known, searched, name, strict):
    plain = requantize(source, name, known, Options(strict_meaning=strict, correction=ALONE)).model
    found = searched(name, strict)
    before, after = (noise(source, m, known) for m in (plain, found.model))
    assert after < before
    gain = float(found.report.data.split(" dB less")[0].split()[-1])
    assert gain == pytest.approx(10 * math.log10(before / after), abs=0.011)
    assert [f for f in check(found.model, load_scheme(name)) if f.severity == "error"] == []


def test_what_only_its_own_samples_gain_by_is_no_gain(source, known):
    """Scales of one tensor each are nearly right in this model: what moves fits 12 samples."""
    options = Options(search=True, correction=ALONE)
    found = requantize(source, "symmetric-per-tensor", known, options)
    plain = requantize(source, "symmetric-per-tensor", known, Options(correction=ALONE)).model
    assert "searched on 18 samples, nothing clearly better on those kept apart" in found.report.data
    assert found.model.to_bytes() == plain.to_bytes()


def test_the_same_twice(source, known, searched):
    again = kept_whatever_it_finds(source, known, "symmetric-po2").model
    assert again.to_bytes() == searched("symmetric-po2").model.to_bytes()


def test_what_the_file_remembers_is_what_the_search_chose(source, known, searched):
    plain = memory_of(requantize(source, "symmetric-po2", known, Options(correction=ALONE)).model)[
        "relabelled"
    ]
    found = memory_of(searched("symmetric-po2").model)["relabelled"]
    scales = [{e["tensor"]: e["scale"] for e in entries} for entries in (plain, found)]
    assert {t for t in scales[0] if scales[0][t] != scales[1].get(t)}


@pytest.mark.slow
def test_on_the_demo_images_are_made_up_where_asked(demo_model):
    found = requantize(load(demo_model), "symmetric-po2", "synthetic", Options(search=True))
    assert "no data (90 synthetic images); " in found.report.data
    assert " searched on 90 synthetic images, " in found.report.data
    assert " 0.00 dB" not in found.report.data


def test_without_samples_images_are_made_up(source):
    found = requantize(source, "symmetric", "prior", Options(search=True, correction=ALONE))
    assert "no data (analytic prior); " in found.report.data
    assert " searched on 90 synthetic images, " in found.report.data


@pytest.mark.parametrize("channels", [1, 2], ids=["a spectrogram, perhaps", "no image"])
def test_without_samples_and_colour_images(channels):
    net = Net()
    x, y, z = net.act("x", channels=channels), net.act("y", 0.07), net.act("z", 0.09)
    net.conv(x, y)
    net.conv(y, z)
    with pytest.raises(SampleError, match="--search needs samples for this model"):
        requantize(net.build((x,), (z,)), "symmetric", None, Options(search=True))


class TestFactors:
    def test_exact_grids_are_exact(self):
        """At such a factor a neighbour's weights may keep the source's scale."""
        model = residual()
        made = plan(model.main, load_scheme("symmetric-po2-per-tensor"))
        seen = 0
        for unit in (u for u in made.units if u.kind == "any"):
            for step in factors._exact(made, unit):
                other = plan(
                    model.main, load_scheme("symmetric-po2-per-tensor"), factors={unit: step}
                )
                ratios = []
                for op in model.main.operators:
                    if len(op.inputs) == 3 and {op.inputs[0], op.outputs[0]} & set(unit.tensors):
                        x, y = (factors.true_scale(other, t) for t in (op.inputs[0], op.outputs[0]))
                        w = model.main.tensors[op.inputs[1]].qparams.scale
                        ratios.append(math.log2(x * w / y))
                assert any(abs(r - round(r)) < 1e-6 for r in ratios)
                seen += 1
        assert seen

    def test_what_is_measured_is_not_cut(self):
        model = residual()
        made = plan(model.main, load_scheme("symmetric-po2"), fold=False)
        unit = next(u for u in made.units if set(u.tensors) & set(model.main.outputs))
        kw = {"narrow": False, "snaps": False, "measured": model.main.outputs}
        assert factors.candidates(made, unit, 1.0, **kw) == [2.0]
        assert factors.candidates(made, unit, 2.0, **kw) == [1.0, 4.0]
        kw["measured"] = ()
        assert factors.candidates(made, unit, 1.0, **kw) == [0.5, 2.0]

    def test_a_power_stays_a_power(self):
        model = residual()
        made = plan(model.main, load_scheme("symmetric-po2"), fold=False)
        assert {u.kind for u in made.units} == {"power"}
        unit = made.units[0]
        other = plan(model.main, load_scheme("symmetric-po2"), fold=False, factors={unit: 0.5})
        for t in unit.tensors:
            assert other.home[t].qparams.scale == made.home[t].qparams.scale / 2

    def test_scales_with_one_gain_move_together(self):
        model = residual()
        made = plan(model.main, load_scheme("symmetric-po2"))
        unit = next(u for u in made.units if u.kind == "any" and len(u.tensors) > 1)
        other = plan(model.main, load_scheme("symmetric-po2"), factors={unit: 1.1})
        for t in unit.tensors:
            ratio = factors.true_scale(other, t) / factors.true_scale(made, t)
            assert ratio == pytest.approx(1.1, rel=1e-12)
            assert other.home[t].qparams.scale == made.home[t].qparams.scale
        rest = set(made.gains) - set(unit.tensors)
        assert all(other.gains[t] == made.gains[t] for t in rest)

    def test_a_clamp_of_the_network_may_not_get_lost(self):
        """RELU6 on a relabelled tensor is its saturation: a larger scale would lose it."""
        model = residual()
        law = load_scheme("symmetric-po2")
        made = plan(model.main, law)
        relu6 = [
            u for u in made.units if u.kind == "any" and interval(
                model.main.tensors[u.tensors[0]].type, "NONE"
            )[1] == pytest.approx(6, abs=0.03)
        ]  # fmt: skip
        assert relu6
        for unit in relu6:
            assert factors.forbidden(made, plan(model.main, law, factors={unit: 1.2}))
            assert not factors.forbidden(made, plan(model.main, law, factors={unit: 0.84}))

    def test_the_clamp_below_survives_a_smaller_scale(self):
        model = residual()
        made = plan(model.main, load_scheme("symmetric-po2"))
        unit = next(
            u for u in made.units if model.main.tensors[u.tensors[0]].qparams.zero_point == 0
        )
        other = plan(model.main, load_scheme("symmetric-po2"), factors={unit: 0.84})
        assert other.lost_clamps == made.lost_clamps


def test_where_nothing_is_free_nothing_changes(source, known):
    """Under int8 the model keeps the source's grids."""
    plain = requantize(source, "int8", known).model
    found = requantize(source, "int8", known, Options(search=True, correction=ALONE)).model
    assert found.to_bytes() == plain.to_bytes()


def test_what_loses_early_is_told_early(source, known, monkeypatch):
    runs = []
    plain = Bench.noise
    monkeypatch.setattr(Bench, "noise", lambda *a: runs.append(found := plain(*a)) or found)
    requantize(source, "symmetric-po2", known, Options(search=True, correction=ALONE))
    *tried, _, _ = runs  # the last two are judged on the other samples
    assert {len(r) for r in tried} == {0, len(seen(known))}


def test_what_is_better_only_on_its_own_samples_is_dropped(source, known, monkeypatch):
    plain = requantize(source, "symmetric-po2", known, Options(correction=ALONE)).model
    kept_apart = len(known.samples) - len(seen(known))
    noise, judged = Bench.noise, []

    def worse_elsewhere(bench, *rest):
        found = noise(bench, *rest)
        if len(bench.runner) == kept_apart:
            judged.append(found)
            return [1e9] * kept_apart if len(judged) == 2 else found  # the second was searched
        return found

    monkeypatch.setattr(Bench, "noise", worse_elsewhere)
    result = requantize(source, "symmetric-po2", known, Options(search=True, correction=ALONE))
    assert len(judged) == 2
    told = "searched on 18 samples, nothing clearly better on those kept apart"
    assert told in result.report.data
    assert result.model.to_bytes() == plain.to_bytes()


@pytest.mark.parametrize("share, dropped", [(0.5, False), (0.89, False), (0.91, True), (2, True)])
def test_what_is_not_clearly_better_elsewhere_is_dropped(
    source, known, monkeypatch, share, dropped
):
    """It may be luck."""
    kept_apart = len(known.samples) - len(seen(known))
    noise, judged = Bench.noise, []

    def noise_of(bench, *rest):
        found = noise(bench, *rest)
        if len(bench.runner) == kept_apart:
            judged.append(found)
            if len(judged) == 2:
                return [share * n for n in judged[0]]
        return found

    monkeypatch.setattr(Bench, "noise", noise_of)
    options = Options(search=True, correction=ALONE)
    told = requantize(source, "symmetric-po2", known, options).report.data
    assert ("nothing clearly better on those kept apart" in told) == dropped


def test_units_are_named_by_their_tensors():
    assert Unit("any", (1, 2)) == Unit("any", (1, 2)) < Unit("power", (0,))


def test_no_relabelling_under_an_ordinary_scheme():
    made = plan(residual().main, scheme("symmetric"))
    assert {u.kind for u in made.units} == {"any"}
    assert not made.gains
