"""Every tensor of published models equals LiteRT's reference kernels, element by element."""

from __future__ import annotations

import numpy as np
import pytest

from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import litert_available, litert_run

MODELS = (
    "coral/deeplabv3_mnv2_dm05_pascal_quant",
    "coral/keras_lstm_mnist_ptq",
    "coral/mobilenet_v1_0.5_160_quant",
    "coral/mobilenet_v2_1.0_224_quant",
    "coral/movenet_single_pose_lightning_ptq",
    "coral/split_concat",
    "coral/tf2_mobilenet_v2_1.0_224_ptq",
    "coral/traffic_model",
    "int16x8/ds_cnn_small_int16",
    "int16x8/litert_matmul_quant_bmm",
    "int8_audio/dtln_noise_suppression_lstm",
    "int8_audio/keyword_scrambled_svdf_int16_state",
    "int8_audio/microwakeword_okay_nabu_v2",
    "int8_audio/trained_lstm_mnist_int8",
    "int8_mlperf_tiny/ad01_int8",
    "int8_mlperf_tiny/kws_ref_model_int8",
    "int8_mlperf_tiny/pretrainedResnet_quant",
    "int8_mlperf_tiny/vww_96_int8",
    "int8_vision/bisenetv2_celebamask_256_argmax",
    "int8_vision/face_detection_front_full_int",
    "int8_vision/id_model_leakyrelu",
    "int8_vision/mobilenetv3_tile_96",
    "int8_vision/palm_detection_256_transposeconv",
    "int8_vision/ssd_mobilenet_v3_int8",
    "int8_vision/swift_yolo_192",
    "uint8_micro/aeq_insert_dequant_uint8",
    "uint8_micro/person_detect_uint8_v1",
    "uint8_qat_classify/aiy_birds_mobilenet_v2",
    "uint8_qat_classify/mnistnet_v2_uint8",
    "uint8_qat_detect/ssd_mobilenet_v1_coco_metadata",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed"),
]


def _noise(tensor, rng, width: float) -> np.ndarray:
    """Noise around the middle of the type's range; width 1 fills it."""
    if tensor.dtype == "float32":
        return (rng.standard_normal(tensor.shape) * width).astype(np.float32)
    info = np.iinfo(tensor.dtype)
    half = (int(info.max) - int(info.min)) * width / 2
    middle = (int(info.max) + int(info.min)) / 2
    return np.rint(middle + rng.uniform(-half, half, tensor.shape)).astype(tensor.dtype)


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_equals_litert_reference(models, name):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    interpreter = Interpreter(path)
    model, rng = interpreter.model, np.random.default_rng(0)
    runs = [[_noise(t, rng, width) for t in model.inputs] for width in (1.0, 0.3)]
    computed = model.main.producers()
    for inputs, reference in zip(
        runs, litert_run(model.to_bytes(), runs, keep_all=True), strict=True
    ):
        ours = interpreter.run(inputs, keep="all")
        compared = [i for i in reference.tensors if i in computed and i in ours]
        assert len(compared) >= len(computed) // 2
        for i in compared:
            assert ours[i].dtype == reference.tensors[i].dtype
            label = model.main.label(computed[i])
            np.testing.assert_array_equal(ours[i], reference.tensors[i], err_msg=label)
