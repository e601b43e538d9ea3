"""Which operators give the source's integers, shifted, for every input.

Equal real grids are not enough: the kernels of two element types may round differently. What is
stated here holds for LiteRT's reference kernels. Between uint8 and int8, with c = q - zero_point:

  RAW       reads stored integers and only copies or orders them: a shift of all changes nothing.
  CENTRED   reads c alone, adds the output's zero point last, and saturates at ends that are shifted
            with it; fused bounds are zero_point + round(bound / scale), shifted with it as well.
  products  weighted operators are CENTRED, but uint8 kernels form input scale * weights scale in
            float32 and int8 ones in float64: the same where the two fixed-point multipliers are
            equal, or so near that no step of the output moves.
  ties      AVERAGE_POOL_2D rounds ties of stored integers up (uint8) or away from 0 (int8).
  places    RESIZE_BILINEAR interpolates in float32 (uint8) or in 1/1024 (int8).

All else is not certain: SUM (int8 bytes are read as uint8), L2_NORMALIZATION (uint8 rounds twice)
and QUANTIZE of floats beyond 2^31 steps (adding the zero point wraps) are known to differ. A 16-bit
type ends elsewhere and has tables and headroom of its own; there only what cannot leave the
source's range stays the same.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import OpSpec
from tflite_requant.catalog.arithmetic import Rescaling, arithmetic_for
from tflite_requant.fixedpoint.multiplier import quantize_multiplier, rescale_double
from tflite_requant.model import Operator, QArray, QParams, Tensor, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import clamps
from tflite_requant.planning.domains import activation_ports, is_weighted
from tflite_requant.planning.grid import same_integers
from tflite_requant.planning.plan import Plan

PROFILE = "litert-reference"
EIGHT_BIT = ("uint8", "int8")

RAW = frozenset(
    {"ARG_MAX", "ARG_MIN", "CONCATENATION", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "REDUCE_MAX",
     "REDUCE_MIN", "SHAPE"}
)  # fmt: skip
CENTRED = frozenset(
    {"ADD", "DEQUANTIZE", "EQUAL", "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU",
     "LESS", "LESS_EQUAL", "LOGISTIC", "LOG_SOFTMAX", "MEAN", "MUL", "NOT_EQUAL", "PRELU",
     "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "SOFTMAX", "SUB", "TANH"}
)  # fmt: skip
RESIZE_UNIT = 1 << 10  # weights of the integer RESIZE_BILINEAR

Grids = list[tuple[TensorType, TensorType]]  # of every activation operand: source, new


def same_for_all_inputs(plan: Plan, op: Operator, spec: OpSpec | None, rewritten) -> bool:
    """Whether the new operator gives the source's integers, shifted, for every input.

    rewritten: the new constants of a weighted operator (`rules.weighted.Rewritten`), None of others
    and where the operator kept its own. Says no wherever it is not certain.
    """
    grids = [
        (tensor.type, plan.at(op.index, side, position, tensor.index))
        for side, position, tensor, _ in activation_ports(plan.subgraph, op, spec)
    ]
    if not _same_clamp(plan, op):
        return False
    if rewritten is None and all(old == new for old, new in grids):
        return True
    if spec is None or not all(_is_shift(old, new) for old, new in grids):
        return False
    if any(old.dtype != new.dtype and not _both_eight_bit(old, new) for old, new in grids):
        return op.name == "DEQUANTIZE" or (_is_raw(op, spec) and _moved_alike(grids))
    if is_weighted(spec):
        return rewritten is not None and _same_products(plan, op, spec, rewritten)
    if _is_raw(op, spec):
        return _moved_alike(grids)
    if op.name == "AVERAGE_POOL_2D":
        return _moved_alike(grids) and _pools_without_ties(plan, op)
    if op.name == "RESIZE_BILINEAR":
        return _moved_alike(grids) and _resizes_by_copying(plan, op)
    return op.name in CENTRED and not (op.name == "QUANTIZE" and _reads_floats(plan, op))


# --- grids ---------------------------------------------------------------------------------------


def _is_shift(old: TensorType, new: TensorType) -> bool:
    if old == new:
        return True
    return not old.qparams.per_axis and not new.qparams.per_axis and same_integers(old, new)


def _both_eight_bit(old: TensorType, new: TensorType) -> bool:
    return old.dtype in EIGHT_BIT and new.dtype in EIGHT_BIT


def _is_raw(op: Operator, spec: OpSpec) -> bool:
    return spec.movement or op.name in RAW


def _moved_alike(grids: Grids) -> bool:
    """Whether all stored integers are shifted by one amount."""
    return len({new.qparams.zero_point - old.qparams.zero_point for old, new in grids}) <= 1


def _reads_floats(plan: Plan, op: Operator) -> bool:
    return plan.subgraph.tensors[op.inputs[0]].dtype.startswith("float")


def _same_clamp(plan: Plan, op: Operator) -> bool:
    """Whether the fused activation is the source's; kernels ignore those without bounds."""
    old = op.option("fused_activation_function", "NONE")
    new = plan.activation.get(op.index, old)
    return old == new or {old, new}.isdisjoint(set(clamps.BOUNDS) - {"NONE"})


