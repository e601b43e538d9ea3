"""TOML to `Scheme`. All problems of a file are told at once; unknown names list the known ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from tflite_requant.errors import Finding, SchemeError
from tflite_requant.schemes.contradictions import BIAS_BITS, contradictions, idle
from tflite_requant.schemes.keys import (
    OVERRIDE_SECTIONS,
    SECTIONS,
    SELECTORS,
    TOP,
    Check,
    hint,
    shown,
)
from tflite_requant.schemes.scheme import (
    AccumulatorLaw,
    ActivationLaw,
    BiasLaw,
    OperatorLaw,
    Override,
    RescaleLaw,
    Scheme,
    WeightLaw,
)
from tflite_requant.spelling import meant
from tflite_requant.wording import reason_of

if sys.version_info >= (3, 11):  # noqa: UP036
    import tomllib
else:
    import tomli as tomllib

LAWS = {
    "activations": ActivationLaw,
    "weights": WeightLaw,
    "bias": BiasLaw,
    "accumulator": AccumulatorLaw,
    "rescale": RescaleLaw,
    "operators": OperatorLaw,
}


def preset_names() -> tuple[str, ...]:
    """The names of the schemes that come with the package, sorted."""
    folder = resources.files("tflite_requant.schemes")
    return tuple(
        sorted(f.name[: -len(".toml")] for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def preset_text(name: str) -> str:
    """A preset's TOML. Raises SchemeError for a name that is not one."""
    if name not in preset_names():
        near = meant(name, preset_names())
        raise SchemeError(
            f"unknown scheme {name!r}, {near} `tflite-requant schemes` lists all"
            if near
            else f"unknown scheme {name!r}; need a .toml file or one of {', '.join(preset_names())}"
        )
    return (resources.files("tflite_requant.schemes") / f"{name}.toml").read_text("utf-8")


def scheme_text(name_or_path: str) -> str:
    """The TOML of a preset, or of a file that ends in .toml. Raises SchemeError for neither."""
    is_file = name_or_path.endswith(".toml")
    return _file_text(Path(name_or_path)) if is_file else preset_text(name_or_path)


def load_scheme(name_or_path: str | Path) -> Scheme:
    """A preset by name, or a scheme file by path.

    Raises SchemeError; its text lists every problem of the file, a line each.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return parse_scheme(_file_text(path), str(name_or_path))
    return parse_scheme(preset_text(str(name_or_path)), str(name_or_path))


def scheme_of(given: Scheme | str | PathLike) -> Scheme:
    """A Scheme as it is, else what `load_scheme` makes of a name or path.

    Raises SchemeError, TypeError for what is none of these.
    """
    if isinstance(given, Scheme):
        return given
    if not isinstance(given, (str, PathLike)):
        raise TypeError(
            f"need a scheme's name, the path of a .toml or a Scheme, found {type(given).__name__}"
        )
    return load_scheme(given)


def _file_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = reason_of(error) if isinstance(error, OSError) else "not a text file"
        raise SchemeError(f"{path}: cannot be read as a scheme: {what}") from None


def parse_scheme(text: str, origin: str) -> Scheme:
    """A scheme from TOML text; `origin` names it in messages."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemeError(f"{origin}: not TOML: {error}") from None
    problems = _problems(tables)
    if problems:
        raise SchemeError("\n".join(f"{origin}: {_line(p)}" for p in problems))
    return _scheme(tables)


def _line(problem: Finding) -> str:
    """A finding about a scheme as one line; its law is the same for all of them."""
    return problem.line().replace(f": [{problem.law}] ", ": ", 1)


def _problem(where: str, found: str, need: str) -> Finding:
    return Finding("error", where, "scheme", found, need)


def _problems(tables: Mapping[str, Any]) -> list[Finding]:
    problems: list[Finding] = []
    sound: dict[str, Any] = {}
    for key, value in tables.items():
        if key in SECTIONS:
            found = _section_problems(f"[{key}]", SECTIONS[key], value)
        elif key == "override":
            found = _overrides_problems(value)
        elif key in TOP:
            found = _key_problems("top level", TOP, key, value)
        else:
            found = [_unknown("top level", key, [*TOP, *SECTIONS, "override"])]
        problems += found
        if not found:
            sound[key] = value
    if "name" not in tables:
        problems.append(_problem("top level", "no name", 'name = "..."'))
    return problems + _contradictions(tables, sound)


