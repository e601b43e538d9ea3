"""`check`: silent on what is legal, and one failing example for every law that it can name."""

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from graphs import Net

from tflite_requant.catalog import LAWS
from tflite_requant.check import check
from tflite_requant.errors import RefusedError
from tflite_requant.flatbuffer import read
from tflite_requant.model import Edit, QParams, TensorType
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import AccumulatorLaw, load_scheme
from tflite_requant.schemes.loader import parse_scheme, preset_names, preset_text
from tflite_requant.testing import GraphBuilder, TensorSpec

TAKING = [n for n in preset_names() if n != "max78000"]  # that has no depthwise convolutions
PACKAGE = Path(__file__).resolve().parent.parent / "tflite_requant"


@pytest.fixture(scope="module")
def demo(demo_model):
    return read(demo_model.read_bytes())


@pytest.mark.parametrize("name", TAKING)
def test_what_requantize_writes_is_legal(name, demo):
    findings = check(requantize(demo, name).model, load_scheme(name))
    assert [f.line() for f in findings if f.severity == "error"] == []


def test_what_the_hardware_has_not_is_refused(demo):
    with pytest.raises(RefusedError) as refusal:
        requantize(demo, "max78000")
    assert {f.law for f in refusal.value.findings} == {"operator-allowed"}


@pytest.mark.parametrize(
    ("name", "laws"),
    [
        ("int8", {"activation-dtype", "weights-dtype", "weights-zero-point", "weights-range"}),
        ("uint8", set()),
        ("symmetric-po2", {"activation-scale", "weights-scale"}),
        ("int8-per-tensor", {"weights-granularity"}),
    ],
)
def test_the_source_under_a_scheme(name, laws, demo):
    """What is found of the demo model itself, or of its int8 form where that says more."""
    model = demo if name in ("int8", "uint8") else requantize(demo, "int8").model
    found = {f.law for f in check(model, load_scheme(name)) if f.severity == "error"}
    assert found >= laws - {"weights-zero-point", "weights-range"}
    assert bool(found) == bool(laws)


def conv(
    x=(0.5, 0), y=(0.25, 0), w=(0.5, 0), values=((1, -2), (3, 4)), bias=(1, 2), bias_scale=None,
    axis=0, opcode="CONV_2D", dtype="int8", w_dtype="int8", version=1, x_dtype=None,
):  # fmt: skip
    """A model that symmetric-po2 accepts, with one thing changed."""
    graph = GraphBuilder()
    a = graph.tensor(TensorSpec(x_dtype or dtype, (1, 2, 2, 2), *x, name="x"))
    data = np.array(values).reshape(2, 1, 1, 2)
    b = graph.tensor(
        TensorSpec(w_dtype, scale=w[0], zero_point=w[1], axis=axis, data=data, name="w")
    )
    law = x[0] * np.atleast_1d(w[0]) if bias_scale is None else bias_scale
    c = graph.tensor(TensorSpec("int32", scale=law, data=list(bias), name="b"))
    d = graph.tensor(TensorSpec(dtype, (1, 2, 2, 2), *y, name="y"))
    options = {"padding": "VALID", "stride_w": 1, "stride_h": 1}
    graph.operator(opcode, (a, b, c), (d,), options, version=version)
    return graph.build((a,), (d,))


def one(opcode, inputs, output, options=None, custom=None, dtype="int8"):
    graph = GraphBuilder()
    indices = [
        graph.tensor(TensorSpec(dtype, (1, 4), *g, name=f"x{i}")) for i, g in enumerate(inputs)
    ]
    y = graph.tensor(TensorSpec(dtype, (1, 4), *output, name="y"))
    graph.operator(opcode, indices, (y,), options or {}, custom_options=custom)
    return graph.build(indices, (y,))


def changed(old, new, base="symmetric-po2"):
    text = preset_text(base)
    assert old in text
    return parse_scheme(text.replace(old, new), "changed")