# --- weighted operators --------------------------------------------------------------------------


def _same_products(plan: Plan, op: Operator, spec: OpSpec, rewritten) -> bool:
    positions = {o.role: i for i, o in enumerate(spec.inputs) if o.role != "plain"}
    tensors = plan.subgraph.tensors
    x, y = op.input(positions["activation"]), op.outputs[0]
    bias = op.input(positions["bias"])
    if tensors[y].dtype == "int16" and (bias < 0 or tensors[bias].dtype != rewritten.bias_dtype):
        return False  # the bias decides how wide the accumulator is, and so how it is rounded
    old_bias = None if bias < 0 else tensors[bias].array()
    new_bias = None if rewritten.bias is None else rewritten.bias.integers
    axis = spec.inputs[positions["weights"]].axis
    old, new = tensors[op.input(positions["weights"])].qarray(), rewritten.weights
    channels = old.shape[axis]
    new_x = plan.at(op.index, "in", positions["activation"], x)
    new_y = plan.at(op.index, "out", 0, y)
    constants = [(old, old_bias)]
    if op.index in plan.equivalent:
        same = plan.equivalent[op.index]
        constants.append((same.weights, same.bias.integers))
    if not any(
        np.array_equal(_taps(op, w, tensors[y].dtype), _taps(op, new, new_y.dtype))
        and np.array_equal(_bias_integers(b, channels), _bias_integers(new_bias, channels))
        for w, b in constants
    ):
        return False
    before = factors(op.name, tensors[x].type, old.qparams, tensors[y].type)
    after = factors(op.name, new_x, new.qparams, new_y)
    if (before == after).all():
        return True
    if not _both_eight_bit(tensors[y].type, new_y):
        return False
    laws = {law_of(op.name, t.dtype, w).rounding for t, w in (
        (tensors[y].type, old.qparams), (new_y, new.qparams)
    )}  # fmt: skip
    pairs = set(zip(*(f.tolist() for f in np.broadcast_arrays(before, after)), strict=True))
    return laws == {"double"} and all(same_steps(a, b, tensors[y].type) for a, b in sorted(pairs))


def law_of(operator: str, dtype: str, weights: QParams) -> Rescaling:
    """How the reference kernel of an output type rescales 32-bit accumulators."""
    return arithmetic_for(PROFILE, operator).rescaling(dtype, weights.per_axis)


def factors(operator: str, data: TensorType, weights: QParams, output: TensorType) -> np.ndarray:
    """What the reference kernel multiplies accumulators by, exactly: float64 [1] or [channels].

    The product of scales is formed in the precision of the output's type; fixed-point kernels then
    round it to multiplier * 2^(shift - 31), which float64 holds.
    """
    law = law_of(operator, output.dtype, weights)
    precision = np.dtype(law.scale_product).type
    product = precision(data.qparams.scale) * np.array(weights.scales, precision)
    real = product.astype(np.float64) / np.float64(output.qparams.scale)
    if law.rounding == "real":
        return real
    multiplier, shift = quantize_multiplier(real)
    return np.ldexp(multiplier.astype(np.float64), shift - 31)


def same_steps(first: float, second: float, output: TensorType) -> bool:
    """Whether two fixed-point factors below 1 bring every 32-bit accumulator to the same output.

    Both are staircases, cut off at the ends of the output's type. `rescale_double` takes the step
    to integer v at most 3 accumulators from (v - 1/2) / factor, so it suffices to compare there:
    its inner rounding is off by 1/2 and its ties by 1, in units of at most 2 accumulators, as the
    multiplier is at least 2^30.
    """
    if not (0 < first < 1 and 0 < second < 1):
        return False
    low, high = RANGES[output.dtype]
    steps = np.arange(low, high) + 1 - output.qparams.zero_point
    places = np.rint((steps - 0.5) / first)[:, None] + np.arange(-4, 5)
    places = np.clip(places, -(2.0**31), 2.0**31 - 1).astype(np.int64)
    one, other = (rescale_double(places, *quantize_multiplier(f)) for f in (first, second))
    return np.array_equal(one, other)