def _contradictions(tables: Mapping[str, Any], sound: dict[str, Any]) -> list[Finding]:
    """Those of the whole file and of what overrides make of it, where its sections are sound."""
    if any(key in tables and key not in sound for key in SECTIONS):
        return []
    scheme = _scheme({"name": "x", **sound})
    found = [_problem(f"[{where}]", what, need) for where, what, need in contradictions(scheme)]
    found += [_problem(f"[{where}]", what, need) for where, _, what, need in idle(scheme)]
    known = set(contradictions(scheme))
    for i, override in enumerate(scheme.overrides):
        changed = replace(scheme, overrides=(replace(override, operator=None, tensor=None),))
        merged, own = changed.for_operator("", ""), dict(override.changes)
        told = [c for c in contradictions(merged) if c[0] in own and c not in known]
        # Beside what this override changes, others may stand whole.
        told += [(where, what, need) for where, key, what, need in idle(merged)
                 if key in dict(own.get(where, ()))]  # fmt: skip
        for where, what, need in told:
            found.append(_problem(f"[[override]] {i + 1} {where}", what, need))
    return found


def _section_problems(where: str, keys: Mapping[str, Check], value: Any) -> list[Finding]:
    if not isinstance(value, dict):
        return [_problem(where, f"found {value!r}", "a table")]
    return [p for k, v in value.items() for p in _key_problems(where, keys, k, v)]


def _key_problems(where: str, keys: Mapping[str, Check], key: str, value: Any) -> list[Finding]:
    if key not in keys:
        return [_unknown(where, key, keys)]
    need = keys[key](value)
    if not need:
        return []
    found, told = f"{key} = {shown(value)}", hint(keys[key], value)
    return [Finding("error", where, "scheme", found, need, told)]


def _unknown(where: str, key: str, known: Any) -> Finding:
    need = f"one of {', '.join(sorted(known))}"
    return Finding("error", where, "scheme", f"unknown key {key!r}", need, meant(key, known))


def _overrides_problems(value: Any) -> list[Finding]:
    if not isinstance(value, list):
        found = "found a table" if isinstance(value, dict) else f"found {value!r}"
        return [_problem("override", found, "[[override]]")]
    entries = enumerate(value, 1)
    return [p for i, entry in entries for p in _override_problems(f"[[override]] {i}", entry)]


def _override_problems(where: str, entry: Any) -> list[Finding]:
    if not isinstance(entry, dict):
        return [_problem(where, f"found {entry!r}", "a table")]
    problems = []
    for key, value in entry.items():
        if key in SELECTORS:
            problems += _key_problems(where, SELECTORS, key, value)
        elif key in OVERRIDE_SECTIONS:
            problems += _section_problems(f"{where} {key}", SECTIONS[key], value)
        else:
            problems.append(_unknown(where, key, [*SELECTORS, *OVERRIDE_SECTIONS]))
    if not any(key in entry for key in SELECTORS):
        problems.append(_problem(where, "it selects nothing", "operator = or tensor ="))
    if not any(entry.get(key) for key in OVERRIDE_SECTIONS) and not problems:
        need = "keys of " + " or ".join(f"[override.{key}]" for key in OVERRIDE_SECTIONS)
        problems.append(_problem(where, "it changes nothing", need))
    return problems


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _scheme(tables: Mapping[str, Any]) -> Scheme:
    laws = {name: law(**_frozen(tables.get(name, {}))) for name, law in LAWS.items()}
    if "bits" not in tables.get("bias", {}):
        bits = BIAS_BITS[laws["bias"].dtype]
        laws["bias"] = replace(laws["bias"], bits=bits)
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
    texts = {key: _texts(tables.get(key, ())) for key in ("source", "unknown")}
    plain = {key: tables[key] for key in ("name", "summary", "arithmetic") if key in tables}
    return Scheme(**plain, **texts, **laws, overrides=overrides)
