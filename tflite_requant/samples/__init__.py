"""Files, folders of images and seeded random numbers as samples of a model's inputs."""

from tflite_requant.samples.images import Preprocessing
from tflite_requant.samples.labels import LabelTable, array_labels, read_table
from tflite_requant.samples.load import (
    Sample,
    Samples,
    array_samples,
    load_arrays,
    load_samples,
    random_samples,
)
from tflite_requant.samples.random_inputs import random_inputs

__all__ = [
    "LabelTable",
    "Preprocessing",
    "Sample",
    "Samples",
    "array_labels",
    "array_samples",
    "load_arrays",
    "load_samples",
    "random_inputs",
    "random_samples",
    "read_table",
]
