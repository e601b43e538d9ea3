"""Short ways to write the catalog's records down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tflite_requant.catalog.spec import Feature, Operand, OpSpec

GRID = "grid"
FUSED = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def by_dtype(**values: Any) -> Mapping[str, Any]:
    """A read-only mapping keyed by activation dtype."""
    return MappingProxyType(values)


def free(name: str, **facts: Any) -> Operand:
    """An activation with a grid of its own."""
    return Operand(name, **facts)


def tied(name: str, *dtypes: str, **facts: Any) -> Operand:
    """An activation on the operator's common grid, for the named types; without names, for all."""
    return Operand(name, tie=GRID, tie_dtypes=dtypes or None, **facts)


def plain(name: str, **facts: Any) -> Operand:
    """An operand that is never requantized."""
    return Operand(name, role="plain", **facts)


def operator(
    name: str,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    versions: Mapping[str, int],
    family: str,
    features: Mapping[str, int | tuple[int, str]] | None = None,
    **facts: Any,
) -> OpSpec:
    """An OpSpec whose dtypes are those of its versions.

    features: name -> version, or (version, the one dtype it counts for).
    """
    return OpSpec(
        name=name,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        dtypes=tuple(versions),
        versions=versions,
        family=family,
        features=tuple(_feature(what, asks) for what, asks in (features or {}).items()),
        **facts,
    )


def _feature(what: str, asks: int | tuple[int, str]) -> Feature:
    if isinstance(asks, tuple):
        version, dtype = asks
        return Feature(what, version, (dtype,))
    return Feature(what, asks)
