"""A result beside its source, in all the detail that a report page shows.

Names are imported when they are first used: what a study says (`outcome`) needs no NumPy.
"""

from importlib import import_module

_HOMES = {
    "Histogram": "outcome",
    "SingleWeights": "outcome",
    "Study": "outcome",
    "TensorStudy": "outcome",
    "WeightsStudy": "outcome",
    "single_weights": "single",
    "study": "measured",
    "unmeasured": "measured",
    "histograms": "values",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
