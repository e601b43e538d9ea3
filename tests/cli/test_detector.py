"""What is measured of a detector, and that it is told so wherever it is told."""

import json

import numpy as np
import pytest
from cases.detection import flexbuffer
from graphs import Net

from tflite_requant.cli.main import main
from tflite_requant.compare import compare
from tflite_requant.files import load
from tflite_requant.report.layout import at_most
from tflite_requant.samples import load_samples
from tflite_requant.study import study
from tflite_requant.testing import TensorSpec

RAW = "of the worse of the raw boxes and scores that post-processing reads"
OPTIONS = {
    "max_detections": 3, "max_classes_per_detection": 1, "detections_per_class": 3,
    "use_regular_nms": False, "nms_score_threshold": 0.1, "nms_iou_threshold": 0.5,
    "num_classes": 2, "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip


@pytest.fixture
def detector(folder):
    """detector.tflite, whose raw boxes and scores are convolved, and samples.npy."""
    net = Net()
    x = net.act("x", shape=(1, 6, 1, 4))
    ends = []
    for name, scale, zero, depth in (("boxes", 0.05, 128, 4), ("scores", 1 / 64, 30, 3)):
        wide = net.act(f"{name}/conv", scale, zero, shape=(1, 6, 1, depth))
        ends.append(net.act(name, scale, zero, shape=(1, 6, depth)))
        net.conv(x, wide)
        net.operator("RESHAPE", (wide,), (ends[-1],), {"new_shape": (1, 6, depth)})
    anchors = net.constant("anchors", np.arange(24).reshape(6, 4) * 9, 0.01, 7)
    shapes = ((1, 3, 4), (1, 3), (1, 3), (1,))
    told = [net.tensor(TensorSpec("float32", s, name=f"r{i}")) for i, s in enumerate(shapes)]
    custom = flexbuffer(OPTIONS)
    net.operator("TFLite_Detection_PostProcess", (*ends, anchors), told, custom_options=custom)
    np.save("samples.npy", np.random.default_rng(0).integers(0, 256, (4, 6, 1, 4)).astype(np.uint8))
    (folder / "detector.tflite").write_bytes(net.build((x,), told).to_bytes())


def requantized(*more):
    words = ["detector.tflite", "-s", "symmetric", "-o", "b.tflite", "--calibration", "samples.npy"]
    return main([*words, *more])


def test_sqnr_says_that_it_is_of_what_post_processing_reads(detector, capsys):
    assert requantized("--json") == 0
    (report,) = json.loads(capsys.readouterr().out)["results"]
    assert report["sqnr_of"] in [f"{RAW.removeprefix('of the ')}, {n}" for n in ("boxes", "scores")]
    assert requantized() == 0
    said = " ".join(capsys.readouterr().out.split())
    sqnr = at_most(report["numbers"]["sqnr"], 1)
    assert f"{sqnr} dB SQNR of the {report['sqnr_of']}, on 4 calibration samples" in said
    assert requantized("--require", "sqnr>=200") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f", of the {report['sqnr_of']}, on 4 samples" in said


def compared(capsys, *more):
    assert requantized("-q") == 0
    code = main(["compare", "detector.tflite", "b.tflite", "--inputs", "samples.npy", *more])
    return code, *(" ".join(text.split()) for text in capsys.readouterr())


def test_compare_has_the_same_number_under_a_name_of_its_own(detector, capsys):
    """`sqnr` is of what post-processing gives."""
    assert requantized("--json") == 0
    (report,) = json.loads(capsys.readouterr().out)["results"]
    wanted = report["numbers"]["sqnr"]
    _, out, _ = compared(capsys, "--json")
    (found,) = json.loads(out)["comparisons"]
    assert found["numbers"]["raw_sqnr"] == pytest.approx(wanted, abs=1e-9)
    _, out, _ = compared(capsys)
    told = out.partition("raw SQNR of what post-processing reads: ")[2]
    assert f"{wanted:.1f} dB" in told[:60] and told.startswith("boxes ") and ", scores " in told


@pytest.mark.parametrize("name, said", [("sqnr", True), ("raw_sqnr", False)])
def test_what_was_not_met_points_to_what_post_processing_reads(detector, capsys, name, said):
    code, _, err = compared(capsys, "-q", "--require", f"{name}>=200")
    assert code == 1 and f"{name}>=200 does not hold: it is " in err
    assert ("what it reads tells more, see raw_sqnr" in err) is said


def test_a_study_judges_by_the_same_tensors(detector, capsys):
    assert requantized("-q") == 0
    source = load("detector.tflite")
    found = study(source, load("b.tflite"), load_samples("samples.npy", source), "samples")
    names = [source.main.tensors[t].name for t in found.judged]
    assert (names, found.logits, found.raw) == (["boxes", "scores"], False, True)


def test_classes_and_counts_have_no_sqnr(detector):
    """They are float32, and numbers of things."""
    assert requantized("-q") == 0
    found = compare("detector.tflite", "b.tflite", "samples.npy")
    assert {t.name for t in found.outputs if t.sqnr is None} == {"r1", "r3"}
    assert found.numbers()["sqnr"] == min(t.sqnr for t in found.outputs if t.name in ("r0", "r2"))
