"""Programs compute every tensor as the plain kernels do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import NAMES, cases
from engine_models import LOW, Chain, differences, images

from tflite_requant import engine
from tflite_requant.catalog.delegation import node_arithmetic, taken
from tflite_requant.engine import accelerator, forms, rescaling, splitting, stages
from tflite_requant.engine.accelerator import PATIENCE, Accelerator, multiplications
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import KernelError
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

EIGHT_BIT = [n for n in NAMES if n.endswith("int8")]
TYPES = ("uint8", "int8")


WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D")


def first_image(case):
    """The case with one image instead of several, where its operator slides a window."""
    model, main = case.model, case.model.main
    (op,) = main.operators
    if op.name not in WINDOWED:
        return case
    tensors = tuple(
        replace(t, shape=(1, *t.shape[1:])) if t.index in (op.inputs[0], op.outputs[0]) else t
        for t in main.tensors
    )
    model = replace(model, subgraphs=(replace(main, tensors=tensors),))
    return replace(case, model=model, runs=[[a[:1] for a in run] for run in case.runs])


def block(dtype: str, height: int, width: int, stride=1, seed=0, spread=28) -> Chain:
    """First convolution, inverted residual, and a residual addition where shapes allow.

    spread: of the depthwise weights; 16-bit sums fit about half of the channels at 28.
    """
    chain = Chain(dtype, height, width, 3, seed).conv(8, 3, 2).conv(8, relu=False)
    shortcut = chain.last
    chain.conv(24).depthwise(3, stride, spread=spread).conv(8, relu=False)
    return chain.add(shortcut) if stride == 1 else chain


def _read_twice(chain: Chain) -> Chain:
    """A depthwise window and an addition read the same tensor."""
    shared = chain.last
    return chain.depthwise(3, spread=45).add(shared).conv(5, relu=False)


CHAINS = {
    "block": lambda d: block(d, 21, 17),
    "block-stride-2": lambda d: block(d, 30, 22, 2),
    "block-stride-2-odd": lambda d: block(d, 27, 29, 2),
    "one-column": lambda d: block(d, 40, 2),
    "one-row": lambda d: block(d, 1, 33),
    "wide-window": lambda d: Chain(d, 12, 15, 6).depthwise(5, 2).conv(7).depthwise(3).conv(5),
    "dilated": lambda d: Chain(d, 16, 14, 4).conv(6, 3, dilation=2).depthwise(3, dilation=2),
    "valid": lambda d: Chain(d, 13, 12, 3).conv(9, 3, 2, padding="VALID").depthwise(3, 2,
                                                                            padding="VALID"),
    "linear-depthwise": lambda d: Chain(d, 9, 9, 5).conv(16).depthwise(3, relu=False).conv(4),
    "no-bias": lambda d: Chain(d, 8, 8, 5).conv(16).dense(9, bias=False),
    "head": lambda d: Chain(d, 7, 7, 12).conv(40).pool(7).conv(10, relu=False),
    "pool": lambda d: Chain(d, 12, 10, 3).conv(8).pool(3, 2).dense(11),
    "mean": lambda d: Chain(d, 7, 6, 5).conv(12).mean(True).conv(9, relu=False),
    "mean-of-linear": lambda d: Chain(d, 7, 7, 5).conv(12, relu=False).mean(False).dense(4),
    "read-twice": lambda d: _read_twice(Chain(d, 13, 11, 5).conv(24)),
    "deep": lambda d: Chain(d, 5, 5, 900).conv(6, relu=False).conv(300),
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("tile", [1, 200, 1 << 16])
def test_chains(monkeypatch, dtype, name, tile):
    monkeypatch.setattr(stages, "TILE", tile)
    model = CHAINS[name](dtype).build()
    whole, program = engine.plan(model, keep_all=True), engine.plan(model)
    plain = Interpreter(model, fast=False)
    for feeds in images(model, 4):
        assert differences(model, whole, feeds) == []
        (expected,) = plain.run(list(feeds.values()))
        assert np.array_equal(program.run(feeds)[model.main.outputs[0]], expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["block", "head", "mean", "mean-of-linear"])
def test_everything_in_a_chain_is_fast(dtype, name):
    program = engine.plan(CHAINS[name](dtype).build())
    names = {getattr(call, "func", call).__name__ for call in program.calls}
    assert {"matmul", "c_einsum", "copyto", "clip"} <= names
    assert "call" not in names  # no plain kernel


def _to_int8(chain: Chain) -> Chain:
    """XNNPACK takes no QUANTIZE from one type to another."""
    source, shape = chain.last, chain.shape
    chain.last = chain.graph.tensor(TensorSpec("int8", shape, 3 * chain.scale, 0))
    chain.graph.operator("QUANTIZE", (source,), (chain.last,))
    return chain


def _far_addition(chain: Chain) -> Chain:
    """Nor an ADD whose inputs are so much coarser than its output."""
    graph, shape, low = chain.graph, chain.shape, LOW[chain.dtype]
    sum_ = graph.tensor(TensorSpec(chain.dtype, shape, chain.scale / 2000, 128 + low))
    graph.operator("ADD", (chain.last, chain.last), (sum_,))
    chain.last = sum_
    return chain


def _untrue_multiplier(chain: Chain) -> Chain:
    """Nor a depthwise convolution whose depth_multiplier is not what its shapes say."""
    return chain.depthwise(3, multiplier=0)


LEFT_OVER = {
    "quantize": (lambda d: _to_int8(Chain(d, 12, 11, 3).conv(8).depthwise()), "QUANTIZE"),
    "addition": (lambda d: _far_addition(Chain(d, 9, 7, 3).conv(8)), "ADD"),
    "depthwise": (lambda d: _untrue_multiplier(Chain(d, 9, 7, 3).conv(8)).conv(4),
                  "DEPTHWISE_CONV_2D"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OVER)
def test_what_the_delegate_leaves_has_the_arithmetic_of_its_own(name):
    make, operator = LEFT_OVER[name]
    model = make("uint8").build()
    op = next(op for op in model.main.operators if op.name == operator)
    assert not taken(model.main, op)
    program = engine.plan(model, "litert-xnnpack", keep_all=True)
    plain = Interpreter(model, "litert-xnnpack", fast=False)
    for feeds in images(model, 4):
        expected = plain.run(list(feeds.values()), keep="all")
        for tensor, values in program.run(feeds).items():
            assert np.array_equal(values, expected[tensor])


def _last(operator: str, scales: tuple, height: int, count: int):
    """An operator of 8-bit data of either sign; scales: of its data, a second operand, its output.
    Powers of two make ties."""

    def build(dtype: str):
        chain = Chain(dtype, height, 3, 3).conv(count, relu=False)
        graph, zero, shape = chain.graph, 128 + LOW[dtype], chain.shape
        x = graph.tensor(TensorSpec(dtype, shape, scales[0], zero))
        graph.operator("QUANTIZE", (chain.last,), (x,))
        operands = [x]
        if operator == "MEAN":
            shape = (1, 1, 1, count)
            operands.append(graph.tensor(TensorSpec("int32", data=np.array([1, 2]))))
        elif len(scales) > 2:
            data = (np.arange(np.prod(shape)).reshape(shape) * 37 % 256 - 128 + zero).astype(dtype)
            spec = TensorSpec(dtype, scale=scales[1], zero_point=zero, data=data)
            operands.append(graph.tensor(spec))
        chain.last = graph.tensor(TensorSpec(dtype, shape, scales[-1], zero))
        options = {"keep_dims": True} if operator == "MEAN" else {}
        graph.operator(operator, operands, (chain.last,), options)
        return chain

    return build


BY_POSITION = {
    "quantize": _last("QUANTIZE", (1 / 16, 1 / 4), 3, 5),
    "addition": _last("ADD", (0.1, 0.125, 0.2), 97, 9),
    "mean": _last("MEAN", (1 / 16, 1 / 8), 2, 31),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", BY_POSITION)
def test_blocks_of_the_optimized_kernels(name, dtype):
    model = BY_POSITION[name](dtype).build()
    op = model.main.operators[-1]
    assert node_arithmetic("litert-optimized", model.main, op).positional(dtype)
    program = engine.plan(model, "litert-optimized", keep_all=True)
    for feeds in images(model, 40):
        assert differences(model, program, feeds, "litert-optimized") == []


def quiet_channels(tops, taps, fill: int, dtype="uint8", then=False):
    """Channels that reach tops[c] at most, then windows of 9 * taps[c], padded with `fill`.

    then: a product after them.
    """
    graph, count, low = GraphBuilder(), len(tops), LOW[dtype]
    strides = {"padding": "SAME", "stride_h": 1, "stride_w": 1}

    def weights(values: np.ndarray) -> int:
        zero = 0 if dtype == "int8" else 128
        data = (values + zero).astype(dtype)
        return graph.tensor(TensorSpec(dtype, scale=1.0, zero_point=zero, data=data))

    x = graph.tensor(TensorSpec(dtype, (1, 9, 8, 1), 1.0, low))
    bias = graph.tensor(TensorSpec("int32", scale=1.0, data=np.array(tops, np.int32) - 255 - fill))
    y = graph.tensor(TensorSpec(dtype, (1, 9, 8, count), 1.0, fill + low))
    graph.operator("CONV_2D", (x, weights(np.ones((count, 1, 1, 1), int)), bias), (y,), strides)
    window = weights(np.broadcast_to(np.array(taps), (1, 3, 3, count)))
    b = graph.tensor(TensorSpec("int32", scale=1.0, data=np.zeros(count, np.int32)))
    z = graph.tensor(TensorSpec(dtype, (1, 9, 8, count), 800.0, 128 + low))
    options = {**strides, "depth_multiplier": 1}
    graph.operator("DEPTHWISE_CONV_2D", (y, window, b), (z,), options)
    if then:
        last = graph.tensor(TensorSpec(dtype, (1, 9, 8, 4), 200000.0, 100 + low))
        some = np.random.default_rng(0).integers(-99, 100, (4, 1, 1, count))
        none = graph.tensor(TensorSpec("int32", scale=800.0, data=np.zeros(4, np.int32)))
        graph.operator("CONV_2D", (z, weights(some), none), (last,), strides)
        return graph.build((x,), (last,))
    return graph.build((x,), (z,))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "dead, columns, fill",
    [
        pytest.param(7, 16, 0, id="too-few"),
        pytest.param(8, 8, 0, id="half"),
        pytest.param(9, 8, 0, id="more-than-half"),
        pytest.param(16, 8, 0, id="all"),
        pytest.param(8, 16, 31, id="not-what-padding-is"),
    ],
)
def test_constant_channels_are_left_out(dtype, dead, columns, fill):
    tops = np.full(16, 200)
    tops[np.random.default_rng(dead).permutation(16)[:dead]] = -300
    model = quiet_channels(tops, [20, 127, -90, -127] * 4, fill, dtype, True)
    whole, program = engine.plan(model, keep_all=True), engine.plan(model)
    *_, product = [c for c in program.calls if getattr(c, "func", c) is np.matmul]
    assert product.args[1].shape == (columns, 4)
    plain = Interpreter(model, fast=False)
    for feeds in images(model, 4):
        assert differences(model, whole, feeds) == []
        (expected,) = plain.run(list(feeds.values()))
        assert np.array_equal(program.run(feeds)[model.main.outputs[0]], expected)


@pytest.mark.parametrize(
    "tops, taps, fill",
    [
        pytest.param([0, 0, 255, 255], [127, -128, 28, -28], 0, id="dead"),
        pytest.param([64, 63, 56, 57, 255], [113, -113, 127, -126, 3], 0, id="at-the-limit"),
        pytest.param([-300, -300, 200, 9], [120, -121, 28, -120], 60, id="padding-is-larger"),
    ],
)
def test_channels_of_small_data_need_no_wide_sums(tops, taps, fill):
    """16-bit sums of channels whose weights alone would not allow it."""
    model = quiet_channels(tops, taps, fill)
    program = engine.plan(model, keep_all=True)
    (sums,) = [c for c in program.calls if getattr(c, "func", c).__name__ == "c_einsum"]
    assert sums.args[1].dtype == np.int16
    assert sums.args[1].shape[-1] % len(tops) == 0  # no channel has parts
    for feeds in images(model, 4):
        assert differences(model, program, feeds) == []


@pytest.mark.parametrize("without", range(6))
def test_chains_in_which_one_rescaling_is_not_proven(monkeypatch, without):
    """What is joined to that operator, or relies on its channels' order, gives up with it."""
    fit, seen = rescaling.fit, []

    def failing(*arguments):
        seen.append(arguments)
        return None if len(seen) == without + 1 else fit(*arguments)

    monkeypatch.setattr(rescaling, "fit", failing)
    chain = Chain("uint8", 17, 15, 3).conv(24, 3)
    chain.depthwise(spread=28).conv(24).depthwise(3, 2, spread=28).conv(24).depthwise(spread=28)
    model = chain.conv(9).build()
    program = engine.plan(model, keep_all=True)
    assert len(seen) > without
    for feeds in images(model, 2):
        assert program is None or differences(model, program, feeds) == []


