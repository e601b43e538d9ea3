"""A scheme: what a piece of hardware asks of a model, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

ANY = "any"
POWER_OF_TWO = "power-of-two"
RATIO = "power-of-two-ratio"
MIXED = "int8+uint8"


@dataclass(frozen=True, slots=True)
class ActivationLaw:
    """dtype, "int8+uint8": unsigned where nothing is negative; zero_point: a number, several of
    which the one that suits is taken, or "any"; scale: "any", "power-of-two", or
    "power-of-two-ratio" (rescale multipliers and the ratios at ADD are powers of two)."""

    dtype: str = "int8"
    zero_point: int | tuple[int, ...] | str = ANY
    scale: str = ANY

    @property
    def zero_points(self) -> tuple[int, ...] | None:
        """The zero points to choose from; None for any."""
        if self.zero_point == ANY:
            return None
        return self.zero_point if isinstance(self.zero_point, tuple) else (self.zero_point,)

    def takes(self, zero_point: int) -> bool:
        """Whether a zero point is one that the law permits."""
        return self.zero_points is None or zero_point in self.zero_points

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The types to choose from."""
        return ("int8", "uint8") if self.dtype == MIXED else (self.dtype,)

    def of(self, dtype: str) -> ActivationLaw:
        """The law with one type chosen."""
        return self if dtype == self.dtype else replace(self, dtype=dtype)


@dataclass(frozen=True, slots=True)
class WeightLaw:
    """dtype; range of stored integers; zero_point: a number or "any"; granularity: "per-axis" or
    "per-tensor"; sum: the largest sum of |w - zero point| over one output channel, None: any."""

    dtype: str = "int8"
    range: tuple[int, int] = (-127, 127)
    zero_point: int | str = 0
    scale: str = ANY
    granularity: str = "per-axis"
    sum: int | None = None


@dataclass(frozen=True, slots=True)
class BiasLaw:
    """dtype that TFLite stores; bits: what the hardware can hold.

    own_scale: the hardware's bias is an integer of `bits` times 2**k accumulator steps, with one k
    for the operator, from the range `shift`. The file keeps that product at the accumulator's
    scale, so that it runs in TFLite: every stored bias is an integer of `bits` times 2**k.
    """

    dtype: str = "int32"
    bits: int = 32
    own_scale: bool = False
    shift: tuple[int, int] = (0, 31)

    @property
    def largest(self) -> int:
        """The largest integer of `bits`; its negative is taken as the least."""
        return 2 ** (self.bits - 1) - 1

    @property
    def limit(self) -> int:
        """The largest |bias| in accumulator steps that the hardware and the file can hold."""
        held = self.largest << (self.shift[1] if self.own_scale else 0)
        return min(held, 2**63 - 1 if self.dtype == "int64" else 2**31 - 1)

    def position(self, largest: int) -> int | None:
        """The least k at which |bias| <= largest fits; None where none does."""
        if not self.own_scale:
            return 0 if largest <= self.limit else None
        fits = (k for k in range(self.shift[0], self.shift[1] + 1) if largest <= self.largest << k)
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class AccumulatorLaw:
    """bits; saturates: a sum that leaves them is cut, so that what no input may ever reach need not
    be ruled out: `check` warns where it cannot be."""

    bits: int = 32
    saturates: bool = False


@dataclass(frozen=True, slots=True)
class RescaleLaw:
    """multiplier_bits and shift range (positive = left, as TFLite) of the output stage.

    multiplier_bits 0: the stage only shifts: multipliers are 2**shift. With a multiplier M in
    [0.5, 1) they are M * 2**shift. add_shift: the range for the operands of ADD and SUB, each
    relative to the output.
    """

    multiplier_bits: int = 32
    shift: tuple[int, int] = (-31, 30)
    add_shift: tuple[int, int] = (-31, 30)

    @property
    def shifts_only(self) -> bool:
        return self.multiplier_bits == 0


@dataclass(frozen=True, slots=True)
class OperatorLaw:
    """allow: operator names, "*" for all; cpu: those that run beside the accelerator, of which the
    scheme asks nothing that TFLite fixes; runtime_fixed: may outputs that TFLite fixes stand?"""

    allow: tuple[str, ...] = ("*",)
    cpu: tuple[str, ...] = ()
    runtime_fixed: str = "allow"

    def allows(self, name: str) -> bool:
        return "*" in self.allow or name in self.allow or name in self.cpu

    def may_be_fixed(self, name: str) -> bool:
        """Whether the operator's output may be what TFLite prescribes."""
        return self.runtime_fixed == "allow" or name in self.cpu


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
    """Everything a target asks for; see docs/schemes.md. source: where its facts are from; unknown:
    what no public source says."""

    name: str
    summary: str = ""
    source: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    arithmetic: str = "litert-reference"
    activations: ActivationLaw = ActivationLaw()
    weights: WeightLaw = WeightLaw()
    bias: BiasLaw = BiasLaw()
    accumulator: AccumulatorLaw = AccumulatorLaw()
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
