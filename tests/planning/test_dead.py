"""Dead channels: what is proven constant is constant, and nothing that is computed changes."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import SAME, VALID, Net
from hypothesis import given, settings
from hypothesis import strategies as st

import tflite_requant as tr
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Edit
from tflite_requant.planning import plan
from tflite_requant.planning.dead import equivalents
from tflite_requant.requantize import CORRECTIONS, Options, requantize
from tflite_requant.runtime import RESOLVERS, litert_available, litert_run
from tflite_requant.schemes import load_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

PROFILES = ("litert-reference", "litert-optimized", "litert-xnnpack")
EVERY = np.arange(256).reshape(1, 16, 16, 1)


def simplified(model):
    """The model with the simpler constants in the place of its own."""
    edit = Edit(model)
    for index, same in equivalents(model.main).items():
        op = model.main.operators[index]
        for position, array in ((1, same.weights), (2, same.bias)):
            tensor = model.main.tensors[op.inputs[position]]
            edit.subgraphs[0].set_constant(tensor.index, array.integers, tensor.type)
    return edit.commit()


def one_conv(weights, bias, *, dtype="uint8", size=16, channels=1, fused="NONE", scale=0.02,
             zero=0, out=0.05, x_zero=128, options=VALID):  # fmt: skip
    """[1, size, size, channels] -> CONV_2D; weights: centred integers [O, rows, columns, I]."""
    weights = np.asarray(weights)
    graph, w_zero = GraphBuilder(), 128 if dtype == "uint8" else 0
    low = 0 if dtype == "uint8" else -128
    rows = size - weights.shape[1] + 1 if options["padding"] == "VALID" else size
    shape = (1, size, size, channels)
    x = graph.tensor(TensorSpec(dtype, shape, 1 / 128, x_zero + low, name="x"))
    w = graph.tensor(
        TensorSpec(dtype, scale=scale, zero_point=w_zero, data=weights + w_zero, name="w")
    )
    b = graph.tensor(TensorSpec("int32", scale=scale / 128, data=bias, name="b"))
    y = graph.tensor(TensorSpec(dtype, (1, rows, rows, len(weights)), out, zero + low, name="y"))
    graph.operator("CONV_2D", (x, w, b), (y,), {**options, "fused_activation_function": fused})
    return graph.build((x,), (y,))


def dead_of(model) -> list[list[bool]]:
    return [same.dead.tolist() for same in equivalents(model.main).values()]


class TestWhatIsProven:
    def test_a_channel_below_its_clamp(self):
        """127 * 100 steps of 0.02 / 128 above nothing: never more than the bias is below it."""
        model = one_conv([[[[100]]], [[[100]]]], [-12800, -9000])
        assert dead_of(model) == [[True, False]]

    def test_a_channel_above_its_clamp(self):
        model = one_conv([[[[3]]], [[[60]]]], [200000, 0])
        assert dead_of(model) == [[True, False]]
        same = equivalents(model.main)[0]
        assert same.weights.integers.reshape(-1).tolist() == [128, 188]

    def test_one_too_small_to_move(self):
        model = one_conv([[[[1]]], [[[30]]]], [960, 0], zero=128)
        assert dead_of(model) == [[True, False]]

    def test_not_where_a_rounding_may_tip(self):
        """The same, with a bias that puts the middle between two integers."""
        step = 0.05 / (0.02 / 128)
        model = one_conv([[[[1]]]], [round(2.5 * step)], zero=128)
        assert dead_of(model) == []

    def test_a_fused_clamp_counts(self):
        assert dead_of(one_conv([[[[100]]]], [-12800], zero=128)) == []
        assert dead_of(one_conv([[[[100]]]], [-12800], zero=128, fused="RELU")) == [[True]]

    def test_not_where_the_sum_may_overflow(self):
        assert dead_of(one_conv([[[[100]]]], [-(2**31) + 100])) == []

    def test_a_bias_on_another_scale_is_left_alone(self):
        model = one_conv([[[[100]]]], [-12800])
        tensors = list(model.main.tensors)
        index = next(t.index for t in tensors if t.name == "b")
        odd = replace(tensors[index].qparams, scales=(0.5,))
        tensors[index] = replace(tensors[index], qparams=odd)
        assert equivalents(replace(model.main, tensors=tuple(tensors))) == {}

    def test_padding_may_be_met(self):
        """The input is 5 and more; only the border's zeros let the sum fall."""
        weights, bias = np.full((1, 3, 3, 1), 50), [-40000]
        inner = {"x_zero": 0, "zero": 0, "size": 8}
        constant_above = one_conv(weights, [200000], **inner)
        assert dead_of(constant_above) == [[True]]
        padded = one_conv(np.full((1, 3, 3, 1), 50), bias, options=SAME, **inner)
        assert dead_of(padded) == []


