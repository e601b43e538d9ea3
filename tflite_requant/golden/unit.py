"""One operator alone: what it is fed, and every stage that the plain kernel computes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflite_requant import kernels
from tflite_requant.catalog.arithmetic import Arithmetic, arithmetic_for
from tflite_requant.catalog.delegation import profile_of
from tflite_requant.errors import RequantError
from tflite_requant.fixedpoint.ranges import fits32
from tflite_requant.kernels._session import CONTROL, Session
from tflite_requant.model import Model, Operator, QArray, Subgraph, Tensor

OPERANDS = {
    "CONV_2D": ("input", "weights", "bias"),
    "DEPTHWISE_CONV_2D": ("input", "weights", "bias"),
    "FULLY_CONNECTED": ("input", "weights", "bias"),
    "TRANSPOSE_CONV": ("output_shape", "weights", "input", "bias"),
    "PAD": ("input", "paddings"),
    "PADV2": ("input", "paddings", "value"),
    "MEAN": ("input", "axes"),
    "SUM": ("input", "axes"),
    "RESHAPE": ("input", "shape"),
    "PRELU": ("input", "slope"),
    "SVDF": ("input", "weights_feature", "weights_time", "bias", "state"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """An operator of the main subgraph with its constants.

    profile: whose arithmetic it has; law: what that says of it. attributes: its options.
    constants: operand position -> constant. fed: positions of the operands that are stimuli; where
    one tensor is two operands, the first of them.
    """

    model: Model
    op: Operator
    profile: str
    law: Arithmetic
    attributes: Mapping[str, Any]
    constants: Mapping[int, QArray]
    fed: tuple[int, ...]

    @property
    def subgraph(self) -> Subgraph:
        return self.model.main

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(self.subgraph.tensors[t] for t in self.op.outputs)

    def tensor(self, position: int) -> Tensor:
        """The tensor of an operand that is there."""
        return self.subgraph.tensors[self.op.inputs[position]]

    def operand_name(self, position: int) -> str:
        """What files call an operand: "weights", or "input1" where it has no name of its own."""
        names = OPERANDS.get(self.op.name)
        if names and position < len(names):
            return names[position]
        return "input" if len(self.op.inputs) == 1 else f"input{position}"

    def operands(self, stimuli: Mapping[int, np.ndarray]) -> kernels.Operands:
        """Operands of the kernel; stimuli: operand position -> stored values."""
        arrays: list[QArray | None] = []
        for position, t in enumerate(self.op.inputs):
            if t < 0:
                arrays.append(None)
            elif position in self.constants:
                arrays.append(self.constants[position])
            else:
                tensor = self.subgraph.tensors[t]
                arrays.append(QArray(stimuli[self.op.inputs.index(t)], tensor.qparams))
        inner = self.op.rest.get("intermediates") or ()
        return kernels.Operands(tuple(arrays), self._types(self.op.outputs), self._types(inner))

    def output_types(self) -> tuple[kernels.OutputType, ...]:
        """Types of the outputs, as kernels take them."""
        return self._types(self.op.outputs)

    def _types(self, indices) -> tuple[kernels.OutputType, ...]:
        tensors = [self.subgraph.tensors[t] for t in indices]
        return tuple(kernels.OutputType(t.dtype, t.shape, t.qparams) for t in tensors)

    def stages(self, stimuli: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
        """Every stage of the plain kernel by name, in its order.

        64-bit stages of an operator with 32-bit accumulators are given as int32 where they fit.
        Raises RequantError for operands that the kernel refuses.
        """
        return self.stages_of(self.operands(stimuli))

    def stages_of(
        self, operands: kernels.Operands, attributes: Mapping[str, Any] | None = None,
        law: Arithmetic | None = None,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """As `stages`, of other operands, options, or in another arithmetic."""
        attributes = self.attributes if attributes is None else attributes
        found: dict[str, np.ndarray] = {}
        try:
            for name, array in kernels.load(self.op.name)(operands, attributes, law or self.law):
                found[name] = self._narrow(np.asarray(array))
        except kernels.KernelError as error:
            raise RequantError(f"{self.subgraph.label(self.op)}: {error}") from None
        except (ValueError, IndexError) as error:  # NumPy's, where sizes contradict each other
            where = self.subgraph.label(self.op)
            raise RequantError(f"{where}: operands do not fit: {error}") from None
        return found

    def _narrow(self, array: np.ndarray) -> np.ndarray:
        wide = any(c.dtype == np.int64 for c in self.constants.values())
        if array.dtype != np.int64 or wide or not fits32(array):
            return array
        return array.astype(np.int32)


def unit_of(model: Model, op: Operator, profile: str) -> Unit:
    """The operator as a unit. Raises RequantError for a constant whose bytes do not fit."""
    main = model.main
    own = profile_of(profile, main, op)
    constants: dict[int, QArray] = {}
    fed: dict[int, int] = {}
    for position, t in enumerate(op.inputs):
        if t < 0:
            continue
        tensor = main.tensors[t]
        if tensor.is_constant and not tensor.is_variable:
            try:
                constants[position] = tensor.qarray()
            except ValueError as error:
                raise RequantError(f"{tensor.label()}: {error}") from None
        else:
            fed.setdefault(t, position)
    attributes = Session(model).attributes(op)
    law = arithmetic_for(own, op.name)
    return Unit(model, op, own, law, attributes, constants, tuple(fed.values()))


def stands_alone(op: Operator) -> bool:
    """Whether an operator is a function of its operands: no resource, no call of a subgraph."""
    return op.name not in CONTROL
