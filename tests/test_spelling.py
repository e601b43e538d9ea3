"""What a misspelled word may mean."""

import pytest

from tflite_requant.spelling import meant, or_meant

KNOWN = ("symmetric-per-tensor", "symmetric", "symmetric-po2", "int8-per-tensor", "int8", "uint8",
         "int16x8-po2", "int16x8", "litert-reference",
         "litert-xnnpack", "--crop", "--calibration", "--calibration-limit")


@pytest.mark.parametrize(
    "word, told",
    [
        ("symetric", "did you mean symmetric?"),
        ("Symmetric_PO2", "did you mean symmetric-po2?"),
        ("Symmetric", "did you mean symmetric?"),
        ("INT8", "did you mean int8?"),
        ("int-8", "did you mean int8?"),
        ("Int16x8", "did you mean int16x8?"),
        ("SYMMETRIC_PER_TENSOR", "did you mean symmetric-per-tensor?"),
        ("float", ""),
        ("litert", "did you mean litert-reference?"),
        ("LiteRT", "did you mean litert-reference?"),
        ("", ""),
        ("--nope", ""),
        ("--corp", "did you mean --crop?"),
        ("--calib", "did you mean --calibration?"),
    ],
)
def test_meant(word, told):
    assert meant(word, KNOWN) == told
    assert or_meant(word, KNOWN) == (f", {told}" if told else "")
