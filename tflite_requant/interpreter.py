"""Runs a model with the plain kernels: bit by bit what the named arithmetic profile computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike

import numpy as np

from tflite_requant import kernels
from tflite_requant.catalog.arithmetic import Arithmetic, arithmetic_for, profile_names
from tflite_requant.catalog.delegation import node_arithmetic
from tflite_requant.engine import Accelerator
from tflite_requant.errors import (
    Finding,
    RequantError,
    UnsupportedOperatorError,
    UsageError,
)
from tflite_requant.feeds import entry_of, feeds_of, joined, resized
from tflite_requant.kernels._refusals import refusals
from tflite_requant.kernels._session import CONTROL, Session
from tflite_requant.kernels._support import why_unsupported, why_unverified
from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Operator, Subgraph, Tensor
from tflite_requant.model.qparams import QArray
from tflite_requant.validation import require_sound
from tflite_requant.validation.made import SIZES, require_room
from tflite_requant.wording import reason_of

HINT = "runs in LiteRT only; ask for tensors that do not need it"
CUSTOM_HINT = "runs only where its own runtime is; take the model that this was made from"

Observer = Callable[
    [Subgraph, Operator, "tuple[QArray | None, ...]", "tuple[np.ndarray, ...]"], None
]


class Results:
    """Kept tensors of one run by index or name; `outputs` is a list or dict, as the inputs were."""

    def __init__(
        self, tensors: Mapping[int, np.ndarray], names: Mapping[str, int], outputs
    ) -> None:
        self._tensors = tensors
        self._names = names
        self.outputs = outputs

    def __getitem__(self, key: int | str) -> np.ndarray:
        """A kept tensor's stored values. Raises KeyError for one that was not kept."""
        return self._tensors[self._names[key] if isinstance(key, str) else key]

    def __contains__(self, key: int | str) -> bool:
        return (self._names.get(key) if isinstance(key, str) else key) in self._tensors

    def __iter__(self) -> Iterator[int]:
        """Indices of the kept tensors, ascending."""
        return iter(sorted(self._tensors))

    def __len__(self) -> int:
        return len(self._tensors)


def arithmetic_to_run(model: Model) -> str:
    """The profile by which a model is run where nobody names one: that of its metadata, or
    litert-reference where it says nothing, or what no such profile can compute."""
    own = arithmetic_of(model) or DEFAULT_ARITHMETIC
    known = own != DEFAULT_ARITHMETIC and own in profile_names()
    return own if known and not Interpreter(model, own).unsupported else DEFAULT_ARITHMETIC


