"""Explicit padding: a PADV2 with the stored integer of real zero, where it lets a tensor fold."""

import numpy as np
import pytest
from graphs import SAME, VALID, Net, f32, grids, inputs_for, kinds, scheme

from tflite_requant.check import check
from tflite_requant.errors import RefusedError, UsageError
from tflite_requant.interpreter import Interpreter
from tflite_requant.planning import padding, plan
from tflite_requant.requantize import Options, requantize
from tflite_requant.runtime import RESOLVERS, litert_available, litert_run
from tflite_requant.testing import TensorSpec

STRIDE_2 = {"padding": "SAME", "stride_w": 2, "stride_h": 2}
DILATED = {**SAME, "dilation_w_factor": 2, "dilation_h_factor": 2}


def chain(*readers, size=5, scale=6 / 255, zero=0, fused="RELU6"):
    """x -> conv -> h0 -> conv -> ...; readers: (taps, options) of all convolutions behind h0."""
    net = Net()
    x = last = net.act("x", shape=(1, size, size, 2))
    h = net.act("h0", scale, zero, shape=(1, size, size, 2))
    net.conv(x, h, fused)
    last = h
    for number, (taps, options) in enumerate(readers):
        ends = number + 1 == len(readers)
        reach = (taps - 1) * options.get("dilation_h_factor", 1) + 1
        rows = net.specs[last][0][1]
        rows = (
            rows - reach + 1 if options["padding"] == "VALID" else -(-rows // options["stride_h"])
        )
        name = "y" if ends else f"h{number + 1}"
        step, middle = (0.3, 100) if ends else (scale, zero)
        y = net.act(name, step, middle, shape=(1, rows, rows, 2))
        net.conv(last, y, "NONE" if ends else fused, taps=taps, options=options)
        last = y
    return net.build((x,), (last,))


def padded(model, count="any", name="symmetric", **more):
    return requantize(model, name, options=Options(allow_padv2=count, **more)).model


def names_folded(model, count, **more):
    found = plan(model.main, scheme("symmetric"), allow_padv2=count, **more)
    return {model.main.tensors[t].name for t in found.offsets}


READERS = {
    "three taps": (3, SAME),
    "two taps: one side only": (2, SAME),
    "stride 2": (3, STRIDE_2),
    "dilated": (3, DILATED),
}


class TestWhere:
    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_a_padded_reader_gets_a_frame(self, reader):
        model = chain(reader)
        assert names_folded(model, 0) == set()
        assert names_folded(model, 1) == {"h0"}
        assert kinds(padded(model)) == ["CONV_2D", "PADV2", "CONV_2D"]

    @pytest.mark.parametrize(
        ("model", "count"),
        [
            pytest.param(chain((1, SAME)), "any", id="one tap reads no padding"),
            pytest.param(chain((3, VALID)), "any", id="VALID"),
            pytest.param(chain((3, SAME), zero=128, fused="NONE"), "any", id="nothing to fold"),
            pytest.param(chain((3, SAME), scale=8 / 255), "any", id="F1 does not hold"),
            pytest.param(chain((3, SAME)), 0, id="not allowed"),
        ],
    )
    def test_nowhere_without_need(self, model, count):
        assert "PADV2" not in kinds(padded(model, count))

    def test_a_size_that_is_not_known(self):
        from dataclasses import replace

        model = chain((3, SAME))
        dynamic = replace(model.main.tensors[1], shape_signature=(1, -1, -1, 2))
        tensors = (model.main.tensors[0], dynamic, *model.main.tensors[2:])
        main = replace(model.main, tensors=tensors)
        assert plan(main, scheme("symmetric"), allow_padv2="any").padded == {}

    def test_one_frame_for_two_readers(self):
        net = Net()
        x, h = net.act("x"), net.act("h", 6 / 255, 0)
        y, z = net.act("y", 0.3, 100), net.act("z", 0.4, 90)
        net.conv(x, h, "RELU6")
        net.conv(h, y, taps=3, options=SAME)
        net.conv(h, z, taps=3, options=SAME)
        result = padded(net.build((x,), (y, z)), 1)
        assert kinds(result) == ["CONV_2D", "PADV2", "CONV_2D", "CONV_2D"]

    def test_all_readers_or_none(self):
        """Two frames are needed, one is allowed: half of them would fold nothing."""
        net = Net()
        x, h = net.act("x"), net.act("h", 6 / 255, 0)
        y, z = net.act("y", 0.3, 100), net.act("z", 0.4, 90)
        net.conv(x, h, "RELU6")
        net.conv(h, y, taps=3, options=SAME)
        net.conv(h, z, taps=2, options=SAME)
        model = net.build((x,), (y, z))
        assert "PADV2" not in kinds(padded(model, 1))
        assert kinds(padded(model, 2)).count("PADV2") == 2

    def test_the_dearest_first(self):
        model = chain((3, SAME), (3, SAME), (3, SAME))
        tensors = {t.name: t.index for t in model.main.tensors}
        asked = {}

        def rank(grids):
            asked.update(grids)
            return {tensors["h1"]: 3.0, tensors["h0"]: 2.0, tensors["h2"]: 1.0}

        assert names_folded(model, 1, rank=rank) == {"h1"}
        assert names_folded(model, 2, rank=rank) == {"h0", "h1"}
        assert {asked[tensors[n]].qparams.scale for n in ("h0", "h1", "h2")} == {f32(6 / 127)}

    def test_where_all_fit_nobody_is_asked(self):
        def rank(grids):
            raise AssertionError(grids)

        assert names_folded(chain((3, SAME), (3, SAME)), 2, rank=rank) == {"h0", "h1"}
        assert names_folded(chain((3, SAME), (3, SAME)), "any", rank=rank) == {"h0", "h1"}


class TestWhatIsWritten:
    def test_operands(self):
        result = padded(chain((3, SAME)))
        pad, conv = result.main.operators[1:]
        data, paddings, value = (result.main.tensors[t] for t in pad.inputs)
        framed = result.main.tensors[pad.outputs[0]]
        assert paddings.array().tolist() == [[0, 0], [1, 1], [1, 1], [0, 0]]
        assert paddings.dtype == "int32"
        assert paddings.qparams is None
        assert value.array().tolist() == -128
        assert data.type == value.type == framed.type
        assert data.qparams.scales == (f32(6 / 255),)
        assert data.qparams.zero_points == (0,)
        assert framed.shape == (1, 7, 7, 2)
        assert conv.inputs[0] == framed.index
        assert conv.option("padding") == "VALID"
        assert pad.version == 2

    @pytest.mark.parametrize("zero", [37, 200], ids=str)
    def test_the_integer_of_real_zero(self, zero):
        result = padded(chain((3, SAME), zero=zero, fused="NONE"))
        fill = result.main.tensors[result.main.operators[1].inputs[2]]
        assert fill.array() == zero - 128

    def test_the_odd_row_lies_behind(self):
        model = chain((2, SAME))
        assert padding.frame(model.main, model.main.operators[1]) == ((0, 1), (0, 1))

    def test_a_dynamic_batch_stays_dynamic(self):
        from dataclasses import replace

        model = chain((3, SAME))
        tensors = list(model.main.tensors)
        tensors[1] = replace(tensors[1], shape_signature=(-1, 5, 5, 2))
        result = padded(replace(model, subgraphs=(replace(model.main, tensors=tuple(tensors)),)))
        framed = result.main.tensors[result.main.operators[1].outputs[0]]
        assert framed.shape_signature == (-1, 7, 7, 2)

    @pytest.mark.parametrize("name", ["symmetric", "symmetric-per-tensor", "symmetric-po2",
                                      "symmetric-po2-per-tensor"])  # fmt: skip
    def test_it_is_legal_and_stays(self, name):
        result = padded(chain((3, SAME), (3, STRIDE_2), (3, VALID)), name=name)
        assert kinds(result).count("PADV2") == 2
        assert [f for f in check(result, scheme(name)) if f.severity == "error"] == []
        again = requantize(result, name, options=Options(allow_padv2="any"))
        assert not again.report.changed

    def test_the_report_says_so(self):
        report = requantize(chain((3, SAME)), "symmetric", options=Options(allow_padv2=1)).report
        (line,) = report.inserted
        assert line.split(": ") == [
            "PADV2 -128 y",
            "before the source's op 1 CONV_2D, so that a zero point can be folded",
        ]


CHAINS = {name: chain(reader) for name, reader in READERS.items()} | {
    "a chain": chain((3, SAME), (3, STRIDE_2), (2, SAME)),
    "an odd zero point": chain((3, SAME), zero=37, fused="NONE"),
}


class TestWhatItComputes:
    @pytest.mark.parametrize("model", CHAINS.values(), ids=CHAINS)
    def test_folded_tensors_hold_the_sources_integers(self, model):
        """Up to the rounding of the bias that makes the shift, which may tip one step."""
        settings = {"correction": ("exact-grid",)}
        exact = requantize(model, "int8", options=Options(**settings)).model
        result = padded(model, **settings)
        # The output tensor has another grid; what it reads does not.
        names = [t.name for t in model.main.tensors if t.name.startswith("h") and len(t.name) == 2]
        a, b = (Interpreter(m).run(inputs_for(m), keep=names) for m in (exact, result))
        for name in names:
            assert abs(a[name].astype(int) - b[name].astype(int)).max() <= 1
            assert len(np.unique(a[name])) > 4

    @pytest.mark.parametrize("model", CHAINS.values(), ids=CHAINS)
    def test_the_border_sees_real_zeros(self, model):
        """The consumer's sums are the source's, border included: compared as real numbers."""
        result = padded(model, correction=("exact-grid",))
        last = model.main.operators[-1].outputs[0]
        scale_new = result.outputs[0].qparams.scale
        feeds = inputs_for(model)
        old = model.main.tensors[last].qparams
        a = (Interpreter(model).run(feeds)[0].astype(int) - old.zero_point) * old.scale
        new_feeds = [(f.astype(int) - 128).astype(np.int8) for f in feeds]
        b = Interpreter(result).run(new_feeds)[0].astype(int) * scale_new
        tolerance = (len(model.main.operators) + 1) * max(scale_new, old.scale)
        assert np.abs(a - b).max() <= tolerance

    @pytest.mark.skipif(not litert_available(), reason="LiteRT is not installed")
    @pytest.mark.parametrize("resolver", sorted(RESOLVERS))
    @pytest.mark.parametrize("name", ["symmetric", "symmetric-po2-per-tensor"])
    def test_litert_runs_it(self, resolver, name):
        result = padded(CHAINS["a chain"], name=name)
        feeds = inputs_for(result)
        (run,) = litert_run(result.to_bytes(), [feeds], resolver)
        ours = Interpreter(result).run(feeds)[0].astype(int)
        apart = np.abs(run.outputs[0].astype(int) - ours).max()
        assert apart <= (0 if resolver == "reference" else 1)

    def test_a_regular_and_a_depthwise_convolution(self):
        net = Net()
        x, h, y = net.act("x"), net.act("h", 6 / 255, 0), net.act("y", 0.3, 100)
        net.conv(x, h, "RELU6")
        data = net.rng.integers(0, 255, (1, 3, 3, 2))
        w = net.tensor(TensorSpec("uint8", scale=0.02, zero_point=120, data=data, name="w"))
        b = net.tensor(TensorSpec("int32", scale=0.02 * 6 / 255, data=[7, -90], name="b"))
        options = {**SAME, "depth_multiplier": 1, "fused_activation_function": "NONE"}
        net.operator("DEPTHWISE_CONV_2D", (h, w, b), (y,), options)
        result = padded(net.build((x,), (y,)))
        assert kinds(result) == ["CONV_2D", "PADV2", "DEPTHWISE_CONV_2D"]
        assert grids(result)["h"] == ("int8", f32(6 / 255), 0)


class TestRefusals:
    def test_a_scheme_without_padv2(self):
        narrow = scheme("symmetric", ('allow = ["*"]', 'allow = ["CONV_2D"]'))
        with pytest.raises(RefusedError) as refusal:
            requantize(chain((3, SAME)), narrow, options=Options(allow_padv2="any"))
        assert [f.law for f in refusal.value.findings] == ["operator-allowed"]
        assert "PADV2" in str(refusal.value)
        # Where none is needed, none is refused.
        requantize(chain((3, VALID)), narrow, options=Options(allow_padv2="any"))

    @pytest.mark.parametrize("count", [-1, 1.5, "all", None])
    def test_counts(self, count):
        with pytest.raises(UsageError, match="allow_padv2"):
            Options(allow_padv2=count)

    def test_strict_meaning(self):
        with pytest.raises(UsageError, match="strict_meaning"):
            Options(allow_padv2=1, strict_meaning=True)
