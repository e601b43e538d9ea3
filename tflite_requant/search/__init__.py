"""Whatever has to run a model to decide: the search for activation scales, biases."""

from tflite_requant.search.bench import Bench, is_clearly_better
from tflite_requant.search.biases import corrected as corrected_biases
from tflite_requant.search.factors import Factors
from tflite_requant.search.greedy import Found, Search
from tflite_requant.search.grids import GridJudge
from tflite_requant.search.runner import LITERT

__all__ = [
    "LITERT", "Bench", "Factors", "Found", "GridJudge", "Search", "corrected_biases",
    "is_clearly_better",
]  # fmt: skip
