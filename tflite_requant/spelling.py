"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

ALIKE = 0.6  # of difflib's ratio


def meant(word: str, known: Iterable[str]) -> str:
    """ "did you mean NAME?" where a known word is this one but for capitals, dashes and
    underscores, is the first that goes on behind it with a dash, or is spelled almost like it; or
    "". Dashes before flags make none alike. The word itself is never suggested."""
    plain = {_plain(name): name for name in known if name != word}
    word = _plain(word)
    near = [name for name in plain if word and _bare(name) == _bare(word)]
    near = near or [name for name in plain if word and name.startswith(f"{word}-")]
    near = near or get_close_matches(word, plain, n=1, cutoff=ALIKE)
    return f"did you mean {plain[near[0]]}?" if near else ""


def _plain(word: str) -> str:
    return word.lower().lstrip("-")


def _bare(word: str) -> str:
    return word.replace("-", "").replace("_", "")


def or_meant(word: str, known: Iterable[str]) -> str:
    """The same as an end of a sentence: ", did you mean NAME?", or ""."""
    told = meant(word, known)
    return f", {told}" if told else ""
