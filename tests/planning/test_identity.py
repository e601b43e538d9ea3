"""The report's word "bit-identical", operator by operator, held against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from cases import GROUPS, cases

from tflite_requant.catalog import OPERATORS
from tflite_requant.errors import RequantError
from tflite_requant.extract import single_operator
from tflite_requant.interpreter import Interpreter
from tflite_requant.planning.identity import CENTRED, RAW, window_counts
from tflite_requant.requantize import Options, requantize
from tflite_requant.testing import TensorSpec, one_operator_model

OPTIONS = Options(correction=("exact-grid", "scale-search"))
SAME, GRID = "bit-identical", "grid-exact"
# uint8 kernels and int8 kernels of these are one function wherever the grids are only shifted ...
ALWAYS = {
    *CENTRED, *RAW, *(name for name, spec in OPERATORS.items() if spec.movement)
} - {"QUANTIZE"}  # fmt: skip
# ... of these, it depends on parameters ...
SOMETIMES = {
    "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "QUANTIZE",
    "RESIZE_BILINEAR", "TRANSPOSE_CONV",
}  # fmt: skip
# The cases of SHAPE read tensors without a scale: there is nothing to requantize.
UINT8 = {g.operator for g in GROUPS if "uint8" in g.dtypes}
NEVER = {"L2_NORMALIZATION", "SUM"}
PINNED = {"CAST"}  # keeps its types, so it is not judged

PAIRS = [
    ("uint8", "int8"), ("int8", "uint8"), ("uint8", "uint8"), ("int8", "int8"),
    ("uint8", "int16x8"), ("int8", "int16x8"), ("int16", "int16x8"), ("uint8", "symmetric"),
]  # fmt: skip
FAST = PAIRS[:2]
RUNS = [
    pytest.param(
        operator,
        source,
        scheme,
        marks=() if (source, scheme) in FAST else pytest.mark.slow,
        id=f"{operator}-{source}-{scheme}",
    )
    for source, scheme in PAIRS
    for operator in dict.fromkeys(g.operator for g in GROUPS if source in g.dtypes)
]


def differences(source, result, runs) -> int:
    """Elements in which the new operator's outputs are not the source's, shifted.

    QUANTIZE operators around it are left out: it is fed, and judged, alone.
    """
    (name,) = {op.name for op in source.main.operators}
    new_op = next(op for op in result.main.operators if op.name == name)
    result = single_operator(result, new_op)
    old, new, count = Interpreter(source), Interpreter(result), 0
    for run in runs:
        grids = zip(run, source.inputs, result.inputs, strict=True)
        fed = [moved(a, s, r).astype(r.dtype) for a, s, r in grids]
        wanted, found = old.run(run), new.run(fed)
        for a, b, s, r in zip(wanted, found, source.outputs, result.outputs, strict=True):
            count += int((moved(np.asarray(a), s, r) != np.asarray(b)).sum())
    return count


def moved(values: np.ndarray, old, new) -> np.ndarray:
    """Stored integers of one tensor as the other stores the same numbers."""
    if old.type == new.type or not old.is_quantized_activation:
        return values
    return values.astype(np.int64) + (new.qparams.zero_point - old.qparams.zero_point)


def drawn(operator: str, dtype: str) -> list:
    """The conformance cases of an operator, without those that compute nothing."""
    found = cases(f"{operator}-{dtype}")
    return [c for c in found if all(0 not in t.shape for t in c.model.main.tensors)]


def word_and_differences(model, runs, scheme: str) -> tuple[str, int]:
    done = requantize(model, scheme, options=OPTIONS)
    (outcome,) = done.report.operators
    return outcome.exactness, differences(model, done.model, runs)


def test_every_operator_with_both_kernels_is_judged():
    both = {name for name, spec in OPERATORS.items() if {"uint8", "int8"} <= set(spec.dtypes)}
    assert both == ALWAYS | SOMETIMES | NEVER | PINNED
    assert not ALWAYS & SOMETIMES


@pytest.mark.parametrize(("operator", "source", "scheme"), RUNS)
def test_bit_identical_operators_give_the_source_shifted(operator, source, scheme):
    for case in drawn(operator, source):
        try:
            done = requantize(case.model, scheme, options=OPTIONS)
        except RequantError:
            continue  # no kernel, or nothing quantized
        if [o.exactness for o in done.report.operators] == [SAME]:
            assert differences(case.model, done.model, case.runs) == 0, case.label


@pytest.mark.parametrize("operator", sorted(ALWAYS & UINT8 - {"TANH", "SHAPE"}))
def test_one_function_in_both_types_is_called_so(operator):
    words = set()
    for case in drawn(operator, "uint8"):
        done = requantize(case.model, "int8", options=OPTIONS)
        kept = {t.kept for t in done.report.tensors} <= {"shifted", "identical"}
        if kept and not mixes_grids(case.model):
            words |= {o.exactness for o in done.report.operators}
    assert words == {SAME}


def mixes_grids(model) -> bool:
    (op,) = model.main.operators
    grids = {t.qparams for t in model.main.tensors if t.is_quantized_activation}
    return op.opcode == "CONCATENATION" and len(grids) > 1


@pytest.mark.parametrize("operator", sorted(NEVER))
def test_kernels_that_differ_are_not_called_identical(operator):
    found = [
        word_and_differences(case.model, case.runs, "int8") for case in drawn(operator, "uint8")
    ]
    assert {word for word, _ in found} == {GRID}
    assert sum(count for _, count in found) > 0


def function_model(opcode: str, out_scale: float, zero_point: int, options=None):
    size = (1, 256)
    data = TensorSpec("uint8", size, 0.04, 120)
    return one_operator_model(
        opcode, [data], [TensorSpec("uint8", size, out_scale, zero_point)], options
    )


@pytest.mark.parametrize("opcode,scale,zero_point", [
    ("TANH", 1 / 128, 128), ("LOGISTIC", 1 / 256, 0), ("RELU6", 0.05, 0), ("RELU6", 0.05, 7),
    ("RELU", 0.03, 200), ("RELU_N1_TO_1", 0.013, 77), ("HARD_SWISH", 0.02, 20),
    ("QUANTIZE", 0.055, 131), ("LEAKY_RELU", 0.05, 40), ("GELU", 0.03, 8),
])  # fmt: skip
def test_functions_of_one_byte_on_all_of_them(opcode, scale, zero_point):
    model = function_model(opcode, scale, zero_point)
    every = np.arange(256, dtype=np.uint8)[None]
    assert word_and_differences(model, [[every]], "int8") == (SAME, 0)


def pool_model(padding: str, size: int, kernel: int, zero_point: int, fused: str, dtype: str):
    grid = {"scale": 0.05, "zero_point": zero_point - (128 if dtype == "int8" else 0)}
    out = -(-size // kernel) if padding == "SAME" else size // kernel
    options = {
        "padding": padding, "stride_w": kernel, "stride_h": kernel, "filter_width": kernel,
        "filter_height": kernel, "fused_activation_function": fused,
    }  # fmt: skip
    return one_operator_model(
        "AVERAGE_POOL_2D",
        [TensorSpec(dtype, (1, size, size, 3), **grid)],
        [TensorSpec(dtype, (1, out, out, 3), **grid)],
        options,
    )


@pytest.mark.parametrize("dtype,scheme", [("uint8", "int8"), ("int8", "uint8")])
@pytest.mark.parametrize("padding,size,kernel,zero_point,fused,word", [
    ("VALID", 7, 7, 0, "NONE", SAME),
    ("VALID", 14, 7, 128, "RELU6", SAME),
    ("SAME", 5, 3, 10, "NONE", GRID),  # 2 taps at the border
    ("SAME", 7, 3, 10, "NONE", GRID),
    ("SAME", 6, 3, 10, "NONE", SAME),
    ("VALID", 8, 2, 0, "NONE", GRID),
    ("VALID", 8, 2, 0, "RELU6", GRID),
    ("VALID", 8, 2, 128, "RELU6", SAME),  # int8 means below 0 are clamped
    ("VALID", 8, 2, 130, "RELU", SAME),
    ("VALID", 8, 2, 127, "RELU", GRID),
])  # fmt: skip
def test_pools_differ_where_a_mean_may_be_a_tie(
    padding, size, kernel, zero_point, fused, word, dtype, scheme
):
    model = pool_model(padding, size, kernel, zero_point, fused, dtype)
    rng = np.random.default_rng(0)
    low = np.iinfo(dtype).min
    runs = [
        [(rng.integers(*band, model.inputs[0].shape) + low).astype(dtype)]
        for band in ((0, 256), (0, 140), (124, 132))
    ]
    found, count = word_and_differences(model, runs, scheme)
    assert found == word
    # With zero point 127 only the tie right below the int8 zero is left.
    assert (count > 0) == (word == GRID)


@pytest.mark.parametrize("size,kernel,stride,padding,counts", [
    (5, 3, 2, "SAME", [2, 3, 2]), (6, 2, 2, "SAME", [2, 2, 2]), (7, 7, 7, "VALID", [7]),
    (4, 3, 1, "SAME", [2, 3, 3, 2]), (5, 2, 2, "VALID", [2, 2]), (2, 5, 1, "SAME", [2, 2]),
])  # fmt: skip
def test_window_counts(size, kernel, stride, padding, counts):
    assert window_counts(size, kernel, stride, padding).tolist() == counts


@pytest.mark.parametrize("align,half", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size,out", [
    (1, 33), (5, 5), (4, 8), (9, 5), (8, 4), (9, 3), (8, 17), (3, 1), (65, 33), (6, 2),
])  # fmt: skip
def test_resizes_are_identical_only_where_they_copy(size, out, align, half):
    grid = {"scale": 0.1, "zero_point": 9}
    model = one_operator_model(
        "RESIZE_BILINEAR",
        [TensorSpec("uint8", (1, size, size, 4), **grid),
         TensorSpec("int32", data=np.array([out, out], np.int32))],
        [TensorSpec("uint8", (1, out, out, 4), **grid)],
        {"align_corners": align, "half_pixel_centers": half},
    )  # fmt: skip
    rng = np.random.default_rng(size * 100 + out)
    runs = [[rng.integers(0, 256, (1, size, size, 4)).astype(np.uint8)] for _ in range(8)]
    word, count = word_and_differences(model, runs, "int8")
    assert word == (SAME if count == 0 else GRID)


def test_floats_beyond_the_integers_are_quantized_differently():
    model = one_operator_model(
        "QUANTIZE", [TensorSpec("float32", (1, 3))], [TensorSpec("uint8", (1, 3), 0.5, 3)]
    )
    within = np.array([[1e8, -1e8, 0.74]], np.float32)
    assert word_and_differences(model, [[within]], "int8") == (GRID, 0)
    beyond = np.array([[1e30, -1e30, np.inf]], np.float32)
    assert word_and_differences(model, [[beyond]], "int8")[1] > 0


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_unchanged_pools_are_bit_identical(dtype):
    pool = pool_model("VALID", 8, 2, 0, "NONE", dtype)
    assert [o.exactness for o in requantize(pool, dtype).report.operators] == [SAME]
