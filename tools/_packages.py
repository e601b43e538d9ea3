"""Imported first by every tool: a package that is missing becomes one line that tells what to do.

Tools run from a checkout, by the Python that has what tflite_requant needs; a shell outside of its
virtual environment has another one. Knows nothing but the standard library.
"""

import sys
from pathlib import Path

UNUSABLE = 2  # exit code
HERE = Path(__file__).resolve().parent
ADVICE = (
    "activate the virtual environment that has tflite_requant's packages, or run "
    ".venv/bin/python tools/{tool}"
)


def install(extra: str) -> str:
    """How what only some tools need is installed."""
    sys.path.insert(0, str(HERE.parent))
    from tflite_requant import extras

    return extras.install(extra)


def _told(kind, error, trace) -> None:
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not issubclass(kind, ModuleNotFoundError) or name in ("", "tflite_requant"):
        sys.__excepthook__(kind, error, trace)
        return
    tool = Path(sys.argv[0]).name
    print(f"{tool}: no package {name}: {ADVICE.format(tool=tool)}", file=sys.stderr)
    raise SystemExit(UNUSABLE)


started = getattr(sys.modules["__main__"], "__file__", None)
if started and Path(started).resolve().parent == HERE:  # not where a test imports a tool
    sys.excepthook = _told
