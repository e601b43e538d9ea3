"""Output scales far from the inputs': what is computed is LiteRT's, and the rest is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import cases

from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QParams
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many

RESOLVERS = {
    "litert-reference": "reference",
    "litert-optimized": "optimized",
    "litert-xnnpack": "default",
}
POWERS = (12, 20, 30, 34, 48, 100, -8, -12, -20, -30, -64)  # below 0: coarser
NAMES = ("MUL-uint8", "MUL-int8", "MUL-int16", "CONV_2D-int8", "CONV_2D-int16", "MEAN-uint8",
         "DEPTHWISE_CONV_2D-int16", "FULLY_CONNECTED-uint8", "RELU6-int16", "QUANTIZE-uint8",
         "LSTM-int8", "SQRT-int16", "RSQRT-int8", "CONCATENATION-uint8",
         "BATCH_MATMUL-int16")  # fmt: skip


def finer(model, power: int):
    """The model with an output scale 2**power times as fine."""
    (output,) = model.main.outputs
    tensors = list(model.main.tensors)
    scale, zero = tensors[output].qparams.scale, tensors[output].qparams.zero_point
    tensors[output] = replace(tensors[output], qparams=QParams.of(scale * 2.0**-power, zero))
    return replace(model, subgraphs=(replace(model.main, tensors=tuple(tensors)),))


@pytest.mark.skipif(not litert_available(), reason="ai-edge-litert is not installed")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", RESOLVERS)
def test_equal_or_refused(profile, name):
    made = [(finer(c.model, p), c.runs[:1]) for c in list(cases(name))[:4] for p in POWERS]
    jobs = [(model.to_bytes(), runs) for model, runs in made]
    refused = 0
    for (model, runs), found in zip(made, litert_run_many(jobs, RESOLVERS[profile]), strict=True):
        interpreter = Interpreter(model, profile)
        if interpreter.unsupported or isinstance(found, RuntimeFailure):
            refused += bool(interpreter.unsupported)
            continue
        (ours,), (theirs,) = interpreter.run(runs[0]), found[0].outputs
        assert np.array_equal(ours, theirs), model.main.label(model.main.operators[0])
    assert refused < (1 if name.startswith("MUL") else len(made))


def test_the_message_names_the_multiplier():
    (case, *_) = cases("CONV_2D-int8")
    (found,) = Interpreter(finer(case.model, 100)).unsupported
    assert found.law == "scales-apart"
    assert found.found.startswith("s_in * s_w / s_out is ")
    assert found.need == "below 2**18, as far as verified"
