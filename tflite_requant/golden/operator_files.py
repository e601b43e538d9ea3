"""The files of one operator: its constants, its cases, and the C header that names them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tflite_requant.golden import csource
from tflite_requant.golden.case import Case
from tflite_requant.golden.describe import constants_for_c, constants_of, macros_of, operator_value
from tflite_requant.golden.folder import Sink
from tflite_requant.golden.formats import Array, Group, write_group
from tflite_requant.golden.request import Request
from tflite_requant.golden.unit import Unit


class OperatorFiles:
    """What is written of one operator, and where. No file depends on another one."""

    def __init__(self, unit: Unit, request: Request) -> None:
        self.unit, self._request = unit, request
        op = unit.op
        word = "".join(c if c.isalnum() else "_" for c in op.name.lower())
        self.folder = f"{op.index:03d}_{word}"
        self._symbol = f"op{op.index:03d}"
        self.head = operator_value(unit)

    def constants(self, sink: Sink) -> list[dict[str, Any]]:
        """Write the constants; what the manifest says of them."""
        arrays = tuple(
            Array(name, "constant", values, self._fill(name))
            for name, values in constants_of(self.unit).items()
        )
        comment = f"{self.head['name']}: constants; {self.head['arithmetic']}"
        file = f"{self._symbol}_constants"
        group = Group(self.folder, "constants", file, self._symbol, comment, arrays)
        macros = macros_of(self.unit, f"{self._symbol.upper()}_")
        extra = constants_for_c(self.unit).items()
        for_c = tuple(Array(name, "constant", values) for name, values in extra)
        return write_group(group, self._request, sink, macros, for_c)

    def case(
        self, number: int, case: Case, stages: Mapping[str, np.ndarray], sink: Sink
    ) -> dict[str, Any]:
        """Write case `number` and its stages; what the manifest says of it."""
        arrays = [
            Array(self.unit.operand_name(p), "input", a, self._fill(self.unit.operand_name(p)))
            for p, a in case.stimuli.items()
        ]
        arrays += [
            Array(n, "output" if n.startswith("output") else "stage", a, self._fill(n))
            for n, a in stages.items()
        ]
        symbol = self._case_symbol(number)
        group = Group(
            self.folder,
            f"{number:02d}_{case.name}",
            symbol,
            symbol,
            f"{self.head['name']}: {case.comment}; flags {' '.join(case.flags)}",
            tuple(arrays),
        )
        return {
            "id": f"{self.unit.op.index:03d}-{number:02d}",
            "name": case.name,
            "comment": case.comment,
            "flags": list(case.flags),
            "arrays": write_group(group, self._request, sink),
        }

    def index(self, cases: Sequence[Mapping[str, Any]], sink: Sink) -> None:
        """Write the C header that names everything, if C is asked for."""
        if "c" not in self._request.formats:
            return
        symbols = [self._case_symbol(n) for n in range(len(cases))]
        text = csource.index(
            f"GOLDEN_{self._symbol.upper()}_H",
            f"{self.head['name']}: everything",
            [f"{self._symbol}_constants.h", *(f"{s}.h" for s in symbols)],
            f"{self._symbol.upper()}_CASES",
            [(s, c["id"]) for s, c in zip(symbols, cases, strict=True)],
        )
        sink.add(f"{self.folder}/{self._symbol}.h", text)

    def _case_symbol(self, number: int) -> str:
        return f"{self._symbol}_case{number:02d}"

    def _fill(self, name: str) -> int:
        return int(self.head["zero_points"].get(name, 0))
