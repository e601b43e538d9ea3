"""uint8 to int8 loses nothing: every element that differs in LiteRT is explained by a named law."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tflite_requant.runtime import litert_available
from tflite_requant.testing import TensorSpec, one_operator_model

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TOOL = TOOLS / "attribute_differences"
UINT8_MODELS = (
    "coral/deeplabv3_mnv2_dm05_pascal_quant",
    "coral/mobilenet_v1_0.25_128_quant",
    "coral/mobilenet_v1_0.5_160_quant",
    "coral/mobilenet_v2_1.0_224_quant",
    "coral/split_concat",
    "coral/traffic_model",
    "int8_mlperf_tiny/aww_uint8_io",
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

pytestmark = pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")


def attributed(models: Sequence[Path], *options: str) -> list[dict]:
    """What the tool says about models, by model; it must have found everything explained."""
    done = subprocess.run(
        [sys.executable, str(TOOL), *map(str, models), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    return json.loads(done.stdout)


def total(document: dict) -> dict:
    return document["kinds"][-1]


def assert_explained(document: dict) -> None:
    """The claim itself, and that it is not empty."""
    for operator in document["operators"]:
        assert operator["unattributed"] == 0, operator
        assert operator["false_claims"] == 0, operator
        if "bit-identical" in operator["exactness"]:
            assert operator["differing"] == 0 and not operator["excluded"], operator
        assert sum(operator["laws"].values()) == operator["differing"], operator
    assert sum(o["compared"] + sum(o["excluded"].values()) for o in document["operators"]) > 0


def pooled() -> object:
    grid = {"scale": 0.1, "zero_point": 30}
    options = {"padding": "SAME", "stride_w": 2, "stride_h": 2, "filter_width": 2,
               "filter_height": 2}  # fmt: skip
    return one_operator_model(
        "AVERAGE_POOL_2D",
        [TensorSpec("uint8", (1, 9, 10, 4), **grid)],
        [TensorSpec("uint8", (1, 5, 5, 4), **grid)],
        options,
    )


def resized() -> object:
    grid = {"scale": 0.1, "zero_point": 30}
    return one_operator_model(
        "RESIZE_BILINEAR",
        [TensorSpec("uint8", (1, 5, 7, 4), **grid),
         TensorSpec("int32", data=np.array([11, 9], np.int32))],
        [TensorSpec("uint8", (1, 11, 9, 4), **grid)],
    )  # fmt: skip


def summed() -> object:
    axis = TensorSpec("int32", data=np.array([1], np.int32))
    return one_operator_model(
        "SUM",
        [TensorSpec("uint8", (1, 6, 8), 0.1, 120), axis],
        [TensorSpec("uint8", (1, 8), 0.3, 110)],
    )


def normalized() -> object:
    return one_operator_model(
        "L2_NORMALIZATION",
        [TensorSpec("uint8", (8, 40), 0.1, 120)],
        [TensorSpec("uint8", (8, 40), 1 / 128, 128)],
    )


def convolved() -> object:
    """Accumulators around the places where the output steps, far out, where multipliers matter."""
    input_scale, weight_scale, output_scale = np.float32([0.21, 0.03, 6300.0])
    product = input_scale * weight_scale
    steps = np.array([-100, -61, -20, 7, 33, 90, 119])
    bias = np.rint((steps - 0.5) * float(output_scale) / float(product)).astype(np.int32)
    weights = np.full((len(bias), 1, 1, 1), 101, np.uint8)
    return one_operator_model(
        "CONV_2D",
        [TensorSpec("uint8", (1, 16, 16, 1), float(input_scale), 128),
         TensorSpec("uint8", scale=float(weight_scale), zero_point=100, data=weights),
         TensorSpec("int32", scale=float(product), data=bias)],
        [TensorSpec("uint8", (1, 16, 16, len(bias)), float(output_scale), 128)],
        {"padding": "VALID", "stride_w": 1, "stride_h": 1},
    )  # fmt: skip


def biased() -> object:
    """Bias scales half a percent off the product, which kernels never see; it is put right."""
    bias = np.array([40000, -30000, 9999], np.int32)
    weights = np.array([[1, 20], [9, 9], [30, 9]], np.uint8)
    return one_operator_model(
        "FULLY_CONNECTED",
        [TensorSpec("uint8", (50, 2), 0.5, 7),
         TensorSpec("uint8", scale=0.5, zero_point=9, data=weights),
         TensorSpec("int32", scale=0.25125, data=bias)],
        [TensorSpec("uint8", (50, 3), 100.0, 110)],
    )  # fmt: skip


LAWS = {
    "bias-scale": biased,
    "pool-tie": pooled,
    "resize": resized,
    "sum": summed,
    "normalization": normalized,
    "multiplier": convolved,
}


@pytest.mark.parametrize("law", LAWS)
def test_each_law_is_met_and_named(law, tmp_path):
    path = tmp_path / f"{law}.tflite"
    path.write_bytes(LAWS[law]().to_bytes())
    (document,) = attributed([path], "--samples", "4")
    assert_explained(document)
    found = total(document)
    assert found["laws"] == {law: found["differing"]}
    assert found["exactness"] == {"grid-exact": 1}


def test_demo_model(demo_model):
    (document,) = attributed([demo_model], "--samples", "6")
    assert_explained(document)
    assert total(document)["compared"] > 10_000
    assert total(document)["laws"]["pool-tie"] > 0


def test_given_inputs_are_compared_too(tmp_path):
    path = tmp_path / "pool.tflite"
    path.write_bytes(pooled().to_bytes())
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 10, 4), np.uint8))
    (random,) = attributed([path], "--samples", "1")
    (more,) = attributed([path], "--samples", "1", "--inputs", str(tmp_path / "x.npy"))
    assert total(more)["compared"] == 4 * total(random)["compared"]
    assert total(more)["differing"] == total(random)["differing"]


def test_what_no_law_explains_is_counted(monkeypatch):
    """A runtime whose int8 pool rounds wrongly once, where there is no tie."""
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location("_attribution", TOOLS / "_attribution.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "_attribution", module)
    spec.loader.exec_module(module)
    model = pooled()
    data = np.zeros(model.inputs[0].shape, np.uint8)
    honest = module.litert_run_many

    def faulty(jobs, resolver):
        answers = honest(jobs, resolver)
        answers[0][0].outputs[0][0, 0, 0, 0] += 1
        return answers

    ((_, row),) = module.attribute(model, [[data]])
    assert (row.compared, row.differing, row.unattributed) == (100, 0, 0)
    monkeypatch.setattr(module, "litert_run_many", faulty)
    ((_, row),) = module.attribute(model, [[data]])
    assert (row.compared, row.differing, row.unattributed) == (100, 1, 1)


def test_a_refused_model_is_one_line(tmp_path):
    path = tmp_path / "not.tflite"
    path.write_bytes(b"no model")
    done = subprocess.run([sys.executable, str(TOOL), str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", UINT8_MODELS)
def test_published_models(models, name):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    (document,) = attributed([path], "--samples", "2")
    assert_explained(document)
