"""Generated one-operator models: what every kernel is compared on, by operator and element type.

A group draws one random case at a time; the seed depends on the group's name only, so the cases of
one group never change because of another.
"""

from __future__ import annotations

import os
import zlib

import numpy as np

from .activation import GROUPS as ACTIVATION
from .broad_movement import GROUPS as BROAD_MOVEMENT
from .broad_values import GROUPS as BROAD_VALUES
from .broad_weighted import GROUPS as BROAD_WEIGHTED
from .convert import GROUPS as CONVERT
from .detection import GROUPS as DETECTION
from .edges import GROUPS as EDGES
from .elementwise import GROUPS as ELEMENTWISE
from .further import GROUPS as FURTHER
from .hybrid import GROUPS as HYBRID
from .logic import GROUPS as LOGIC
from .lstm_variants import GROUPS as LSTM_VARIANTS
from .make import Case, Group
from .movement import GROUPS as MOVEMENT
from .pooling import GROUPS as POOLING
from .real import GROUPS as REAL
from .recurrent import GROUPS as RECURRENT
from .recurrent_real import GROUPS as RECURRENT_REAL
from .reduction import GROUPS as REDUCTION
from .resize import GROUPS as RESIZE
from .vector import BEYOND_REFERENCE
from .vector import GROUPS as VECTOR
from .weighted import GROUPS as WEIGHTED
from .weighted_types import GROUPS as WEIGHTED_TYPES

GROUPS: tuple[Group, ...] = (
    *WEIGHTED,
    *WEIGHTED_TYPES,
    *VECTOR,
    *ELEMENTWISE,
    *POOLING,
    *ACTIVATION,
    *CONVERT,
    *REDUCTION,
    *RESIZE,
    *MOVEMENT,
    *LOGIC,
    *REAL,
    *RECURRENT,
    *RECURRENT_REAL,
    *DETECTION,
    *FURTHER,
    *LSTM_VARIANTS,
    *HYBRID,
    *EDGES,
    *BROAD_WEIGHTED,
    *BROAD_VALUES,
    *BROAD_MOVEMENT,
)

# Suffixes of groups that draw another operator's cases in a way of their own.
SUFFIXES = ("_BROAD", "_WIDE", "_PLAIN", "_LONG", "_INT4", "_INT8", "_INT16", "_TO_INT32",
            "_VARIANT", "_REAL", "_HYBRID", "_PER_AXIS",
            "_ZERO_EDGES", "_EDGES", "_SEVERAL")  # fmt: skip

FULL = bool(os.environ.get("TFLITE_REQUANT_FULL_TESTS"))
FULL_TIMES, FULL_COUNT = 5, 50
NAMES = [f"{group.operator}-{dtype}" for group in GROUPS for dtype in group.dtypes]
BEYOND = [f"{group.operator}-{dtype}" for group in BEYOND_REFERENCE for dtype in group.dtypes]


def cases(name: str) -> list[Case]:
    """The cases of one operator and element type; at least FULL_COUNT in a full run."""
    operator, dtype = name.rsplit("-", 1)
    groups = (*GROUPS, *BEYOND_REFERENCE)
    group = next(g for g in groups if g.operator == operator and dtype in g.dtypes)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return [group.make(rng, dtype) for _ in range(case_count(group, FULL))]


def case_count(group: Group, full: bool) -> int:
    """How many cases a group draws for each of its element types."""
    return max(FULL_TIMES * group.count, FULL_COUNT) if full else group.count


def operator_of(name: str) -> str:
    """The operator whose cases a group draws, by the group's name, with or without its type."""
    group = name.rsplit("-", 1)[0]
    for suffix in SUFFIXES:
        group = group.removesuffix(suffix)
    return group