@pytest.mark.parametrize("profile", ["litert-reference", "litert-optimized", "litert-xnnpack"])
@pytest.mark.parametrize("name", EIGHT_BIT)
def test_single_operators(name, profile):
    """Every generated case of an operator, whether or not the engine has a form for it."""
    for case in map(first_image, cases(name)):
        program = engine.plan(case.model, profile, keep_all=True)
        if program is None:
            continue
        for inputs in case.runs:
            feeds = dict(zip(case.model.main.inputs, inputs, strict=True))
            if program.run(feeds) is not None:
                assert differences(case.model, program, feeds, profile) == [], case.label


@pytest.mark.parametrize(
    "operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D"]
)
def test_single_operators_have_programs(operator):
    """The cases above are not all skipped."""
    for dtype in TYPES:
        found = [engine.plan(first_image(c).model) for c in cases(f"{operator}-{dtype}")]
        assert sum(p is not None for p in found) >= 3


@pytest.mark.parametrize("operator", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"])
@pytest.mark.parametrize("constant", [False, True], ids=["computed", "constant"])
@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param(((1, 8, 8, 40), (1, 8, 8, 40)), id="same"),
        pytest.param(((1, 8, 8, 40), (1, 1, 1, 40)), id="second"),
        pytest.param(((40,), (1, 8, 8, 40)), id="first"),
    ],
)
def test_tables_of_pairs(operator, constant, shapes):
    """Operators of two 8-bit tensors that no other form was proven for."""
    rng = np.random.default_rng(0)
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", shapes[0], 0.013, 5))
    data = rng.integers(-128, 128, shapes[1]).astype(np.int8)
    y = graph.tensor(TensorSpec("int8", shapes[1], 0.031, -20, data=data if constant else None))
    z = graph.tensor(TensorSpec("int8", (1, 8, 8, 40), 0.037, 11))
    graph.operator(operator, (x, y), (z,))
    w = graph.tensor(TensorSpec("int8", scale=0.1, data=np.ones((3, 1, 1, 40), np.int8)))
    b = graph.tensor(TensorSpec("int32", scale=0.0037, data=np.zeros(3, np.int32)))
    out = graph.tensor(TensorSpec("int8", (1, 8, 8, 3), 0.1, 0))
    conv = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    graph.operator("CONV_2D", (z, w, b), (out,), conv)
    inputs = (x,) if constant else (x, y)
    model = graph.build(inputs, (out,))
    whole = engine.plan(model, keep_all=True)
    for _ in range(3):
        feeds = {t: rng.integers(-128, 128, model.main.tensors[t].shape).astype(np.int8)
                 for t in inputs}  # fmt: skip
        assert differences(model, whole, feeds) == []
    assert any("_paired" in getattr(c, "__qualname__", "") for c in whole.calls) or (
        operator == "ADD" and not constant and shapes[0] == shapes[1]
    )


