"""What each arithmetic profile is, and against what it was verified."""

from __future__ import annotations

from dataclasses import dataclass

from tflite_requant.catalog.arithmetic import PROFILES
from tflite_requant.errors import UsageError
from tflite_requant.spelling import or_meant

X86 = "LiteRT 2.3.0, x86-64, one thread"
EXACT = "exact fractions, and a loop compiled from C"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile's one-line summary, and what its numbers were compared with."""

    name: str
    summary: str
    verified: str


DESCRIBED: tuple[Profile, ...] = (
    Profile("litert-reference", "LiteRT's reference kernels, which are the same everywhere", X86),
    Profile("litert-optimized", "LiteRT's optimized kernels, without delegates", X86),
    Profile("litert-xnnpack", "LiteRT as it runs by default: XNNPACK, and optimized kernels", X86),
    Profile(
        "tflm",
        "TFLite Micro's portable kernels: multipliers of 32 bits, two roundings",
        "TFLite Micro 0.dev20250604163413, x86-64",
    ),
    Profile(
        "single-rounding",
        "TFLite Micro or CMSIS-NN built for one rounding: the whole product, ties up",
        EXACT,
    ),
    Profile("shift-half-up", "rescaling is a shift, ties towards plus infinity", EXACT),
    Profile("shift-half-even", "rescaling is a shift, ties to even", EXACT),
    Profile("shift-half-away", "rescaling is a shift, ties away from zero", EXACT),
    Profile("shift-truncate", "rescaling is a shift that drops the bits", EXACT),
    Profile(
        "extended",
        "litert-reference, and operands of unlike 8-bit types, which no runtime takes",
        f"{X86}, as far as that takes the operands; the rest by a loop over Python integers",
    ),
)


def profile(name: str) -> Profile:
    """The description of a profile. Raises UsageError for an unknown one."""
    for found in DESCRIBED:
        if found.name == name:
            return found
    known = f"{or_meant(name, PROFILES)}; known: {', '.join(PROFILES)}"
    raise UsageError(f"unknown arithmetic {name!r}{known}")
