"""A report as one HTML page that needs nothing but itself. Needs jinja2 and matplotlib."""

from __future__ import annotations

import logging
from importlib import import_module

from tflite_requant.errors import UsageError
from tflite_requant.extras import REPORT, install

PACKAGES = ("jinja2", "matplotlib")


def require_packages() -> None:
    """Raises UsageError where one that pages are made with is not installed."""
    # That it makes a list of the fonts, once a home, is no news for who asked for a page.
    logger = logging.getLogger("matplotlib")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise UsageError(
                f"an HTML page needs {' and '.join(PACKAGES)} ({error.name or name} is "
                f"missing): {install(REPORT)}"
            ) from None