class Interpreter:
    """A model ready to run.

    model:      path, bytes or Model. Raises FormatError for bytes that are no TFLite file.
    arithmetic: name of an arithmetic profile. Raises UsageError for an unknown one.
    keep_state: let variables live on from run to run; by default every run starts afresh.
    fast:       let a prepared program take over when a larger model is run repeatedly for its
                outputs only; it computes the same numbers.
    unsupported: one Finding per operator without a kernel, in the main subgraph and those it calls.
    """

    def __init__(
        self,
        model: Model | bytes | str | PathLike,
        arithmetic: str = "litert-reference",
        *,
        keep_state: bool = False,
        fast: bool = True,
    ) -> None:
        arithmetic_for(arithmetic, "")
        self.model = _as_model(model)
        self.arithmetic = arithmetic
        self.keep_state = keep_state
        self._session = Session(self.model)
        prepared = fast and arithmetic == "litert-reference"
        self._accelerator = Accelerator(self.model, arithmetic) if prepared else None
        self._constants: dict[tuple[int, int], QArray] = {}
        self._laws: dict[tuple[int, int], Arithmetic] = {}
        self._shapes: dict[tuple[int, int], tuple[int, ...]] = {}
        self.unsupported: list[Finding] = self._unsupported(self.model.main, None)

    def reset(self) -> None:
        """Put variables back to their initial values."""
        self._session = Session(self.model)

    def resize(self, shapes: Mapping[int | str, Sequence[int]]) -> None:
        """Take inputs of other shapes from now on, by name or index; {} takes the file's again.

        Raises UsageError for what is no input of the main subgraph, or another rank.
        """
        self._shapes = resized(self.model, shapes)

    def run(
        self,
        inputs: list | tuple | Mapping[str, np.ndarray],
        keep: str | Iterable[int | str] | None = None,
        on_operator: Observer | None = None,
        signature: str | None = None,
    ):
        """Run the main subgraph, or a signature's, once or sample by sample.

        inputs: arrays in graph order, or by tensor name; by a signature's names where there is one.
                Integers of the input's dtype are stored integers; floats given to a quantized input
                are real values, put on its grid. Where all hold k times as many samples on axis 0
                as the file's fixed shape, the model runs k times and results are joined on axis
                0; each time starts afresh unless `keep_state`, then state goes on in that order.
        keep:   None returns the outputs as the inputs were given: a list, or a dict by name.
                "all", or tensor indices and names, returns Results with these tensors.
        on_operator: called after each operator with (subgraph, operator, inputs, outputs).
        Raises SampleError for inputs that do not fit, UnsupportedOperatorError (before anything
        runs) for operators without a kernel, RequantError for operands that a kernel refuses,
        UsageError for a signature or tensor that the model does not have.
        """
        entry = entry_of(self.model, signature)
        graph = entry.subgraph
        samples = feeds_of(entry, inputs, self._shapes)
        kept = _kept_indices(graph, keep)
        outputs = [index for _, index in entry.outputs]
        asked = {*outputs, *(range(len(graph.tensors)) if keep == "all" else kept)}
        missing = self._unsupported(graph, asked, (graph.index,))
        if missing:
            count = f"{len(missing)} operator{'s' if len(missing) > 1 else ''}"
            raise UnsupportedOperatorError(
                f"the interpreter cannot compute {count} that the outputs need, in arithmetic "
                f"{self.arithmetic}",
                tuple(missing),
            )
        parts = [self._once(graph, feeds, asked, keep, on_operator) for feeds in samples]
        found = parts[0]
        if len(parts) > 1:
            found = {t: _over_samples(graph.tensors[t], [p[t] for p in parts]) for t in found}
        if isinstance(inputs, Mapping):
            wanted = {name: found[i] for name, i in entry.outputs}
        else:
            wanted = [found[i] for i in outputs]
        if keep is None:
            return wanted
        names = {t.name: t.index for t in reversed(graph.tensors)}
        chosen = found if keep == "all" else {i: found[i] for i in sorted(kept) if i in found}
        return Results(chosen, names, wanted)

    def _once(self, graph: Subgraph, feeds, asked: set[int], keep, on_operator) -> dict:
        """Values of the asked tensors for one sample."""
        if not self.keep_state:
            self.reset()
        plain = keep is not None or on_operator is not None or graph.index or self._shapes
        if self._accelerator is not None and not plain:
            found = self._accelerator.run(feeds)
            if found is not None:
                return found
        return self._execute(graph, feeds, asked, on_operator)

    def _execute(
        self,
        subgraph: Subgraph,
        feeds: Mapping[int, np.ndarray],
        asked: set[int],
        on_operator: Observer | None,
    ) -> dict[int, np.ndarray]:
        """Values of the asked tensors of a subgraph that are fed, constant, or computed."""
        operators = _needed(subgraph, asked)
        last_use = {t: i for i, op in enumerate(operators) for t in (*op.inputs, *op.outputs)}
        values = dict(feeds)
        for position, op in enumerate(operators):
            inputs = tuple(self._value(subgraph, values, t) for t in op.inputs)
            outputs = self._compute(subgraph, op, inputs, on_operator)
            values.update((t, o) for t, o in zip(op.outputs, outputs, strict=True) if t >= 0)
            if on_operator is not None:
                on_operator(subgraph, op, inputs, outputs)
            for t in {*op.inputs, *op.outputs}:
                if last_use[t] == position and t not in asked:
                    values.pop(t, None)
        for t in sorted(asked - set(values)):
            if self._has_value(subgraph, t):
                values[t] = self._value(subgraph, values, t).integers
            elif t in subgraph.outputs:
                label = subgraph.tensors[t].label()
                raise RequantError(f"{label}: a graph output that no operator writes")
        return {t: values[t] for t in asked if t in values}

    def _has_value(self, subgraph: Subgraph, index: int) -> bool:
        tensor = subgraph.tensors[index]
        return (tensor.is_constant and tensor.dtype in NUMPY) or tensor.is_variable

    def _value(self, subgraph: Subgraph, values: Mapping, index: int) -> QArray | None:
        if index < 0:
            return None
        tensor = subgraph.tensors[index]
        if tensor.is_variable:
            return QArray(self._session.state(subgraph.index, tensor), tensor.qparams)
        if index in values:
            return QArray(values[index], tensor.qparams)
        if not tensor.is_constant:
            raise RequantError(f"{tensor.label()}: read before any operator wrote it")
        key = subgraph.index, index
        if key not in self._constants:
            try:
                self._constants[key] = tensor.qarray()
            except ValueError as error:
                raise RequantError(f"{tensor.label()}: {error}") from None
        return self._constants[key]

    def _compute(
        self, subgraph: Subgraph, op: Operator, inputs: tuple[QArray | None, ...], on_operator
    ) -> tuple[np.ndarray, ...]:
        if op.name in CONTROL:
            try:
                return self._session.compute(subgraph, op, inputs, self._caller(on_operator))
            except (kernels.KernelError, ValueError, IndexError) as error:
                raise RequantError(f"{subgraph.label(op)}: {error}") from None
        operands = kernels.Operands(
            inputs,
            _types(subgraph, op.outputs),
            _types(subgraph, op.rest.get("intermediates") or ()),
        )
        law = self._law(subgraph, op)
        attributes = self._session.attributes(op)
        found: dict[str, np.ndarray] = {}
        if op.name in SIZES:
            require_room(subgraph.label(op), op.name, inputs)
        try:
            for name, array in kernels.load(op.name)(operands, attributes, law):
                if name.startswith(("output", "state")):
                    found[name] = array
        except kernels.KernelError as error:
            raise RequantError(f"{subgraph.label(op)}: {error}") from None
        except (ValueError, IndexError) as error:  # NumPy's, where sizes contradict each other
            raise RequantError(f"{subgraph.label(op)}: operands do not fit: {error}") from None
        for position, index in enumerate(op.inputs):
            if f"state{position}" in found:
                self._session.assign(subgraph.index, index, found[f"state{position}"])
        return tuple(found[kernels.output_name(i)] for i in range(len(op.outputs)))

    def _law(self, subgraph: Subgraph, op: Operator) -> Arithmetic:
        key = subgraph.index, op.index
        if key not in self._laws:
            self._laws[key] = node_arithmetic(self.arithmetic, subgraph, op)
        return self._laws[key]

    def _caller(self, on_operator: Observer | None):
        def call(index: int, arguments: Iterable[np.ndarray]) -> list[np.ndarray]:
            subgraph = self.model.subgraphs[index]
            feeds = dict(zip(subgraph.inputs, arguments, strict=True))
            found = self._execute(subgraph, feeds, set(subgraph.outputs), on_operator)
            return [found[i] for i in subgraph.outputs]

        return call

    def _unsupported(
        self, subgraph: Subgraph, asked: set[int] | None, seen: tuple[int, ...] = (0,)
    ) -> list[Finding]:
        """Findings for a subgraph and those it calls; `asked`: only what these tensors need."""
        operators = subgraph.operators if asked is None else _needed(subgraph, asked)
        findings = []
        for op in operators:
            reason = why_unsupported(subgraph, op) or why_unverified(self.arithmetic, subgraph, op)
            if reason:
                hint = CUSTOM_HINT if op.opcode == "CUSTOM" else HINT
                findings.append(Finding("error", subgraph.label(op), "kernel", reason, "", hint))
            else:
                findings += refusals(self.arithmetic, subgraph, op)
            for called in self._session.called(op):
                if called not in seen:
                    findings += self._unsupported(
                        self.model.subgraphs[called], None, (*seen, called)
                    )
        return findings


