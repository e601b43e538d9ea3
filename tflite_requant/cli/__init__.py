"""The command line. One file a command; nothing heavy is imported before it is needed."""

from tflite_requant.cli.main import console, main

__all__ = ["console", "main"]
