"""Lists with commas between, as flags take them."""

from __future__ import annotations

from tflite_requant.errors import UsageError


def listed(flag: str, text: str) -> list[str]:
    """The words of a flag's value. Raises UsageError for an empty one."""
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{flag} {text!r}: an empty name in the list")
    return words
