"""What is asked of a set of golden vectors: all that its bytes depend on besides the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tflite_requant.errors import UsageError

FORMATS = ("npz", "npy", "bin", "hex", "c")
ARRANGED = ("bin", "hex", "c")  # formats that hold arrays in a layout
NHWC = "nhwc"
LAYOUTS = (NHWC, "nchw", "nc4hw4", "nc16hw16")
MODES = ("isolated", "chained")
WORD_ORDERS = ("little", "big")
DIRECTED, RANDOM = 16, 1


@dataclass(frozen=True, slots=True)
class Request:
    """mode:   "isolated": every operator by stimuli of its own; "chained": by what the operators
               before it make of the model's inputs.
    layers:   operators by index, regular expression of the output's name, or type; empty: all.
    formats:  of FORMATS. layout: the order in which hex, bin and C files hold 4-D arrays.
    hex_elements: elements in one word of a hex file; hex_order: "little" puts the first element
               into the lowest bits, "big" into the highest.
    directed: directed cases an operator at most; random: random cases an operator; seed: of these.
    arithmetic: profile, or "" for that of the model; force: also against the model's metadata.
    """

    mode: str = "isolated"
    layers: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("npz",)
    layout: str = NHWC
    hex_elements: int = 1
    hex_order: str = "little"
    directed: int = DIRECTED
    random: int = RANDOM
    seed: int = 0
    arithmetic: str = ""
    force: bool = False

    def __post_init__(self) -> None:
        _need_one_of("mode", self.mode, MODES)
        _need_one_of("layout", self.layout, LAYOUTS)
        _need_one_of("order of hex words", self.hex_order, WORD_ORDERS)
        for name in self.formats:
            _need_one_of("format", name, FORMATS)
        if not self.formats or len(set(self.formats)) < len(self.formats):
            raise UsageError(f"formats {','.join(self.formats)!r}: need each once, at least one")
        if self.hex_elements not in (1, 2, 4, 8, 16, 32, 64):
            raise UsageError(f"{self.hex_elements} elements a hex word; need 1, 2, 4, ... or 64")
        if self.directed < 0 or self.random < 0:
            raise UsageError("a number of cases is negative; need 0 or more")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative; need 0 or more")
        if self.mode == "isolated" and not self.directed and not self.random:
            raise UsageError("neither directed nor random cases are asked for; nothing to write")

    def require_effect(self) -> None:
        """Raise UsageError for what has none on the files that are asked for.

        Not part of what a request is: sets that were written before hold such requests.
        """
        given = ",".join(self.formats)
        if self.layout != NHWC and not {*self.formats} & {*ARRANGED}:
            raise UsageError(
                f"layout {self.layout} has no effect on {given}; it is of {', '.join(ARRANGED)}: "
                "add one of these to the formats"
            )
        for told, changed in (
            (f"{self.hex_elements} elements a hex word have", self.hex_elements != 1),
            (f"hex order {self.hex_order} has", self.hex_order != WORD_ORDERS[0]),
        ):
            if changed and "hex" not in self.formats:
                raise UsageError(f"{told} no effect on {given}; add hex to the formats")
        if self.hex_order != WORD_ORDERS[0] and self.hex_elements == 1:
            raise UsageError(
                f"hex order {self.hex_order} has no effect on words of one element; ask for "
                "more hex elements"
            )
        if self.mode == "chained" and (self.directed, self.random) != (DIRECTED, RANDOM):
            raise UsageError(
                "numbers of directed and random cases have no effect where inputs are given, from "
                "which all operators' cases come; leave out either"
            )

    def value(self) -> dict[str, Any]:
        """The request as the manifest holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Request:
        """The request that a manifest holds. Raises UsageError for one of another version."""
        try:
            lists = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
            return replace(cls(), **lists)
        except (TypeError, AttributeError) as error:
            raise UsageError(f"the manifest's request is not understood: {error}") from None


def _need_one_of(what: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise UsageError(f"unknown {what} {found!r}; known: {', '.join(known)}")
