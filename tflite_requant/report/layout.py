"""Plain text in 80 columns: numbers, wrapped lines, tables."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from decimal import Decimal

from tflite_requant.wording import plural as plural
from tflite_requant.wording import shorten as shorten

WIDTH = 80
LEAST = 8  # columns of what is cut to fit


def percent(part: int, whole: int) -> str:
    """A share rounded down, so that only all of it is "100 %"."""
    if part == whole:
        return "100 %"
    return f"{1000 * part // whole / 10:.1f} %"


def at_most(value: float, digits: int) -> str:
    """A float with so many decimals, none of which makes it greater than it is: a condition with
    this number as its least holds."""
    text = f"{value:.{digits}f}"
    if math.isfinite(value) and float(text) > value:
        text = f"{Decimal(text) - Decimal(1).scaleb(-digits):f}"
    return text


def at_least(value: float, digits: int) -> str:
    """The same of what is better the smaller it is, and never negative: as the greatest."""
    return at_most(-value, digits).removeprefix("-")


def percents(value: float) -> str:
    """A float from 0 to 100 as `percent` tells a share."""
    return "100 %" if value == 100.0 else f"{at_most(value, 1)} %"


def number(value: float) -> str:
    """A float as short as it can be told: 7 digits, as many as a float32 deserves."""
    return f"{value:.7g}"


def wrap(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most WIDTH columns; long words (tensor names) are never broken.

    first, rest: what the first and the other lines begin with; rest defaults to spaces.
    """
    rest = " " * len(first) if rest is None else rest
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]


def fields(pairs: Iterable[tuple[str, str]], indent: str = "  ") -> list[str]:
    """Name and value a line, values aligned and wrapped."""
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0) + 2
    return [line for name, value in pairs for line in wrap(value, f"{indent}{name:<{width}}")]


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], align: str, indent: str = "  ",
    cut: int | None = None, tight: bool = False,
) -> list[str]:  # fmt: skip
    """Rows under a head, columns two spaces apart.

    align: a letter a column, "<" or ">"; a column that is empty in every row is left out.
    tight: columns are one space apart where lines would not fit.
    cut: the column that is shortened where they still would not, to LEAST at worst.
    """
    rows = [list(row) for row in rows]
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    gap = "  "
    over = len(indent) + sum(widths[i] + 2 for i in used) - 2 - WIDTH
    if tight and over > 0:
        gap, over = " ", over - len(used) + 1
    if cut is not None and over > 0:
        widths[cut] = max(widths[cut] - over, min(LEAST, widths[cut]))
        for row in rows:
            row[cut] = shorten(row[cut], widths[cut])

    def line(cells: Sequence[str]) -> str:
        return indent + gap.join(f"{cells[i]:{align[i]}{widths[i]}}" for i in used)

    return [line(cells).rstrip() for cells in [head, *rows]] if rows else []
