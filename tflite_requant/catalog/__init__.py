"""What TFLite says about each operator, as data.

`OPERATORS` is keyed by builtin name; custom operators by their custom code. An operator of which no
tensor is quantized needs no entry.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from tflite_requant.catalog import (
    activation,
    comparison,
    conversion,
    custom,
    elementwise,
    movement,
    pooling,
    reduction,
    resize,
    weighted,
)
from tflite_requant.catalog.laws import LAWS
from tflite_requant.catalog.spec import FEATURES, Feature, Law, Operand, OpSpec
from tflite_requant.catalog.versions import min_runtime_version, runtime_of

if TYPE_CHECKING:  # schemes read profiles here, and schemes must not wait for NumPy
    from tflite_requant.model import Operator

__all__ = [
    "FEATURES",
    "LAWS",
    "LEFT_OUT",
    "OPERATORS",
    "Feature",
    "Law",
    "OpSpec",
    "Operand",
    "min_runtime_version",
    "runtime_of",
    "spec_of",
    "version_of",
]

_FAMILIES = (
    activation,
    comparison,
    conversion,
    custom,
    elementwise,
    movement,
    pooling,
    reduction,
    resize,
    weighted,
)

OPERATORS: Mapping[str, OpSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in sorted(
            (spec for family in _FAMILIES for spec in family.OPERATORS), key=lambda spec: spec.name
        )
    }
)

# Operators that have quantized kernels and are not in the catalog for a reason worth telling.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "NEG": "its kernel negates the stored integer and ignores both zero points; it is right "
        "only where both are 0, and -128 stays -128",
    }
)


def spec_of(op: Operator) -> OpSpec | None:
    """The catalog's entry for an operator, or None where it has none."""
    spec = OPERATORS.get(op.name)
    if spec is None or (spec.family == "custom") != (op.opcode == "CUSTOM"):
        return None
    return spec


def version_of(spec: OpSpec, dtype: str, features: Collection[str] = ()) -> int:
    """The version to write: what dtype and features ask for, within what both resolvers accept.

    dtype: an activation type of `spec`; features: those of `FEATURES` that the operator has, others
    than the operator's own are ignored. Raises ValueError for a dtype without a kernel, and for a
    feature whose name is not known.
    """
    if dtype not in spec.versions:
        known = ", ".join(spec.versions)
        raise ValueError(f"{spec.name} has no {dtype} kernel; it has {known}")
    unknown = sorted(set(features) - set(FEATURES))
    if unknown:
        raise ValueError(f"unknown feature {unknown[0]}; see catalog.FEATURES")
    asked = [
        feature.version
        for feature in spec.features
        if feature.what in features and (feature.dtypes is None or dtype in feature.dtypes)
    ]
    return min(max([spec.versions[dtype], *asked]), spec.max_version)
