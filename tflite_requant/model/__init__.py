"""The graph in memory: frozen values, and `Edit`, the only way to a changed model."""

from tflite_requant.model.edit import Edit, SubgraphEdit, new_operator
from tflite_requant.model.graph import (
    Buffer,
    Model,
    Operator,
    OperatorCode,
    Record,
    Signature,
    Subgraph,
    Tensor,
    TensorType,
    require_model,
)
from tflite_requant.model.qparams import QArray, QParams

__all__ = [
    "Buffer",
    "Edit",
    "Model",
    "Operator",
    "OperatorCode",
    "QArray",
    "QParams",
    "Record",
    "Signature",
    "Subgraph",
    "SubgraphEdit",
    "Tensor",
    "TensorType",
    "new_operator",
    "require_model",
]