def test_all_demo_samples(demo_model):
    samples = np.load(demo_model.with_name("digits_samples.npz"))["test"]
    plain = Interpreter(demo_model, fast=False)
    program = engine.plan(plain.model)
    (fed,), (read,) = plain.model.main.inputs, plain.model.main.outputs
    assert len(samples) == 600
    for sample in samples:
        (expected,) = plain.run([sample[None]])
        assert np.array_equal(program.run({fed: sample[None]})[read], expected)


def test_every_demo_tensor(demo_model):
    model = Interpreter(demo_model).model
    program = engine.plan(model, keep_all=True)
    for feeds in images(model, 5):
        assert differences(model, program, feeds) == []


def test_results_belong_to_the_caller():
    model = block("int8", 9, 9).build()
    program, (first, second) = engine.plan(model), images(model, 5)[3:]
    (read,) = model.main.outputs
    kept = program.run(first)[read]
    copy = kept.copy()
    assert not np.array_equal(program.run(second)[read], copy)
    assert np.array_equal(kept, copy)


def test_the_interpreter_takes_over_where_it_pays(monkeypatch):
    monkeypatch.setattr(accelerator, "WORTHWHILE", 1)
    model = block("uint8", 9, 9).build()
    feeds = [list(f.values()) for f in images(model, 4)]
    with_engine, without = Interpreter(model), Interpreter(model, fast=False)
    for inputs in feeds * 2:
        assert np.array_equal(with_engine.run(inputs)[0], without.run(inputs)[0])
    assert with_engine._accelerator.run({model.main.inputs[0]: feeds[0][0]}) is not None


