"""Operators that move integers without computing: reshapes, cuts, joins, permutations, borders."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, free, operator, plain, tied

_op = partial(operator, family="movement", movement=True)
_ENFORCED = ("raw-copy", "tie-enforced")
_DELEGATED = ("raw-copy", "tie-xnnpack")
_INT8_IS_2 = by_dtype(uint8=1, int8=2, int16=1)


def _move(name: str, *parameters: str, versions, laws=("raw-copy",), **facts):
    """input, then parameters, to output: all on one grid."""
    inputs = [tied("input"), *(plain(parameter) for parameter in parameters)]
    return _op(name, inputs, [tied("output")], versions, laws=laws, **facts)


# CONCATENATION rescales uint8 and SHAPE reads no element: neither counts as movement.
OPERATORS = (
    _op(
        "CONCATENATION",
        [tied("values", "int8", "int16", repeats=True)],
        [tied("output", "int8", "int16")],
        by_dtype(uint8=1, int8=2, int16=3),
        movement=False,
        between=True,
        max_version=7,
        activations=("NONE",),
        laws=("concatenation-grids",),
    ),
    _op(
        "RESHAPE",
        [tied("input"), plain("shape", optional=True)],
        [tied("output")],
        by_dtype(uint8=1, int8=1, int16=1),
        laws=("raw-copy",),
    ),
    _move("SQUEEZE", versions=by_dtype(uint8=1, int8=1, int16=1)),
    _move("EXPAND_DIMS", "axis", versions=by_dtype(uint8=1, int8=1, int16=1), laws=_ENFORCED),
    _move(
        "TRANSPOSE",
        "permutation",
        versions=by_dtype(uint8=1, int8=2, int16=5),
        features={"rank_above_4": 4, "rank_above_5": 6, "rank_above_6": 8},
        max_version=8,
        laws=_DELEGATED,
    ),
    _move(
        "PAD",
        "paddings",
        versions=by_dtype(uint8=1, int8=2, int16=3),
        features={"rank_above_4": 4},
        max_version=6,
        laws=(*_DELEGATED, "pads-real-zero"),
    ),
    _op(
        "PADV2",
        [tied("input"), plain("paddings"), tied("constant_values")],
        [tied("output")],
        by_dtype(uint8=1, int8=2, int16=3),
        features={"rank_above_4": 4},
        max_version=6,
        laws=("raw-copy", "constant-grid-enforced"),
    ),
    _move(
        "MIRROR_PAD",
        "paddings",
        versions=by_dtype(uint8=1, int8=2, int16=3),
        max_version=3,
        laws=_ENFORCED,
    ),
    _op(
        "SPLIT",
        [plain("axis"), tied("input")],
        [tied("outputs", repeats=True)],
        by_dtype(uint8=1, int8=2, int16=4),
        max_version=5,
        laws=_DELEGATED,
    ),
    _op(
        "SPLIT_V",
        [tied("input"), plain("sizes"), plain("axis")],
        [tied("outputs", repeats=True)],
        _INT8_IS_2,
        max_version=3,
        laws=("raw-copy",),
    ),
    _move(
        "SLICE",
        "begin",
        "size",
        versions=by_dtype(uint8=1, int8=2, int16=4),
        features={"rank_above_4": 5},
        max_version=8,
        laws=_DELEGATED,
    ),
    _move(
        "STRIDED_SLICE",
        "begin",
        "end",
        "strides",
        versions=_INT8_IS_2,
        features={"rank_above_4": 4, "ellipsis_or_new_axis": 6, "offset": 8},
        max_version=4,
    ),
    _op(
        "PACK",
        [tied("values", repeats=True)],
        [tied("output")],
        by_dtype(uint8=1, int8=2, int16=3),
        max_version=5,
        laws=_ENFORCED,
    ),
    _op(
        "UNPACK",
        [tied("input")],
        [tied("outputs", repeats=True)],
        by_dtype(uint8=2, int8=2, int16=4),
        max_version=6,
        laws=_ENFORCED,
    ),
    _move(
        "GATHER",
        "indices",
        versions=by_dtype(uint8=1, int8=2, int16=4),
        features={"batch_dims": 5, "int16_indices": 6},
        max_version=8,
    ),
    _move(
        "GATHER_ND",
        "indices",
        versions=by_dtype(uint8=1, int8=1, int16=3),
        features={"int16_indices": 4},
        max_version=6,
    ),
    _move("TILE", "multiples", versions=by_dtype(uint8=1, int8=3, int16=1), max_version=2),
    _move("REVERSE_V2", "axis", versions=by_dtype(uint8=1, int8=3, int16=1), max_version=4),
    _move("BROADCAST_TO", "shape", versions=by_dtype(uint8=2, int8=3, int16=3), max_version=4),
    _move("SPACE_TO_DEPTH", versions=by_dtype(uint8=1, int8=2), max_version=2, laws=_DELEGATED),
    _move("DEPTH_TO_SPACE", versions=by_dtype(uint8=1, int8=2), laws=_DELEGATED),
    _move(
        "SPACE_TO_BATCH_ND",
        "block_shape",
        "paddings",
        versions=by_dtype(uint8=1, int8=2, int16=4),
        features={"rank_not_4": 3},
        max_version=4,
        laws=(*_ENFORCED, "pads-real-zero"),
    ),
    _move(
        "BATCH_TO_SPACE_ND",
        "block_shape",
        "crops",
        versions=by_dtype(uint8=1, int8=2, int16=4),
        features={"rank_not_4": 3},
        max_version=4,
        laws=_ENFORCED,
    ),
    _op(
        "SHAPE",
        [free("input")],
        [plain("output")],
        by_dtype(uint8=1, int8=1, int16=1),
        movement=False,
    ),
)
