"""Results for microcontrollers run in TensorFlow Lite Micro, and equal what we compute."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tflite_requant.files import load
from tflite_requant.interpreter import Interpreter
from tflite_requant.requantize import requantize
from tflite_requant.samples import random_inputs

MODELS = (
    "coral/mobilenet_v1_0.25_128_quant",
    "coral/mobilenet_v1_0.5_160_quant",
    "coral/mobilenet_v2_1.0_224_quant",
    "uint8_micro/micro_speech_tiny_conv_uint8_49x43",
    "uint8_micro/person_detect_uint8_v1",
    "uint8_qat_classify/aiy_birds_mobilenet_v2",
    "uint8_qat_classify/automl_edge_labeler",
    "uint8_qat_classify/mnistnet_v2_uint8",
    "uint8_qat_classify/mobilenet_v1_0.25_224_quant",
)
SCHEMES = ("int8", "symmetric")

# Run in a child: the micro runtime ends the process on models that it does not like.
CHILD = """
import sys
import numpy as np
from tflite_micro import runtime
for stem in sys.argv[1:]:
    interpreter = runtime.Interpreter.from_file(stem + ".tflite", arena_size=64 << 20)
    interpreter.set_input(np.load(stem + ".npy"), 0)
    interpreter.invoke()
    np.save(stem + ".out.npy", interpreter.get_output(0))
"""

needs_micro = pytest.mark.skipif(
    find_spec("tflite_micro") is None, reason="tflite-micro is not installed: extra tflm"
)


def check(source, folder):
    """Every scheme's result runs, and its output equals our interpreter's."""
    stems, expected = [], []
    for scheme in SCHEMES:
        result, stem = requantize(source, scheme).model, folder / scheme
        stem.with_suffix(".tflite").write_bytes(result.to_bytes())
        inputs = list(random_inputs(result))
        np.save(stem.with_suffix(".npy"), inputs[0])
        stems.append(str(stem))
        expected.append(Interpreter(result, "tflm").run(inputs)[0])
    command = [sys.executable, "-c", CHILD, *stems]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-600:]
    for stem, wanted in zip(stems, expected, strict=True):
        found = np.load(f"{stem}.out.npy")
        assert found.dtype == wanted.dtype and np.array_equal(found, wanted), stem


@needs_micro
def test_the_demo_runs_on_a_microcontroller(demo_model, tmp_path):
    check(load(demo_model), tmp_path)


@needs_micro
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_uint8_classifiers_run_on_a_microcontroller(models, tmp_path, name):
    check(load(models / f"{name}.tflite"), tmp_path)
