"""The catalog's records agree with each other."""

from __future__ import annotations

import pytest

from tflite_requant.catalog import FEATURES, LAWS, LEFT_OUT, OPERATORS, spec_of
from tflite_requant.catalog.spec import ROLES
from tflite_requant.catalog.versions import RELEASES
from tflite_requant.model import Operator
from tflite_requant.model.dtypes import ACTIVATION_DTYPES, RANGES

NAMES = """
    ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_TO CAST
    CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE ELU EQUAL EXP EXPAND_DIMS
    FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION
    LEAKY_RELU LESS LESS_EQUAL LOG LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD
    MUL NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_N1_TO_1
    RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SELECT SELECT_V2 SHAPE SLICE
    SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARED_DIFFERENCE SQUEEZE
    STRIDED_SLICE SUB SUM TANH TFLite_Detection_PostProcess TILE TRANSPOSE TRANSPOSE_CONV UNPACK
""".split()

every_operator = pytest.mark.parametrize("spec", OPERATORS.values(), ids=OPERATORS.keys())


def operands(spec):
    return (*spec.inputs, *spec.outputs)


def tied_at(operand, dtype):
    return operand.tie if operand.tie_dtypes is None or dtype in operand.tie_dtypes else None


def test_operators_are_complete_and_sorted():
    assert list(OPERATORS) == sorted(NAMES)
    assert all(name == spec.name for name, spec in OPERATORS.items())


def test_left_out_operators_have_a_reason_and_no_entry():
    assert set(LEFT_OUT) == {"NEG"}
    assert not set(LEFT_OUT) & set(OPERATORS)
    assert all(LEFT_OUT.values())


@every_operator
def test_operands_are_named_and_have_a_role(spec):
    for side in (spec.inputs, spec.outputs):
        names = [operand.name for operand in side]
        assert all(names) and len(set(names)) == len(names)
        assert all(not operand.repeats for operand in side[:-1])
    assert {operand.role for operand in operands(spec)} <= set(ROLES)
    assert any(operand.role == "activation" for operand in operands(spec))


@every_operator
def test_roles_carry_only_their_own_facts(spec):
    for operand in operands(spec):
        assert (operand.role == "weights") == (operand.axis is not None)
        if operand.role != "activation":
            assert operand.tie is None and not operand.fixed and not operand.pinned
        assert set(operand.types) <= set(spec.dtypes)


@every_operator
@pytest.mark.parametrize("dtype", ACTIVATION_DTYPES)
def test_a_tie_joins_at_least_two(spec, dtype):
    for operand in operands(spec):
        label = tied_at(operand, dtype)
        if label is not None:
            members = [other for other in operands(spec) if tied_at(other, dtype) == label]
            assert len(members) >= 2
        if operand.tie_dtypes is not None:
            assert operand.tie is not None and set(operand.tie_dtypes) <= set(spec.dtypes)


@every_operator
def test_fixed_grids_are_legal(spec):
    for operand in operands(spec):
        if operand.fixed:
            assert set(operand.fixed) == set(spec.dtypes)
            assert operand.tie is None
        for dtype, (scale, zero_point) in operand.fixed.items():
            low, high = RANGES[dtype]
            assert float(scale).as_integer_ratio()[0] == 1 and scale < 1
            assert low <= zero_point <= high
            assert dtype != "int16" or zero_point == 0


@every_operator
def test_movement_means_one_grid(spec):
    if spec.movement:
        activations = [operand for operand in operands(spec) if operand.role == "activation"]
        assert all(operand.tie is not None for operand in activations)


@every_operator
def test_dtypes_versions_and_features_agree(spec):
    assert spec.dtypes == tuple(spec.versions) and spec.dtypes
    assert list(spec.dtypes) == [dtype for dtype in ACTIVATION_DTYPES if dtype in spec.dtypes]
    assert min(spec.versions.values()) >= 1 and spec.max_version >= 1
    for feature in spec.features:
        assert feature.what in FEATURES
        assert set(feature.dtypes or ()) <= set(spec.dtypes)
        assert feature.version > min(spec.versions.values())


def test_every_feature_is_used():
    assert {f.what for spec in OPERATORS.values() for f in spec.features} == set(FEATURES)


@every_operator
def test_fused_activations_begin_with_none(spec):
    assert spec.activations[:1] in ((), ("NONE",))
    assert not {"TANH", "SIGN_BIT"} & set(spec.activations)


@every_operator
def test_laws_are_explained(spec):
    assert set(spec.laws) <= set(LAWS)
    assert len(set(spec.laws)) == len(spec.laws)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_laws_have_a_statement_and_a_source(law):
    assert law.statement.endswith(".") and "\n" not in law.statement
    assert law.source
    assert law.name == law.name.lower() and " " not in law.name


def test_law_names_are_not_taken_twice():
    from tflite_requant.catalog import kernel_laws, scheme_laws, tensor_laws

    assert len(LAWS) == sum(len(m.LAWS) for m in (kernel_laws, scheme_laws, tensor_laws))


@pytest.mark.parametrize(
    ("opcode", "custom_code", "found"),
    [
        ("CONV_2D", None, "CONV_2D"),
        ("CUSTOM", "TFLite_Detection_PostProcess", "TFLite_Detection_PostProcess"),
        ("CUSTOM", "CONV_2D", None),
        ("CUSTOM", None, None),
        ("TFLite_Detection_PostProcess", None, None),
        ("FLOOR_DIV", None, None),
    ],
    ids=["builtin", "custom", "custom-named-as-builtin", "custom-unnamed", "not-custom", "unknown"],
)
def test_spec_of(opcode, custom_code, found):
    op = Operator(0, opcode, 1, (), (), custom_code=custom_code)
    spec = spec_of(op)
    assert (spec.name if spec else None) == found


def test_operands_beyond_the_end():
    concatenation, add = OPERATORS["CONCATENATION"], OPERATORS["ADD"]
    assert concatenation.input(7) is concatenation.inputs[0]
    assert add.input(2) is None
    assert OPERATORS["SPLIT"].output(5).name == "outputs"


@every_operator
def test_builtin_operators_have_a_release_for_what_may_be_written(spec):
    if spec.family == "custom":
        assert spec.name not in RELEASES
    else:
        assert len(RELEASES[spec.name]) >= spec.max_version
