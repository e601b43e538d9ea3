"""A scheme: what a piece of hardware asks of a model, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

ANY = "any"


@dataclass(frozen=True, slots=True)
class ActivationLaw:
    """dtype; zero_point: a number or "any"; scale: "any" or "power-of-two"."""

    dtype: str = "int8"
    zero_point: int | str = ANY
    scale: str = ANY


@dataclass(frozen=True, slots=True)
class WeightLaw:
    """dtype; range of stored integers; zero_point: a number or "any"; granularity: "per-axis" or
    "per-tensor"."""

    dtype: str = "int8"
    range: tuple[int, int] = (-127, 127)
    zero_point: int | str = 0
    scale: str = ANY
    granularity: str = "per-axis"


@dataclass(frozen=True, slots=True)
class BiasLaw:
    """dtype that TFLite stores; bits: what the hardware can hold, at most the dtype's."""

    dtype: str = "int32"
    bits: int = 32


@dataclass(frozen=True, slots=True)
class RescaleLaw:
    """multiplier_bits and shift range (positive = left, as TFLite) of the output stage."""

    multiplier_bits: int = 32
    shift: tuple[int, int] = (-31, 30)


@dataclass(frozen=True, slots=True)
class OperatorLaw:
    """allow: operator names, "*" for all; runtime_fixed: may outputs that TFLite fixes stand?"""

    allow: tuple[str, ...] = ("*",)
    runtime_fixed: str = "allow"

    def allows(self, name: str) -> bool:
        return "*" in self.allow or name in self.allow


@dataclass(frozen=True, slots=True)
class Override:
    """Another law for some operators: by operator name, by a regular expression on the name of the
    operator's first output, or both. `changes` maps a section to its changed keys."""

    operator: str | None = None
    tensor: str | None = None
    changes: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()

    def matches(self, operator: str, tensor: str) -> bool:
        if self.operator is not None and self.operator != operator:
            return False
        return self.tensor is None or re.search(self.tensor, tensor) is not None


@dataclass(frozen=True, slots=True)
class Scheme:
    """Everything a target asks for; see docs/schemes.md."""

    name: str
    summary: str = ""
    arithmetic: str = "litert-reference"
    activations: ActivationLaw = ActivationLaw()
    weights: WeightLaw = WeightLaw()
    bias: BiasLaw = BiasLaw()
    accumulator_bits: int = 32
    rescale: RescaleLaw = RescaleLaw()
    operators: OperatorLaw = OperatorLaw()
    overrides: tuple[Override, ...] = field(default=())

    def for_operator(self, operator: str, tensor: str) -> Scheme:
        """The scheme as it stands for one operator: matching overrides applied, in file order."""
        scheme = self
        for override in self.overrides:
            if override.matches(operator, tensor):
                for section, changes in override.changes:
                    law = replace(getattr(scheme, section), **dict(changes))
                    scheme = replace(scheme, **{section: law})
        return scheme
