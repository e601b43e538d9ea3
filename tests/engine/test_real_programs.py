"""Programs of published models: every tensor equals the plain kernels', element by element."""

from __future__ import annotations

import numpy as np
import pytest
from engine_models import differences

from tflite_requant import engine
from tflite_requant.interpreter import Interpreter
from tflite_requant.model.dtypes import NUMPY

MODELS = (
    "coral/deeplabv3_mnv2_dm05_pascal_quant",
    "coral/mobilenet_v1_0.25_128_quant",
    "coral/mobilenet_v1_0.5_160_quant",
    "coral/mobilenet_v2_1.0_224_quant",
    "coral/movenet_single_pose_lightning_ptq",
    "coral/tf2_mobilenet_v2_1.0_224_ptq",
    "coral/traffic_model",
    "int8_mlperf_tiny/ad01_int8",
    "int8_mlperf_tiny/aww_uint8_io",
    "int8_mlperf_tiny/kws_ref_model_int8",
    "int8_mlperf_tiny/pretrainedResnet_quant",
    "int8_mlperf_tiny/vww_96_int8",
    "int8_vision/bisenetv2_celebamask_256_argmax",
    "int8_vision/face_detection_front_full_int",
    "int8_vision/id_model_leakyrelu",
    "int8_vision/mobilenetv3_tile_96",
    "int8_vision/palm_detection_256_transposeconv",
    "int8_vision/person_detect_int8",
    "int8_vision/ssd_mobilenet_v3_int8",
    "int8_vision/swift_yolo_192",
    "uint8_micro/person_detect_uint8_v1",
    "uint8_qat_classify/aiy_birds_mobilenet_v2",
    "uint8_qat_classify/automl_edge_labeler",
    "uint8_qat_classify/mnistnet_v2_uint8",
    "uint8_qat_classify/mobilenet_v1_0.25_224_quant",
    "uint8_qat_detect/ssd_mobilenet_v1_coco_metadata",
)
THOROUGH = ("coral/mobilenet_v2_1.0_224_quant", "coral/tf2_mobilenet_v2_1.0_224_ptq")

pytestmark = pytest.mark.slow


def varied(tensor, number: int) -> np.ndarray:
    """Extremes, black and white, noise of all widths, and smooth pictures; by number."""
    rng, shape = np.random.default_rng(number), tensor.shape
    if tensor.dtype == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    walk = np.cumsum(np.cumsum(rng.normal(0, 1, shape), axis=1 % len(shape)), axis=2 % len(shape))
    drawn = (
        np.zeros(shape),
        np.full(shape, 255.0),
        rng.integers(0, 2, shape) * 255.0,
        rng.integers(0, 256, shape),
        rng.normal(128, 4 * number, shape),
        128 + walk * 100 / max(1.0, float(np.abs(walk).max())),
    )
    picture = drawn[number if number < 3 else 3 + number % 3]
    low = np.iinfo(NUMPY[tensor.dtype]).min
    return (np.clip(np.rint(picture), 0, 255) + low).astype(NUMPY[tensor.dtype])


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_equals_the_plain_kernels(models, name):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    model = Interpreter(path).model
    whole = engine.plan(model, keep_all=True)
    for number in range(30 if name in THOROUGH else 4):
        feeds = {t.index: varied(t, number) for t in model.inputs}
        assert differences(model, whole, feeds) == []


@pytest.mark.parametrize("name", THOROUGH)
def test_outputs_equal_the_plain_kernels(models, name):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    plain = Interpreter(path, fast=False)
    program = engine.plan(plain.model)
    for number in range(30):
        feeds = {t.index: varied(t, number) for t in plain.model.inputs}
        for index, expected in zip(
            plain.model.main.outputs, plain.run(list(feeds.values())), strict=True
        ):
            assert np.array_equal(program.run(feeds)[index], expected)
