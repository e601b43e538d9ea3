"""What goes wrong, as values and as exceptions.

A `Finding` is one thing that was seen in a model; an exception ends the work. The command line
turns both into lines and exit codes: 1 = the answer is no, 2 = the request or file is unusable.
"""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("error", "exception", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One law met or broken at one place.

    severity: "error" (refused), "exception" (legal, but not what the scheme asks), "warning",
              "note".
    where:    "op 12 DEPTHWISE_CONV_2D block_3/depthwise", "tensor 7 conv/bias", or "model".
    law:      short stable name of the law, for instance "bias-scale".
    found, need, hint: what is there, what the law asks for, what to do about it.
    """

    severity: str
    where: str
    law: str
    found: str
    need: str = ""
    hint: str = ""

    def line(self) -> str:
        """The finding as one line of text."""
        text = f"{self.where}: [{self.law}] {self.found}"
        if self.need:
            text += f"; need {self.need}"
        if self.hint:
            text += f" ({self.hint})"
        return text


class Terminated(KeyboardInterrupt):
    """SIGTERM, so that what cleans up behind an interrupt cleans up behind it too."""


class RequantError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code = 1


class UsageError(RequantError):
    """The request cannot be understood: an unknown name, a missing folder, contradicting flags."""

    exit_code = 2


class SchemeError(UsageError):
    """A scheme file is not legal."""


class SampleError(UsageError):
    """Calibration or input data do not fit the model."""


class FormatError(RequantError):
    """The bytes are not a TFLite model that can be read; `findings` may tell more than the line."""

    exit_code = 2

    def __init__(self, reason: str, findings: tuple[Finding, ...] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(reason)


def damage(findings: tuple[Finding, ...]) -> FormatError:
    """The error that tells everything that was found in a damaged file."""
    lines = [f.line() for f in findings]
    if len(lines) > 1:
        lines = [f"damaged: {len(lines)} findings", *(f"  {line}" for line in lines)]
    return FormatError("\n".join(lines), findings)


class NotQuantizedError(FormatError):
    """The file is TFLite, but there is nothing in it that could be requantized."""


class RefusedError(RequantError):
    """The model is understood, but laws forbid the request; all of them are in `findings`."""

    def __init__(self, summary: str, findings: tuple[Finding, ...]) -> None:
        self.summary = summary
        self.findings = tuple(findings)
        super().__init__("\n".join([summary, *(f"  {f.line()}" for f in self.findings)]))

    def __reduce__(self):
        """So that one that a worker raised can be raised here."""
        return type(self), (self.summary, self.findings)


class UnsupportedOperatorError(RefusedError):
    """The interpreter has no kernel for operators that the asked outputs need."""

    side = ""  # of a comparison: "A" or "B"

    def about(self, side: str) -> UnsupportedOperatorError:
        """The same refusal, of one model of two."""
        other = type(self)(self.summary, self.findings)
        other.side = side
        return other

    def __str__(self) -> str:
        return f"{self.side}: {super().__str__()}" if self.side else super().__str__()

    def __reduce__(self):
        return type(self), (self.summary, self.findings), {"side": self.side}
