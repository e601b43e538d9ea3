"""Where grids meet: fences, borders, pinned and unknown operators, explicit clamps."""

import numpy as np
import pytest
from graphs import Net, conv_then, f32, grids, inputs_for, kinds, overridden

from tflite_requant.errors import RefusedError
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Signature
from tflite_requant.requantize import Options, requantize
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.testing import TensorSpec

LITERT = pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")


def detection():
    """Convolved boxes and scores into TFLite_Detection_PostProcess, with constant anchors."""
    net = Net()
    x = net.act("x", shape=(1, 6, 1, 4))
    boxes, scores = (
        net.act("boxes", 0.1, 128, shape=(1, 6, 1, 4)),
        net.act("scores", 1 / 256, 0, shape=(1, 6, 1, 3)),
    )
    b3, s3 = net.act("b3", 0.1, 128, shape=(1, 6, 4)), net.act("s3", 1 / 256, 0, shape=(1, 6, 3))
    anchors = net.constant("anchors", np.arange(24).reshape(6, 4) * 9, 0.01, 7)
    net.conv(x, boxes)
    net.conv(x, scores)
    net.operator("RESHAPE", (boxes,), (b3,), {"new_shape": (1, 6, 4)})
    net.operator("RESHAPE", (scores,), (s3,), {"new_shape": (1, 6, 3)})
    results = [
        net.tensor(TensorSpec("float32", (1, 3, 4) if i == 0 else (1, 3), name=f"r{i}"))
        for i in range(4)
    ]
    net.operator("TFLite_Detection_PostProcess", (b3, s3, anchors), results, custom_options=b"\0")
    return net.build((x,), results)


class TestFences:
    def test_an_operator_without_int16_kernel_is_fenced_to_int8(self):
        result = requantize(conv_then("SPACE_TO_DEPTH", {"block_size": 2}), "int16x8")
        assert kinds(result.model) == [
            "CONV_2D",
            "QUANTIZE",
            "SPACE_TO_DEPTH",
            "QUANTIZE",
            "CONV_2D",
        ]
        found = grids(result.model)
        assert found["h"][0] == found["z/int16"][0] == "int16"
        assert found["h/int8"] == found["z"] == ("int8", f32(0.02), -128)
        exceptions = result.report.exceptions
        assert {f.law for f in exceptions} == {"activation-dtype"}
        assert {f.hint for f in exceptions} == {"SPACE_TO_DEPTH has no int16 kernel"}

    def test_detection_reads_uint8_through_an_exact_bridge(self):
        model = detection()
        result = requantize(model, "int8")
        op = next(o for o in result.model.main.operators if o.opcode == "CUSTOM")
        types = [result.model.main.tensors[i].type for i in op.inputs]
        source = [model.main.tensors[i].type for i in model.main.operators[-1].inputs]
        assert types == source
        assert kinds(result.model).count("QUANTIZE") == 2
        anchors = result.model.main.tensors[op.inputs[2]]
        assert anchors.data == model.main.tensors[model.main.operators[-1].inputs[2]].data
        for quantize in (o for o in result.model.main.operators if o.opcode == "QUANTIZE"):
            a, b = (
                result.model.main.tensors[i].qparams
                for i in (quantize.inputs[0], quantize.outputs[0])
            )
            assert a.scales == b.scales
            assert b.zero_point - a.zero_point == 128

    @pytest.mark.parametrize("name", ["symmetric", "symmetric-po2", "int16x8"])
    def test_detection_under_other_schemes(self, name):
        result = requantize(detection(), name)
        op = next(o for o in result.model.main.operators if o.opcode == "CUSTOM")
        types = {result.model.main.tensors[i].dtype for i in op.inputs}
        assert types == {"uint8"}

    def test_an_override_makes_an_island(self):
        asked = overridden("int16x8", 'operator = "LOGISTIC"\nactivations.dtype = "int8"\n')
        result = requantize(conv_then("LOGISTIC"), asked).model
        assert kinds(result) == ["CONV_2D", "QUANTIZE", "LOGISTIC", "QUANTIZE", "CONV_2D"]


