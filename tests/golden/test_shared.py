"""Golden vectors have the same bytes, whoever makes which parts and however large they are."""

import hashlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import tflite_requant as tr
from tflite_requant.errors import RequantError
from tflite_requant.golden import shares, verify_golden_vectors
from tflite_requant.golden.folder import files_below
from tflite_requant.testing import TensorSpec, one_operator_model

REQUESTS = {
    "isolated": {"formats": ("npz", "hex", "c"), "layers": ("0-2", "6", "SOFTMAX"), "directed": 5},
    "only-random": {"directed": 0, "random": 3, "seed": 4, "layers": ("5-8",)},
    "chained": {"inputs": "random:3", "formats": ("bin", "c"), "layout": "nchw"},
}


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file by its path."""
    found = {p: hashlib.sha256((folder / p).read_bytes()) for p in files_below(folder)}
    return {path: digest.hexdigest() for path, digest in found.items()}


@pytest.fixture(scope="module")
def alone(demo_model, tmp_path_factory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("alone")
    for name, request in REQUESTS.items():
        tr.write_golden_vectors(demo_model, folder=folder / name, **request)
    return {name: digests(folder / name) for name in REQUESTS}


@pytest.fixture(scope="module")
def two_processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.mark.parametrize("name", REQUESTS)
def test_processes(demo_model, tmp_path, alone, two_processes, name):
    tr.write_golden_vectors(
        demo_model, folder=tmp_path / "set", executor=two_processes, **REQUESTS[name]
    )
    assert digests(tmp_path / "set") == alone[name]
    assert verify_golden_vectors(tmp_path / "set", executor=two_processes).passed


@pytest.mark.parametrize(
    "size", [1, 4000, 1 << 40], ids=["a-case-each", "some", "an-operator-each"]
)
@pytest.mark.parametrize("name", REQUESTS)
def test_parts_of_any_size(demo_model, tmp_path, alone, monkeypatch, name, size):
    monkeypatch.setattr(shares, "SHARE_BYTES", size)
    with ThreadPoolExecutor(3) as executor:
        tr.write_golden_vectors(
            demo_model, folder=tmp_path / "set", executor=executor, **REQUESTS[name]
        )
    assert digests(tmp_path / "set") == alone[name]


def test_cases_without_a_result(tmp_path):
    """The sum of 600 equal exponentials is more than LiteRT has bits for: it aborts."""
    logits = TensorSpec("int8", (1, 600), 0.25)
    model = one_operator_model(
        "SOFTMAX", [logits], [TensorSpec("int8", (1, 600), 1 / 256, -128)], {"beta": 1.0}
    )
    with ThreadPoolExecutor(1) as executor:
        for name, way in {"alone": None, "shared": executor}.items():
            found = tr.write_golden_vectors(model, folder=tmp_path / name, executor=way)
            assert len(found.operators[0]["refused"]) == 3
    assert digests(tmp_path / "shared") == digests(tmp_path / "alone")


def test_nothing_is_left_of_a_failure(demo_model, tmp_path, monkeypatch):
    def fails(job, task):
        raise RequantError("no more")

    monkeypatch.setattr(shares, "_written", fails)
    with ThreadPoolExecutor(2) as executor, pytest.raises(RequantError, match="no more"):
        tr.write_golden_vectors(demo_model, folder=tmp_path / "set", executor=executor)
    assert list(tmp_path.iterdir()) == []