PO2 = load_scheme("symmetric-po2")
RATIO = parse_scheme('name = "r"\n[activations]\nscale = "power-of-two-ratio"', "r")
SHIFTS = changed("multiplier_bits = 32", "multiplier_bits = 0")
OWN_BIAS = changed('dtype = "int32"', 'dtype = "int32"\nbits = 8\nown_scale = true\nshift = [0, 4]')
IDLE = '[[override]]\noperator = "ADD"\nactivations.zero_point = "any"\n'
FAILING = {
    "override": (conv(), parse_scheme(f"{preset_text('symmetric-po2')}\n{IDLE}", "idle")),
    "activation-dtype": (conv(dtype="uint8", x=(0.5, 128), y=(0.25, 128)), PO2),
    "activation-zero-point": (conv(x=(0.5, 3)), PO2),
    "activation-scale": (conv(y=(0.3, 0)), PO2),
    "activation-granularity": (conv(x=([0.5, 0.25], 0), bias_scale=[0.25]), PO2),
    "weight-axis": (conv(w=([0.5, 0.25, 1.0], 0), bias_scale=[0.25]), PO2),
    "scale-positive": (conv(y=(0.0, 0)), PO2),
    "operator-unknown": (one("Mystery", [(0.5, 0)], (0.5, 0), custom=b""), PO2),
    "operator-allowed": (conv(), changed('allow = ["*"]', 'allow = ["ADD"]')),
    "operator-version": (conv(version=99), PO2),
    "fixed-output": (one("SOFTMAX", [(0.5, 0)], (0.5, 0)), PO2),
    "tie": (one("MAX_POOL_2D", [(0.5, 0)], (0.25, 0)), PO2),
    "add-headroom": (one("ADD", [(1.0, 0), (2.0, 0)], (2.0**-18, 0)), PO2),
    "sum-signed-defect": (one("SUM", [(0.5, 0)], (0.5, 0)), PO2),
    "weights-dtype": (conv(w_dtype="uint8", values=((1, 2), (3, 4)), w=(0.5, 128)), PO2),
    "weights-zero-point": (conv(w=(0.5, 1)), PO2),
    "weights-granularity": (conv(w=([0.5, 0.25], 0)), load_scheme("symmetric-po2-per-tensor")),
    "weights-scale": (conv(w=(0.3, 0)), PO2),
    "weights-range": (conv(values=((1, -128), (3, 4))), PO2),
    "multiplier-limit": (conv(y=(2.0**-10, 0)), PO2),
    "rescale-shift": (conv(), changed("shift = [-31, 30]", "shift = [-31, -3]")),
    "weights-sum": (conv(), changed("range = [-127, 127]", "range = [-127, 127]\nsum = 6")),
    "rescale-multiplier": (conv(y=(0.3, 0)), RATIO),
    "bias-position": (conv(bias=(1, 300)), OWN_BIAS),
    "bias-scale": (conv(bias_scale=[0.5]), PO2),
    "bias-width": (conv(bias=(1, 2**20)), changed('dtype = "int32"', 'dtype = "int32"\nbits = 20')),
    "accumulator-width": (
        conv(values=((127, 127), (3, 4)), bias=(-300, 2)),
        changed("[accumulator]\nbits = 32", "[accumulator]\nbits = 16"),
    ),
}  # fmt: skip


def test_the_example_that_the_others_change_is_legal():
    assert check(conv(), PO2) == []


@pytest.mark.parametrize("law", FAILING)
def test_a_failing_example(law):
    model, scheme = FAILING[law]
    assert law in {f.law for f in check(model, scheme)}


ADDED = {(0.5, 0.25, 0.25): [], (0.5, 0.3, 0.25): ["rescale-multiplier"],
         (0.5, 0.25, 2.0**-12): ["rescale-shift"]}  # fmt: skip


@pytest.mark.parametrize("scales", ADDED)
def test_what_an_addition_shifts_by(scales):
    *inputs, output = ((s, 0) for s in scales)
    scheme = replace(RATIO, rescale=replace(RATIO.rescale, add_shift=(-8, 8)))
    assert [f.law for f in check(one("ADD", inputs, output), scheme)] == ADDED[scales]


def test_multipliers_need_not_be_powers_where_nobody_asks():
    assert check(conv(y=(0.3, 0)), load_scheme("symmetric")) == []
    assert [f.law for f in check(conv(y=(0.3, 0)), SHIFTS)] == [
        "rescale-multiplier", "activation-scale",
    ]  # fmt: skip


# bias, laws; 8 bits at one position of 2**0 to 2**4
POSITIONS = {
    (127, -5): [],
    (128, 0): [],
    (128, 1): ["bias-position"],
    (127 << 4, 16): [],
    (127 << 4, 8): ["bias-position"],
    ((127 << 4) + 1, 0): ["bias-width"],
}


@pytest.mark.parametrize("bias", POSITIONS)
def test_the_position_of_a_bias(bias):
    assert [f.law for f in check(conv(bias=bias), OWN_BIAS)] == POSITIONS[bias]


