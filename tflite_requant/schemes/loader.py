"""TOML to `Scheme`. Unknown keys and values are errors that list the known ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.errors import Finding, SchemeError
from tflite_requant.schemes.scheme import (
    ActivationLaw,
    BiasLaw,
    OperatorLaw,
    Override,
    RescaleLaw,
    Scheme,
    WeightLaw,
)

if sys.version_info >= (3, 11):  # noqa: UP036
    import tomllib
else:
    import tomli as tomllib

Check = Callable[[Any], str | None]


def _one_of(*values: Any) -> Check:
    def check(value: Any) -> str | None:
        good = any(value == v and type(value) is type(v) for v in values)
        return None if good else f"one of {', '.join(repr(v) for v in values)}"

    return check


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if good else f"an integer from {low} to {high}"

    return check


def _pair(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        good = (
            isinstance(value, list)
            and len(value) == 2
            and all(_integer(low, high)(v) is None for v in value)
            and value[0] < value[1]
        )
        return None if good else f"two ascending integers from {low} to {high}"

    return check


def _zero_point(value: Any) -> str | None:
    return None if value == "any" else _integer(-32768, 32767)(value) and 'an integer or "any"'


def _names(value: Any) -> str | None:
    good = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
    return None if good else 'a list of operator names, or ["*"]'


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a non-empty string"


def _file_name(value: Any) -> str | None:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", value)
    return None if good else "letters, digits and . _ + -, since outputs are named after it"


def _pattern(value: Any) -> str | None:
    try:
        re.compile(value)
    except (re.error, TypeError):
        return "a regular expression"
    return None


SECTIONS: Mapping[str, Mapping[str, Check]] = {
    "activations": {
        "dtype": _one_of("int8", "uint8", "int16"),
        "zero_point": _zero_point,
        "scale": _one_of("any", "power-of-two"),
    },
    "weights": {
        "dtype": _one_of("int8", "uint8"),
        "range": _pair(-128, 255),
        "zero_point": _zero_point,
        "scale": _one_of("any", "power-of-two"),
        "granularity": _one_of("per-axis", "per-tensor"),
    },
    "bias": {"dtype": _one_of("int32", "int64"), "bits": _integer(8, 64)},
    "accumulator": {"bits": _integer(16, 64)},
    "rescale": {"multiplier_bits": _integer(8, 32), "shift": _pair(-31, 30)},
    "operators": {"allow": _names, "runtime_fixed": _one_of("allow", "refuse")},
}
TOP: Mapping[str, Check] = {
    "name": _file_name,
    "summary": _string,
    "arithmetic": _one_of(*profile_names()),
}
OVERRIDE_SECTIONS = ("activations", "weights", "bias")
SELECTORS: Mapping[str, Check] = {"operator": _string, "tensor": _pattern}


def preset_names() -> tuple[str, ...]:
    """The names of the schemes that come with the package, sorted."""
    folder = resources.files("tflite_requant.schemes")
    return tuple(
        sorted(f.name[: -len(".toml")] for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def preset_text(name: str) -> str:
    """A preset's TOML. Raises SchemeError for a name that is not one."""
    if name not in preset_names():
        raise SchemeError(
            f"unknown scheme {name!r}; need a .toml file or one of {', '.join(preset_names())}"
        )
    return (resources.files("tflite_requant.schemes") / f"{name}.toml").read_text("utf-8")


def load_scheme(name_or_path: str | Path) -> Scheme:
    """A preset by name, or a scheme file by path.

    Raises SchemeError; its text lists every problem of the file, a line each.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise SchemeError(f"{path}: cannot be read as a scheme: {reason}") from None
        return parse_scheme(text, path.name)
    return parse_scheme(preset_text(str(name_or_path)), str(name_or_path))


def parse_scheme(text: str, origin: str) -> Scheme:
    """A scheme from TOML text; `origin` names it in messages."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemeError(f"{origin}: not TOML: {error}") from None
    problems = _problems(tables)
    if problems:
        raise SchemeError("\n".join(f"{origin}: {p.line()}" for p in problems))
    return _scheme(tables)


def _problems(tables: Mapping[str, Any]) -> list[Finding]:
    problems: list[Finding] = []
    known = [*TOP, *SECTIONS, "override"]
    for key, value in tables.items():
        if key in SECTIONS:
            problems += _section_problems(f"[{key}]", SECTIONS[key], value)
        elif key == "override":
            entries = value if isinstance(value, list) else [value]
            for i, entry in enumerate(entries):
                problems += _override_problems(f"[[override]] {i + 1}", entry)
        elif key in TOP:
            problems += _key_problems("top level", TOP, key, value)
        else:
            problems.append(_unknown("top level", key, known))
    if "name" not in tables:
        problems.append(Finding("error", "top level", "scheme", "no name", 'name = "..."'))
    return problems or _contradictions(tables)