def test_small_models_are_not_planned():
    model = block("uint8", 9, 9).build()
    assert 0 < multiplications(model) < accelerator.WORTHWHILE
    accelerated = Accelerator(model, "litert-reference")
    assert all(accelerated.run(images(model, 1)[0]) is None for _ in range(PATIENCE + 3))


@pytest.mark.parametrize(
    "shape, dtype", [((1, 9, 8, 3), np.uint8), ((2, 9, 9, 3), np.uint8), ((1, 9, 9, 3), np.int8)]
)
def test_other_inputs_are_refused(shape, dtype):
    model = block("uint8", 9, 9).build()
    assert engine.plan(model).run({model.main.inputs[0]: np.zeros(shape, dtype)}) is None


@pytest.mark.parametrize("wanted", [(1, 16, 2), (4, -1), (32,)], ids=str)
@pytest.mark.parametrize("computed", [False, True], ids=["constant", "computed"])
def test_reshaped_values(wanted, computed):
    """A plain RESHAPE after a fast operator; its shape may come from the caller."""
    chain = Chain("int8", 4, 4, 2).conv(2)
    spec = TensorSpec("int32", (len(wanted),), data=None if computed else np.array(wanted))
    shape = chain.graph.tensor(spec)
    size = tuple(n if n > 0 else 8 for n in wanted)
    output = chain.graph.tensor(TensorSpec("int8", size, chain.scale, -128))
    chain.graph.operator("RESHAPE", (chain.last, shape), (output,))
    model = chain.graph.build((chain.input, shape) if computed else (chain.input,), (output,))
    program = engine.plan(model, keep_all=True)
    assert any("_plain.<locals>.call" in getattr(c, "__qualname__", "") for c in program.calls) == (
        computed
    )
    given = {shape: np.array(wanted, np.int32)} if computed else {}
    for feeds in images(chain.graph.build((chain.input,), (output,)), 3):
        assert differences(model, program, feeds | given) == []


