"""Whatever has to run a model to decide: the search for activation scales."""

from tflite_requant.search.factors import Factors
from tflite_requant.search.greedy import Found, Search

__all__ = ["Factors", "Found", "Search"]
