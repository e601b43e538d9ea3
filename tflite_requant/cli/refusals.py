"""Refusals that say which file they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tflite_requant.errors import RefusedError, UnsupportedOperatorError


@contextmanager
def naming(files: Mapping[str, str]) -> Iterator[None]:
    """Let what is refused name its file. files: by the side that an error names, "" for none."""
    try:
        yield
    except UnsupportedOperatorError as error:
        summary = f"{files[error.side]}: {error.summary}"
        raise UnsupportedOperatorError(summary, error.findings) from None
    except RefusedError as error:
        if "" not in files:
            raise
        raise RefusedError(f"{files['']}: {error.summary}", error.findings) from None