def test_unlike_shapes_are_refused():
    """The file declares another shape than the plain operator before the product makes."""
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("uint8", (1, 4, 4, 2), 0.1, 3))
    shape = graph.tensor(TensorSpec("int32", data=np.array([1, 2, 8, 2], np.int32)))
    y = graph.tensor(TensorSpec("uint8", (1, 4, 4, 2), 0.1, 3))
    w = graph.tensor(TensorSpec("uint8", scale=0.1, zero_point=9,
                                data=np.full((3, 1, 1, 2), 30, np.uint8)))  # fmt: skip
    z = graph.tensor(TensorSpec("uint8", (1, 4, 4, 3), 0.1, 3))
    graph.operator("RESHAPE", (x, shape), (y,))
    graph.operator("CONV_2D", (y, w, -1), (z,), {"padding": "SAME", "stride_h": 1, "stride_w": 1})
    model = graph.build((x,), (z,))
    program = engine.plan(model)
    assert program is not None
    assert program.run({x: np.zeros((1, 4, 4, 2), np.uint8)}) is None


def test_errors_of_plain_kernels_are_left_to_the_interpreter(monkeypatch):
    program = engine.plan(block("uint8", 9, 9).build())

    def refuse():
        raise KernelError("no")

    program.calls.insert(0, refuse)
    assert program.run(images(block("uint8", 9, 9).build(), 1)[0]) is None


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(one_operator_model("RELU", [TensorSpec("uint8", (3,), 0.1, 3)],
                                        [TensorSpec("uint8", (3,), 0.1, 3)]), id="nothing-fast"),
        pytest.param(one_operator_model("NOSUCH", [TensorSpec("uint8", (3,), 0.1, 3)],
                                        [TensorSpec("uint8", (3,), 0.1, 3)],
                                        custom_options=b""), id="unknown-operator"),
    ],
)  # fmt: skip
def test_no_program(model):
    assert engine.plan(model) is None


