"""What all steps of planning look at: one subgraph, its neighbours, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tflite_requant.catalog import OpSpec
from tflite_requant.model import Operator, Subgraph, Tensor
from tflite_requant.planning import clamps
from tflite_requant.planning.domains import PINNED, Domain
from tflite_requant.schemes import Scheme

Node = tuple[int, Domain]  # a tensor in a domain
Port = tuple[int, str, int]  # operator index, "in" or "out", operand position
Ported = tuple[Operator, "OpSpec | None", list]  # an operator and its activation ports


@dataclass(frozen=True, eq=False)
class Context:
    """A subgraph under a scheme. domains: operator index -> the law that its activations follow;
    named: tensors that signatures name; fold: whether stored reals may differ from true ones;
    padded: operators whose padding a PADV2 takes over; nested: tensors on twice the source's step
    (`nesting`)."""

    subgraph: Subgraph
    scheme: Scheme
    domains: dict[int, Domain]
    keep_io: bool = False
    fold: bool = True
    named: frozenset[int] = frozenset()
    padded: frozenset[int] = frozenset()
    nested: frozenset[int] = frozenset()
    producers: dict[int, Operator] = field(init=False)
    consumers: dict[int, list[tuple[Operator, int]]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "producers", self.subgraph.producers())
        object.__setattr__(self, "consumers", self.subgraph.consumers())

    @property
    def default(self) -> Domain:
        """What the scheme asks where no override says otherwise."""
        return Domain("scheme", self.scheme.activations)

    def tensor(self, index: int) -> Tensor:
        return self.subgraph.tensors[index]

    def at_border(self, tensor: int) -> bool:
        """Whether a graph input or output is requantized; a constant that is one stays as it is."""
        found = self.tensor(tensor)
        return found.is_quantized_activation and not found.is_constant

    def border_domain(self, tensor: int) -> Domain:
        """How a graph input or output is quantized."""
        variable = self.tensor(tensor).is_variable
        return PINNED if self.keep_io or variable else self.default

    def interval(self, tensor: Tensor) -> tuple[float, float]:
        """The real interval that a source tensor can hold."""
        return source_interval(tensor, self.producers.get(tensor.index))


def source_interval(tensor: Tensor, producer: Operator | None) -> tuple[float, float]:
    """The real interval that a source tensor can hold: its grid, cut by a fused activation, or the
    values of a constant."""
    if tensor.is_constant:
        values = tensor.qarray().real()
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    activation = "NONE"
    if producer is not None:
        activation = producer.option("fused_activation_function", "NONE")
    return clamps.interval(tensor.type, activation if isinstance(activation, str) else "NONE")
