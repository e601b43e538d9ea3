"""Schemes: what hardware asks of a model, as TOML files and as values."""

from tflite_requant.schemes.loader import (
    load_scheme,
    parse_scheme,
    preset_names,
    preset_text,
    scheme_of,
    scheme_text,
)
from tflite_requant.schemes.scheme import (
    MIXED,
    POWER_OF_TWO,
    RATIO,
    AccumulatorLaw,
    ActivationLaw,
    BiasLaw,
    OperatorLaw,
    Override,
    RescaleLaw,
    Scheme,
    WeightLaw,
)

__all__ = [
    "MIXED",
    "POWER_OF_TWO",
    "RATIO",
    "AccumulatorLaw",
    "ActivationLaw",
    "BiasLaw",
    "OperatorLaw",
    "Override",
    "RescaleLaw",
    "Scheme",
    "WeightLaw",
    "load_scheme",
    "parse_scheme",
    "preset_names",
    "preset_text",
    "scheme_of",
    "scheme_text",
]