def two_convs(second_options=VALID, first_bias=-12800, taps=1):
    """x -> conv with a dead channel (integer 0, real 0) -> conv that reads it by large weights."""
    net = Net()
    x, h, y = net.act("x", channels=1), net.act("h", 6 / 255, 0), net.act("y", 0.3, 100)
    w = net.tensor(TensorSpec("uint8", scale=0.02, zero_point=128, name="w",
                              data=np.array([228, 228]).reshape(2, 1, 1, 1)))  # fmt: skip
    b = net.tensor(TensorSpec("int32", scale=0.02 / 128, data=[first_bias, 10], name="b"))
    net.operator("CONV_2D", (x, w, b), (h,), {**VALID, "fused_activation_function": "RELU6"})
    net.conv(h, y, taps=taps, options=second_options)
    return net.build((x,), (y,))


class TestReaders:
    def test_what_reads_a_dead_zero_goes(self):
        same = equivalents(two_convs(SAME, taps=3).main)
        assert same[0].dead.tolist() == [True, False]
        assert (same[1].weights.integers[..., 0] == 120).all()
        assert same[1].unread > 9

    def test_another_constant_goes_into_the_bias(self):
        model = two_convs(first_bias=60000)
        same = equivalents(model.main)[1]
        reader = model.main.operators[1]
        weights, bias = (model.main.tensors[t] for t in reader.inputs[1:])
        moved = same.bias.integers - bias.array()
        # 60000 of 128 * 0.02 / 6 * 255 and less: the clamp at 255.
        assert moved.tolist() == ((weights.qarray().centred()[..., 0]).reshape(-1) * 255).tolist()

    def test_but_not_where_padding_reads_another(self):
        assert 1 not in equivalents(two_convs(SAME, 60000, taps=3).main)

    @pytest.mark.parametrize("bias", [-12800, 60000])
    @pytest.mark.parametrize("options", [VALID, SAME], ids=["VALID", "SAME"])
    def test_nothing_computed_changes(self, bias, options):
        model = two_convs(options, bias, taps=3)
        new = simplified(model)
        assert new.to_bytes() != model.to_bytes()
        for feed in np.random.default_rng(4).integers(0, 256, (8, 1, 4, 4, 1)).astype(np.uint8):
            a, b = (Interpreter(m).run([feed], keep="all") for m in (model, new))
            assert np.array_equal(a["h"], b["h"])
            assert np.array_equal(a["y"], b["y"])


@st.composite
def convolutions(draw):
    """One to four channels of one input, with weights and biases that often lead nowhere."""
    count = draw(st.integers(1, 4))
    size = st.sampled_from([0, 1, 3, 20, 127])
    weights = [draw(size) * draw(st.sampled_from([-1, 1])) for _ in range(count)]
    bias = [draw(st.integers(-40000, 40000)) for _ in range(count)]
    dtype = draw(st.sampled_from(["uint8", "int8"]))
    return one_conv(
        np.array(weights).reshape(count, 1, 1, 1), bias, dtype=dtype,
        fused=draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
        scale=draw(st.sampled_from([0.003, 0.02, 0.11, 1.7])),
        out=draw(st.sampled_from([0.0031, 0.05, 0.4])),
        zero=draw(st.sampled_from([0, 3, 128, 255])),
        x_zero=draw(st.sampled_from([0, 128, 200])),
    )  # fmt: skip


def feed_of(model):
    """Every integer that the input can hold."""
    return EVERY.astype(np.uint8) if model.inputs[0].dtype == "uint8" else (
        (EVERY - 128).astype(np.int8)
    )  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(convolutions())
def test_the_same_function_over_all_inputs(model):
    """Every input there is, by every arithmetic that runs the type."""
    found = equivalents(model.main)
    new = simplified(model)
    profiles = PROFILES if model.inputs[0].dtype == "int8" else PROFILES[:1]
    for profile in profiles:
        a, b = (Interpreter(m, profile).run([feed_of(model)])[0] for m in (model, new))
        assert np.array_equal(a, b)
        for same in found.values():
            dead = a.reshape(-1, a.shape[-1])[:, same.dead]
            assert (dead == dead[:1]).all()


