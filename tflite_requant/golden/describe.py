"""An operator as the manifest tells it: options, windows, tensors, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tflite_requant.errors import RequantError
from tflite_requant.golden.rescale import (
    WEIGHTED,
    Rescale,
    bounds_of,
    rescales_of,
    zero_points,
)
from tflite_requant.golden.unit import Unit
from tflite_requant.kernels import KernelError
from tflite_requant.kernels._window import Axis, axes_2d, axis
from tflite_requant.model import Tensor

# Where nobody set it; a bias has the type that its tensor says.
SILENT = {"quantized_bias_type": "FLOAT32"}
POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")


def windows_of(unit: Unit) -> tuple[Axis, Axis] | None:
    """(vertical, horizontal) windows of convolutions and pools, as their kernels place them.

    Those of TRANSPOSE_CONV lie over its output.
    """
    name, options = unit.op.name, unit.attributes
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        _, tall, wide, _ = unit.tensor(1).shape
        return axes_2d(unit.tensor(0).shape, tall, wide, options)
    if name in POOLS:
        size = options["filter_height"], options["filter_width"]
        return axes_2d(unit.tensor(0).shape, *size, options)
    if name == "TRANSPOSE_CONV":
        _, out_h, out_w, _ = unit.outputs[0].shape
        _, tall, wide, _ = unit.tensor(1).shape
        return (
            axis(out_h, tall, options["stride_h"], 1, options["padding"]),
            axis(out_w, wide, options["stride_w"], 1, options["padding"]),
        )
    return None


def padding_of(unit: Unit) -> dict[str, int] | None:
    """Rows and columns that windows read beyond the border."""
    try:
        found = windows_of(unit)
    except KernelError as error:
        raise RequantError(f"{unit.subgraph.label(unit.op)}: {error}") from None
    if found is None:
        return None
    y, x = found
    return {"top": y.before, "bottom": y.after, "left": x.before, "right": x.after}


def tensor_value(tensor: Tensor, name: str) -> dict[str, Any]:
    """A tensor's name, type, shape and quantization."""
    value: dict[str, Any] = {
        "operand": name,
        "tensor": tensor.index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
    }
    if tensor.qparams is not None:
        q = tensor.qparams
        value["quantization"] = {
            "scale": list(q.scales),
            "zero_point": [int(z) for z in q.zero_points],
            "axis": q.axis if q.per_axis else None,
        }
    return value


