"""How many generated cases every kernel is compared on: a table that a full run fills."""

from __future__ import annotations

from collections import Counter

import pytest
from cases import BEYOND_REFERENCE, FULL_COUNT, GROUPS, case_count, operator_of

from tflite_requant.kernels import KERNELS

UNREACHABLE = "int4"  # such tensors are constants, which the operator that reads them decodes
PAIRS = [(name, d) for name, entry in KERNELS.items() for d in entry.dtypes if d != UNREACHABLE]


def counted(full: bool) -> Counter[tuple[str, str]]:
    """(operator, element type) -> number of cases."""
    found: Counter[tuple[str, str]] = Counter()
    for group in (*GROUPS, *BEYOND_REFERENCE):
        for dtype in group.dtypes:
            found[operator_of(group.operator), dtype] += case_count(group, full)
    return found


FULL, SAMPLE = counted(True), counted(False)


@pytest.mark.parametrize("pair", PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_a_full_run_compares_enough_cases(pair):
    assert FULL[pair] >= FULL_COUNT == 50
    assert SAMPLE[pair] >= 1


def test_every_group_is_of_an_operator_that_has_a_kernel():
    assert {operator for operator, _ in FULL} <= set(KERNELS)