def accumulator(bits: int, saturates: bool = False):
    more = "\nsaturates = true" if saturates else ""
    return changed("[accumulator]\nbits = 32", f"[accumulator]\nbits = {bits}{more}")


# weights of two taps and a bias, (least, greatest) of the sum of int8 inputs
SUMS = {
    ((127, 127), 0): (-2 * 127 * 128, 2 * 127 * 127),
    ((127, -127), 0): (-127 * 128 - 127 * 127, 127 * 127 + 127 * 128),
    ((127, 127), 513): (-2 * 127 * 128, 2 * 127 * 127 + 513),
    ((-127, -127), -600): (-2 * 127 * 127 - 600, 2 * 127 * 128),
}


@pytest.mark.parametrize("case", SUMS, ids=str)
def test_accumulators_are_proven_from_the_weights(case):
    taps, bias = case
    least, greatest = SUMS[case]
    bits = next(b for b in range(16, 32) if -(2 ** (b - 1)) <= least and greatest < 2 ** (b - 1))
    model = conv(values=(taps, (0, 0)), bias=(bias, 0))
    assert check(model, accumulator(bits)) == []
    if bits > 16:
        (found,) = check(model, accumulator(16))
        assert f"channel 0 may reach {least} to {greatest}: {bits} bits" in found.found
        (found,) = check(model, accumulator(16, saturates=True))
        assert (found.severity, found.law) == ("warning", "accumulator-width")


def test_a_clamped_input_reaches_less():
    graph = GraphBuilder()
    x, h, y = (graph.tensor(TensorSpec("int8", (1, 2), 0.5, name=n)) for n in "xhy")
    w = graph.tensor(TensorSpec("int8", scale=0.5, data=np.full((2, 2), -127), name="w"))
    graph.operator("FULLY_CONNECTED", (x, w, -1), (h,), {"fused_activation_function": "RELU6"})
    graph.operator("FULLY_CONNECTED", (h, w, -1), (y,))
    found = check(graph.build((x,), (y,)), accumulator(16))
    assert [f.where for f in found] == []
    narrow = check(graph.build((x,), (y,)), replace(PO2, accumulator=AccumulatorLaw(13)))
    assert [f.where.split()[1] for f in narrow] == ["0"]


def test_a_bias_that_was_rounded_says_what_would_help(demo):
    notes = [f for f in requantize(demo, "vitis-dpu").report.findings if f.law == "bias-position"]
    hint = "more [bias] bits in the scheme lose less, where the hardware holds them"
    assert {f.hint for f in notes} == {hint}


class TestOverrides:
    """A tensor answers to the operators that read and write it, not to a QUANTIZE beside it."""

    def test_an_island(self, demo):
        scheme = parse_scheme(
            preset_text("int16x8")
            + '\n[[override]]\noperator = "AVERAGE_POOL_2D"\nactivations.dtype = "int8"\n'
            'activations.zero_point = "any"\n', "island",
        )  # fmt: skip
        result = requantize(demo, scheme)
        assert [f for f in check(result.model, scheme) if f.severity == "error"] == []


class TestOneListOfExceptions:
    """What a report lists as exceptions is what `check` finds in the result."""

    @pytest.mark.parametrize("name", TAKING)
    def test_demo(self, demo, name):
        scheme = load_scheme(name)
        result = requantize(demo, scheme)
        found = tuple(f for f in check(result.model, scheme) if f.severity == "exception")
        assert result.report.exceptions == found

    def test_operators_that_were_kept_on_request(self):
        graph = GraphBuilder()
        x, h, z = (graph.tensor(TensorSpec("uint8", (1, 4), 0.3, 5, name=n)) for n in "xhz")
        graph.operator("RELU", (x,), (h,))
        graph.operator("MyOperator", (h,), (z,), custom_options=b"")
        model = graph.build((x,), (z,))
        result = requantize(model, "int8", options=Options(keep_unknown=True))
        found = check(result.model, load_scheme("int8"))
        assert result.report.exceptions == tuple(found)
        assert {f.severity for f in found} == {"exception"}
        assert "asked for by --keep-unknown" in found[0].found + found[0].hint
        plain = check(model, load_scheme("uint8"))
        assert [(f.severity, f.law) for f in plain] == [("error", "operator-unknown")]


def test_bias_zero_point():
    model = conv()
    edit = Edit(model)
    edit.subgraphs[0].retype(2, TensorType("int32", QParams.of(0.25, 5)))
    assert [(f.severity, f.law) for f in check(edit.commit(), PO2)] == [
        ("error", "bias-zero-point")
    ]


