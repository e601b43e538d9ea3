"""Numbers as people say them, and the system's words."""

from __future__ import annotations

LEAST_SHARE = 0.00001  # what is told in figures


def noun(count: int, one: str) -> str:
    """ "note", "notes"."""
    return one if count == 1 else f"{one}s"


def plural(count: int, one: str) -> str:
    """ "1 note", "2,000 notes"."""
    return f"{count:,} {noun(count, one)}"


def share(part: float) -> str:
    """A share of 1 that may be small: "5.469%", "<0.001%", and "none" only where it is."""
    if not part:
        return "none"
    return f"{part:.3%}" if part >= LEAST_SHARE else f"<{LEAST_SHARE:.3%}"


def reason_of(error: OSError) -> str:
    """The system's words without its number: "no such file or directory"."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def shorten(text: str, width: int) -> str:
    """A text cut at its end to fit."""
    return text if len(text) <= width else text[: width - 1] + "…"
