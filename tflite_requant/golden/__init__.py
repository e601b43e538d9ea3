"""Golden vectors: what hardware has to compute, stage by stage, in files that benches read.

Names are imported when they are first used.
"""

from importlib import import_module

_HOMES = {
    "compare_dump": "dump",
    "Request": "request",
    "verify_golden_vectors": "verify",
    "write_golden_vectors": "write",
}

__all__ = ["Request", "compare_dump", "verify_golden_vectors", "write_golden_vectors"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