def attributes_value(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON has them; what is neither number nor text nor a list of those is left out,
    and so is what says nothing."""
    found = {}
    for name, value in attributes.items():
        if name in SILENT and value == SILENT[name]:
            continue
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, (tuple, list)):
            value = [int(v) if isinstance(v, np.integer) else v for v in value]
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str, list)):
            found[name] = value
    return found


def rescale_value(rescale: Rescale) -> dict[str, Any]:
    """A rescaling; its numbers are among the operator's constants."""
    value: dict[str, Any] = {
        "from": rescale.source,
        "to": rescale.result,
        "rounding": rescale.rounding,
        "kind": "shift" if rescale.only_shifts else "multiplier",
        "channels": int(rescale.real.size),
    }
    if rescale.left:
        value["left_shift"] = rescale.left
    return value


def constants_of(unit: Unit) -> dict[str, np.ndarray]:
    """Every constant of an operator by file name, in a fixed order.

    Constant operands; of each rescaling multiplier and shift (int32, positive left), or the right
    shift alone where all multipliers are powers of two; float64 factors where the arithmetic
    multiplies by these; zero points and activation bounds.
    """
    found = {unit.operand_name(p): c.integers for p, c in unit.constants.items()}
    rescales = rescales_of(unit)
    for rescale in rescales:
        prefix = "" if len(rescales) == 1 or rescale.result == "rescaled" else f"{rescale.result}_"
        if rescale.only_shifts:
            found[f"{prefix}right_shift"] = rescale.right_shift.astype(np.int32)
        else:
            found[f"{prefix}multiplier"] = rescale.multiplier.astype(np.int32)
            found[f"{prefix}shift"] = rescale.shift.astype(np.int32)
        if rescale.rounding in ("real", "float32-half-even"):
            found[f"{prefix}factor"] = rescale.real
    for name, zero in zero_points(unit).items():
        found[f"{name}_zero_point"] = np.array([zero], np.int32)
    bounds = bounds_of(unit)
    if bounds is not None:
        found["activation_min"] = np.array([bounds[0]], np.int32)
        found["activation_max"] = np.array([bounds[1]], np.int32)
    return found


def constants_for_c(unit: Unit) -> dict[str, np.ndarray]:
    """Multiplier and shift of rescalings that only shift: kernels in C take them all the same."""
    rescales = rescales_of(unit)
    found = {}
    for rescale in rescales:
        prefix = "" if len(rescales) == 1 or rescale.result == "rescaled" else f"{rescale.result}_"
        if rescale.only_shifts:
            found[f"{prefix}multiplier"] = rescale.multiplier.astype(np.int32)
            found[f"{prefix}shift"] = rescale.shift.astype(np.int32)
    return found


def operator_value(unit: Unit) -> dict[str, Any]:
    """Everything that the manifest says of an operator before its cases."""
    op, main = unit.op, unit.subgraph
    operands = [
        tensor_value(main.tensors[t], unit.operand_name(p))
        for p, t in enumerate(op.inputs)
        if t >= 0
    ]
    outputs = [
        tensor_value(t, "output" if i == 0 else f"output{i}") for i, t in enumerate(unit.outputs)
    ]
    bounds = bounds_of(unit)
    return {
        "index": op.index,
        "type": op.name,
        "version": op.version,
        "name": main.label(op),
        "arithmetic": unit.profile,
        "attributes": attributes_value(unit.attributes),
        "padding": padding_of(unit),
        "inputs": operands,
        "outputs": outputs,
        "zero_points": dict(zero_points(unit)),
        "activation": None if bounds is None else {"min": bounds[0], "max": bounds[1]},
        "rescale": [rescale_value(r) for r in rescales_of(unit)],
    }


def macros_of(unit: Unit, prefix: str) -> dict[str, int | float]:
    """Numbers for C, in the signs of TFLM and CMSIS-NN."""
    found: dict[str, int | float] = {}
    for name, zero in zero_points(unit).items():
        is_output = name.startswith("output") and name != "output_shape"
        found[f"{prefix}{name.upper()}_OFFSET"] = int(zero) if is_output else -int(zero)
    bounds = bounds_of(unit)
    if bounds is not None:
        found[f"{prefix}ACTIVATION_MIN"], found[f"{prefix}ACTIVATION_MAX"] = bounds
    windows, padding = windows_of(unit), padding_of(unit)
    if windows is not None and padding is not None:
        for letter, along in zip("HW", windows, strict=True):
            found[f"{prefix}FILTER_{letter}"] = along.kernel
            found[f"{prefix}STRIDE_{letter}"] = along.stride
            found[f"{prefix}DILATION_{letter}"] = along.dilation
        found.update((f"{prefix}PAD_{side.upper()}", n) for side, n in padding.items())
    shapes = [(unit.operand_name(p), unit.tensor(p)) for p in unit.fed]
    shapes += [("output" if i == 0 else f"output{i}", t) for i, t in enumerate(unit.outputs)]
    if unit.op.name in WEIGHTED:
        shapes.insert(1, ("weights", unit.tensor(WEIGHTED[unit.op.name][1])))
    for name, tensor in shapes:
        names = "NHWC" if len(tensor.shape) == 4 else [str(i) for i in range(len(tensor.shape))]
        for letter, size in zip(names, tensor.shape, strict=True):
            found[f"{prefix}{name.upper()}_DIM_{letter}"] = size
    for rescale in rescales_of(unit):
        if rescale.left:
            found[f"{prefix}LEFT_SHIFT"] = rescale.left
    return found
