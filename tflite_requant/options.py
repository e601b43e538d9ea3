"""What may be asked of a requantization beside model, scheme and data."""

from __future__ import annotations

from dataclasses import dataclass, field

from tflite_requant.errors import UsageError
from tflite_requant.planning import padding
from tflite_requant.rules.weighted import Corrections

CLAMPS = ("fused", "auto", "exact")
CORRECTIONS = (
    "dead-channels", "exact-grid", "scale-search", "error-compensation", "bias-folding",
    "nested-rounding", "range-fit", "sequential-bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """How to requantize. The defaults are what measures best without being asked.

    keep_io:      graph inputs and outputs keep type and quantization (QUANTIZE at the border).
    keep_unknown: operators outside the catalog stay on their old quantization, fenced by QUANTIZE.
    strict_meaning: every intermediate tensor keeps its real value (no zero-point folding, no
                  relabelled power-of-two scales).
    clamps:       "fused": restore old clamps where a fused activation or the new range can;
                  "exact": also insert MINIMUM and MAXIMUM where neither can; "auto": only where
                  what the source stopped outweighs the new grid's rounding, and the scheme allows
                  these operators.
    allow_padv2:  how many PADV2 operators ("any" for all) may be inserted before convolutions, for
                  zero points to be folded through their padding; see `planning.padding`.
    correction:   which of CORRECTIONS are on.
    search:       run the model on samples again and again, and keep the activation scales under
                  which its outputs are closest to the source's.
    seed:         of everything random (synthetic calibration).
    """

    keep_io: bool = False
    keep_unknown: bool = False
    strict_meaning: bool = False
    clamps: str = "fused"
    allow_padv2: int | str = 0
    correction: tuple[str, ...] = CORRECTIONS
    search: bool = False
    seed: int = 0
    progress: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        unknown = [c for c in self.correction if c not in CORRECTIONS]
        if unknown:
            known = ", ".join(CORRECTIONS)
            raise UsageError(f"unknown correction {unknown[0]!r}; known: {known}")
        if self.clamps not in CLAMPS:
            raise UsageError(f"unknown clamps {self.clamps!r}; known: {', '.join(CLAMPS)}")
        count = self.allow_padv2
        if count != padding.ANY and not (isinstance(count, int) and count >= 0):
            raise UsageError(f"allow_padv2 {count!r}: need a number from 0 or {padding.ANY!r}")
        if count and self.strict_meaning:
            raise UsageError(
                "allow_padv2 lets zero points be folded, which strict_meaning forbids; "
                "give one of them"
            )

    def corrections(self) -> Corrections:
        """The switches that the weighted rule takes."""
        on = set(self.correction)
        return Corrections(
            exact_grid="exact-grid" in on,
            search="scale-search" in on,
            compensate="error-compensation" in on,
            fold="bias-folding" in on,
        )
