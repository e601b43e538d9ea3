"""How far a result is from its source, on samples.

Names are imported when they are first used: what a table says (`outcome`) needs no NumPy.
"""

from importlib import import_module

_HOMES = {
    "Accuracy": "outcome",
    "AccuracyTable": "outcome",
    "BoxAccuracy": "outcome",
    "OutputAccuracy": "outcome",
    "log_softmax": "tally",
    "measure": "table",
    "paired_interval": "tally",
}

__all__ = [
    "Accuracy",
    "AccuracyTable",
    "BoxAccuracy",
    "OutputAccuracy",
    "log_softmax",
    "measure",
    "paired_interval",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
