"""Scheme files: what is legal, what is told about what is not."""

import json
from pathlib import Path

import pytest

from tflite_requant.errors import SchemeError
from tflite_requant.schemes import load_scheme, parse_scheme, preset_names, preset_text
from tflite_requant.schemes.loader import tomllib

SCHEMA = Path(__file__).resolve().parents[2] / "schema" / "scheme.schema.json"

# Schemes that the JSON Schema can judge: (TOML below the name, what the message says; "" = legal).
FILES = {
    "name-alone": ("", ""),
    "bits": ("[bias]\nbits = 20", ""),
    "arithmetic": ('arithmetic = "shift-half-even"', ""),
    "arithmetic-unknown": (
        'arithmetic = "fast"',
        "arithmetic = 'fast'; need one of 'litert-reference', ",
    ),
    "zero-point-any": ('[activations]\nzero_point = "any"', ""),
    "override": (
        '[[override]]\noperator = "ADD"\nactivations.dtype = "int16"\nactivations.zero_point = 0',
        "",
    ),
    "override-weights": (
        '[[override]]\ntensor = "logits$"\n[override.weights]\ngranularity = "per-tensor"',
        "",
    ),
    "override-lower-case": (
        '[[override]]\ntensor = "x"\nweights.sum = 8323072\nbias.own_scale = true',
        "",
    ),
    "source": ('source = "a manual"\nunknown = ["rounding", "width"]', ""),
    "source-number": ("source = 3", "a non-empty string, or a list of them"),
    "mixed": ('[activations]\ndtype = "int8+uint8"\nzero_point = 0', ""),
    "zero-points": ("[activations]\nzero_point = [-128, 0]", ""),
    "zero-points-none": ("[activations]\nzero_point = []", "or a list of integers"),
    "saturates": ("[accumulator]\nbits = 20\nsaturates = true", ""),
    "saturates-number": ("[accumulator]\nsaturates = 1", "saturates = 1; need one of true, false"),
    "bits-boolean": ("[bias]\nbits = true", "bits = true; need an integer from 8"),
    "bias-shift": ("[bias]\nbits = 8\nown_scale = true\nshift = [7, 7]", ""),
    "bias-shift-right": ("[bias]\nshift = [-1, 3]", "two ascending integers from 0 to 31"),
    "multiplier-none": (
        '[rescale]\nmultiplier_bits = 0\n[activations]\nscale = "power-of-two-ratio"',
        "",
    ),
    "multiplier-few": ("[rescale]\nmultiplier_bits = 3", "an integer from 8 to 32, or 0"),
    "cpu": ('[operators]\ncpu = ["SOFTMAX"]\nruntime_fixed = "refuse"', ""),
    "cpu-text": ('[operators]\ncpu = "SOFTMAX"', "need a list of operator names"),
    "sum": ("[weights]\nsum = 0", "an integer from 1 to"),
    "unknown-top": (
        "speed = 3",
        "top level: unknown key 'speed'; need one of accumulator, ",
    ),
    "unknown-section": ("[wheights]", "unknown key 'wheights'"),
    "unknown-key": (
        "[weights]\ngranularitee = 1",
        "[weights]: unknown key 'granularitee'",
    ),
    "section-is-number": ("weights = 3", "[weights]: found 3; need a table"),
    "dtype": (
        '[activations]\ndtype = "int4"',
        "dtype = 'int4'; need one of 'int8', 'uint8', 'int16', 'int8+uint8'",
    ),
    "dtype-number": ("[activations]\ndtype = 8", "dtype = 8; need one of"),
    "zero-point-text": ('[activations]\nzero_point = "none"', 'need an integer or "any"'),
    "zero-point-bool": ("[activations]\nzero_point = true", 'need an integer or "any"'),
    "zero-point-far": ("[activations]\nzero_point = 40000", 'need an integer or "any"'),
    "range-long": ("[weights]\nrange = [1, 2, 3]", "need two ascending integers"),
    "range-text": ('[weights]\nrange = ["a", 3]', "need two ascending integers"),
    "bits-few": (
        "[bias]\nbits = 7", "need an integer from 8 to 32 for int32, 8 to 64 for int64",
    ),
    "range-far": (
        "[weights]\nrange = [-1270, 127]",
        "need two ascending integers in -128 to 127 for int8, 0 to 255 for uint8",
    ),
    "shift-far": ("[rescale]\nshift = [-40, 0]", "need two ascending integers from -31 to 30"),
    "allow-text": ('[operators]\nallow = "ADD"', "need a list of operator names"),
    "allow-nothing": ("[operators]\nallow = []", "need a list of operator names"),
    "runtime-fixed": ('[operators]\nruntime_fixed = "maybe"', "one of 'allow', 'refuse'"),
    "override-of-nothing": (
        "[[override]]\nbias.bits = 20",
        "[[override]] 1: it selects nothing",
    ),
    "override-single-brackets": (
        '[override]\noperator = "ADD"\nactivations.zero_point = 0',
        "override: found a table; need [[override]]",
    ),
    "override-text": ('override = "ADD"', "override: found 'ADD'; need [[override]]"),
    "override-of-no-keys": (
        '[[override]]\noperator = "ADD"',
        "[[override]] 1: it changes nothing; need keys of [override.activations] or ",
    ),
    "override-key": (
        '[[override]]\noperator = "ADD"\nrescale.shift = [0, 1]',
        "unknown key 'rescale'",
    ),
    "override-value": (
        '[[override]]\noperator = "ADD"\nbias.bits = 2',
        "[[override]] 1 bias: bits = 2",
    ),
}

