"""`--require`: conditions on a report's numbers, for builds that want to fail."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from tflite_requant.errors import UsageError
from tflite_requant.report.layout import number

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
NO_WORDS: Mapping[str, str] = {}
CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|==|!=|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """One `name>=number`."""

    name: str
    comparison: str
    limit: float

    def holds(self, value: float) -> bool:
        return COMPARISONS[self.comparison](value, self.limit)

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{number(self.limit)}"


def parse_conditions(text: str, known: Collection[str]) -> tuple[Condition, ...]:
    """Conditions from `name>=number,name==number`. Raises UsageError for one that is not legal."""
    return tuple(_condition(part, known) for part in text.split(",")) if text else ()


def _condition(part: str, known: Collection[str]) -> Condition:
    match = CONDITION.fullmatch(part)
    try:
        name, comparison, limit = match.groups()
        limit = float(limit)
    except (AttributeError, ValueError):
        raise UsageError(
            f"--require {part.strip()!r}: need a name, one of {' '.join(COMPARISONS)}, and a number"
        ) from None
    if name not in known:
        raise UsageError(f"--require: unknown number {name!r}; known: {', '.join(known)}")
    return Condition(name, comparison, limit)


def unmet(
    conditions: tuple[Condition, ...],
    found: Mapping[str, float],
    meant: Mapping[str, str] = NO_WORDS,
) -> list[str]:
    """What does not hold, each with what was found. meant: of names that may be misunderstood,
    what they say here."""
    missed = []
    for condition in conditions:
        if condition.name not in found:
            missed.append(f"{condition} cannot be judged: this model has no such number")
        elif not condition.holds(found[condition.name]):
            told = [number(found[condition.name]), *filter(None, [meant.get(condition.name)])]
            missed.append(f"{condition} does not hold: it is {', '.join(told)}")
    return missed
