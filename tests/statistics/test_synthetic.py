"""Made-up images: the same everywhere, within the input's type, and only for image inputs."""

import hashlib

import numpy as np
import pytest

from tflite_requant.errors import SampleError, UsageError
from tflite_requant.files import load
from tflite_requant.schemes import load_scheme
from tflite_requant.statistics import (
    brushes,
    default_calibration,
    is_data_free,
    measure,
    scenes,
    synthetic,
)
from tflite_requant.statistics.scenes import SCENES, lit
from tflite_requant.statistics.synthetic import DEFAULT_COUNT, SyntheticImages
from tflite_requant.testing import TensorSpec, one_operator_model

DEMO = "examples/demo/digits_qat_uint8.tflite"
FIRST_SHA256 = "92a8b8207ecf8abda6005dfb59ec47005fb7fc3da22eca5a20763051c931a2c3"


@pytest.fixture(scope="module")
def demo(request):
    return load(request.config.rootpath / DEMO)


def test_images_are_stored_integers_of_the_input(demo):
    images = list(SyntheticImages(demo, 5, seed=1))
    assert [i.shape for i in images] == [demo.inputs[0].shape] * 5
    assert all(i.dtype == np.uint8 for i in images)
    assert np.stack(images).max() > 200 and np.stack(images).min() < 50


def test_the_same_seed_gives_the_same_images(demo):
    first, again = (np.stack(list(SyntheticImages(demo, 3, seed=7))) for _ in range(2))
    other = np.stack(list(SyntheticImages(demo, 3, seed=8)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_image_n_does_not_depend_on_how_many_are_made(demo):
    few, many = list(SyntheticImages(demo, 2)), list(SyntheticImages(demo, 4))
    assert all(np.array_equal(a, b) for a, b in zip(few, many[:2], strict=True))


def test_the_images_are_these_on_every_machine(demo):
    """Two of each kind; figures are painted with everything that scenes are made of."""
    data = b"".join(i.tobytes() for i in SyntheticImages(demo, 2 * len(SCENES), seed=0))
    assert hashlib.sha256(data).hexdigest() == FIRST_SHA256


@pytest.mark.parametrize("start, step", [(0, 1), (0, 2), (1, 2), (2, 3), (0, 4)], ids=str)
def test_whoever_skips_images_gets_both_kinds(monkeypatch, demo, start, step):
    """Samples are kept by every n-th, and every third of them judges."""
    drawn = []
    scenes = [lambda *_, kind=k: drawn.append(kind) or np.zeros((1, 1, 3)) for k in range(2)]
    monkeypatch.setattr(synthetic, "SCENES", scenes)
    for seed in range(5):
        drawn.clear()
        list(SyntheticImages(demo, 96, seed))
        assert sum(drawn) == 48
        assert 0.25 < np.mean(drawn[start::step]) < 0.75


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_scenes_have_contrast_at_every_scale(scene):
    """Halving the resolution leaves most of the contrast of neighbours, as in photographs."""
    ratios = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image = lit(rng, scene(rng, 96, 96, 3))
        half = image.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
        fine, coarse = (abs(np.diff(i, axis=1)).mean() for i in (image, half))
        ratios.append(coarse / fine)
    assert 0.7 < min(ratios) and max(ratios) < 2.0
    assert 1.1 < np.mean(ratios) < 1.7


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 9, 3), (5, 200, 1), (31, 8, 3)], ids=str)
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_scenes_of_any_size(scene, shape):
    for seed in range(20):
        image = scene(np.random.default_rng(seed), *shape)
        assert image.shape == shape
        assert -0.5 < image.min() and image.max() < 1.5


@pytest.mark.parametrize("channels", [1, 3])
def test_light_and_grain_are_of_no_side(channels):
    """On average they leave a scene as it is, but for daylight, and no two alike."""
    scene = np.random.default_rng(0).uniform(size=(8, 8, channels))
    images = np.stack([lit(np.random.default_rng(seed), scene) for seed in range(2000)])
    daylight = 0.35 * scenes.DAYLIGHT if channels == 3 else 0.0
    assert abs(images.mean(axis=0) - scene - daylight).max() < 0.02
    assert images.std(axis=0).min() > 0.05


