"""No form is stricter than the kernels: every model that a runtime computes is sound."""

import pytest
from cases import NAMES, cases

from tflite_requant.validation import unsound
from tflite_requant.validation.memory import estimate


@pytest.mark.parametrize("name", NAMES)
def test_every_conformance_case_is_sound(name):
    for case in cases(name):
        assert unsound(case.model) == (), case.label
        assert estimate(case.model)[0] < 1 << 28
