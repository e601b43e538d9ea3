"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

ALIKE = 0.6  # of difflib's ratio


def meant(word: str, known: Iterable[str]) -> str:
    """ "did you mean NAME?" where a known word is spelled almost like this one, or is the first
    that goes on behind it with a dash; or ""."""
    plain = {name.lower(): name for name in known}
    near = [name for name in plain if word and name.startswith(f"{word.lower()}-")]
    near = near or get_close_matches(word.lower(), plain, n=1, cutoff=ALIKE)
    return f"did you mean {plain[near[0]]}?" if near else ""


def or_meant(word: str, known: Iterable[str]) -> str:
    """The same as an end of a sentence: ", did you mean NAME?", or ""."""
    told = meant(word, known)
    return f", {told}" if told else ""
