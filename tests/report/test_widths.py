"""The widths that a report tells are those that `check` judges by."""

from dataclasses import replace

import pytest

from tflite_requant.check import check
from tflite_requant.files import load
from tflite_requant.requantize import requantize
from tflite_requant.samples import load_samples
from tflite_requant.schemes import load_scheme


@pytest.mark.parametrize("name", ["esp-dl-esp32s3", "symmetric", "uint8"])
@pytest.mark.parametrize("data", [None, "random:4"], ids=["no-data", "corrected-biases"])
def test_sums_and_biases_are_as_wide_as_check_says(demo_model, name, data):
    """The demo's activations are fused with RELU6, which cuts what the next operator adds up."""
    source, scheme = load(demo_model), load_scheme(name)
    result = requantize(source, scheme, data and load_samples(data, source))
    rows = [op for op in result.report.operators if op.channels]
    assert len({op.sum_bits for op in rows}) > 1
    for bits in range(2, 32):
        sums = replace(scheme, accumulator=replace(scheme.accumulator, bits=bits, saturates=True))
        biases = replace(scheme, bias=replace(scheme.bias, bits=bits))
        for law, judge, wide in (
            ("accumulator-width", sums, [op for op in rows if op.sum_bits > bits]),
            ("bias-width", biases, [op for op in rows if op.bias_bits > bits]),
        ):
            said = {f.where for f in check(result.model, judge) if f.law == law}
            main = result.model.main
            assert said == {main.label(main.operators[op.result_index]) for op in wide}