def test_a_dimension_that_a_bias_does_not_have():
    edit = Edit(conv(w=((0.5, 0.25), 0)))
    assert check(edit.commit(), PO2) == []
    edit.subgraphs[0].retype(2, TensorType("int32", QParams.of([0.25, 0.125], 0, axis=3)))
    assert [(f.severity, f.law) for f in check(edit.commit(), PO2)] == [
        ("error", "quantized-dimension")
    ]


def test_computed_weights():
    graph = GraphBuilder()
    x, w, y = (graph.tensor(TensorSpec("int8", (2, 2), 0.5, name=n)) for n in "xwy")
    graph.operator("FULLY_CONNECTED", (x, w, -1), (y,))
    assert [f.law for f in check(graph.build((x, w), (y,)), PO2)] == ["constant-weights"]


def test_all_findings_not_the_first():
    model = conv(x=(0.3, 5), y=(0.7, 9), w=(0.3, 0), values=((1, -128), (3, 4)))
    laws = [f.law for f in check(model, PO2)]
    assert laws.count("activation-scale") == laws.count("activation-zero-point") == 2
    assert {"weights-scale", "weights-range"} <= set(laws)


def test_a_broken_bias_scale_is_an_error_only_where_the_runtime_refuses():
    uint8 = conv(dtype="uint8", w_dtype="uint8", values=((1, 2), (3, 4)), bias_scale=[0.5])
    int8 = conv(bias_scale=[0.5])
    severities = [
        [f.severity for f in check(m, s) if f.law == "bias-scale"]
        for m, s in ((uint8, load_scheme("uint8")), (int8, PO2))
    ]
    assert severities == [["error"], ["warning"]]


class TestExceptions:
    """What the scheme asks and TFLite does not permit may stand."""

    @pytest.mark.parametrize("opcode", ["SOFTMAX", "LOGISTIC"])
    def test_fixed_outputs(self, opcode):
        model = one(
            opcode, [(0.5, 0)], (1 / 256, -128), {"beta": 1.0} if opcode == "SOFTMAX" else {}
        )
        found = check(model, PO2)
        assert [(f.severity, f.law) for f in found] == [("exception", "activation-zero-point")]

    @pytest.mark.parametrize("opcode", ["SOFTMAX", "LOGISTIC"])
    def test_the_type_is_not_what_tflite_fixes(self, opcode):
        """uint8 on its fixed grid, where an int8 kernel exists: no exception."""
        options = {"beta": 1.0} if opcode == "SOFTMAX" else {}
        model = one(opcode, [(0.5, 0)], (1 / 256, 0), options, dtype="uint8")
        found = {(f.where, f.law): f for f in check(model, load_scheme("symmetric"))}
        output = found[model.outputs[0].label(), "activation-dtype"]
        assert (output.severity, output.found, output.need) == ("error", "uint8", "int8")
        assert output.hint == ""

    def test_what_only_quantize_touches_says_what_to_do(self, demo):
        result = requantize(demo, "symmetric", options=Options(keep_io=True))
        hints = {f.hint for f in check(result.model, load_scheme("symmetric"))}
        assert "QUANTIZE converts this input or output; without --keep-io it is put on the " \
               "scheme" in hints  # fmt: skip
        plain = requantize(result.model, "symmetric")
        assert not any("--keep-io" in f.hint for f in check(plain.model, load_scheme("symmetric")))

    def test_several_scales_say_what_to_do(self):
        graph = GraphBuilder()
        x, y = (graph.tensor(TensorSpec("int8", (1, 4), 0.5, 0, name=n)) for n in "xy")
        w = graph.tensor(TensorSpec("int8", (1, 4), [0.5, 0.25, 0.5, 1], 0, axis=1, name="w"))
        graph.operator("ADD", (x, w), (y,))
        (found,) = check(graph.build((x, w), (y,)), load_scheme("int8"))
        assert found.law == "activation-granularity"
        assert found.hint.startswith("let the converter quantize this operand per tensor")

    def test_what_shares_the_grid_of_an_excused_tensor(self):
        graph = GraphBuilder()
        x, p, y = (
            graph.tensor(TensorSpec("int8", (1, 4), *g, name=n))
            for n, g in (("x", (0.5, 0)), ("p", (1 / 256, -128)), ("y", (1 / 256, -128)))
        )
        graph.operator("LOGISTIC", (x,), (p,))
        graph.operator("RESHAPE", (p,), (y,))
        found = check(graph.build((x,), (y,)), PO2)
        assert {f.severity for f in found} == {"exception"}
        assert len(found) == 2

    def test_an_ordinary_tensor_is_not_excused(self):
        found = check(one("RELU", [(0.5, 0)], (1 / 256, -128)), PO2)
        assert [(f.severity, f.law) for f in found] == [("error", "activation-zero-point")]