def test_a_zoomed_image_is_its_corner():
    rows, columns = np.mgrid[:32, :48].astype(float)
    image = np.stack([rows, columns], axis=-1)
    assert np.array_equal(brushes.zoomed(image, 1), image)
    twice = brushes.zoomed(image, 2)
    assert twice.shape == image.shape
    assert np.allclose(twice[-1, -1], (15, 23)) and np.allclose(twice[0, 0], 0)
    assert np.allclose(np.diff(twice[:, 0, 0]), 15 / 31)


def test_a_figure_stands_before_its_ground(monkeypatch):
    """What is in the middle hides the ground, what is at the border does not."""
    monkeypatch.setattr(scenes, "_any", lambda rng, h, w, c: np.zeros((h, w, c)))
    monkeypatch.setattr(scenes, "_mirrored", lambda rng, h, w, c: np.ones((h, w, c)))
    monkeypatch.setattr(scenes, "_tiled", lambda rng, h, w, c: np.ones((h, w, c)))
    images = [scenes.figures_scene(np.random.default_rng(s), 48, 48, 1) for s in range(60)]
    shown = np.mean([i[..., 0] > 0 for i in images], axis=0)
    assert shown[20:28, 20:28].mean() > 0.3 > 0.1 > shown[:3].mean()


@pytest.mark.parametrize(
    "shape", [(1, 10), (1, 8, 8, 4), (2, 8, 8, 3), (1, 2, 2, 3)], ids=str
)
def test_what_is_no_image_is_refused(shape):
    spec = TensorSpec("int8", shape, 0.1, 0)
    model = one_operator_model("RESHAPE", inputs=[spec], outputs=[spec])
    with pytest.raises(SampleError, match="image input"):
        SyntheticImages(model)


@pytest.mark.parametrize("word", ["synthetic", "synthetic:5", "prior"])
def test_words_that_need_no_data(word, demo):
    assert is_data_free(word)
    known = measure(demo, word)
    assert known.origin.startswith("no data")
    assert known.moments and not known.hits
    # A search on some of the images finds what helps those alone: it takes all of them.
    assert len(known.samples) == {"synthetic": DEFAULT_COUNT, "synthetic:5": 5, "prior": 0}[word]


@pytest.mark.parametrize(
    ("file", "words"),
    [("docs/cli.md", "on {} that are made up"), ("docs/samples.md", "no data; {} or N images"),
     ("docs/accuracy.md", "Synthetic images ({}, eighteen each of five kinds")],
)  # fmt: skip
def test_what_is_told_of_their_number(request, file, words):
    assert words.format(DEFAULT_COUNT) in (request.config.rootpath / file).read_text("utf-8")
    assert 18 * len(SCENES) == DEFAULT_COUNT


@pytest.mark.parametrize("word", ["synthetic:x", "synthetc", "synthetic:-1"])
def test_unknown_words_are_usage_errors(word, demo):
    with pytest.raises(UsageError, match="synthetic"):
        measure(demo, word)


def image_model(*shape: int, opcode: str = "RELU"):
    spec = TensorSpec("uint8", shape, 0.1, 0)
    return one_operator_model(opcode, inputs=[spec], outputs=[spec])


@pytest.mark.parametrize(
    ("scheme", "model", "word"),
    [
        ("symmetric-po2", image_model(1, 8, 8, 3), "synthetic"),
        ("symmetric-po2-per-tensor", image_model(1, 8, 8, 3), "synthetic"),
        ("symmetric-per-tensor", image_model(1, 8, 8, 3), "synthetic"),
        ("po2-multiplier", image_model(1, 8, 8, 3), "synthetic"),
        ("int8", image_model(1, 8, 8, 3), "prior"),
        ("symmetric", image_model(1, 8, 8, 3), "synthetic"),
        ("symmetric-unsigned", image_model(1, 8, 8, 3), "prior"),
        ("int16x8", image_model(1, 8, 8, 3), "prior"),
        ("uint8", image_model(1, 8, 8, 3), "prior"),
        ("symmetric-po2", image_model(1, 8, 8, 1), "prior"),
        ("symmetric-po2", image_model(1, 12), "prior"),
        ("symmetric-po2", image_model(1, 8, 8, 3, opcode="FFT2D"), "prior"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_default_is_what_measures_better(scheme, model, word):
    assert default_calibration(model, load_scheme(scheme)) == word
