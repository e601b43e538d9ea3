"""Parts of a model as models of their own: cut at a tensor, one operator, a signature's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tflite_requant.errors import UsageError
from tflite_requant.feeds import entry_of
from tflite_requant.memory import METADATA_NAME, memory_of_subgraph
from tflite_requant.model import Buffer, Model, Operator, Subgraph, Tensor

# Between the last SOFTMAX and a graph output, these change nothing but names, shapes and types.
PASSES_THROUGH = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST")

DETECTOR = "TFLite_Detection_PostProcess"


@dataclass(frozen=True, slots=True)
class SoftmaxInput:
    """Where a classifier's logits are: a tensor of the main subgraph, and what multiplies them."""

    tensor: int
    beta: float


def last_softmax_input(model: Model) -> SoftmaxInput | None:
    """The input of the last SOFTMAX whose output is a graph output, reshaped or retyped at most.

    None where there is no such SOFTMAX: the model is no classifier, or ends in its logits.
    """
    main = model.main
    producers = main.producers()
    found: Operator | None = None
    for index in main.outputs:
        op = producers.get(index)
        while op is not None and op.opcode in PASSES_THROUGH:
            op = producers.get(op.input(0))
        if op is not None and op.opcode == "SOFTMAX" and (found is None or op.index > found.index):
            found = op
    if found is None:
        return None
    return SoftmaxInput(found.input(0), float(found.option("beta", 1.0)))


def detector(model: Model) -> Operator | None:
    """The last post-processing of a detector in the main subgraph, None where there is none. Its
    first two inputs are the raw boxes and scores; its outputs boxes, classes, scores, a count."""
    found = [op for op in model.main.operators if op.name == DETECTOR]
    return found[-1] if found else None


def cut_at(model: Model, subgraph_index: int, tensor: int | tuple[int, ...]) -> Model:
    """A model whose only output is that tensor (or those): what it needs is kept, dead operators
    are not.

    Tensors keep their indices, inputs their order. A subgraph other than the first is put in the
    first one's place, where a runtime looks for the main one. Signatures, which name outputs that
    are gone, are dropped. Raises UsageError for a tensor that the subgraph does not have.
    """
    subgraph = _subgraph(model, subgraph_index)
    wanted = (tensor,) if isinstance(tensor, int) else tuple(tensor)
    for index in wanted:
        if not 0 <= index < len(subgraph.tensors):
            raise UsageError(
                f"cannot cut at tensor {index}: subgraph {subgraph_index} has tensors 0 to "
                f"{len(subgraph.tensors) - 1}"
            )
    kept = _renumbered(_needed(subgraph, wanted))
    cut = replace(subgraph, index=0, operators=kept, outputs=wanted)
    return _with_main(model, cut)


def entered(model: Model, signature: str) -> Model:
    """A model whose main subgraph is a signature's, with its inputs and outputs, in its order and
    under its names; it remembers of its source what is about that subgraph.

    Raises UsageError for a signature that the model does not have.
    """
    entry = entry_of(model, signature)
    subgraph = entry.subgraph
    tensors = list(subgraph.tensors)
    for name, index in (*entry.outputs, *entry.inputs):
        tensors[index] = replace(tensors[index], name=name)
    inputs = [index for _, index in entry.inputs]
    inputs += [index for index in subgraph.inputs if index not in inputs]
    main = replace(
        subgraph, index=0, tensors=tuple(tensors), inputs=tuple(inputs),
        outputs=tuple(index for _, index in entry.outputs),
    )  # fmt: skip
    told = Buffer(memory_of_subgraph(model, subgraph.index))
    kept = tuple(entry for entry in model.metadata if entry[0] != METADATA_NAME)
    made = model.changed(
        buffers=(*model.buffers, told), metadata=(*kept, (METADATA_NAME, len(model.buffers)))
    )
    return _with_main(made, main)


def single_operator(model: Model, op: Operator, subgraph_index: int = 0) -> Model:
    """The operator alone: its computed operands become graph inputs, its results graph outputs.

    Constants keep their bytes; tensors are renumbered in the order in which the operator names
    them. Variables stay variables. Raises UsageError for an operator that runs other subgraphs.
    """
    subgraph = _subgraph(model, subgraph_index)
    if any("subgraph" in name for name in (op.options.fields if op.options else ())):
        raise UsageError(f"{subgraph.label(op)} runs other subgraphs: it cannot stand alone")
    used = list(dict.fromkeys(t for t in (*op.inputs, *op.outputs) if t >= 0))
    new_index = {old: new for new, old in enumerate(used)} | {-1: -1}
    buffers: list[Buffer] = [Buffer(None)]
    tensors = tuple(_moved(subgraph.tensors[t], new_index[t], buffers, model) for t in used)
    alone = replace(
        op,
        index=0,
        inputs=tuple(new_index[t] for t in op.inputs),
        outputs=tuple(new_index[t] for t in op.outputs),
    )
    computed = (t for t in dict.fromkeys(alone.inputs) if t >= 0 and _is_computed(tensors[t]))
    only = Subgraph(
        0,
        subgraph.name,
        tensors,
        (alone,),
        inputs=tuple(computed),
        outputs=tuple(t for t in alone.outputs if t >= 0),
        rest=subgraph.rest,
    )
    return model.changed(
        subgraphs=(only,),
        buffers=tuple(buffers),
        operator_codes=(alone.code,),
        metadata=(),
        signatures=(),
        trailing=b"",
    )


def _subgraph(model: Model, index: int) -> Subgraph:
    if not 0 <= index < len(model.subgraphs):
        raise UsageError(f"no subgraph {index}; the model has {len(model.subgraphs)}")
    return model.subgraphs[index]


def _is_computed(tensor: Tensor) -> bool:
    return not tensor.is_constant and not tensor.is_variable


def _moved(tensor: Tensor, index: int, buffers: list[Buffer], model: Model) -> Tensor:
    if not tensor.is_constant:
        return replace(tensor, index=index, buffer=0)
    buffers.append(replace(model.buffers[tensor.buffer], data=tensor.data, external=False))
    return replace(tensor, index=index, buffer=len(buffers) - 1, data=tensor.data)


def _needed(subgraph: Subgraph, wanted: Iterable[int]) -> list[Operator]:
    """Operators that the wanted tensors need, in execution order, and those without outputs
    (ASSIGN_VARIABLE, CALL_ONCE): others may read what they leave behind."""
    wanted, chosen = set(wanted), []
    for op in reversed(subgraph.operators):
        if not op.outputs or wanted.intersection(op.outputs):
            chosen.append(op)
            wanted.update(op.inputs)
    return chosen[::-1]


def _renumbered(operators: Iterable[Operator]) -> tuple[Operator, ...]:
    return tuple(replace(op, index=i) for i, op in enumerate(operators))


def _with_main(model: Model, main: Subgraph) -> Model:
    subgraphs = (main, *model.subgraphs[1:])
    used = {op.code for s in subgraphs for op in s.operators}
    return model.changed(
        subgraphs=subgraphs,
        operator_codes=tuple(c for c in model.operator_codes if c in used),
        signatures=(),
    )