def _sums_always_safe(monkeypatch):
    monkeypatch.setattr(
        splitting, "safe_in_16_bits", lambda weighted: np.ones(weighted.weights.shape[-1], bool)
    )


def _offset_forgotten(monkeypatch):
    original = splitting._lift
    monkeypatch.setattr(splitting, "_lift", lambda *given: original(*given) * 0)


def _parts_left_out(monkeypatch):
    monkeypatch.setattr(stages, "_joined", lambda products, counts: [])


def _rows_not_kept(monkeypatch):
    original = forms.Sections.advance

    def advance(sections, first, last):
        sections._end = 0
        return original(sections, first, last)

    monkeypatch.setattr(forms.Sections, "advance", advance)
    monkeypatch.setattr(stages, "TILE", 4000)


def _half_forgotten(monkeypatch):
    original = rescaling.fit

    def fit(*arguments):
        found = original(*arguments)
        return replace(found, form=replace(found.form, half=np.zeros_like(found.form.half)))

    monkeypatch.setattr(rescaling, "fit", fit)


@pytest.mark.parametrize(
    "mutate",
    [_sums_always_safe, _offset_forgotten, _parts_left_out, _rows_not_kept, _half_forgotten],
)
def test_mutants_are_seen(monkeypatch, mutate):
    models = [
        block(dtype, 41, 39, seed=1, spread=spread).build()
        for dtype in TYPES
        for spread in (28, 45)
    ]
    mutate(monkeypatch)
    found = [
        differences(model, engine.plan(model, keep_all=True), feeds)
        for model in models
        for feeds in images(model, 3)
    ]
    assert any(found)
