"""The demo model is hard enough to judge, and the defaults are good enough for it."""

from dataclasses import replace

import numpy as np
import pytest

from tflite_requant.flatbuffer import read
from tflite_requant.interpreter import Interpreter
from tflite_requant.requantize import CORRECTIONS, Options, requantize
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.schemes.loader import load_scheme, preset_names
from tflite_requant.statistics import measure

TAKING = [n for n in preset_names() if n != "max78000"]  # that has no depthwise convolutions
UNFOLDED = tuple(c for c in CORRECTIONS if c not in ("bias-folding", "sequential-bias"))


def is_hardware(name):
    return bool(load_scheme(name).source)


@pytest.fixture(scope="module")
def demo(demo_model):
    return read(demo_model.read_bytes())


@pytest.fixture(scope="module")
def samples(demo_model):
    with np.load(demo_model.with_name("digits_samples.npz")) as file:
        return {name: file[name] for name in file.files}


def for_batches(model, size):
    """The model with another batch size: one run instead of hundreds."""
    tensors = tuple(
        replace(t, shape=(size, *t.shape[1:])) if not t.is_constant and t.shape[:1] == (1,) else t
        for t in model.main.tensors
    )
    return replace(model, subgraphs=(replace(model.main, tensors=tensors),))


def images_for(model, demo, stored):
    """uint8 images as the model takes them: as they are, or as real numbers on its own grid."""
    if model.inputs[0].dtype == "uint8":
        return stored
    grid = demo.inputs[0].qparams
    return (stored.astype(np.float64) - grid.zero_point) * grid.scale


@pytest.fixture(scope="module")
def accuracy(demo, samples):
    """Top-1 in percent under a scheme (None: of the source) and corrections, in our interpreter."""
    known, statistics = {}, measure(demo, samples["calibration"])

    def measured(scheme=None, correction=CORRECTIONS, calibrated=False):
        key = scheme, correction, calibrated
        if key not in known:
            data = statistics if calibrated else None
            model = demo
            if scheme:
                model = requantize(demo, scheme, data, Options(correction=correction)).model
            images = images_for(model, demo, samples["test"])
            arithmetic = load_scheme(scheme).arithmetic if scheme else "litert-reference"
            batch = for_batches(model, len(images))
            (found,) = Interpreter(batch, arithmetic).run([images])
            known[key] = float((found.argmax(axis=-1) == samples["test_labels"]).mean()) * 100
        return known[key]

    return measured


def test_a_batch_is_its_samples(demo, samples):
    images = samples["test"][:5]
    (together,) = Interpreter(for_batches(demo, 5)).run([images])
    alone = [Interpreter(demo).run([image[None]])[0] for image in images]
    assert (together == np.concatenate(alone)).all()


def test_the_source(accuracy):
    assert accuracy() == 98.0


@pytest.mark.parametrize("calibrated", [False, True], ids=["no data", "64 samples"])
@pytest.mark.parametrize(
    "scheme", [pytest.param(n, marks=pytest.mark.slow if is_hardware(n) else ()) for n in TAKING]
)
def test_the_defaults_lose_at_most_a_point(scheme, calibrated, accuracy):
    allowed = 3 if load_scheme(scheme).bias.own_scale else 1
    assert accuracy(scheme, calibrated=calibrated) >= accuracy() - allowed


def test_naive_powers_of_two_per_tensor_lose_ten_points(accuracy):
    assert accuracy("symmetric-po2-per-tensor", ()) <= accuracy() - 10


@pytest.mark.parametrize("scheme", ["symmetric-per-tensor", "int8-per-tensor"])
def test_naive_rescaling_per_tensor_loses_ten_points(scheme, accuracy):
    assert accuracy(scheme, ()) <= accuracy() - 10


@pytest.mark.parametrize(
    ("scheme", "with_it", "without"),
    [
        pytest.param("symmetric-po2-per-tensor", CORRECTIONS, UNFOLDED, id="po2 per tensor, all"),
        pytest.param("symmetric-per-tensor", ("bias-folding",), (), id="per tensor, folding alone"),
    ],
)
@pytest.mark.parametrize("calibrated", [False, True], ids=["no data", "64 samples"])
def test_leaving_out_bias_folding_costs_two_points(scheme, with_it, without, calibrated, accuracy):
    folded, bare = (accuracy(scheme, c, calibrated) for c in (with_it, without))
    assert bare <= folded - 2


@pytest.mark.parametrize("calibrated", [False, True], ids=["no data", "64 samples"])
def test_every_correction_together_beats_folding_alone(calibrated, accuracy):
    scheme = "symmetric-po2-per-tensor"
    assert accuracy(scheme, calibrated=calibrated) > accuracy(scheme, ("bias-folding",), calibrated)


@pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")
@pytest.mark.parametrize("resolver", ["reference", "default"])
def test_every_scheme_runs_in_litert(resolver, demo, samples):
    """And the reference kernels give our interpreter's integers."""
    names = [n for n in TAKING if load_scheme(n).arithmetic != "extended"]
    models = {None: demo, **{name: requantize(demo, name).model for name in names}}
    jobs, stored = [], samples["test"][:8]
    for model in models.values():
        kind = model.inputs[0]
        real = images_for(demo, demo, stored).astype(np.float64)
        grid = demo.inputs[0].qparams
        steps = (real - grid.zero_point) * grid.scale / kind.qparams.scale
        integers = np.clip(np.rint(steps) + kind.qparams.zero_point, *_range(kind.dtype))
        jobs.append((model.to_bytes(), [[image[None].astype(kind.dtype)] for image in integers]))
    runs = litert_run_many(jobs, resolver)
    for name, model, found, (_, feeds) in zip(models, models.values(), runs, jobs, strict=True):
        assert not isinstance(found, RuntimeFailure), (name, found)
        if resolver == "reference":
            ours = [Interpreter(model).run(feed)[0] for feed in feeds]
            assert all((a == b.outputs[0]).all() for a, b in zip(ours, found, strict=True)), name


def _range(dtype):
    info = np.iinfo(dtype)
    return info.min, info.max


CLAMPS = {"symmetric": (1, 6), "int16x8": (2, 7)}  # restored, of so many that are lost


@pytest.mark.parametrize("scheme", CLAMPS)
def test_what_the_page_of_accuracy_says_of_explicit_clamps(demo, scheme):
    restored, lost = CLAMPS[scheme]
    reports = [
        requantize(demo, scheme, measure(demo, "prior"), Options(clamps=clamps)).report
        for clamps in ("fused", "auto")
    ]
    assert [sum(f.law == "clamp" for f in r.findings) for r in reports] == [lost, lost - restored]
    assert sum("MAXIMUM" in line for line in reports[1].inserted) == restored
