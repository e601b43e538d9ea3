"""Values and options at the edges: zeros with a sign, NaN, the least integer, masks that meet."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

from .make import Case, Group, index, scale, shape, values, zero_point

SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 3e38)


def _special(rng, dtype: str, size, numbers=SPECIAL) -> np.ndarray:
    """Ordinary floats among which one in four is special."""
    drawn = np.asarray(rng.standard_normal(size) * 4)
    chosen = rng.integers(0, 4, size) == 0
    with np.errstate(over="ignore"):
        return np.where(chosen, rng.choice(numbers, size), drawn).astype(dtype)


def _case(opcode: str, specs, output, runs, options=None) -> Case:
    model = one_operator_model(opcode, specs, [output], options)
    return Case(model, runs, f"{opcode} at its edges {options or {}}")


def unary(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 2, 3, 20)
    spec = TensorSpec(dtype, size)
    return _case(opcode, [spec], spec, [[_special(rng, dtype, size)]])


def extremum(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 2, 2, 9)
    other = size if rng.integers(0, 2) else (1, size[1])
    specs = [TensorSpec(dtype, size), TensorSpec(dtype, other)]
    fed = [_special(rng, dtype, size), _special(rng, dtype, other)]
    return _case(opcode, specs, TensorSpec(dtype, size), [fed])


def reduced(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 4)
    axes = sorted(rng.permutation(3)[: rng.integers(0, 4)].tolist())
    left = [n for axis, n in enumerate(size) if axis not in axes]
    fed = _special(rng, dtype, size, (0.0, -0.0, np.nan, -np.inf, np.inf))
    return _case(opcode, [TensorSpec(dtype, size), index(*axes)], TensorSpec(dtype, left), [[fed]])


def sums(rng, dtype: str) -> Case:
    """CUMSUM, which starts from 0 and so has no -0."""
    size = shape(rng, 2, 2, 6)
    options = {"exclusive": bool(rng.integers(0, 2)), "reverse": bool(rng.integers(0, 2))}
    specs = [TensorSpec(dtype, size), index(int(rng.integers(-2, 2)))]
    fed = _special(rng, dtype, size, (0.0, -0.0))
    return _case("CUMSUM", specs, TensorSpec(dtype, size), [[fed]], options)


def added(rng, dtype: str) -> Case:
    size, count = shape(rng, 2, 2, 6), int(rng.integers(2, 5))
    specs = [TensorSpec(dtype, size) for _ in range(count)]
    fed = [_special(rng, dtype, size) for _ in range(count)]
    return _case("ADD_N", specs, TensorSpec(dtype, size), [fed])


def diagonal(rng, dtype: str) -> Case:
    size = shape(rng, 2, 2, 6)
    return _case("MATRIX_DIAG", [TensorSpec(dtype, size)], TensorSpec(dtype, (*size, size[-1])),
                 [[_special(rng, dtype, size)]])  # fmt: skip


def fake_quant(rng, dtype: str) -> Case:
    spec, options = TensorSpec(dtype, (5, 8)), {"min": -3.0, "max": 2.5, "num_bits": 4}
    return _case("FAKE_QUANT", [spec], spec, [[_special(rng, dtype, (5, 8))]], options)


def segment(opcode: str, rng, dtype: str) -> Case:
    size = (6, 3)
    specs = [TensorSpec(dtype, size), TensorSpec("int32", size[:1]), index(3)]
    fed = [_special(rng, dtype, size), rng.integers(0, 3, 6).astype(np.int32)]
    return _case(opcode, specs, TensorSpec(dtype, (3, 3)), [fed])


def pooled(rng, dtype: str) -> Case:
    window = {"filter_height": 2, "filter_width": 2, "stride_h": 1, "stride_w": 1}
    options = {**window, "padding": "VALID",
               "fused_activation_function": str(rng.choice(["NONE", "RELU"]))}  # fmt: skip
    specs = [TensorSpec(dtype, (1, 4, 5, 3))]
    fed = _special(rng, dtype, (1, 4, 5, 3))
    return _case("MAX_POOL_2D", specs, TensorSpec(dtype, (1, 3, 4, 3)), [[fed]], options)


def cast(rng, dtype: str) -> Case:
    wanted = str(rng.choice(["uint8", "int8", "int16", "int32", "uint32", "int64", "bool"]))
    size = (4, int(rng.integers(1, 20)))
    return _case("CAST", [TensorSpec(dtype, size)], TensorSpec(wanted, size),
                 [[_special(rng, dtype, size)]])  # fmt: skip


def least_quotient(rng, dtype: str) -> Case:
    """The least integer by -1: wrapped, or saturated in whole blocks where nothing broadcasts."""
    size = (int(rng.integers(1, 40)),)
    other = size if rng.integers(0, 2) else (1,)
    least = np.iinfo(dtype).min
    fed = [rng.choice([least, least + 1, 7], size).astype(dtype), np.full(other, -1, dtype)]
    specs = [TensorSpec(dtype, size), TensorSpec(dtype, other)]
    return _case("FLOOR_DIV", specs, TensorSpec(dtype, size), [fed])


def clamped_product(rng, dtype: str) -> Case:
    """A fused activation whose lower bound an unsigned type does not have."""
    activation = str(rng.choice(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))
    fed = [rng.integers(0, 9, (3, 4)).astype(dtype) for _ in range(2)]
    spec = TensorSpec(dtype, (3, 4))
    return _case("MUL", [spec, TensorSpec(dtype, (3, 4))], spec, [fed],
                 {"fused_activation_function": activation})  # fmt: skip


def shrunk(rng, dtype: str) -> Case:
    """STRIDED_SLICE with shrunk axes, their begins masked or too small."""
    size = shape(rng, 3, 2, 4)
    shrunken = int(rng.integers(1, 8))
    begins = [int(rng.integers(-n - 2, n)) for n in size]
    strides = [1 if shrunken >> axis & 1 else int(rng.choice([1, 2, -1])) for axis in range(3)]
    options = {"begin_mask": int(rng.integers(0, 8)), "end_mask": 7, "shrink_axis_mask": shrunken}
    masks = options["begin_mask"]
    picked = []
    for axis, (begin, stride, n) in enumerate(zip(begins, strides, size, strict=True)):
        place = max(begin + n if begin < 0 else begin, 0)
        start = None if masks >> axis & 1 else begin
        shrinks = shrunken >> axis & 1
        picked.append((0 if start is None else place) if shrinks else slice(start, None, stride))
    result = np.empty(size, np.int8)[tuple(picked)].shape
    specs = [TensorSpec(dtype, size), index(*begins), index(*([0] * 3)), index(*strides)]
    output = TensorSpec(dtype, result)
    return _case("STRIDED_SLICE", specs, output, [[values(rng, dtype, size)]], options)


def coarse_hard_swish(rng, dtype: str) -> Case:
    """Output scales so large that 16-bit masks of the final shift are all ones."""
    own = scale(rng, 0.01)
    spec = TensorSpec(dtype, (1, 256), own, zero_point(rng, dtype))
    wide = own * 2.0 ** int(rng.integers(4, 16))
    every = np.arange(256, dtype=np.uint8).astype(np.uint8).view(dtype).reshape(1, 256)
    return _case("HARD_SWISH", [spec], TensorSpec(dtype, (1, 256), wide, 3), [[every]])


def ignored_zero_points(rng, dtype: str) -> Case:
    """FULLY_CONNECTED with several weight scales: zero points of weights are not looked at.

    The weights are fed; the default resolver refuses such constants.
    """
    depth, units = int(rng.integers(1, 20)), int(rng.integers(2, 9))
    scales = [scale(rng, 0.01) for _ in range(units)]
    data = TensorSpec(dtype, (3, depth), 0.01, 0)
    filters = TensorSpec("int8", (units, depth), scales, [int(rng.integers(-7, 8))] * units)
    output = TensorSpec(dtype, (3, units), 0.02, 0)
    fed = [values(rng, dtype, (3, depth)), values(rng, "int8", (units, depth))]
    return _case("FULLY_CONNECTED", [data, filters], output, [fed])


def _weights(rng, dtype: str, size, scales, zero: int) -> TensorSpec:
    return TensorSpec(dtype, None, scales, zero, data=values(rng, dtype, size))


def untrue_multiplier(rng, dtype: str) -> Case:
    """An option depth_multiplier that contradicts the shapes, which delegates look at."""
    channels = int(rng.integers(1, 9))
    filters = _weights(rng, dtype, (1, 2, 2, channels), 0.02, 0 if dtype == "int8" else 128)
    bias = TensorSpec("int32", None, 0.02 * 0.125, data=rng.integers(-99, 99, channels))
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1,
               "depth_multiplier": 0}  # fmt: skip
    data = TensorSpec(dtype, (2, 5, 6, channels), 0.125, 3)
    output = TensorSpec(dtype, (2, 4, 5, channels), 0.25, 9)
    fed = values(rng, dtype, data.shape)
    return _case("DEPTHWISE_CONV_2D", [data, filters, bias], output, [[fed]], options)


def dead_channel(rng, dtype: str) -> Case:
    """FULLY_CONNECTED with a weight scale of 0, which delegates do not take."""
    depth, units = int(rng.integers(1, 20)), int(rng.integers(2, 9))
    scales = [0.0, *(scale(rng, 0.01) for _ in range(units - 1))]
    filters = _weights(rng, "int8", (units, depth), scales, [0] * units)
    data, output = TensorSpec(dtype, (30, depth), 0.1, 0), TensorSpec(dtype, (30, units), 0.05, 0)
    bias_scales = [0.1 * s for s in scales]
    bias = TensorSpec("int32", None, bias_scales, [0] * units, data=rng.integers(-99, 99, units))
    fed = values(rng, dtype, data.shape)
    return _case("FULLY_CONNECTED", [data, filters, bias], output, [[fed]])


def zero_of_transposed(rng, dtype: str) -> Case:
    """TRANSPOSE_CONV with a zero point of int8 weights, which no kernel subtracts."""
    one, count = bool(rng.integers(0, 2)), int(rng.integers(9, 20))
    scales = 0.02 if one else [scale(rng, 0.02) for _ in range(count)]
    filters = _weights(rng, dtype, (count, 2, 2, 4), scales, 2 if one else [2] * count)
    data, output = TensorSpec(dtype, (1, 4, 4, 4), 0.1, 0), (1, 8, 8, count)
    options = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    fed = values(rng, dtype, data.shape)
    return _case("TRANSPOSE_CONV", [index(*output), filters, data],
                 TensorSpec(dtype, output, 0.1, 7), [[fed]], options)  # fmt: skip


def negative_slope(rng, dtype: str) -> Case:
    """LEAKY_RELU below zero at ties, which the sign of alpha turns round."""
    size = (int(rng.integers(1, 60)),)
    options = {"alpha": float(rng.choice([-0.5, -1.5, 0.5]))}
    spec, output = TensorSpec(dtype, size, 2.0**-11), TensorSpec(dtype, size, 2.0**-10)
    return _case("LEAKY_RELU", [spec], output, [[values(rng, dtype, size)]], options)


def sole(rng, dtype: str) -> Case:
    """QUANTIZE of a number without axes."""
    spec, output = TensorSpec(dtype, (), 0.05, 3), TensorSpec("int8", (), 0.03, -4)
    return _case("QUANTIZE", [spec], output, [[values(rng, dtype, ())]])


def widened_softmax(rng, dtype: str) -> Case:
    """8 bits to int16 on any grid."""
    shape_, zero = shape(rng, 2, 1, 20), int(rng.choice([0, -32768, 77]))
    data = TensorSpec(dtype, shape_, scale(rng, 0.1), zero_point(rng, dtype))
    output = TensorSpec("int16", shape_, 1 / 65536 if zero < 0 else 1 / 32768, zero)
    fed = [[values(rng, dtype, shape_)]]
    return _case("SOFTMAX", [data], output, fed, {"beta": 1.0})


def loud_lstm(rng, dtype: str) -> Case:
    """Recurrent sums that leave 16 bits before they meet the data's; a projection to fewer outputs
    than cells beside peepholes, whose rows LiteRT takes one by one or together."""
    batch, time, width, cells = (int(n) for n in rng.integers(2, 7, 4))
    time_major, wide = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    count = max(1, cells - 2) if wide else cells
    graph = GraphBuilder()
    lead = (time, batch) if time_major else (batch, time)
    own = {"scale": 1 / 128, "zero_point": -3}
    weights = {"scale": 0.5, "zero_point": 0}
    operands = [-1] * 20
    data = TensorSpec(dtype, (*lead, width), 0.05, 4)
    operands[0] = graph.tensor(data)
    for gate in range(4):
        operands[1 + gate] = graph.tensor(_weights(rng, "int8", (cells, width), 0.02, 0))
        loud = TensorSpec("int8", None, **weights, data=values(rng, "int8", (cells, count)))
        operands[5 + gate] = graph.tensor(loud)
        drawn = rng.integers(-3000, 3000, cells).astype(np.int32)
        operands[12 + gate] = graph.tensor(TensorSpec("int32", None, 1e-3, data=drawn))
    if wide:
        for position in (9, 10, 11):
            operands[position] = graph.tensor(_weights(rng, "int16", (cells,), 3e-5, 0))
        operands[16] = graph.tensor(_weights(rng, "int8", (count, cells), 0.01, 0))
    operands[18] = graph.tensor(TensorSpec(dtype, (batch, count), **own, is_variable=True))
    operands[19] = graph.tensor(TensorSpec("int16", (batch, cells), 2.0**-11, is_variable=True))
    out = graph.tensor(TensorSpec(dtype, (*lead, count), **own))
    inner = [graph.tensor(TensorSpec("int16", (0,), 2.0**-12)) for _ in range(4)]
    inner.append(graph.tensor(TensorSpec(dtype, (0,), **own)))
    options = {"fused_activation_function": "TANH", "time_major": time_major}
    opcode = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    graph.operator(opcode, operands, [out], options, intermediates=inner)
    fed = [[values(rng, dtype, data.shape)] for _ in range(2)]
    return Case(graph.build(operands[:1], [out]), fed, f"loud LSTM {options} {cells} to {count}")


GROUPS = (
    *(Group(f"{op}_EDGES", ("float32",), partial(unary, op), 3)
      for op in ("RELU", "RELU6", "RELU_N1_TO_1", "ABS", "FLOOR", "NEG")),
    *(Group(f"{op}_EDGES", ("float32", "float16"), partial(extremum, op), 4)
      for op in ("MAXIMUM", "MINIMUM")),
    *(Group(f"{op}_EDGES", ("float32",), partial(reduced, op), 8)
      for op in ("REDUCE_MAX", "REDUCE_MIN")),
    Group("CUMSUM_EDGES", ("float32",), sums, 6),
    Group("ADD_N_EDGES", ("float32",), added, 4),
    Group("MATRIX_DIAG_EDGES", ("float32",), diagonal, 3),
    Group("FAKE_QUANT_EDGES", ("float32",), fake_quant, 3),
    *(Group(f"UNSORTED_SEGMENT_{name}_EDGES", ("float32",),
            partial(segment, f"UNSORTED_SEGMENT_{name}"), 4) for name in ("MAX", "MIN")),
    Group("MAX_POOL_2D_EDGES", ("float32",), pooled, 4),
    Group("CAST_EDGES", ("float32", "float16"), cast, 8),
    Group("FLOOR_DIV_EDGES", ("int8", "int16", "int32"), least_quotient, 5),
    Group("MUL_EDGES", ("uint32", "int32", "int64"), clamped_product, 4),
    Group("STRIDED_SLICE_EDGES", ("int8", "uint8", "int16", "float32"), shrunk, 8),
    Group("HARD_SWISH_EDGES", ("int8", "uint8"), coarse_hard_swish, 6),
    Group("FULLY_CONNECTED_EDGES", ("int8", "int16"), ignored_zero_points, 5),
    Group("FULLY_CONNECTED_ZERO_EDGES", ("int8",), dead_channel, 3),
    Group("DEPTHWISE_CONV_2D_EDGES", ("int8", "uint8"), untrue_multiplier, 3),
    Group("SOFTMAX_EDGES", ("int8", "uint8"), widened_softmax, 6),
    Group("LEAKY_RELU_EDGES", ("int8", "uint8", "int16"), negative_slope, 4),
    Group("QUANTIZE_EDGES", ("int8", "uint8"), sole, 2),
    Group("UNIDIRECTIONAL_SEQUENCE_LSTM_EDGES", ("int8",), loud_lstm, 8),
    Group("TRANSPOSE_CONV_EDGES", ("int8",), zero_of_transposed, 6),
)  # fmt: skip
