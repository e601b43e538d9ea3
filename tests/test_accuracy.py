"""The measures against their definitions, and against models whose distance is known."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from search_models import residual

from tflite_requant.accuracy import (
    Accuracy,
    AccuracyTable,
    log_softmax,
    measure,
    paired_interval,
)
from tflite_requant.accuracy.outcome import OutputAccuracy
from tflite_requant.errors import SampleError, UsageError
from tflite_requant.files import load
from tflite_requant.model import Edit, QParams, TensorType
from tflite_requant.report import accuracy
from tflite_requant.requantize import requantize
from tflite_requant.runtime import litert_available
from tflite_requant.samples import array_samples, load_arrays
from tflite_requant.schemes import load_scheme
from tflite_requant.statistics import default_calibration
from tflite_requant.testing import GraphBuilder, TensorSpec

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "examples" / "demo" / "digits_samples.npz"
ABOUT_IMAGES = "is about images; give a folder of them with --samples or --calibration"
needs_litert = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")


def logits_model(dtype="uint8", scale=0.5, zero_point=100, beta=1.0, passes=1):
    """x -> `passes` RESHAPEs -> SOFTMAX: the logits are the input."""
    graph = GraphBuilder()
    x = first = graph.tensor(TensorSpec(dtype, (1, 3), scale, zero_point))
    for _ in range(passes):
        y = graph.tensor(TensorSpec(dtype, (1, 3), scale, zero_point))
        graph.operator("RESHAPE", (x,), (y,), {"new_shape": (1, 3)})
        x = y
    low = 0 if dtype == "uint8" else -128
    p = graph.tensor(TensorSpec(dtype, (1, 3), 1 / 256, low))
    graph.operator("SOFTMAX", (x,), (p,), {"beta": beta})
    return graph.build((first,), (p,))


def without_softmax(model):
    edit = Edit(model)
    edit.subgraphs[0].remove_operator(len(model.main.operators) - 1)
    edit.subgraphs[0].outputs = [model.main.operators[-1].inputs[0]]
    return edit.commit()


LOGITS = np.array([[100, 102, 98], [90, 100, 99], [255, 0, 7], [104, 101, 100]], np.uint8)


def interpreted(source, results, array=LOGITS, labels=None):
    return measure(source, results, array_samples(array, source), labels, through="interpreter")


def test_the_same_values_are_exact_whatever_stores_them():
    source = logits_model()
    results = {
        "int8": logits_model("int8", 0.5, -28),
        "shifted mean": logits_model("uint8", 0.5, 90),
    }
    rows = interpreted(source, results, labels=[1, 1, 0, 2]).rows
    assert [r.name for r in rows] == ["int8", "shifted mean"]
    assert rows[0].sqnr == math.inf and rows[0].kl == 0 and rows[0].same_top1 == 1
    assert (rows[0].top1, rows[0].top1_change, rows[0].interval) == (0.75, 0, (0, 0))


def test_a_coarser_grid_costs_what_the_formulas_say():
    source, coarse = logits_model(), logits_model("int8", 4.0, 0)
    row = interpreted(source, {"coarse": coarse}, labels=[1, 1, 0, 0]).rows[0]
    z = (LOGITS.astype(float) - 100) * 0.5
    w = 4 * np.sign(z) * np.floor(np.abs(z) / 4 + 0.5)
    centred, other = z - z.mean(1, keepdims=True), w - w.mean(1, keepdims=True)
    sqnr = 10 * math.log10((centred**2).sum() / ((other - centred) ** 2).sum())
    p, q = (np.exp(v) / np.exp(v).sum(1, keepdims=True) for v in (z, w))
    assert row.sqnr == pytest.approx(sqnr, rel=1e-12)
    assert row.kl == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-9)
    assert row.same_top1 == np.mean(z.argmax(1) == w.argmax(1)) == 0.75
    assert (row.top1, row.top1_change) == (0.75, -0.25)


def test_a_gain_that_beta_undoes_is_no_error():
    source, halved = logits_model(), logits_model("uint8", 0.25, 100, beta=2.0)
    edit = Edit(halved)  # reads the source's integers, as a relabelled result does
    edit.subgraphs[0].retype(0, TensorType("uint8", QParams.of(0.5, 100)))
    row = interpreted(source, {"relabelled": edit.commit()}).rows[0]
    assert row.sqnr == math.inf and row.kl == 0


def test_models_that_are_no_classifiers():
    source = without_softmax(logits_model(passes=2))
    coarse = without_softmax(logits_model("int8", 4.0, 0, passes=2))
    table = interpreted(source, {"coarse": coarse, "itself": source})
    z = (LOGITS.astype(float) - 100) * 0.5
    w = 4 * np.sign(z) * np.floor(np.abs(z) / 4 + 0.5)
    (output,) = table.rows[0].outputs
    expected = 10 * math.log10((z**2).sum() / ((w - z) ** 2).sum())
    assert output.sqnr == pytest.approx(expected, rel=1e-12) and output.name == "t2"
    assert not table.classifier and table.rows[0].sqnr is None
    assert table.rows[1].outputs[0].sqnr == math.inf


def test_integers_without_a_scale_are_counted():
    def labels_model(scale):
        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("int8", (1, 3), scale, 0))
        axis = graph.tensor(TensorSpec("int32", data=np.array(1, np.int32)))
        y = graph.tensor(TensorSpec("int32", (1,)))
        graph.operator("ARG_MAX", (x, axis), (y,), {"output_type": "INT32"})
        return graph.build((x,), (y,))

    given = np.array([[0, 1, 3], [9, 0, 0], [5, 4, 0], [0, 1, 0]], np.int8)
    table = interpreted(labels_model(1.0), {"coarse": labels_model(4.0)}, given)
    assert table.rows[0].outputs[0].equal == 0.75  # [0, 1, 0] becomes [0, 0, 0]


@pytest.mark.parametrize(
    "labels, through", [([1], "litert"), (None, "tflm")], ids=["labels", "way"]
)
def test_requests_that_do_not_fit(labels, through):
    source = logits_model()
    with pytest.raises((SampleError, UsageError), match="4 samples|unknown way"):
        measure(source, {}, array_samples(LOGITS, source), labels, through=through)


def test_models_of_another_kind_are_refused():
    with pytest.raises(UsageError, match="different outputs"):
        interpreted(logits_model(), {"logits": without_softmax(logits_model())})


def test_logarithms_of_large_logits():
    assert np.allclose(np.exp(log_softmax(np.array([1e4, 1e4, -1e4]))), [0.5, 0.5, 0])


def test_the_interval_is_the_paired_bootstrap():
    rng = np.random.default_rng(3)
    old = rng.random(300) < 0.8
    new = old ^ (rng.random(300) < 0.05)
    low, high = paired_interval(new, old)
    picked = rng.integers(0, 300, (4000, 300))
    differences = (new[picked].astype(int) - old[picked]).mean(1)
    assert (low, high) == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=0.005)
    assert low < new.mean() - old.mean() < high
    assert paired_interval(new, old) == (low, high)
    assert paired_interval(old, old) == (0, 0)


@needs_litert
def test_litert_and_chunks(demo_model, monkeypatch):
    source = load(demo_model)
    arrays = load_arrays(SAMPLES)
    samples, labels = array_samples(arrays["test"][:40], source), arrays["test_labels"][:40]
    results = {"int8": requantize(source, "int8").model, "uint8": source}
    table = measure(source, results, samples, labels)
    assert table.rows[1].sqnr == math.inf and table.rows[0].sqnr > 15
    assert table.ceiling.sqnr > 15 and table.source_top1 > 0.9
    monkeypatch.setattr("tflite_requant.accuracy.table.CHUNK_BYTES", 20_000)
    assert measure(source, results, samples, labels) == table


@needs_litert
def test_the_tool_prints_the_demo(demo_model):
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model)]
    command += ["int8", "max78000", "--samples", str(SAMPLES)]
    command += ["--limit", "30", "--calibration-limit", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == demo_model.name
    assert lines[1] == "30 samples, LiteRT, default resolver, 4 calibration samples, seed 0"
    assert max(map(len, lines[:8])) <= 80
    assert [line.split()[0] for line in lines[5:8]] == ["source", "source,", "int8"]
    assert lines[8].startswith("max78000: cannot be put on scheme max78000")
    document = json.loads(
        subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout
    )
    (row,) = document[0]["results"]
    assert row["name"] == "int8" and f"{row['sqnr_db']:.2f}" == lines[7].split()[1]
    assert list(document[0]["refused"]) == ["max78000"]
    assert document[0]["random_samples"] is False


def test_the_tool_takes_options_seeds_and_tensors(demo_model):
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model)]
    command += ["symmetric+strict-meaning", "symmetric+correction=exact-grid", "max78000"]
    command += ["--samples", str(SAMPLES), "--limit", "8", "--calibration-limit", "4"]
    command += ["--through", "interpreter", "--seeds", "0,1", "--tensors", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["refused"].keys() == second["refused"].keys() == {"max78000"}
    plain, other = first["results"]
    assert plain["sqnr_db"] != other["sqnr_db"]
    assert len(first["tensors_sqnr_db"]["symmetric+strict-meaning"]) > 15


def test_several_seeds_are_summed_up():
    def table(*rows):
        found = [Accuracy(name, sqnr=sqnr, kl=kl, same_top1=1.0) for name, sqnr, kl in rows]
        return AccuracyTable(9, "LiteRT", True, None, None, tuple(found))

    first = table(("int8", 20.0, 0.01), ("symmetric", math.inf, 0.0))
    tables = [first, table(("int8", 21.0, 0.02))]
    assert [line.split() for line in accuracy.over_seeds(tables)] == [
        "2 seeds SQNR least most KL least most".split(),
        "int8 20.50 20.00 21.00 0.0150 0.0100 0.0200".split(),
        "symmetric exact exact exact 0.0000 0.0000 0.0000".split(),
    ]
    assert all(len(line) <= 80 for line in accuracy.over_seeds(tables))
    assert accuracy.over_seeds([AccuracyTable(9, "LiteRT", False, None, None, ())]) == []


@pytest.mark.parametrize("kind, rows", [("classes", 1), ("outputs", 2), ("seeds", 1)])
def test_a_long_name_has_a_line_above_its_figures(kind, rows):
    short, long = "a" * 31, "a" * 32
    ends = (OutputAccuracy("boxes", 20.0, 0.5), OutputAccuracy("scores", 30.0, 0.25))
    results = tuple(
        Accuracy(name, sqnr=20.0, kl=0.01, same_top1=1.0, outputs=ends) for name in (short, long)
    )
    table = AccuracyTable(9, "LiteRT", kind != "outputs", None, None, results)
    found = accuracy.over_seeds([table]) if kind == "seeds" else accuracy.lines(table)
    *before, above = found[-2 * rows - 1 : -rows]
    assert above == long and {line[:31] for line in before} == {short}
    assert [" " * 31 + line[31:] for line in before] == found[-rows:]
    assert all(len(line) <= 80 for line in found)


def test_the_tool_without_litert(demo_model, tmp_path):
    """A finder before all others hides the package."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'ai_edge_litert':\n"
        "            raise ModuleNotFoundError(name)\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'ai_edge_litert' else "
        "find(name, *rest)\n"
        "sys.meta_path.insert(0, Hidden)\n"
    )
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model), "int8"]
    command += ["--samples", f"{SAMPLES}:test", "--limit", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "accuracy: LiteRT is not installed: pip install '.[runtime]' in a checkout of "
        "tflite_requant; or measure --through interpreter"
    ]
    command += ["--through", "interpreter"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "our interpreter" in done.stdout


def test_the_tool_calibrates_as_the_program_does(tmp_path):
    """Without samples to calibrate on: each scheme by what the program takes for it."""
    model = residual()
    (tmp_path / "m.tflite").write_bytes(model.to_bytes())
    ways = {"int8": "prior", "symmetric-po2": "synthetic"}
    assert {s: default_calibration(model, load_scheme(s)) for s in ways} == ways
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(tmp_path / "m.tflite")]
    command += [*ways, "--samples", "random:2", "--through", "interpreter"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        "2 random samples, our interpreter, no data (analytic prior) for int8; no data (90 "
        "synthetic images) for symmetric-po2, seed 0"
    )


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param(["--samples", "no.npy"], "no.npy: cannot be read: no such file or directory",
                     id="no-file"),
        pytest.param(["--samples", str(SAMPLES), "--mean", "127.5", "--std", "127.5"],
                     f"--mean {ABOUT_IMAGES}", id="mean-of-arrays"),
        pytest.param(["--calibration", f"{SAMPLES}:calibration", "--std", "2"],
                     f"--std {ABOUT_IMAGES}", id="std-of-random"),
        pytest.param(["--samples", f"{SAMPLES}:test", "--crop", "1"], f"--crop {ABOUT_IMAGES}",
                     id="crop-of-arrays"),
    ],
)  # fmt: skip
def test_the_tool_says_what_is_wrong_in_one_line(demo_model, words, said):
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model), "int8"]
    command += ["--through", "interpreter", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [f"accuracy: {said}"]


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param(["int8", "symetric"], "unknown scheme 'symetric', did you mean symmetric?",
                     id="scheme"),
        pytest.param(["int8, symmetric+keep-io"],
                     "int8, symmetric+keep-io: schemes are separate words here: int8 symmetric",
                     id="schemes-in-one-word"),
        pytest.param(["int8", "symmetric+wings"], "symmetric+wings: no option 'wings'",
                     id="option"),
        pytest.param(["int8", "none.toml"], "none.toml: cannot be read", id="scheme-file"),
        pytest.param(["int8", "none.tflite"], "none.tflite: cannot be read", id="model"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_told_before_anything_is_measured(demo_model, words, said):
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model), *words]
    command += ["--through", "interpreter", "--samples", "random:1000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"accuracy: {said}")


def test_random_samples_are_told(demo_model):
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model), "int8"]
    command += ["--through", "interpreter", "--calibration", "prior"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("32 random samples, our interpreter, ")
    done = subprocess.run([*command, "--samples", "random:3", "--json"], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert json.loads(done.stdout)[0]["random_samples"] is True
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "default random:32" in " ".join(done.stdout.split())


def test_the_tool_tells_what_looks_odd_about_samples(demo_model, tmp_path):
    np.save(tmp_path / "one.npy", np.load(SAMPLES)["test"][0])
    command = [sys.executable, str(ROOT / "tools" / "accuracy"), str(demo_model), "int8"]
    command += ["--through", "interpreter", "--samples", str(tmp_path / "one.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith(f"accuracy: {tmp_path / 'one.npy'}: array of shape")
    if sys.platform == "linux":
        with open("/dev/full", "w") as full:
            unheard = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True)
        assert (unheard.returncode, unheard.stdout) == (0, done.stdout)
