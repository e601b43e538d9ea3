"""Findings in the words that all of validation uses."""

from __future__ import annotations

from tflite_requant.errors import Finding
from tflite_requant.model.graph import Subgraph, Tensor

# Law -> what a sound file has; docs/limits.md tells them.
LAWS = {
    "tensor-type": "an element type of the schema",
    "shape": "sizes of 0 or more, at most 8 dimensions and 2^40 elements, and what each operator "
    "makes of its operands",
    "constant-size": "as many bytes in a buffer as type and shape ask for",
    "variable": "no data in the file for a variable",
    "scale-positive": "positive finite scales, none below 2^-126; 0 in constants only",
    "scale-count": "one scale, or one for each index of one dimension",
    "zero-point": "as many zero points as scales, or one, in the range of the type",
    "graph-inputs": "every input once, and no constant among them",
    "graph-order": "operators in the order in which they run, no cycle, nothing read that nobody "
    "wrote",
    "graph-writer": "one writer a tensor, and none of constants, variables and inputs",
    "graph-outputs": "outputs that something writes",
    "graph-calls": "subgraphs that run each other at most 16 deep, with as many arguments as they "
    "take",
    "operand-count": "the operands and results of the operator's form",
    "operand-rank": "as many dimensions as the form says",
    "operand-type": "types that the form says, and one type for the data operands",
    "operand-scale": "a scale wherever the arithmetic needs one",
    "options": "the operator's own table of options, known names and values in their ranges",
}

DAMAGED = "the file is damaged; convert or fetch it again"


def damaged(where: str, law: str, found: str, need: str) -> Finding:
    """An error that no other request could avoid; `law` is one of LAWS."""
    assert law in LAWS, law
    return Finding("error", where, law, found, need, DAMAGED)


def at_tensor(subgraph: Subgraph, tensor: Tensor) -> str:
    """How findings name a tensor: with its subgraph where that is not the main one."""
    prefix = f"subgraph {subgraph.index} " if subgraph.index else ""
    return prefix + tensor.label()
