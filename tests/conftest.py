"""What every test may use."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
DEMO = ROOT / "examples" / "demo" / "digits_qat_uint8.tflite"
SAMPLES = ROOT / "examples" / "demo" / "digits_samples.npz"

# Helper modules lie beside the tests, or tools, that use them and are imported by their bare names.
sys.path[:0] = sorted(str(folder) for folder in TESTS.iterdir() if folder.is_dir())
sys.path.append(str(ROOT / "tools"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real models; skips where there is none."""
    folder = Path(os.environ.get("TFLITE_REQUANT_MODELS") or ROOT.parent / "shared" / "models")
    if not folder.is_dir():
        pytest.skip("no real models: set TFLITE_REQUANT_MODELS to their folder")
    return folder


@pytest.fixture(scope="session")
def demo_model() -> Path:
    """The demo model's file."""
    assert DEMO.is_file(), f"{DEMO} is checked in; tools/make_demo_model makes it"
    return DEMO


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tiny(folder) -> Path:
    """tiny.tflite in `folder`: uint8 FULLY_CONNECTED with a clamp, then SOFTMAX."""
    return write_model(folder / "tiny.tflite", fully_connected_model())


def write_model(path: Path, model) -> Path:
    path.write_bytes(model.to_bytes())
    return path


def fully_connected_model():
    """uint8 [1, 4] -> FULLY_CONNECTED + RELU6 -> FULLY_CONNECTED -> SOFTMAX -> uint8 [1, 3]."""
    from tflite_requant.testing import GraphBuilder, TensorSpec

    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 4), 1 / 128, 128, name="x"))
    w1 = graph.tensor(
        TensorSpec("uint8", scale=0.02, zero_point=120, name="w1", data=[
            [0, 130, 120, 255], [119, 121, 60, 7], [120, 120, 120, 120], [33, 200, 90, 141],
        ])
    )  # fmt: skip
    b1 = graph.tensor(TensorSpec("int32", scale=0.02 / 128, name="b1", data=[5, -700, 1024, 99]))
    h = graph.tensor(TensorSpec("uint8", (1, 4), 6 / 255, 0, name="hidden"))
    w2 = graph.tensor(
        TensorSpec("uint8", scale=0.03, zero_point=100, name="w2", data=[
            [90, 110, 100, 99], [0, 255, 30, 101], [77, 100, 100, 140],
        ])
    )  # fmt: skip
    b2 = graph.tensor(TensorSpec("int32", scale=0.03 * 6 / 255, name="b2", data=[1, 0, -1]))
    y = graph.tensor(TensorSpec("uint8", (1, 3), 0.15, 60, name="logits"))
    p = graph.tensor(TensorSpec("uint8", (1, 3), 1 / 256, 0, name="probabilities"))
    graph.operator("FULLY_CONNECTED", (x, w1, b1), (h,), {"fused_activation_function": "RELU6"})
    graph.operator("FULLY_CONNECTED", (h, w2, b2), (y,))
    graph.operator("SOFTMAX", (y,), (p,), {"beta": 1.0})
    return graph.build((x,), (p,))
