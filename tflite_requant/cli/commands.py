"""The commands.

A command is a module with SUMMARY, USAGE, `add_flags(parser)` and `run(args)`, which returns its
exit code and what is printed on stdout.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

DEFAULT = "requantize"
COMMANDS = {
    "requantize": "put a quantized model on one or more schemes (the default)",
    "check": "is a model legal under a scheme?",
    "inspect": "operators, tensors, quantization and oddities of a model",
    "run": "a model on inputs, in our bit-exact interpreter",
    "compare": "two models tensor by tensor, or one model with LiteRT",
    "golden": "vectors for hardware: write, verify, compare with a dump",
    "schemes": "list the schemes, print one, or check a scheme file",
}


def command_module(name: str) -> ModuleType:
    """The module that runs a command; only this one is imported."""
    return import_module(f"tflite_requant.cli.{name}")
