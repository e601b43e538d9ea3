"""Every key of a scheme file, with what may stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from tflite_requant.catalog import OPERATORS
from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.spelling import meant

Check = Callable[[Any], "str | None"]  # what is needed instead of a value, None where it is fine
MOST_LIKELY = 3
HINTS: dict[Check, Callable[[Any], str]] = {}  # what a refused value may mean, or ""


def shown(value: Any) -> str:
    """A value as TOML has it, as far as people would write it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _one_of(*values: Any) -> Check:
    def check(value: Any) -> str | None:
        good = any(value == v and type(value) is type(v) for v in values)
        return None if good else f"one of {', '.join(map(shown, values))}"

    known = [v for v in values if isinstance(v, str)]
    HINTS[check] = lambda value: meant(value, known) if isinstance(value, str) else ""
    return check


def hint(check: Check, value: Any) -> str:
    """What may be meant by a value that a check refuses, or ""."""
    return HINTS[check](value) if check in HINTS else ""


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        return None if _is_integer(value, low, high) else f"an integer from {low} to {high}"

    return check


def _pair(low: int, high: int, equal: bool = False) -> Check:
    def check(value: Any) -> str | None:
        good = (
            isinstance(value, list)
            and len(value) == 2
            and all(_is_integer(v, low, high) for v in value)
            and (value[0] < value[1] or (equal and value[0] == value[1]))
        )
        return None if good else f"two ascending integers from {low} to {high}"

    return check


def _weights_range(value: Any) -> str | None:
    problem = _pair(-128, 255)(value)
    return problem and "two ascending integers in -128 to 127 for int8, 0 to 255 for uint8"


def _bias_bits(value: Any) -> str | None:
    good = _is_integer(value, 8, 64)
    return None if good else "an integer from 8 to 32 for int32, 8 to 64 for int64"


def _zero_point(value: Any) -> str | None:
    good = value == "any" or _is_integer(value, -32768, 32767)
    return None if good else 'an integer or "any"'


def _zero_points(value: Any) -> str | None:
    several = isinstance(value, list) and value
    good = all(_is_integer(v, -32768, 32767) for v in value) if several else not _zero_point(value)
    return None if good else 'an integer or "any", or a list of integers'


def _multiplier_bits(value: Any) -> str | None:
    good = value == 0 and _is_integer(value, 0, 0) or _is_integer(value, 8, 32)
    return None if good else "an integer from 8 to 32, or 0 where the output stage only shifts"


def nearest_operators(name: str) -> list[str]:
    """The operators of the catalog that a misspelled name may mean."""
    plain = {re.sub(r"\W|_", "", known).upper(): known for known in OPERATORS}
    asked = re.sub(r"\W|_", "", name).upper()
    return [plain[word] for word in get_close_matches(asked, plain, MOST_LIKELY, 0.6)]


def operator_name(value: Any) -> str | None:
    """None for an operator of the catalog."""
    if not (isinstance(value, str) and value):
        return "an operator's name"
    if value in OPERATORS:
        return None
    return "an operator of docs/operators.md in the sources"


def _operator_hint(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    wrong = [n for n in names if isinstance(n, str) and n != "*" and n not in OPERATORS]
    near = {name: " or ".join(nearest_operators(name)) for name in wrong}
    told = [f"{known} for {name}" if len(near) > 1 else known
            for name, known in near.items() if known]  # fmt: skip
    return f"did you mean {', '.join(told)}?" if told else ""


HINTS[operator_name] = _operator_hint


def _names(star: bool) -> Check:
    def check(value: Any) -> str | None:
        shape = 'a list of operator names, or ["*"]' if star else "a list of operator names"
        if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            return shape
        if star and not value:
            return shape
        wrong = [v for v in value if operator_name(v) and not (star and v == "*")]
        listed = ", ".join(repr(v) for v in wrong)
        return f"an operator of docs/operators.md in the sources for {listed}" if wrong else None

    HINTS[check] = _operator_hint
    return check


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a non-empty string"


def _strings(value: Any) -> str | None:
    good = value and isinstance(value, list) and not any(map(_string, value))
    return None if good or not _string(value) else "a non-empty string, or a list of them"


def _file_name(value: Any) -> str | None:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", value)
    return None if good else "letters, digits and . _ + -, since outputs are named after it"


def _pattern(value: Any) -> str | None:
    return "a regular expression" if _fault(value) else None


def _fault(pattern: Any) -> str:
    """Why it is no regular expression, or ""."""
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    except TypeError:
        return "not a text"
    return ""


HINTS[_pattern] = _fault


SECTIONS: Mapping[str, Mapping[str, Check]] = {
    "activations": {
        "dtype": _one_of("int8", "uint8", "int16", "int8+uint8"),
        "zero_point": _zero_points,
        "scale": _one_of("any", "power-of-two", "power-of-two-ratio"),
    },
    "weights": {
        "dtype": _one_of("int8", "uint8"),
        "range": _weights_range,
        "zero_point": _zero_point,
        "scale": _one_of("any", "power-of-two"),
        "granularity": _one_of("per-axis", "per-tensor"),
        "sum": _integer(1, 2**40),
    },
    "bias": {
        "dtype": _one_of("int32", "int64"),
        "bits": _bias_bits,
        "own_scale": _one_of(True, False),
        "shift": _pair(0, 31, equal=True),
    },
    "accumulator": {"bits": _integer(16, 64), "saturates": _one_of(True, False)},
    "rescale": {
        "multiplier_bits": _multiplier_bits,
        "shift": _pair(-31, 30),
        "add_shift": _pair(-31, 30),
    },
    "operators": {
        "allow": _names(star=True),
        "cpu": _names(star=False),
        "runtime_fixed": _one_of("allow", "refuse"),
    },
}
TOP: Mapping[str, Check] = {
    "name": _file_name,
    "summary": _string,
    "source": _strings,
    "unknown": _strings,
    "arithmetic": _one_of(*profile_names()),
}
OVERRIDE_SECTIONS = ("activations", "weights", "bias")
SELECTORS: Mapping[str, Check] = {"operator": operator_name, "tensor": _pattern}
