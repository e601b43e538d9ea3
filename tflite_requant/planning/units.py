"""Activation scales that a plan is free to choose, each under a name that survives replanning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """A scale that may be multiplied by a factor: "any" factor, or a "power" of two.

    tensors: those whose scales move, ascending.
    """

    kind: str
    tensors: tuple[int, ...]


NO_FACTORS: Mapping[Unit, float] = MappingProxyType({})