def test_the_property_is_not_empty():
    """What the strategy makes does have dead channels, and live ones."""
    from hypothesis import find

    assert find(convolutions(), lambda m: any(map(any, dead_of(m))))
    assert find(convolutions(), lambda m: any(not all(d) for d in dead_of(m)))


class TestOption:
    def test_it_can_be_switched_off(self):
        model = one_conv([[[[100]]], [[[100]]]], [-12800, -9000])
        on, off = (
            requantize(model, "int8", options=Options(correction=c)) for c in (CORRECTIONS, ())
        )
        assert [o.dead_channels for o in on.report.operators] == [1]
        assert [o.dead_channels for o in off.report.operators] == [0]

    def test_a_model_that_is_there_already_stays(self):
        model = one_conv([[[[100]]], [[[100]]]], [-12800, -9000], dtype="int8")
        assert equivalents(model.main)
        result = requantize(model, "int8")
        assert not result.report.changed
        assert result.report.operators[0].dead_channels == 0

    def test_it_does_not_set_a_scale(self):
        """Per tensor, 120 of a dead channel would leave the other's 3 no more than three steps."""
        model = one_conv([[[[120]]], [[[3]]]], [-12800 * 2, 0])
        assert dead_of(model) == [[True, False]]
        how = {"options": Options(correction=("dead-channels",))}
        result = requantize(model, "symmetric-po2-per-tensor", **how).model
        weights = result.main.tensors[result.main.operators[0].inputs[1]].array().reshape(-1)
        assert weights[0] == 0
        assert abs(int(weights[1])) >= 64


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.5_160_quant"])
def test_real_models_compute_the_same(models, name):
    model = tr.load(models / "coral" / f"{name}.tflite")
    assert equivalents(model.main)
    new = simplified(model)
    shape, rng = model.inputs[0].shape, np.random.default_rng(1)
    feeds = [rng.integers(0, 256, shape), np.zeros(shape), np.full(shape, 255),
             255 * rng.integers(0, 2, shape)]  # fmt: skip
    feeds = [[f.astype(np.uint8)] for f in feeds]
    for feed in feeds:
        a, b = (Interpreter(m).run(feed, keep="all") for m in (model, new))
        for op in model.main.operators:
            assert np.array_equal(a[op.outputs[0]], b[op.outputs[0]])
    if litert_available():
        for resolver in sorted(RESOLVERS):
            old, other = (litert_run(m.to_bytes(), feeds, resolver) for m in (model, new))
            for a, b in zip(old, other, strict=True):
                assert np.array_equal(a.outputs[0], b.outputs[0])


@pytest.mark.parametrize(
    ("biases", "lost"), [([-40000, -30000], False), ([-40000, 0], True)], ids=["all", "one"]
)
def test_channels_that_are_constant_lose_no_clamp(biases, lost):
    """Where the source saturates for every input, so does the result, at the same value."""
    model = one_conv([[[[100]]], [[[100]]]], biases, out=0.01, zero=100)
    made = plan(
        model.main, load_scheme("symmetric"), fold=False, equivalent=equivalents(model.main)
    )
    assert (0 in made.lost_clamps) == lost
    result = requantize(model, "symmetric", "prior").model
    for value in (0, 90, 255):
        x = np.full(model.inputs[0].shape, value, np.uint8)
        old, new = (Interpreter(m).run([(x - 128.0) / 128])[0] for m in (model, result))
        (source,), (target,) = model.outputs, result.outputs
        real_old = (old[..., 0].astype(float) - source.qparams.zero_point) * source.qparams.scale
        real_new = (new[..., 0].astype(float) - target.qparams.zero_point) * target.qparams.scale
        assert np.abs(real_new - real_old).max() <= target.qparams.scale / 2


def test_data_without_axes_prove_nothing():
    """A product takes them for one row; how many columns that has, its weights say."""
    x, y = TensorSpec("uint8", (), 0.1, 0), TensorSpec("uint8", (1, 2), 0.1, 0)
    w = TensorSpec("uint8", scale=0.05, zero_point=128, data=np.array([[1], [90]]))
    assert equivalents(one_operator_model("FULLY_CONNECTED", [x, w], [y]).main) == {}