class TestKeepIo:
    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            pytest.param("int8", ["QUANTIZE", "CONV_2D"], ["CONV_2D", "QUANTIZE"], id="int8"),
            pytest.param("symmetric-po2", ["QUANTIZE", "CONV_2D"], ["CONV_2D", "QUANTIZE"], id="p"),
            pytest.param("int16x8", ["QUANTIZE", "QUANTIZE", "CONV_2D"],
                         ["CONV_2D", "QUANTIZE", "QUANTIZE"], id="int16"),
            pytest.param("uint8", ["CONV_2D"], ["CONV_2D"], id="nothing to do"),
        ],
    )  # fmt: skip
    def test_borders_keep_type_and_name(self, name, first, last):
        model = conv_then("LOGISTIC")
        result = requantize(model, name, options=Options(keep_io=True)).model
        assert [t.type for t in result.inputs] == [t.type for t in model.inputs]
        assert [t.type for t in result.outputs] == [t.type for t in model.outputs]
        assert [t.name for t in (*result.inputs, *result.outputs)] == ["x", "y"]
        assert kinds(result)[: len(first)] == first
        assert kinds(result)[-len(last) :] == last

    def test_int16_goes_through_int8(self):
        result = requantize(conv_then("LOGISTIC"), "int16x8", options=Options(keep_io=True)).model
        chain = [
            tuple(result.main.tensors[t].dtype for t in (*op.inputs, *op.outputs))
            for op in result.main.operators
            if op.opcode == "QUANTIZE"
        ]
        assert chain == [("uint8", "int8"), ("int8", "int16"), ("int16", "int8"), ("int8", "uint8")]

    def test_signatures_follow(self):
        from dataclasses import replace

        model = conv_then("LOGISTIC")
        signature = Signature(
            "s", 0, (("in", model.main.inputs[0]),), (("out", model.main.outputs[0]),)
        )
        model = replace(model, signatures=(signature,))
        result = requantize(model, "int8", options=Options(keep_io=True)).model
        assert [t for _, t in result.signatures[0].inputs] == list(result.main.inputs)
        assert [t for _, t in result.signatures[0].outputs] == list(result.main.outputs)

    def test_values_are_the_sources(self):
        model = conv_then("RELU", after=False)
        result = requantize(model, "int8", options=Options(keep_io=True)).model
        feeds = inputs_for(model)
        a, b = (Interpreter(m).run(feeds)[0].astype(int) for m in (model, result))
        assert abs(a - b).max() <= 1

    def test_an_input_that_is_also_an_output(self):
        net = Net()
        x, y = net.act("x"), net.act("y")
        net.operator("LOGISTIC", (x,), (y,))
        for keep in (False, True):
            result = requantize(
                net.build((x,), (y, x)), "int8", options=Options(keep_io=keep)
            ).model
            assert (
                result.inputs[0].dtype == result.outputs[1].dtype == ("uint8" if keep else "int8")
            )


class TestUnknown:
    @staticmethod
    def model():
        net = Net()
        x, h, z, y = (
            net.act(n, s, 9) for n, s in (("x", 0.1), ("h", 0.02), ("z", 0.03), ("y", 0.2))
        )
        k = net.constant("k", [1, 2, 3])
        net.conv(x, h)
        net.operator("Mystery", (h, k), (z,), custom_options=b"\1")
        net.conv(z, y)
        return net.build((x,), (y,))

    def test_refused_with_all_of_them_listed(self):
        net = Net()
        x, y, z = net.act("x"), net.act("y"), net.act("z")
        net.operator("One", (x,), (y,), custom_options=b"")
        net.operator("Two", (y,), (z,), custom_options=b"")
        with pytest.raises(RefusedError, match="2 findings") as caught:
            requantize(net.build((x,), (z,)), "int8")
        assert [f.law for f in caught.value.findings] == ["operator-unknown"] * 2
        assert "One is not in" in str(caught.value) and "Two is not in" in str(caught.value)

    @pytest.mark.parametrize("name", ["int8", "symmetric", "symmetric-po2", "int16x8"])
    def test_kept_between_quantize_operators(self, name):
        model = self.model()
        result = requantize(model, name, options=Options(keep_unknown=True)).model
        op = next(o for o in result.main.operators if o.name == "Mystery")
        before = model.main.operators[1]
        old = [model.main.tensors[t] for t in (*before.inputs, *before.outputs)]
        new = [result.main.tensors[t] for t in (*op.inputs, *op.outputs)]
        assert [t.type for t in new] == [t.type for t in old]
        assert new[1].data == old[1].data
        assert op.rest["custom_options"] == b"\1"

    def test_a_constant_that_others_read_too_stays_theirs(self):
        net = Net()
        x, h, y = net.act("x"), net.act("h", 0.2, 90), net.act("y")
        k = net.constant("k", [[[[1, 200]]]], 0.1, 3)
        net.operator("ADD", (x, k), (h,))
        net.operator("Mystery", (h, k), (y,), custom_options=b"")
        result = requantize(net.build((x,), (y,)), "int8", options=Options(keep_unknown=True)).model
        add, mystery = (
            next(o for o in result.main.operators if o.name == n) for n in ("ADD", "Mystery")
        )
        tensors = result.main.tensors
        assert tensors[add.inputs[1]].array().reshape(-1).tolist() == [-127, 72]
        assert tensors[mystery.inputs[1]].array().reshape(-1).tolist() == [1, 200]

    def test_a_bias_that_an_unknown_operator_reads_stays_its(self):
        net = Net()
        x, h, y = net.act("x"), net.act("h", 0.02, 0), net.act("y")
        net.conv(x, h)
        bias = 3
        net.operator("Mystery", (h, bias), (y,), custom_options=b"")
        model = net.build((x,), (y,))
        result = requantize(model, "symmetric-po2", options=Options(keep_unknown=True)).model
        op = next(o for o in result.main.operators if o.name == "Mystery")
        assert result.main.tensors[op.inputs[1]].data == model.main.tensors[bias].data