def _taps(op: Operator, weights: QArray, dtype: str) -> np.ndarray:
    """Weights as the kernel of an output type multiplies them: DEPTHWISE_CONV_2D and TRANSPOSE_CONV
    subtract their zero point in uint8 only, FULLY_CONNECTED where there is one scale."""
    signed = op.opcode in ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV") and dtype != "uint8"
    if signed or (op.opcode == "FULLY_CONNECTED" and weights.qparams.per_axis):
        return weights.integers.astype(np.int64)
    return weights.centred()


def _bias_integers(bias: np.ndarray | None, channels: int) -> np.ndarray:
    return np.zeros(channels, np.int64) if bias is None else bias.reshape(-1).astype(np.int64)


# --- pools and resizes ---------------------------------------------------------------------------


def _static(tensor: Tensor) -> bool:
    """Whether height and width stand in the file."""
    signature = tensor.shape_signature or tensor.shape
    return len(tensor.shape) == 4 and min(*signature[1:3], *tensor.shape[1:3]) > 0


def _pools_without_ties(plan: Plan, op: Operator) -> bool:
    """Whether no mean lies between two integers, or RELU clamps all that do below the int8 zero."""
    data, output = (plan.subgraph.tensors[t] for t in (op.inputs[0], op.outputs[0]))
    fused = op.option("fused_activation_function", "NONE")
    for grid in (output.type, plan.at(op.index, "out", 0, output.index)):
        if grid.dtype == "int8" and fused in ("RELU", "RELU6") and grid.qparams.zero_point >= 0:
            return True
    if not _static(data):
        return False
    counts = [
        window_counts(size, op.option(f"filter_{name}"), op.option(f"stride_{short}"),
                      op.option("padding"))
        for size, name, short in zip(data.shape[1:3], ("height", "width"), "hw", strict=True)
    ]  # fmt: skip
    return bool((counts[0] % 2 == 1).all() and (counts[1] % 2 == 1).all())


def window_counts(size: int, kernel: int, stride: int, padding: str) -> np.ndarray:
    """How many elements of an axis each window covers."""
    if padding == "SAME":
        out = -(-size // stride)
        before = max((out - 1) * stride + kernel - size, 0) // 2
    else:
        out, before = (size + stride - kernel) // stride, 0
    first = np.arange(out) * stride - before
    return np.minimum(first + kernel, size) - np.maximum(first, 0)


def _resizes_by_copying(plan: Plan, op: Operator) -> bool:
    """Whether every output is one input, the same one by both laws."""
    data, size = (plan.subgraph.tensors[t] for t in op.inputs[:2])
    if not (_static(data) and size.is_constant):
        return False
    align, half = bool(op.option("align_corners")), bool(op.option("half_pixel_centers"))
    return all(
        _copies_axis(n, int(out), align, half)
        for n, out in zip(data.shape[1:3], size.array().reshape(-1), strict=True)
    )


def _copies_axis(size: int, out: int, align: bool, half: bool) -> bool:
    real, whole = _real_places(size, out, align, half), _integer_places(size, out, align, half)
    copies = all(((low == high) | (part == 0)).all() for low, high, part in (real, whole))
    return copies and bool((real[0] == whole[0]).all())


def _real_places(size: int, out: int, align: bool, half: bool):
    """(lower index, upper index, part of the upper) of each output index, in float32."""
    one = np.float32
    scale = one(size - 1) / one(out - 1) if align and out > 1 else one(size) / one(out)
    index = np.arange(out, dtype=np.float32)
    place = (index + one(0.5)) * scale - one(0.5) if half else index * scale
    low = np.maximum(np.floor(place), 0).astype(np.int64)
    high = np.minimum(np.ceil(place), size - 1).astype(np.int64)
    return low, high, place - low.astype(np.float32)


def _integer_places(size: int, out: int, align: bool, half: bool):
    """The same in units of 1/1024."""
    scale = (RESIZE_UNIT * size + out // 2) // out
    if align and out > 1:
        scale = (RESIZE_UNIT * (size - 1) + (out - 1) // 2) // (out - 1)
    place = np.arange(out, dtype=np.int64) * scale
    if half:
        place = place + scale // 2 - RESIZE_UNIT // 2
    # C divides towards zero; what is below zero is moved to 0 anyway.
    low = np.maximum(place, 0) // RESIZE_UNIT
    high = np.minimum(np.maximum(place + RESIZE_UNIT - 1, 0) // RESIZE_UNIT, size - 1)
    return low, high, place - RESIZE_UNIT * low
