"""Findings in the words that all of validation uses."""

from __future__ import annotations

from tflite_requant.errors import Finding
from tflite_requant.model.graph import Subgraph, Tensor

DAMAGED = "the file is damaged; convert or fetch it again"


def damaged(where: str, law: str, found: str, need: str) -> Finding:
    """An error that no other request could avoid."""
    return Finding("error", where, law, found, need, DAMAGED)


def at_tensor(subgraph: Subgraph, tensor: Tensor) -> str:
    """How findings name a tensor: with its subgraph where that is not the main one."""
    prefix = f"subgraph {subgraph.index} " if subgraph.index else ""
    return prefix + tensor.label()
