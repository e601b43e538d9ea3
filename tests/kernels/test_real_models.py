"""Every tensor of published models equals LiteRT's reference kernels, element by element."""

from __future__ import annotations

import numpy as np
import pytest
from real_inputs import runs

from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import litert_available, litert_run

MODELS = (
    "coral/deeplabv3_mnv2_dm05_pascal_quant",
    "coral/keras_lstm_mnist_ptq",
    "coral/mobilenet_v1_0.25_128_quant",
    "coral/mobilenet_v1_0.5_160_quant",
    "coral/mobilenet_v2_1.0_224_quant",
    "coral/movenet_single_pose_lightning_ptq",
    "coral/split_concat",
    "coral/tf2_mobilenet_v2_1.0_224_ptq",
    "coral/traffic_model",
    "hybrid/kws_ref_model_hybrid",
    "int16x8/ds_cnn_small_int16",
    "int16x8/litert_a16w8_q_einsum",
    "int16x8/litert_matmul_quant_bmm",
    "int16x8/seanet_add0",
    "int16x8/seanet_leaky_relu0",
    "int16x8/seanet_transpose_conv0",
    "int8_audio/dtln_noise_suppression_lstm",
    "int8_audio/keyword_scrambled_svdf_int16_state",
    "int8_audio/microwakeword_okay_nabu_v2",
    "int8_audio/trained_lstm_mnist_int8",
    "int8_micro/aeq_two_signatures_a8w8",
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
    "int8_vision/ssd_mobilenet_v3_int8",
    "int8_vision/swift_yolo_192",
    "uint8_micro/aeq_insert_dequant_uint8",
    "uint8_micro/hello_world_uint8_mlir",
    "uint8_micro/micro_speech_tiny_conv_uint8_49x43",
    "uint8_micro/permute_fc_uint8",
    "uint8_micro/person_detect_uint8_v1",
    "uint8_qat_classify/aiy_birds_mobilenet_v2",
    "uint8_qat_classify/automl_edge_labeler",
    "uint8_qat_classify/mnistnet_v2_uint8",
    "uint8_qat_classify/mobilenet_v1_0.25_224_quant",
    "uint8_qat_detect/ssd_mobilenet_v1_coco_metadata",
)

EXCLUDED = {
    "bad_inputs/html_page_saved_as_tflite": "no TFLite file",
    "bad_inputs/no_tfl3_ident_pruned_8": "no TFLite file",
    "bad_inputs/vela_compiled_person_detect": "LiteRT has no operator ethos-u",
    "coral/bodypix_mobilenet_v1_075_512_512_16_quant_decoder": "LiteRT has no PosenetDecoderOp",
    "hybrid/qwen_fc_blockwise_int4": "float data with int4 weights quantized in blocks",
    "int8_audio/keyword_scrambled_svdf_8bit": "SVDF with int8 state: LiteRT's process dies",
    "int8_micro/litert_blockwise_no_scale": "damaged: operators not in execution order",
    "int8_vision/person_detect_int8": "LiteRT refuses its quantized_dimension",
    "uint8_micro/hello_world_uint8_custom_quant_details": "damaged: constants shorter than shapes",
}

PHOTOS = {  # 5 made up inputs and these
    "coral/mobilenet_v2_1.0_224_quant": 25,
    "coral/tf2_mobilenet_v2_1.0_224_ptq": 25,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed"),
]


def test_every_model_is_compared_or_excluded_for_a_cause(models):
    found = {
        path.relative_to(models).with_suffix("").as_posix() for path in models.rglob("*.tflite")
    }
    assert found - set(MODELS) - set(EXCLUDED) == set()
    assert set(MODELS).isdisjoint(EXCLUDED) and all(EXCLUDED.values())


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_equals_litert_reference(models, name, record_property):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    interpreter = Interpreter(path)
    model = interpreter.model
    computed, elements = model.main.producers(), 0
    fed = runs(model, models, PHOTOS.get(name, 2))
    assert len(fed) >= 4
    for inputs in fed:  # one child each: a large model's tensors are many bytes
        reference = litert_run(model.to_bytes(), [inputs], keep_all=True)[0]
        ours = interpreter.run(inputs, keep="all")
        compared = [i for i in reference.tensors if i in computed and i in ours]
        assert len(compared) >= len(computed) // 2
        for i in compared:
            assert ours[i].dtype == reference.tensors[i].dtype
            label = model.main.label(computed[i])
            np.testing.assert_array_equal(ours[i], reference.tensors[i], err_msg=label)
            elements += ours[i].size
    record_property("elements", elements)
