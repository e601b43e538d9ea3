"""How far a result is from its source, on samples."""

from tflite_requant.accuracy.table import (
    Accuracy,
    AccuracyTable,
    OutputAccuracy,
    measure,
)
from tflite_requant.accuracy.tally import log_softmax, paired_interval

__all__ = [
    "Accuracy",
    "AccuracyTable",
    "OutputAccuracy",
    "log_softmax",
    "measure",
    "paired_interval",
]