class TestPinned:
    def test_cast_reads_and_writes_what_the_source_has(self):
        net = Net()
        x, h = net.act("x"), net.act("h", 0.02, 0)
        c = net.tensor(TensorSpec("float32", (1, 4, 4, 2), name="c"))
        net.conv(x, h)
        net.operator("CAST", (h,), (c,))
        result = requantize(net.build((x,), (c,)), "int8").model
        cast = next(o for o in result.main.operators if o.opcode == "CAST")
        tensor = result.main.tensors[cast.inputs[0]]
        assert (tensor.dtype, tensor.qparams.scale, tensor.qparams.zero_point) == (
            "uint8",
            f32(0.02),
            0,
        )
        assert kinds(result) == ["CONV_2D", "QUANTIZE", "CAST"]


def test_a_quantized_constant_that_is_a_graph_output_stays():
    net = Net()
    x, y, k = net.act("x"), net.act("y"), net.constant("k", [[[[1, 200]]]])
    net.operator("ADD", (x, k), (y,))
    model = net.build((x,), (y, k))
    result = requantize(model, "int8").model
    assert result.outputs[1].type == model.outputs[1].type
    assert result.outputs[1].data == model.outputs[1].data
    add = result.main.operators[0]
    assert result.main.tensors[add.inputs[1]].array().reshape(-1).tolist() == [-127, 72]


class TestExplicitClamps:
    """A linear tensor from -2 to 5: no fused activation has these bounds."""

    @staticmethod
    def model():
        net = Net()
        x, h, y = net.act("x", 1 / 32, 128), net.act("h", 7 / 255, 73), net.act("y", 0.3, 100)
        net.conv(x, h)
        net.operator("ADD", (h, h), (y,))
        return net.build((x,), (y,))

    def test_without_they_are_noted(self):
        result = requantize(self.model(), "symmetric-po2")
        notes = [f for f in result.report.findings if f.law == "clamp"]
        assert [f.severity for f in notes] == ["note"] * 2
        assert "MAXIMUM" not in kinds(result.model)

    def test_with_they_are_inserted(self):
        result = requantize(self.model(), "symmetric-po2", options=Options(clamps="exact"))
        assert kinds(result.model)[:3] == ["CONV_2D", "MAXIMUM", "MINIMUM"]
        assert [f for f in result.report.findings if f.law == "clamp"] == []

    def test_the_tensor_keeps_its_old_interval(self):
        result = requantize(self.model(), "symmetric-po2", options=Options(clamps="exact")).model
        index = next(t.index for t in result.main.tensors if t.name == "h")
        tensor = result.main.tensors[index]
        values = Interpreter(result).run(inputs_for(result), keep=["h"])["h"]
        low, high = -73 * f32(7 / 255), (255 - 73) * f32(7 / 255)
        step = tensor.qparams.scale
        assert values.min() == round(low / step)
        assert values.max() == round(high / step)

    def test_as_a_graph_output(self):
        net = Net()
        x, h = net.act("x", 1 / 32, 128), net.act("h", 7 / 255, 73)
        net.conv(x, h)
        result = requantize(
            net.build((x,), (h,)), "symmetric-po2", options=Options(clamps="exact")
        ).model
        assert kinds(result) == ["CONV_2D", "MAXIMUM", "MINIMUM"]
        assert result.outputs[0].name == "h"
        writer = result.main.producers()[result.main.outputs[0]]
        assert writer.opcode == "MINIMUM"