def _over_samples(tensor: Tensor, parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if tensor.is_constant else joined(tensor.label(), parts)


def _types(subgraph: Subgraph, indices: Iterable[int]) -> tuple[kernels.OutputType, ...]:
    tensors = [subgraph.tensors[t] for t in indices]
    return tuple(kernels.OutputType(t.dtype, t.shape, t.qparams) for t in tensors)


def _as_model(model: Model | bytes | str | PathLike) -> Model:
    if isinstance(model, Model):
        return model
    from tflite_requant.flatbuffer import read, read_file

    try:
        is_data = isinstance(model, (bytes, bytearray, memoryview))
        made = read(bytes(model) if is_data else read_file(model))
    except OSError as error:
        raise UsageError(f"{model}: {reason_of(error)}") from None
    require_sound(made)
    return made


def _needed(subgraph: Subgraph, asked: set[int]) -> list[Operator]:
    """Operators that the asked tensors need, in execution order; those with side effects always."""
    wanted, chosen = set(asked), []
    writes_state = {t.index for t in subgraph.tensors if t.is_variable}
    for op in reversed(subgraph.operators):
        if (
            wanted.intersection(op.outputs)
            or op.name in CONTROL
            or writes_state.intersection(op.inputs)
        ):
            chosen.append(op)
            wanted.update(op.inputs)
    return chosen[::-1]


def _kept_indices(main: Subgraph, keep) -> set[int]:
    if keep is None or keep == "all":
        return set()
    if isinstance(keep, str):
        keep = [keep]
    names = {t.name: t.index for t in reversed(main.tensors)}
    kept = set()
    for key in keep:
        index = names.get(key) if isinstance(key, str) else int(key)
        if index is None or not 0 <= index < len(main.tensors):
            raise UsageError(f"keep names tensor {key!r}, which the model does not have")
        kept.add(index)
    return kept
