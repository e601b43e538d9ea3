"""Rewrites quantized TFLite models into other quantization schemes.

    import tflite_requant as tr

    model = tr.load("model.tflite")
    result = tr.requantize(model, "symmetric")
    tr.save(result.model, "model.symmetric.tflite")

Public names are imported when they are first used: importing the package costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from tflite_requant.version import VERSION

__version__ = VERSION

_HOMES = {
    "Finding": "errors",
    "FormatError": "errors",
    "Interpreter": "interpreter",
    "Model": "model",
    "NotQuantizedError": "errors",
    "Options": "requantize",
    "QArray": "model",
    "QParams": "model",
    "RefusedError": "errors",
    "Report": "outcome",
    "RequantError": "errors",
    "Result": "requantize",
    "RuntimeFailure": "runtime",
    "SampleError": "errors",
    "Scheme": "schemes",
    "SchemeError": "errors",
    "UnsupportedOperatorError": "errors",
    "UsageError": "errors",
    "check": "check",
    "compare": "compare",
    "load": "files",
    "load_scheme": "schemes",
    "requantize": "requantize",
    "save": "files",
    "write_golden_vectors": "golden",
}

__all__ = [
    "Finding",
    "FormatError",
    "Interpreter",
    "Model",
    "NotQuantizedError",
    "Options",
    "QArray",
    "QParams",
    "RefusedError",
    "Report",
    "RequantError",
    "Result",
    "RuntimeFailure",
    "SampleError",
    "Scheme",
    "SchemeError",
    "UnsupportedOperatorError",
    "UsageError",
    "check",
    "compare",
    "load",
    "load_scheme",
    "requantize",
    "save",
    "write_golden_vectors",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Where a function and its module share a name, the public name is the function.

    Importing a module binds it as an attribute of its package; without this,
    `tflite_requant.requantize` would depend on what was imported before.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
