"""Options and versions that follow from new types, grids and gains."""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import OpSpec, spec_of, version_of
from tflite_requant.catalog.forms import FORMS
from tflite_requant.flatbuffer import default_record
from tflite_requant.model import Operator
from tflite_requant.planning import gauge
from tflite_requant.planning.features import features_of
from tflite_requant.rewrite.desk import Desk


def set_options(desk: Desk, op: Operator) -> None:
    """Fused activation, beta of a SOFTMAX that absorbs a gain, general arithmetic of int16."""
    activation = desk.plan.activation.get(op.index)
    if activation is not None:
        if op.options is None:  # all of it is the default
            own = default_record(FORMS[op.name].options)
            desk.edit.set_operator(op.index, options=own)
        desk.edit.set_options(op.index, fused_activation_function=activation)
    gain = desk.plan.gains.get(op.inputs[0], 1.0) if op.inputs else 1.0
    if gain != 1 and gauge.absorbs_input_gain(op):
        beta = float(np.float32(op.option("beta") / gain))
        desk.edit.set_options(op.index, beta=beta)
    options = desk.edit.operator(op.index).options
    if (
        options is not None
        and options.get("pot_scale_int16")
        and any(desk.edit.tensors[t].dtype == "int16" for t in op.outputs if t >= 0)
        and any(desk.source.tensors[t].dtype != "int16" for t in op.outputs if t >= 0)
    ):
        desk.edit.set_options(op.index, pot_scale_int16=False)


def set_versions(desk: Desk) -> None:
    """The catalog's version for every operator whose type or options changed."""
    for op in desk.source.operators:
        spec, domain = spec_of(op), desk.plan.domains.get(op.index)
        if spec is None or domain is None or domain.kind == "pinned":
            continue
        now = desk.edit.operator(op.index)
        touched = now.options is not op.options or len(now.inputs) != len(op.inputs)
        pairs = zip((*op.inputs, *op.outputs), (*now.inputs, *now.outputs), strict=False)
        retyped = any(
            a >= 0 and b >= 0 and desk.source.tensors[a].dtype != desk.edit.tensors[b].dtype
            for a, b in pairs
        )
        if not (touched or retyped):
            continue
        dtype = _activation_dtype(desk, now, spec)
        if op.opcode == "CUSTOM" or dtype not in spec.versions:
            continue
        version = version_of(spec, dtype, features_of(now, spec, desk.edit.tensors))
        if version != op.version:
            desk.edit.set_operator(op.index, version=version)


def _activation_dtype(desk: Desk, op: Operator, spec: OpSpec) -> str:
    """The type of the first quantized activation, inputs before outputs."""
    for side, indices in (("in", op.inputs), ("out", op.outputs)):
        for position, index in enumerate(indices):
            operand = spec.input(position) if side == "in" else spec.output(position)
            if index >= 0 and operand is not None and operand.role == "activation":
                if desk.edit.tensors[index].is_quantized_activation:
                    return desk.edit.tensors[index].dtype
    return ""
