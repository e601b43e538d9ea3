"""JSON that leaves the program is what schema/ says."""

import json
from pathlib import Path

import pytest

import tflite_requant as tr
from tflite_requant.cli import main
from tflite_requant.memory import memory_of
from tflite_requant.report.numbers import NUMBERS
from tflite_requant.requantize import CORRECTIONS
from tflite_requant.schemes import preset_names

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = Path(__file__).resolve().parents[2] / "schema" / "report.schema.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def problems(validator, text: str) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in validator.iter_errors(json.loads(text))]


def test_demo_under_every_scheme(demo_model, folder, capsys, validator):
    schemes = ",".join(n for n in preset_names() if n != "max78000")
    assert main([str(demo_model), "-s", schemes, "-o", ".", "--json"]) == 0
    assert problems(validator, capsys.readouterr().out) == []


@pytest.mark.parametrize("keep", [False, True], ids=["free", "kept"])
def test_inputs_and_outputs(tiny, capsys, keep):
    words = ["tiny.tflite", "-s", "symmetric", "-o", "y.tflite", "--json"]
    assert main(words + ["--keep-io"] * keep) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    old, new = tr.load("tiny.tflite"), tr.load("y.tflite")
    for side in ("inputs", "outputs"):
        for told, a, b in zip(result[side], getattr(old, side), getattr(new, side), strict=True):
            assert (told["name"], told["index"], told["dtype"]) == (a.name, a.index, a.dtype)
            assert (told["scale"], told["zero_point"]) == (a.qparams.scale, a.qparams.zero_point)
            assert told["new_dtype"] == b.dtype == ("uint8" if keep else "int8")
            grid = told["new_scale"], told["new_zero_point"]
            assert grid == (b.qparams.scale, b.qparams.zero_point)


def test_relabelled_tensors_have_what_the_metadata_say(demo_model, folder, capsys):
    words = [str(demo_model), "-s", "symmetric-po2", "-o", "y.tflite", "--json"]
    assert main(words) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    rows = [t for t in result["tensors"] if t["kept"] == "relabelled"]
    told = {e["tensor"]: e for e in memory_of(tr.load("y.tflite"))["relabelled"]}
    assert rows and {t["index"] for t in rows} == told.keys()
    for row in rows:
        entry = told[row["index"]]
        assert (row["gain"], row["offset"]) == (entry["gain"], entry["offset"])
        assert row["new_scale"] / row["gain"] == entry["scale"]


def test_study(demo_model, folder, capsys, validator):
    words = [str(demo_model), "-s", "symmetric-po2", "-o", ".", "--json", "--report", "r.json"]
    assert main(words) == 0
    assert problems(validator, capsys.readouterr().out) == []
    assert problems(validator, Path("r.json").read_text("utf-8")) == []


def test_calibrated(demo_model, folder, capsys, validator):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    words = [str(demo_model), "-s", "symmetric", "-o", ".", "--json", "--calibration", samples]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert problems(validator, out) == []
    assert any("clamp_hits" in op for op in json.loads(out)["results"][0]["operators"])


def test_refusal(tiny, capsys, validator):
    Path("only.toml").write_text('name = "only"\n[operators]\nallow = ["SOFTMAX"]\n')
    assert main(["tiny.tflite", "-s", "int8,only.toml", "--json"]) == 1
    assert problems(validator, capsys.readouterr().out) == []


def test_unmet(tiny, capsys, validator):
    assert main(["tiny.tflite", "--json", "--require", "exact_weights>100"]) == 1
    out = capsys.readouterr().out
    assert problems(validator, out) == []
    (unmet,) = json.loads(out)["results"][0]["unmet"]
    assert unmet.startswith("exact_weights>100 does not hold")


def test_schema_sees_what_is_wrong(tiny, capsys, validator):
    assert main(["tiny.tflite", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    document["results"][0]["operators"][0]["exactness"] = "perfect"
    assert problems(validator, json.dumps(document)) != []


def test_schema_knows_every_number_and_correction(validator):
    report = validator.schema["$defs"]["report"]["properties"]
    assert report["numbers"]["required"] == list(NUMBERS)
    assert report["corrections"]["items"]["enum"] == list(CORRECTIONS)


def test_numbers_are_shares_of_the_rows(demo_model, folder, capsys):
    assert main([str(demo_model), "-o", ".", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    rows = result["operators"]
    exact = 100 * sum(op["exact_channels"] for op in rows) / sum(op["channels"] for op in rows)
    assert result["numbers"]["exact_channels"] == exact
    identical = sum(op["exactness"] == "bit-identical" for op in rows)
    assert result["numbers"]["bit_identical_operators"] == 100 * identical / len(rows)
    assert result["numbers"]["result_bytes"] == Path(result["output"]).stat().st_size
