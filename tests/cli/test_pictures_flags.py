"""`--mean`, `--std`, `--crop`, and what a flag for samples says of what it does not take."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.testing import GraphBuilder, TensorSpec

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def here(folder):
    """small.tflite, int8 [1, 4, 4, 3] with reals -1.5..0.992 that pixels do not fill, and photos/
    with one image: 40 everywhere, 200 in the middle half."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 4, 4, 3), 1 / 100, 50, name="x"))
    w = graph.tensor(TensorSpec("int8", scale=0.02, name="w", data=np.ones((2, 1, 1, 3), np.int8)))
    b = graph.tensor(TensorSpec("int32", scale=0.0002, name="b", data=[0, 0]))
    y = graph.tensor(TensorSpec("int8", (1, 4, 4, 2), 0.05, 3, name="y"))
    graph.operator("CONV_2D", (x, w, b), (y,), {"stride_w": 1, "stride_h": 1})
    Path("small.tflite").write_bytes(graph.build((x,), (y,)).to_bytes())
    Path("photos").mkdir()
    pixels = np.full((8, 8, 3), 40, np.uint8)
    pixels[2:6, 2:6] = 200
    Image.fromarray(pixels).save("photos/a.png")
    np.save("x.npy", np.zeros((1, 4, 4, 3), np.int8))
    return folder


@pytest.mark.parametrize(
    "flags, pixel, mean, std",
    [
        pytest.param("--mean 128 --std 255 --crop 0.5", 200, 128, 255, id="one-number"),
        pytest.param("--mean 100,128,90 --std 200,255,300 --crop 0.5", 200, (100, 128, 90),
                     (200, 255, 300), id="one-a-channel"),
    ],
)  # fmt: skip
def test_pixels_become_real_values(here, flags, pixel, mean, std):
    words = "run small.tflite --inputs photos -o y.npz --keep x".split()
    assert main([*words, *flags.split()]) == 0
    real = (pixel - np.broadcast_to(np.array(mean), 3)) / np.array(std)
    with np.load("y.npz") as found:
        x = found["x"]
    assert x.shape == (1, 1, 4, 4, 3)
    assert (x == np.rint(real * 100 + 50).astype(np.int8)).all()


