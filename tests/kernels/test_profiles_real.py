"""Published models under litert-optimized and litert-xnnpack: outputs, and models cut in between.

A delegate's inner tensors cannot be read, so models are cut: each cut ends in another tensor.
"""

from __future__ import annotations

import numpy as np
import pytest
from real_inputs import runs
from test_real_models import MODELS

from tflite_requant.extract import cut_at
from tflite_requant.interpreter import Interpreter
from tflite_requant.runtime import litert_available, litert_run_many

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed"),
]

RESOLVERS = {"litert-optimized": "optimized", "litert-xnnpack": "default"}
SHOWN = ("uint8", "int8", "int16", "float32")
CUTS = 6
# Sums of floats: only the reference kernels' order is known.
HYBRID = {f"{name} on float32" for name in (
    "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "FULLY_CONNECTED", "SOFTMAX")}  # fmt: skip
REFUSED = {
    ("litert-xnnpack", "coral/movenet_single_pose_lightning_ptq"): {"SQRT on float32"},
    ("litert-optimized", "hybrid/kws_ref_model_hybrid"): HYBRID,
    ("litert-xnnpack", "hybrid/kws_ref_model_hybrid"): HYBRID,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("profile", RESOLVERS)
def test_outputs_equal_litert(models, profile, name):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    whole = Interpreter(path, arithmetic=profile).model
    fed = runs(whole, models)
    parts = [whole, *_cuts(whole)]
    results = litert_run_many([(m.to_bytes(), fed) for m in parts], RESOLVERS[profile])
    for model, found in zip(parts, results, strict=True):
        interpreter = Interpreter(model, arithmetic=profile)
        refused = {finding.found.split(" was")[0] for finding in interpreter.unsupported}
        assert refused <= REFUSED.get((profile, name), set())
        if refused:
            continue
        for inputs, expected in zip(fed, found, strict=True):
            for ours, theirs in zip(interpreter.run(inputs), expected.outputs, strict=True):
                assert ours.dtype == theirs.dtype
                label = model.main.label(model.main.operators[-1])
                np.testing.assert_array_equal(ours, theirs, err_msg=label)


def _cuts(model) -> list:
    """The model up to operators that are evenly spread; none where it has several subgraphs."""
    if len(model.subgraphs) > 1:
        return []
    first = [op.outputs[0] for op in model.main.operators]
    ends = [t for t in first if model.main.tensors[t].dtype in SHOWN]
    places = np.unique(np.linspace(0, len(ends) - 1, min(CUTS, len(ends))).astype(int))
    return [cut_at(model, 0, ends[i]) for i in places]
