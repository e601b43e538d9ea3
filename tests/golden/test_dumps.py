"""A dump with one fault injected: the diagnosis names that fault."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.cli import main
from tflite_requant.errors import UsageError
from tflite_requant.fixedpoint.multiplier import rescale_double
from tflite_requant.golden import compare_dump
from tflite_requant.golden.formats import npy_bytes
from tflite_requant.golden.readers import read_array
from tflite_requant.golden.request import Request
from tflite_requant.golden.rescale import rescales_of
from tflite_requant.golden.rounder import rounder_of
from tflite_requant.golden.taps import taps_of
from tflite_requant.golden.unit import unit_of
from tflite_requant.testing import TensorSpec, one_operator_model

RNG = np.random.default_rng(11)


def conv(dtype="int8", zeros=(-7, 5), scales=None):
    """3x3 CONV_2D with SAME padding and bounds on both sides of 0, per-axis multipliers."""
    weights = RNG.integers(-90, 90, (6, 3, 3, 2))
    s_w = np.array(scales or [0.011, 0.02, 0.005, 0.013, 0.008, 0.017])
    bias = RNG.integers(-90000, 90000, 6)
    return one_operator_model(
        "CONV_2D",
        [
            TensorSpec(dtype, (1, 9, 9, 2), 0.05, zeros[0]),
            TensorSpec("int8", scale=s_w, data=weights),
            TensorSpec("int32", scale=s_w * 0.05, data=bias),
        ],
        [TensorSpec(dtype, (1, 9, 9, 6), 0.1, zeros[1])],
        {
            "padding": "SAME",
            "stride_w": 1,
            "stride_h": 1,
            "fused_activation_function": "RELU_N1_TO_1",
        },
    )


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dumps") / "set"
    model = conv()
    tr.write_golden_vectors(model, folder=folder, formats=("npy", "hex"), directed=24)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return folder, model, manifest


def roll(values):
    return values[..., np.array([0, 2, 1, 3, 5, 4])]


def of_rescale(change):
    """A fault between accumulator and output: change(rounder, rescale, accumulator) -> output."""

    def fault(unit, stimuli, stages):
        rounder, (rescale,) = rounder_of(unit), rescales_of(unit)
        made = change(rounder, rescale, stages["accumulator"].astype(np.int64))
        return {"output": made.astype(stages["output"].dtype)}

    return fault


def of_accumulator(change):
    """A fault before the rescale, seen in accumulators and outputs."""

    def fault(unit, stimuli, stages):
        rounder = rounder_of(unit)
        a = change(unit, stimuli, stages["accumulator"].astype(np.int64))
        return {
            "accumulator": a.astype(np.int32),
            "output": rounder.shown(rounder.value(a)).astype(stages["output"].dtype),
        }

    return fault


def slow_conv(unit, stimuli, beyond: int) -> np.ndarray:
    """The accumulator by loops over taps, with a stored value of its own beyond the border."""
    data, weights, bias = (unit.operands(stimuli).input(p) for p in range(3))
    zero = data.qparams.zero_points[0]
    wide = np.pad(data.integers.astype(np.int64), ((0, 0), (1, 1), (1, 1), (0, 0)),
                  constant_values=beyond) - zero  # fmt: skip
    found = np.zeros((1, 9, 9, 6), np.int64) + bias.integers
    for row in range(3):
        for column in range(3):
            part = wide[:, row : row + 9, column : column + 9]
            found += part @ weights.integers[:, row, column].astype(np.int64).T
    return found


FAULTS = {
    "negative-ties-up": (
        "rounding", "negative ties of the last step go up",
        of_rescale(lambda r, s, a: r.shown(s.apply(a, "double-up"))),
    ),
    "rounded-once": (
        "rounding", "rounded once",
        of_rescale(lambda r, s, a: r.shown((a * s.multiplier + (1 << (30 - s.shift)))
                                           >> (31 - s.shift))),
    ),
    "truncated": (
        "rounding", "bits are dropped, towards minus infinity",
        of_rescale(lambda r, s, a: r.shown((a * s.multiplier) >> (31 - s.shift))),
    ),
    "channels": (
        "channels", "1 holds 2, 2 holds 1, 4 holds 5, 5 holds 4",
        lambda unit, stimuli, stages: {k: roll(stages[k]) for k in ("accumulator", "output")},
    ),
    "input-zero-point": (
        "zero-point", "that of the input (-7) is not taken off",
        of_accumulator(lambda u, x, a: a - 7 * taps_of(u).weights.sum(axis=1)),
    ),
    "output-zero-point": (
        "zero-point", "that of the output (5) is not added",
        of_rescale(lambda r, s, a: np.clip(s.apply(a), r.low, r.high)),
    ),
    "padding": (
        "padding", "stored 0 is read beyond the border, not -7",
        of_accumulator(lambda u, x, a: slow_conv(u, x, 0)),
    ),
    "upper-bound": (
        "saturation", "the type's, -128..127, not -5..15",
        of_rescale(lambda r, s, a: np.clip(s.apply(a) + 5, -128, 127)),
    ),
    "bound-by-one": (
        "saturation", "the upper one is 14, not 15",
        of_rescale(lambda r, s, a: np.clip(s.apply(a) + 5, -5, 14)),
    ),
    "byte-order": (
        "byte-order", "the bytes of each element are reversed",
        lambda unit, stimuli, stages: {"accumulator": stages["accumulator"].byteswap()},
    ),
    "bias": (
        "bias", "it is not added",
        of_accumulator(lambda u, x, a: a - taps_of(u).bias),
    ),
    "width": (
        "width", "it wraps around at 16 bits",
        of_accumulator(lambda u, x, a: a.astype(np.int16).astype(np.int64)),
    ),
    "shift": (
        "shift", "one bit too far to the right",
        of_rescale(lambda r, s, a: r.shown(
            rescale_double(a, s.multiplier, s.shift - 1))),
    ),
    "multiplier": (
        "multiplier", "that of channel 0 is used for every channel",
        of_rescale(lambda r, s, a: r.shown(
            rescale_double(a, s.multiplier[0], s.shift[0]))),
    ),
    "layout": (
        "layout", "the elements are in nchw order",
        lambda unit, stimuli, stages: {
            "output": stages["output"].transpose(0, 3, 1, 2).reshape(stages["output"].shape)
        },
    ),
}  # fmt: skip


def dumped(golden, fault, target: Path) -> Path:
    """A dump of every case with a fault, as .npy."""
    folder, model, manifest = golden
    (operator,) = manifest["operators"]
    unit = unit_of(model, model.main.operators[0], operator["arithmetic"])
    request = Request.of(manifest["request"])
    for case in operator["cases"]:
        entries = {a["name"]: a for a in case["arrays"]}
        stimuli = {0: read_array(folder, entries["input"], request)}
        for name, values in fault(unit, stimuli, unit.stages(stimuli)).items():
            path = target / entries[name]["files"]["npy"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(npy_bytes(values))
    return target


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named(golden, name, tmp_path):
    kind, said, fault = FAULTS[name]
    report = compare_dump(golden[0], dumped(golden, fault, tmp_path))
    assert report.findings, "nothing differs: the vectors do not reach this fault"
    for finding in report.findings:
        assert finding.causes, finding.facts
        kinds = {k for k, _ in finding.causes}
        assert any(k == kind and said in text for k, text in finding.causes), finding.causes
        assert kinds == {kind}, finding.causes


def test_no_fault(golden, tmp_path):
    right = dumped(golden, lambda unit, stimuli, stages: dict(stages), tmp_path)
    report = compare_dump(golden[0], right)
    assert report.passed and report.arrays == 3 * len(golden[2]["operators"][0]["cases"])


def test_an_unknown_fault_is_described(golden, tmp_path):
    def fault(unit, stimuli, stages):
        output = stages["output"].copy()
        output[0, 4, 4, 3] ^= 1
        return {"output": output}

    report = compare_dump(golden[0], dumped(golden, fault, tmp_path))
    (finding,) = report.findings
    assert finding.causes == [] and "1 of 6 channels: 3" in finding.facts
    assert finding.first.startswith("000-00 at [0, 4, 4, 3]: ")


def test_a_fault_of_one_lane(golden, tmp_path):
    def fault(unit, stimuli, stages):
        output = stages["output"].copy()
        output[..., 4] = FAULTS["truncated"][2](unit, stimuli, stages)["output"][..., 4]
        return {"output": output}

    report = compare_dump(golden[0], dumped(golden, fault, tmp_path))
    (finding,) = report.findings
    told = "in channel 4 only, rounding mode: bits are dropped, towards minus infinity"
    assert finding.causes == [("rounding", told)]


def test_negative_ties_are_all_off_by_one(golden, tmp_path):
    report = compare_dump(golden[0], dumped(golden, FAULTS["negative-ties-up"][2], tmp_path))
    (finding,) = report.findings
    assert finding.facts[:2] == ["all are off by one", "all are at negative ties"]


def test_hex_dump_on_the_command_line(golden, folder, capsys):
    """A bench's $writememh file, in place of the set's own."""
    source, _, manifest = golden
    path = manifest["operators"][0]["cases"][0]["arrays"][-1]["files"]["hex"]
    target = folder / "dump" / path
    target.parent.mkdir(parents=True)
    shutil.copy(source / path, target)
    assert main(["golden", "--verify", str(source), "--actual", "dump"]) == 0
    capsys.readouterr()
    lines = (source / path).read_text().splitlines()
    words = [w for line in lines for w in line.split("//")[0].split()]
    wrong = [f"{min(int(w, 16), 14):02x}" if int(w, 16) < 128 else w for w in words]
    target.write_text("// written by a simulator\n@00000000\n" + "\n".join(wrong) + "\n")
    assert main(["golden", "--verify", str(source), "--actual", "dump"]) == 1
    out = capsys.readouterr().out
    assert "saturation bound: the upper one is 14, not 15" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= max(80, len(str(source)))


@pytest.mark.parametrize(
    "content, said",
    [
        pytest.param(None, "nothing to compare", id="empty"),
        pytest.param("zz\n", "does not hold output", id="no-hex"),
        pytest.param("00 01 02\n", "does not hold output: 3 elements, needs 486$", id="short"),
    ],
)
def test_unusable_dumps(golden, tmp_path, content, said):
    path = tmp_path / golden[2]["operators"][0]["cases"][0]["arrays"][-1]["files"]["hex"]
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    with pytest.raises(UsageError, match=said):
        compare_dump(golden[0], tmp_path)


@pytest.mark.parametrize(
    "form, content, said",
    [
        pytest.param("bin", b"123", "3 bytes are no whole number of int16", id="bin-half"),
        pytest.param("bin", b"1234", "2 elements, needs 6", id="bin-short"),
        pytest.param("hex", b"0001 0002", "2 elements, needs 6", id="hex-short"),
        pytest.param("c", b"const int16_t y_y[2] = {1, 2};", "2 elements, needs 6", id="c-short"),
    ],
)
def test_files_that_are_too_short(tmp_path, form, content, said):
    """In the words of no library."""
    (tmp_path / "y").write_bytes(content)
    entry = {"name": "y", "dtype": "int16", "shape": [1, 6], "files": {form: "y"}}
    with pytest.raises(UsageError, match=f"y: does not hold y: {said}$"):
        read_array(tmp_path, entry, Request())