def test_subgraphs_that_others_run_are_their_callers():
    model = conv(x=(0.3, 5))
    assert check(model, PO2)
    inner = replace(model.main, index=1)
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("float32", (1,), name=n)) for n in "xy")
    graph.operator("WHILE", (x,), (y,), {"cond_subgraph_index": 1, "body_subgraph_index": 1})
    outer = graph.build((x,), (y,))
    both = replace(outer, subgraphs=(outer.main, inner), buffers=model.buffers)
    assert check(both, PO2) == []


# --- the names of laws -------------------------------------------------------------------------

# Scheme files are requests, not models; a missing kernel is the interpreter's; `inspect` tells what
# it sees, lawful or not.
NOT_LAWS = {"scheme", "kernel"}
OBSERVATIONS = {"cli/oddities.py"}


@cache
def named_laws() -> dict[str, set[str]]:
    """Every law that a Finding(...) in the package names by a literal -> the files that do."""
    found: dict[str, set[str]] = {}
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.rglob("_generated/*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "attr", "") == "_error" and path.parent.name == "check":
                law = node.args[0]
            elif getattr(node.func, "id", "") == "Finding":
                law = node.args[2] if len(node.args) > 2 else None
            else:
                continue
            law = law or next((k.value for k in node.keywords if k.arg == "law"), None)
            if isinstance(law, ast.Constant):
                found.setdefault(law.value, set()).add(path.relative_to(PACKAGE).as_posix())
    return found


def test_every_law_that_a_finding_names_is_explained():
    named = {law for law, files in named_laws().items() if files - OBSERVATIONS}
    assert named - {*LAWS, *NOT_LAWS} == set()
    assert "bias-scale" in named


def test_every_law_that_check_can_name_has_a_failing_example():
    emitted = {
        law for law, files in named_laws().items() if any(f.startswith("check/") for f in files)
    }
    judged = {"activation-dtype", "activation-zero-point", "activation-scale"}  # through _judged
    covered = {*FAILING, "bias-zero-point", "constant-weights", "quantized-dimension"}
    assert emitted | judged <= covered


def test_every_law_that_planning_refuses_by_is_explained():
    """Laws that reach Finding through a variable."""
    text = (PACKAGE / "planning" / "usable.py").read_text("utf-8")
    words = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
    assert {"constant-weights", "weight-axis", "bias-scale", "scale-positive"} <= words & set(LAWS)


@pytest.mark.parametrize(
    "selectors, found, hint",
    [
        pytest.param('operator = "DEPTHWISE_CONV_2D"', "operator = 'DEPTHWISE_CONV_2D'",
                     "the model has CONV_2D", id="type"),
        pytest.param('tensor = "conv_0/"', "tensor = 'conv_0/'",
                     "tensor = is searched in names of first outputs, such as y", id="name"),
        pytest.param('operator = "CONV_2D"\ntensor = "^x$"', "operator = 'CONV_2D' and tensor =",
                     "such as y", id="name-of-that-type"),
    ],
)  # fmt: skip
def test_an_override_that_matches_nothing_is_told(selectors, found, hint):
    met = '[[override]]\ntensor = "y"\nbias.bits = 20\n'
    text = f'name = "o"\n{met}[[override]]\n{selectors}\nbias.bits = 20\n'
    (finding,) = [f for f in check(conv(), parse_scheme(text, "o")) if f.law == "override"]
    assert finding.severity == "warning"
    assert finding.found.startswith(f"[[override]] 2, {found}")
    assert finding.hint.endswith(hint)


def test_the_names_that_an_override_may_have_meant_are_shortened():
    """Converters give fused operators the names of all that was fused."""
    net = Net()
    x = net.act("x")
    names = [f"block_{i}/" + "conv;block/BiasAdd;" * 9 for i in range(4)]
    for name in names:
        net.conv(x, net.act(name))
    law = parse_scheme('name = "o"\n[[override]]\ntensor = "z"\nbias.bits = 20\n', "o")
    (finding,) = [f for f in check(net.build((x,), ()), law) if f.law == "override"]
    told = ", ".join(f"{name[:39]}…" for name in names[:3])
    assert finding.hint.endswith(f"such as {told}, ...")
