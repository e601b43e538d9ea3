"""How what only some uses need is installed; setup.cfg says what each extra brings."""

from __future__ import annotations

EXTRAS = ("dask", "dev", "images", "report", "runtime")
DASK, DEV, IMAGES, REPORT, RUNTIME = EXTRAS


def install(extra: str) -> str:
    """What to type for an extra, as messages say it. The package is in no registry: pip finds it
    in a checkout."""
    return f"pip install '.[{extra}]' in a checkout of tflite_requant"