class TestRestoredClamps:
    @pytest.mark.parametrize(
        ("high", "name", "activation"),
        [(6, "symmetric-po2", "RELU6"), (6, "int16x8", "RELU"), (4, "int16x8", "RELU"),
         (6, "int8", "NONE"), (4, "symmetric-po2", "RELU6")],
    )  # fmt: skip
    def test_of_a_range_from_zero(self, high, name, activation):
        net = Net()
        x, h, y = net.act("x"), net.act("h", high / 255, 0), net.act("y")
        net.conv(x, h)
        net.operator("ADD", (h, h), (y,))
        result = requantize(net.build((x,), (y,)), name).model
        assert result.main.operators[0].option("fused_activation_function") == activation

    def test_of_minus_one_to_one(self):
        net = Net()
        x, h, y = net.act("x"), net.act("h", 2 / 255, 128), net.act("y")
        net.conv(x, h)
        net.operator("ADD", (h, h), (y,))
        result = requantize(net.build((x,), (y,)), "symmetric-po2").model
        assert result.main.operators[0].option("fused_activation_function") == "RELU_N1_TO_1"


class TestPrelu:
    @staticmethod
    def model():
        net = Net()
        x, y = net.act("x", 0.05, 100), net.act("y", 0.05, 60)
        alpha = net.constant("alpha", [[[10, 40]]], 0.01, 10)
        net.operator("PRELU", (x, alpha), (y,))
        return net.build((x,), (y,))

    def test_beside_int16_the_slope_is_int8(self):
        result = requantize(self.model(), "int16x8").model
        alpha = result.main.tensors[result.main.operators[0].inputs[1]]
        assert alpha.dtype == "int8"
        assert np.allclose(
            alpha.qarray().real().reshape(-1), [0, 0.3], atol=alpha.qparams.scale / 2
        )

    def test_values(self):
        model = self.model()
        result = requantize(model, "int16x8").model
        real = (np.arange(32).reshape(1, 4, 4, 2) - 16) * 0.25
        a, b = (m.outputs[0] for m in (model, result))
        old, new = (
            (Interpreter(m).run([real])[0].astype(float) - t.qparams.zero_point) * t.qparams.scale
            for m, t in ((model, a), (result, b))
        )
        assert abs(old - new).max() <= a.qparams.scale


@LITERT
def test_litert_runs_all_of_these():
    keep, exact = Options(keep_io=True), Options(clamps="exact")
    models = {
        "int8": requantize(conv_then("LOGISTIC"), "int8"),
        "po2": requantize(conv_then("LOGISTIC"), "symmetric-po2"),
        "int16": requantize(conv_then("LOGISTIC"), "int16x8"),
        "fence": requantize(conv_then("SPACE_TO_DEPTH", {"block_size": 2}), "int16x8"),
        "io int8": requantize(conv_then("LOGISTIC"), "int8", options=keep),
        "io int16": requantize(conv_then("LOGISTIC"), "int16x8", options=keep),
        "clamps": requantize(TestExplicitClamps.model(), "symmetric-po2", options=exact),
        "prelu": requantize(TestPrelu.model(), "int16x8"),
        "no bias": requantize(no_bias(), "symmetric"),
        "cast": requantize(conv_then("RELU", after=False), "int8"),
    }
    jobs = [(r.model.to_bytes(), [inputs_for(r.model)]) for r in models.values()]
    for resolver in ("reference", "default"):
        for name, run, (_, feeds) in zip(
            models, litert_run_many(jobs, resolver), jobs, strict=True
        ):
            assert not isinstance(run, RuntimeFailure), (resolver, name, run)
            if resolver == "reference":
                ours = Interpreter(models[name].model).run(feeds[0])
                same = [(a == b).all() for a, b in zip(ours, run[0].outputs, strict=True)]
                assert all(same), name


def no_bias():
    net = Net("int8")
    x, y = net.act("x"), net.act("y", 0.3, 100)
    net.conv(x, y, bias=False)
    return net.build((x,), (y,))


def test_a_missing_bias_that_kernels_need_is_written_as_zeros():
    result = requantize(no_bias(), "symmetric", options=Options(correction=())).model
    op = result.main.operators[0]
    bias = result.main.tensors[op.inputs[2]]
    assert bias.dtype == "int32"
    assert bias.array().tolist() == [0, 0]