# What only the loader sees: each key is fine, together they have no form in TFLite.
CONTRADICTIONS = {
    "descending-range": ("[weights]\nrange = [5, 4]", "need two ascending integers"),
    "range-beyond-dtype": ("[weights]\nrange = [-127, 200]", "range [-127, 200] for int8"),
    "no-negative-half": ("[weights]\nrange = [0, 10]", "range [0, 10] with zero_point = 0; need"),
    "no-positive-half": ("[weights]\nrange = [-10, 0]", "integers below and above the zero point"),
    "beside-the-zero-point": ("[weights]\nrange = [5, 10]", "range [5, 10] with zero_point = 0"),
    "uint8-beside-its-zero-point": (
        '[activations]\ndtype = "uint8"\n[weights]\ndtype = "uint8"\nrange = [0, 255]\n'
        'granularity = "per-tensor"\nzero_point = 0', "range [0, 255] with zero_point = 0",
    ),
    "override-beside": ('[[override]]\noperator = "CONV_2D"\nweights.range = [0, 10]',
                        "[[override]] 1 weights: range [0, 10] with zero_point = 0"),
    "mixed-signs": ('[activations]\ndtype = "uint8"', "dtype int8 with uint8 activations"),
    "per-axis-uint8": ('[activations]\ndtype = "uint8"\n'
                       '[weights]\ndtype = "uint8"\nrange = [0, 255]\n'
                       'zero_point = "any"', "per-axis uint8"),
    "int8-zero-point": ("[weights]\nzero_point = 3", "zero_point = 3 for int8"),
    "int16-zero-point": ('[activations]\ndtype = "int16"', "zero_point = 'any' for int16"),
    "int64-bias": ('[bias]\ndtype = "int64"', "dtype int64 with int8 activations"),
    "bits-beyond-dtype": ("[bias]\nbits = 40", "bits = 40 for int32"),
    "mixed-zero-point": ('[activations]\ndtype = "int8+uint8"\nzero_point = 3',
                         "zero_point = 3 for int8+uint8"),
    "shift-without-powers": (
        "[rescale]\nmultiplier_bits = 0",
        "multiplier_bits = 0 with [activations] scale = 'any' and [weights] scale = 'any'; need "
        "[activations] scale = 'power-of-two' and [weights] scale = 'power-of-two', or "
        "[activations] scale = 'power-of-two-ratio'",
    ),
    "shift-without-powers-of-weights": (
        '[rescale]\nmultiplier_bits = 0\n[activations]\nscale = "power-of-two"',
        "multiplier_bits = 0 with [weights] scale = 'any'; need [weights] scale = 'power-of-two'",
    ),
    "shift-without-powers-of-activations": (
        '[rescale]\nmultiplier_bits = 0\n[weights]\nscale = "power-of-two"',
        "with [activations] scale = 'any'; need [activations] scale = 'power-of-two'",
    ),
    "bias-shift-idle": ("[bias]\nshift = [7, 7]", "[bias]: shift = [7, 7] has no effect without "
                        "own_scale; need own_scale = true"),
    "bias-shift-of-all": ("[bias]\nown_scale = false\nshift = [0, 31]", ""),
    "bias-shift-idle-in-override": (
        '[[override]]\noperator = "ADD"\nbias.shift = [7, 7]',
        "[[override]] 1 bias: shift = [7, 7] has no effect",
    ),
    "bias-shift-left-by-override": (
        '[bias]\nown_scale = true\nshift = [7, 7]\n[[override]]\ntensor = "x"\n'
        'bias.own_scale = false', "",
    ),
    "cpu-idle": ('[operators]\ncpu = ["SOFTMAX"]', "[operators]: cpu has no effect where"),
    "cpu-of-a-list": ('[operators]\nallow = ["ADD"]\ncpu = ["SOFTMAX"]', ""),
    "override-changes-nothing": ('[[override]]\noperator = "ADD"\n[override.bias]',
                                 "[[override]] 1: it changes nothing"),
    "ratio-and-power": ('[activations]\nscale = "power-of-two-ratio"\n'
                        '[weights]\nscale = "power-of-two"', "the ratio decides"),
    "override-int16": ('[[override]]\noperator = "ADD"\nactivations.dtype = "int16"',
                       "[[override]] 1 activations: zero_point = 'any' for int16"),
    "allow-misspelled": ('[operators]\nallow = ["CONV2D", "RELU"]',
                         "docs/operators.md in the sources for 'CONV2D' (did you mean CONV_2D?)"),
    "allow-unheard-of": ('[operators]\nallow = ["*", "XYZZY"]',
                         "an operator of docs/operators.md in the sources for 'XYZZY'"),
    "cpu-misspelled": ('[operators]\ncpu = ["SoftMax"]',
                       "(did you mean SOFTMAX or LOG_SOFTMAX?)"),
    "override-misspelled": ('[[override]]\noperator = "FullyConnected"\nbias.bits = 20',
                            "operator = 'FullyConnected'; need an operator of docs/operators.md in "
                            "the sources "
                            "(did you mean FULLY_CONNECTED?)"),
    "key-misspelled": ("[activations]\nzero_pint = 0", "(did you mean zero_point?)"),
    "section-misspelled": ("[weight]", "unknown key 'weight'"),
    "value-misspelled": ('[activations]\nscale = "Power-of-2"', "(did you mean power-of-two?)"),
    "profile-misspelled": ('arithmetic = "litert-refrence"', "(did you mean litert-reference?)"),
    "nothing-like-it": ('[activations]\nscale = "large"', "'power-of-two', 'power-of-two-ratio'"),
    "bad-pattern": ('[[override]]\ntensor = "("\nbias.bits = 20',
                    "need a regular expression (missing ), unterminated subpattern at position 0)"),
    "pattern-number": ('[[override]]\ntensor = 3\nbias.bits = 20',
                       "tensor = 3; need a regular expression (not a text)"),
    "several-misspelled": ('[operators]\nallow = ["CONV2D", "XYZZY", "SoftMax"]',
                           "(did you mean CONV_2D for CONV2D, "
                           "SOFTMAX or LOG_SOFTMAX for SoftMax?)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("text, says", [*FILES.values(), *CONTRADICTIONS.values()],
                         ids=[*FILES, *CONTRADICTIONS])  # fmt: skip
def test_loader(text, says):
    text = f'name = "mine"\n{text}\n'
    if not says:
        assert parse_scheme(text, "mine.toml").name == "mine"
        return
    with pytest.raises(SchemeError) as error:
        parse_scheme(text, "mine.toml")
    assert says in str(error.value)
    assert all(line.startswith("mine.toml: ") for line in str(error.value).splitlines())


@pytest.mark.parametrize("text, says", FILES.values(), ids=FILES)
def test_json_schema_agrees(validator, text, says):
    tables = tomllib.loads(f'name = "mine"\n{text}\n')
    assert validator.is_valid(tables) == (not says)


@pytest.mark.parametrize("name", preset_names())
def test_presets(validator, name):
    tables = tomllib.loads(preset_text(name))
    assert [e.message for e in validator.iter_errors(tables)] == []
    assert load_scheme(name).name == tables["name"] == name
    assert load_scheme(name).summary


HARDWARE = [name for name in preset_names() if load_scheme(name).source]


@pytest.mark.parametrize("name", HARDWARE)
def test_hardware_presets_say_where_facts_are_from_and_what_is_unknown(name):
    scheme = load_scheme(name)
    assert all("https://" in source for source in scheme.source)
    assert scheme.unknown
    assert "source = " in preset_text(name) and "unknown = " in preset_text(name)


def test_there_are_hardware_presets():
    assert set(HARDWARE) >= {"esp-dl-esp32s3", "esp-dl-esp32p4", "vitis-dpu", "max78000", "ethos-u"}


# What the sources say in numbers: (preset, where to look, what is there).
FACTS = [
    ("esp-dl-esp32s3", "bias.bits", 20),
    ("esp-dl-esp32s3", "accumulator.bits", 20),
    ("esp-dl-esp32s3", "weights.granularity", "per-tensor"),
    ("esp-dl-esp32s3", "arithmetic", "shift-half-up"),
    ("esp-dl-esp32p4", "weights.granularity", "per-axis"),
    ("esp-dl-esp32p4", "bias.bits", 32),
    ("esp-dl-esp32p4", "arithmetic", "shift-half-even"),
    ("vitis-dpu", "bias.limit", 127 << 16),
    ("vitis-dpu", "rescale.shift", (-16, 0)),
    ("max78000", "bias.limit", 127 * 128),
    ("max78000", "rescale.shift", (-15 - 7, 15 - 7)),
    ("ethos-u", "weights.sum", 127 * 65536),
]


@pytest.mark.parametrize("name, path, value", FACTS, ids=lambda v: str(v))
def test_facts(name, path, value):
    found = load_scheme(name)
    for word in path.split("."):
        found = getattr(found, word)
    assert found == value


def test_name_is_needed(validator):
    with pytest.raises(SchemeError, match="no name"):
        parse_scheme("", "mine.toml")
    assert not validator.is_valid({})


def test_defaults_are_the_int8_preset_without_its_words():
    mine, preset = parse_scheme('name = "int8"', "x"), load_scheme("int8")
    assert (mine.activations, mine.bias, mine.rescale) == (
        preset.activations,
        preset.bias,
        preset.rescale,
    )


def test_overrides_apply_in_file_order():
    scheme = parse_scheme(
        'name = "x"\n[[override]]\noperator = "ADD"\nactivations.zero_point = 0\n'
        '[[override]]\ntensor = "^last"\nactivations.zero_point = 5\n', "x",
    )  # fmt: skip
    found = [
        scheme.for_operator(op, tensor).activations.zero_point
        for op, tensor in (("ADD", "a"), ("ADD", "last"), ("MUL", "last"), ("MUL", "a"))
    ]
    assert found == [0, 5, 5, "any"]


def test_all_problems_are_told_at_once():
    text = """
[weights]
range = [5, 4]
[[override]]
operator = "CONV2D"
speed = 3
[operators]
allow = ["DEPTHWISE_CONV2D"]
"""
    with pytest.raises(SchemeError) as error:
        parse_scheme(text, "x")
    told = str(error.value)
    words = ("range", "CONV_2D", "speed", "DEPTHWISE_CONV_2D", "no name")
    assert all(word in told for word in words)
    assert len(told.splitlines()) == len(words)


def test_single_brackets_are_told_beside_other_problems():
    text = 'name = "x"\nweights = []\n[override]\ntensor = "y"\nactivations.zero_point = 0'
    with pytest.raises(SchemeError) as error:
        parse_scheme(text, "v1.toml")
    assert str(error.value).splitlines() == [
        "v1.toml: [weights]: found []; need a table",
        "v1.toml: override: found a table; need [[override]]",
    ]


def test_contradictions_are_told_beside_each_other():
    text = 'name = "x"\n[activations]\ndtype = "uint8"\n[bias]\ndtype = "int64"\nbits = 65'
    with pytest.raises(SchemeError, match="bits = 65"):
        parse_scheme(text, "x")
    with pytest.raises(SchemeError) as error:
        parse_scheme(text.replace("65", "40"), "x")
    assert len(str(error.value).splitlines()) == 2