COMMANDS = {
    "requantize": "small.tflite --calibration photos",
    "run": "run small.tflite --inputs photos",
    "compare": "compare small.tflite small.tflite --inputs photos",
    "golden": "golden small.tflite -o vectors --inputs photos",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_that_reads_images_takes_the_flags(here, capsys, words):
    assert main(words.split()) == 2
    said = " ".join(messages(capsys.readouterr().err))
    assert "what pixels mean is unknown" in said and "--mean and --std" in said
    assert main([*words.split(), "--mean", "128", "--std", "255"]) == 0


FITTING = "--mean 178 --std 100"  # (0 - 178) / 100 and (255 - 178) / 100 are the ends of the range
# flags -> what is wrong with the real values
SCALED_OTHERWISE = {
    "--mean 0.5 --std 0.5": "real values in [-1, 509] leave (100% of them) the range [-1.78, 0.77]",
    "--mean 0 --std 1": "real values in [0, 255] leave (100% of them) the range",
    "--mean 40,40,1000 --std 255": "leave (33% of them) the range",
    "--mean 0 --std 25500": "real values in [0, 0.01] use almost nothing of the range",
    "--mean 0 --std 255": "real values look like pictures scaled to [0, 1], but those of tensor 0 "
    "x are [-1.78, 0.77]",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_real_values_that_do_not_fit_are_refused_as_those_of_an_array(here, capsys, words):
    for flags, said in SCALED_OTHERWISE.items():
        assert main([*words.split(), *flags.split()]) == 2, flags
        (line,) = messages(capsys.readouterr().err)
        assert line.startswith("photos, middle 87.5 %, mean "), line
        assert said in line and line.endswith(f"; pixels 0 to 255 fill that with {FITTING}"), line
    assert main([*words.split(), *FITTING.split()]) == 0


def test_the_tool_that_measures_refuses_them_too(here):
    tool = Path(__file__).resolve().parents[2] / "tools" / "accuracy"
    words = "small.tflite symmetric --through interpreter --samples photos --mean 0 --std 1"
    done = subprocess.run(
        [sys.executable, tool, *words.split()], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"pixels 0 to 255 fill that with {FITTING}")


def image_model(scale: float, zero_point: int, dtype: str) -> None:
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec(dtype, (1, 4, 4, 3), scale, zero_point, name="x"))
    y = graph.tensor(TensorSpec(dtype, (1, 48), scale, zero_point, name="y"))
    graph.operator("RESHAPE", (x,), (y,), {"new_shape": (1, 48)})
    Path("other.tflite").write_bytes(graph.build((x,), (y,)).to_bytes())


@pytest.mark.parametrize(
    "scale, zero_point, fitting",
    [(1 / 128, 128, "--mean 128 --std 128"), (1.0, 0, "--mean 0 --std 1")],
    ids=["-1..1", "0..255"],
)
def test_pixels_that_fill_the_range_need_no_flags(here, capsys, scale, zero_point, fitting):
    image_model(scale, zero_point, "uint8")
    assert main("run other.tflite --inputs photos --mean 100 --std 0.1".split()) == 2
    (line,) = messages(capsys.readouterr().err)
    assert line.endswith(f"fill that with {fitting}, or without the two flags")


def test_what_may_be_meant_is_a_warning(here, capsys):
    image_model(0.02, 0, "int8")
    assert main("run other.tflite --inputs photos --mean 0 --std 255".split()) == 0
    (line,) = messages(capsys.readouterr().err)
    assert line.startswith("warning: photos, middle 87.5 %, mean 0, std 255: real values look like")
    assert line.endswith("pixels 0 to 255 fill that with --mean 128 --std 50, or without the two "
                         "flags")  # fmt: skip


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param("run small.tflite --inputs x.npy --crop 1", "--crop is about images",
                     id="crop-of-an-array"),
        pytest.param("small.tflite --mean 1 --std 2", "--mean is about images; give a folder of "
                     "them with --calibration", id="no-calibration"),
        pytest.param("run small.tflite --inputs photos --mean 1", "mean and std go together",
                     id="mean-alone"),
        pytest.param("run small.tflite --inputs photos --mean 1,nan --std 1", "'1,nan': need a num",
                     id="not-finite"),
        pytest.param("run small.tflite --inputs photos --mean 1,2 --std 1", "need 1 or 3",
                     id="two-of-three"),
        pytest.param("small.tflite --calibration pryor", "did you mean prior?; need a .npy or .npz "
                     "file, a folder of images, prior, synthetic[:N] or random:N", id="pryor"),
        pytest.param("small.tflite --calibration syntetic", "did you mean synthetic[:N]?",
                     id="syntetic"),
        pytest.param("run small.tflite --inputs random", "did you mean random:N?; need a .npy or "
                     ".npz file, a folder of images or random:N", id="random-of-inputs"),
    ],
)  # fmt: skip
def test_what_does_not_fit(here, capsys, words, said):
    assert main(words.split()) == 2
    assert said in " ".join(messages(capsys.readouterr().err))


@pytest.mark.parametrize(
    "flags, told",
    [
        ("--mean 128 --std 255", "middle 87.5 %, mean 128, std 255"),
        ("--mean 1.5,2,3 --std 255 --crop 0.5", "middle 50 %, mean 1.5 2 3, std 255"),
    ],
    ids=["crop-of-no-flag", "one-a-channel"],
)
def test_a_report_tells_what_was_done_to_images(here, capsys, flags, told):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    words = f"small.tflite -s symmetric -o y.tflite --calibration photos {flags}".split()
    assert main([*words, "--report", "r.html", "--report", "r.json"]) == 0
    said = f"1 calibration sample of images, {told}"
    assert f"statistics {said}" in " ".join(capsys.readouterr().out.split())
    (report,) = json.loads(Path("r.json").read_text("utf-8"))["results"]
    assert report["data"] == said
    page = Path("r.html").read_text("utf-8")
    assert f"<dt>statistics</dt><dd>{said}</dd>" in page
    given = dict(zip(words[7::2], words[8::2], strict=True))
    assert sorted(given) == sorted(f for f in flags.split() if f.startswith("--"))
    for flag, value in given.items():
        shown = value.replace(",", ", ")
        assert f"<dt>{flag.removeprefix('--')}</dt><dd>{shown}</dd>" in page


def test_random_calibration_is_in_the_help():
    from tflite_requant.cli.parser import parser_of

    assert "random:N" in parser_of("requantize").format_help()