def _section_problems(where: str, keys: Mapping[str, Check], value: Any) -> list[Finding]:
    if not isinstance(value, dict):
        return [Finding("error", where, "scheme", f"found {value!r}", "a table")]
    return [p for k, v in value.items() for p in _key_problems(where, keys, k, v)]


def _key_problems(where: str, keys: Mapping[str, Check], key: str, value: Any) -> list[Finding]:
    if key not in keys:
        return [_unknown(where, key, keys)]
    need = keys[key](value)
    return [Finding("error", where, "scheme", f"{key} = {value!r}", need)] if need else []


def _unknown(where: str, key: str, known: Any) -> Finding:
    return Finding(
        "error", where, "scheme", f"unknown key {key!r}", f"one of {', '.join(sorted(known))}"
    )


def _override_problems(where: str, entry: Any) -> list[Finding]:
    if not isinstance(entry, dict):
        return [Finding("error", where, "scheme", f"found {entry!r}", "a table")]
    problems = []
    for key, value in entry.items():
        if key in SELECTORS:
            problems += _key_problems(where, SELECTORS, key, value)
        elif key in OVERRIDE_SECTIONS:
            problems += _section_problems(f"{where} {key}", SECTIONS[key], value)
        else:
            problems.append(_unknown(where, key, [*SELECTORS, *OVERRIDE_SECTIONS]))
    if not any(key in entry for key in SELECTORS):
        problems.append(
            Finding("error", where, "scheme", "it selects nothing", "operator = or tensor =")
        )
    return problems


def _contradictions(tables: Mapping[str, Any]) -> list[Finding]:
    """What every key alone permits, but TFLite has no form for."""
    problems: list[Finding] = []
    activations, weights = (
        _law(ActivationLaw, tables, "activations"),
        _law(WeightLaw, tables, "weights"),
    )
    bias = _law(BiasLaw, tables, "bias")

    def contradict(where: str, found: str, need: str) -> None:
        problems.append(Finding("error", where, "scheme", found, need))

    low, high = weights.range
    limits = {"int8": (-128, 127), "uint8": (0, 255)}[weights.dtype]
    if low < limits[0] or high > limits[1]:
        contradict(
            "[weights]",
            f"range {[low, high]} for {weights.dtype}",
            f"a range within {list(limits)}",
        )
    if (activations.dtype == "uint8") != (weights.dtype == "uint8"):
        contradict(
            "[weights]",
            f"dtype {weights.dtype} with {activations.dtype} activations",
            "uint8 weights with uint8 activations, int8 weights with int8 or int16",
        )
    if weights.dtype == "uint8" and weights.granularity == "per-axis":
        contradict(
            "[weights]",
            "per-axis uint8",
            'granularity = "per-tensor" (uint8 kernels know no other)',
        )
    if weights.dtype == "int8" and weights.zero_point != 0:
        contradict("[weights]", f"zero_point = {weights.zero_point!r} for int8", "zero_point = 0")
    least, greatest = {"int8": (-128, 127), "uint8": (0, 255)}.get(
        activations.dtype, (-32768, 32767)
    )
    if activations.zero_point != "any" and not least <= activations.zero_point <= greatest:
        contradict(
            "[activations]",
            f"zero_point = {activations.zero_point} for {activations.dtype}",
            f"{least} to {greatest}",
        )
    if activations.dtype == "int16" and activations.zero_point not in (0,):
        contradict(
            "[activations]", f"zero_point = {activations.zero_point!r} for int16", "zero_point = 0"
        )
    if bias.dtype == "int64" and activations.dtype != "int16":
        contradict("[bias]", f"dtype int64 with {activations.dtype} activations", "int32")
    if bias.bits > {"int32": 32, "int64": 64}[bias.dtype]:
        contradict(
            "[bias]", f"bits = {bias.bits} for {bias.dtype}", "no more bits than the dtype has"
        )
    return problems


def _law(cls: type, tables: Mapping[str, Any], section: str) -> Any:
    return cls(**_frozen(tables.get(section, {})))


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}


def _scheme(tables: Mapping[str, Any]) -> Scheme:
    overrides = tuple(
        Override(
            entry.get("operator"),
            entry.get("tensor"),
            tuple(
                (section, tuple(_frozen(entry[section]).items()))
                for section in OVERRIDE_SECTIONS
                if section in entry
            ),
        )
        for entry in tables.get("override", ())
    )
    bias = _frozen(tables.get("bias", {}))
    bias.setdefault("bits", 64 if bias.get("dtype") == "int64" else 32)
    return Scheme(
        name=tables["name"],
        summary=tables.get("summary", ""),
        arithmetic=tables.get("arithmetic", "litert-reference"),
        activations=_law(ActivationLaw, tables, "activations"),
        weights=_law(WeightLaw, tables, "weights"),
        bias=BiasLaw(**bias),
        accumulator_bits=tables.get("accumulator", {}).get("bits", 32),
        rescale=_law(RescaleLaw, tables, "rescale"),
        operators=_law(OperatorLaw, tables, "operators"),
        overrides=overrides,
    )
