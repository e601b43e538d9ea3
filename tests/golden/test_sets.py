"""Sets of golden vectors: what is in them, that they repeat, and that no changed bit escapes."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.cli import main
from tflite_requant.cli.golden import WRITING
from tflite_requant.cli.parser import parser_of
from tflite_requant.errors import UsageError
from tflite_requant.golden import verify_golden_vectors
from tflite_requant.golden.describe import attributes_value
from tflite_requant.golden.folder import files_below
from tflite_requant.golden.hexfile import parse_hex
from tflite_requant.golden.layout import restore
from tflite_requant.testing import TensorSpec, one_operator_model

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "demo" / "digits_qat_uint8.tflite"
FORMATS = ("npz", "npy", "bin", "hex", "c")
SETS = {
    "isolated": {
        "inputs": None, "formats": FORMATS, "directed": 3,
        "layers": ("0", "6", "SOFTMAX", "^pool$"),
    },
    "chained": {"inputs": "random:2", "formats": ("npz",)},
    "blocked": {
        "inputs": None, "formats": ("hex", "bin", "npz"), "layers": (0, 6), "layout": "nc4hw4",
        "hex_elements": 4, "hex_order": "big", "directed": 2,
    },
    "planar": {"inputs": "random:1", "formats": ("bin", "npz"), "layers": (1,), "layout": "nchw"},
}  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    """A set of each kind; no test changes them."""
    folder = tmp_path_factory.mktemp("golden")
    for name, options in SETS.items():
        tr.write_golden_vectors(DEMO, folder=folder / name, **options)
    return {name: folder / name for name in SETS}


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def arrays_of(manifest: dict):
    for operator in manifest["operators"]:
        yield from operator["constants"]
        for case in operator["cases"]:
            yield from case["arrays"]


def test_options_that_say_nothing_are_left_out():
    options = {"quantized_bias_type": "FLOAT32", "padding": "SAME", "stride_w": np.int32(2)}
    assert attributes_value(options) == {"padding": "SAME", "stride_w": 2}
    assert attributes_value({"quantized_bias_type": "INT32"}) == {"quantized_bias_type": "INT32"}


@pytest.mark.parametrize("name", SETS)
def test_manifest_is_what_the_schema_says(sets, name):
    schema = json.loads((ROOT / "schema" / "golden.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    found = list(validator.iter_errors(manifest_of(sets[name])))
    assert [f"{e.json_path}: {e.message}" for e in found] == []


@pytest.mark.parametrize("name", SETS)
def test_files_are_those_of_the_manifest(sets, name):
    manifest = manifest_of(sets[name])
    assert sorted([f["path"] for f in manifest["files"]] + ["manifest.json"]) == files_below(
        sets[name]
    )
    named = {path for array in arrays_of(manifest) for path in array["files"].values()}
    assert named <= {f["path"] for f in manifest["files"]}


@pytest.mark.parametrize("name", SETS)
def test_written_twice(sets, name, tmp_path):
    tr.write_golden_vectors(DEMO, folder=tmp_path / "again", **SETS[name])
    assert files_below(tmp_path / "again") == files_below(sets[name])
    for path in files_below(sets[name]):
        assert (tmp_path / "again" / path).read_bytes() == (sets[name] / path).read_bytes(), path


@pytest.mark.parametrize("name", SETS)
def test_verified(sets, name):
    found = verify_golden_vectors(sets[name])
    assert found.problems == ()
    assert found.files == len(files_below(sets[name]))


def values_in(folder: Path, manifest: dict, array: dict, name: str) -> np.ndarray:
    """An array as one of its files holds it."""
    path = folder / array["files"][name]
    dtype, shape = np.dtype(array["dtype"]), tuple(array["shape"])
    request = manifest["request"]
    raw = f"u{dtype.itemsize}" if dtype.kind in "fb" else dtype
    if name == "npz":
        with np.load(path) as archive:
            return archive[array["name"]]
    if name == "npy":
        return np.load(path)
    if name == "bin":
        flat = np.frombuffer(path.read_bytes(), dtype.newbyteorder("<"))
        return restore(flat, request["layout"], shape)
    if name == "hex":
        words = request["hex_elements"], request["hex_order"]
        return parse_hex(path.read_bytes(), raw, shape, request["layout"], *words).view(dtype)
    symbol = path.stem.removesuffix("_constants") + "_" + array["name"]
    body = re.search(rf"\b{symbol}\[\d+\] GOLDEN_ALIGNED = {{(.*?)}};", path.read_text(), re.S)
    words = [w.strip() for w in body[1].split(",") if w.strip()]
    if dtype.kind == "f":
        return np.array([float.fromhex(w.rstrip("f")) for w in words], dtype).reshape(shape)
    return np.array([eval(w.replace("LL", "")) for w in words], dtype).reshape(shape)


@pytest.mark.parametrize("name", SETS)
def test_every_format_holds_the_same(sets, name):
    manifest = manifest_of(sets[name])
    compared = 0
    for array in arrays_of(manifest):
        expected = values_in(sets[name], manifest, array, "npz")
        assert (list(expected.shape), str(expected.dtype)) == (array["shape"], array["dtype"])
        for other in set(array["files"]) - {"npz"}:
            found = values_in(sets[name], manifest, array, other)
            np.testing.assert_array_equal(found, expected, err_msg=array["files"][other])
            compared += 1
    assert (compared > 0) == (len(SETS[name]["formats"]) > 1)


def test_chained_outputs_are_the_interpreters(sets):
    folder = sets["chained"]
    manifest = manifest_of(folder)
    samples = np.load(folder / "inputs" / "0.npy")
    interpreter = tr.Interpreter(DEMO, fast=False)
    for number, sample in enumerate(samples):
        kept = interpreter.run([sample], keep="all")
        for operator in manifest["operators"]:
            case = operator["cases"][number]
            with np.load(folder / case["arrays"][0]["files"]["npz"]) as archive:
                np.testing.assert_array_equal(
                    archive["output"], kept[operator["outputs"][0]["tensor"]]
                )
    assert len(manifest["operators"]) == 21


def flip(path: Path, where: float) -> None:
    data = bytearray(path.read_bytes())
    data[min(int(len(data) * where), len(data) - 1)] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", SETS)
def test_a_changed_bit_is_named(sets, name, tmp_path):
    """One file of each ending and folder depth at a time, its first, middle or last byte."""
    paths = files_below(sets[name])
    kinds = {(Path(p).suffix, p.count("/"), p.split("/")[-1][:4]): p for p in paths}
    chosen = list(dict.fromkeys([*list(kinds.values())[:10], "manifest.json", "model.tflite"]))
    work = tmp_path / "set"
    shutil.copytree(sets[name], work)
    for number, path in enumerate(chosen):
        flip(work / path, (0.0, 0.5, 1.0)[number % 3])
        try:
            found = verify_golden_vectors(work)
            named = [p for p, _ in found.problems]
        except UsageError as error:
            assert path == "manifest.json"
            named = [path] if "manifest.json" in str(error) else []
        shutil.copy(sets[name] / path, work / path)
        assert path in named
        assert named == [path] or path == "manifest.json"


def test_every_bit_of_a_small_manifest(tmp_path, sets):
    """No digit, letter or space of the manifest may change unseen."""
    work = tmp_path / "set"
    tr.write_golden_vectors(DEMO, folder=work, layers=("19",), directed=1, random=0)
    whole = (work / "manifest.json").read_bytes()
    for at in range(0, len(whole), 97):
        (work / "manifest.json").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            named = [p for p, _ in verify_golden_vectors(work).problems]
        except UsageError as error:
            named = ["manifest.json"] if "manifest.json" in str(error) else []
        assert "manifest.json" in named, whole[max(at - 30, 0) : at + 30]


def test_missing_and_added_files(sets, tmp_path):
    work = tmp_path / "set"
    shutil.copytree(sets["planar"], work)
    gone = next(p for p in files_below(work) if p.endswith("output.bin"))
    (work / gone).unlink()
    (work / "notes.txt").write_text("mine")
    found = verify_golden_vectors(work)
    assert found.problems == tuple(
        sorted([(gone, "is missing"), ("notes.txt", "does not belong to the set")])
    )


def test_command_line(folder, capsys):
    words = ["golden", str(DEMO), "-o", "set", "--layers", "6", "--formats", "npz,hex"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "litert-reference" in out and max(map(len, out.splitlines())) <= 80 + len(str(DEMO))
    assert main(["golden", "--verify", "set"]) == 0
    assert "every byte is as computed" in capsys.readouterr().out
    flip(folder / "set" / "006_add" / "00_random_0" / "output.hex", 0.9)
    assert main(["golden", "--verify", "set"]) == 1
    assert "006_add/00_random_0/output.hex differs: byte" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param(["--layers", "99"], "operators 0 to 20", id="index"),
        pytest.param(["--layers", "5-99"], "operators 0 to 20", id="range"),
        pytest.param(["--layers", "5-2"], "--layers 5-2: the range is reversed; say 2-5",
                     id="range-reversed"),
        pytest.param(["--layers", "nothing$"], "no operator of that type", id="name"),
        pytest.param(["--layers", "("], "no regular expression", id="expression"),
        pytest.param(["--formats", "vhdl"], "unknown format 'vhdl'", id="format"),
        pytest.param(["--formats", "npz,npz"], "need each once", id="twice"),
        pytest.param(["--layout", "nhcw"], "unknown layout 'nhcw'", id="layout"),
        pytest.param(["--hex-elements", "3"], "3 elements a hex word", id="elements"),
        pytest.param(["--layout", "nc4hw4"], "layout nc4hw4 has no effect on npz; it is of bin, "
                     "hex, c: add one of these", id="layout-of-npz"),
        pytest.param(["--formats", "npy,npz", "--layout", "nchw"], "no effect on npy,npz",
                     id="layout-of-npy"),
        pytest.param(["--formats", "bin,c", "--hex-elements", "4"], "4 elements a hex word have no "
                     "effect on bin,c; add hex to the formats", id="elements-of-bin"),
        pytest.param(["--hex-elements", "4", "--hex-order", "big"], "no effect on npz; add hex",
                     id="order-of-npz"),
        pytest.param(["--formats", "hex", "--hex-order", "big"], "hex order big has no effect on "
                     "words of one element", id="order-of-one"),
        pytest.param(["--inputs", "random:1", "--directed", "3"], "no effect where inputs are "
                     "given", id="directed-of-inputs"),
        pytest.param(["--arithmetic", "ieee"], "unknown arithmetic 'ieee'", id="arithmetic"),
        pytest.param(["--directed", "0", "--random", "0"], "nothing to write", id="nothing"),
        pytest.param(["--seed", "-1"], "seed -1 is negative", id="seed"),
        pytest.param(["-o", "deep/set"], "does not exist", id="folder"),
        pytest.param(["-o", "full"], "holds other files", id="full"),
        pytest.param(["--verify", "full"], "needs no MODEL, --output: the set holds its model",
                     id="verify-and-model"),
    ],
)  # fmt: skip
def test_refused(folder, capsys, words, said):
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("years of work")
    before = files_below(folder)
    place = [] if "-o" in words else ["-o", "set"]
    assert main(["golden", str(DEMO), *place, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in " ".join(err.split())
    assert max(map(len, err.splitlines())) <= 80
    assert files_below(folder) == before and sorted(p.name for p in folder.iterdir()) == ["full"]


VALUES = {
    "model": ["tiny.tflite"], "inputs": ["--inputs", "random:3"], "mean": ["--mean", "1"],
    "std": ["--std", "1"], "crop": ["--crop", "1"], "directed": ["--directed", "16"],
    "random": ["--random", "1"], "seed": ["--seed", "0"], "hex_elements": ["--hex-elements", "1"],
    "force_arithmetic": ["--force-arithmetic"],
}  # fmt: skip


@pytest.mark.parametrize("key", WRITING)
def test_a_set_that_is_verified_takes_no_flags_about_writing(folder, capsys, key):
    flag = f"--{key.replace('_', '-')}"
    words = VALUES.get(key, [flag, "nosuch"])
    assert main(["golden", "--verify", "set", *words]) == 2
    told = "MODEL" if key == "model" else flag
    err = " ".join(capsys.readouterr().err.split())
    assert f"--verify DIR needs no {told}: the set holds its model and what was asked" in err


def test_all_of_them_are_told_and_none_is_forgotten(folder, capsys):
    words = "--layers nosuch --formats foo --inputs random:3 --arithmetic tflm --directed 1"
    assert main(["golden", "--verify", "set", *words.split()]) == 2
    told = "--layers, --inputs, --directed, --arithmetic, --formats: the set holds"
    assert f"needs no {told}" in " ".join(capsys.readouterr().err.split())
    rest = "verify actual jobs dask json max_memory quiet verbose version help"
    known = {action.dest for action in parser_of("golden")._actions}
    assert known == {*WRITING, *rest.split()}


def test_an_arithmetic_that_computes_nothing_names_the_file(folder, capsys):
    words = ["golden", str(DEMO), "-o", "set", "--layers", "CONV_2D", "--arithmetic"]
    assert main([*words, "shift-half-up"]) == 1
    err = "".join(capsys.readouterr().err.split())
    assert err.startswith(f"tflite-requant:{DEMO}:nochosenoperatorcanbecomputed".replace(" ", ""))
    assert not (folder / "set").exists()


def test_arithmetic_of_the_model(folder, capsys):
    assert main([str(DEMO), "-s", "symmetric-po2", "-o", "m.tflite", "-q"]) == 0
    words = ["golden", "m.tflite", "-o", "set", "--layers", "2", "--arithmetic", "shift-half-up"]
    assert main(words) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert err.startswith("tflite-requant: m.tflite: arithmetic shift-half-up contra")
    assert "which was made for litert-reference" in err
    assert not (folder / "set").exists()
    assert main([*words, "--force-arithmetic"]) == 0
    manifest = manifest_of(folder / "set")
    assert manifest["arithmetic"] == {
        "profile": "shift-half-up", "of_model": "litert-reference", "forced": True,
    }  # fmt: skip
    (operator,) = manifest["operators"]
    assert [r["kind"] for r in operator["rescale"]] == ["shift"]
    names = [a["name"] for a in operator["constants"]]
    assert "right_shift" in names and "multiplier" not in names
    assert verify_golden_vectors(folder / "set").passed


def test_an_older_set_is_replaced(tmp_path):
    target = tmp_path / "set"
    tr.write_golden_vectors(DEMO, folder=target, layers=("6",))
    tr.write_golden_vectors(DEMO, folder=target, layers=("19",))
    assert sorted(p.name for p in target.iterdir() if p.is_dir()) == ["019_reshape"]
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("before", ["older-set", "empty", "nothing"])
def test_a_link_stays_and_where_it_leads_is_written(tmp_path, before):
    real = tmp_path / "disk" / "real"
    real.parent.mkdir()
    if before == "older-set":
        tr.write_golden_vectors(DEMO, folder=real, layers=("6",))
    elif before == "empty":
        real.mkdir()
    (tmp_path / "link").symlink_to(real)
    tr.write_golden_vectors(DEMO, folder=tmp_path / "link", layers=("19",))
    assert (tmp_path / "link").is_symlink()
    assert sorted(p.name for p in real.iterdir() if p.is_dir()) == ["019_reshape"]
    assert [p.name for p in real.parent.iterdir()] == ["real"]
    assert verify_golden_vectors(tmp_path / "link").passed


def test_a_case_that_no_runtime_computes_is_told(tmp_path):
    """600 equal logits: the sum of exponentials leaves the 9 integer bits that LiteRT gives it."""
    logits = TensorSpec("int8", (1, 600), 0.25)
    model = one_operator_model(
        "SOFTMAX", [logits], [TensorSpec("int8", (1, 600), 1 / 256, -128)], {"beta": 1.0}
    )
    found = tr.write_golden_vectors(model, folder=tmp_path / "set")
    (operator,) = found.operators
    assert [r["name"] for r in operator["refused"]] == ["all_max", "all_min", "zero"]
    assert "LiteRT aborts" in operator["refused"][0]["reason"]
    names = ["random_0", "alternating", "ramp", "ramp_down", "single"]
    assert [c["name"] for c in operator["cases"]] == names
    assert verify_golden_vectors(tmp_path / "set").passed
