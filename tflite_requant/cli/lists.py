"""How often a flag may be given, and lists with commas between, as flags take them."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from tflite_requant.errors import UsageError


class Once(argparse.Action):
    """Keeps a flag's value and refuses a second one, which would silently be the one that counts.

    `given` of the namespace holds what was given, as names of its attributes.
    """

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        if option_string is not None:
            given = vars(namespace).setdefault("given", set())
            if self.dest in given:
                parser.error(self._twice(getattr(namespace, self.dest), values))
            given.add(self.dest)
        setattr(namespace, self.dest, values)

    def _twice(self, first: object, second: object) -> str:
        name = max(self.option_strings, key=len)
        if not is_list(self):
            return f"{name} given twice; need one value"
        return f"{name} given twice; several: {name} {shlex.quote(f'{first},{second}')}"


class Joined(argparse.Action):
    """Keeps all values of a flag that is given several times, with commas between."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


def is_list(flag: argparse.Action) -> bool:
    """Whether a flag takes words with commas between, as its help says."""
    told = str(flag.metavar)
    return told.endswith("[,...]") or "LIST" in told.split("|")


def single(what: str, command: str, text: str) -> str:
    """The one scheme that `text` names. Raises UsageError for a list of them."""
    if "," in text and not Path(text).exists():
        raise UsageError(f"{what}{text}: {command} takes one scheme at a time")
    return text


def listed(flag: str, text: str) -> list[str]:
    """The words of a flag's value. Raises UsageError for an empty one."""
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{flag} {text!r}: an empty name in the list")
    return words
