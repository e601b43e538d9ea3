"""Two models on the same inputs, or one model here and in LiteRT: what differs, where, how much.

Names are imported when they are first used: what a comparison is (`outcome`) needs no NumPy.
"""

from importlib import import_module

_HOMES = {
    "Comparison": "outcome",
    "Mismatch": "outcome",
    "TensorComparison": "outcome",
    "compare": "models",
    "litert_version": "litert",
    "profiles_with_runtime": "litert",
}

__all__ = [
    "Comparison",
    "Mismatch",
    "TensorComparison",
    "compare",
    "litert_version",
    "profiles_with_runtime",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
