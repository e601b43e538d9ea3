"""docs/arithmetic.md states the profiles' laws: labels, sources, tests and tables."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from tflite_requant.catalog.arithmetic import PROFILES, profile_names
from tflite_requant.catalog.profiles import DESCRIBED, profile
from tflite_requant.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "tools" / "generate_arithmetic_doc"
TEXT = (ROOT / "docs" / "arithmetic.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (A\d+) (.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL))
GOVERNS = re.compile(r"Governs (A[^.]*?)\s+of\s+docs/arithmetic.md")


def governed(text: str) -> set[str]:
    """Labels that a file says it governs; "A3 to A5" means all three."""
    found = set()
    for sentence in GOVERNS.findall(text):
        for first, last in re.findall(r"A(\d+)(?:\s+to\s+A(\d+))?", sentence):
            found |= {f"A{n}" for n in range(int(first), int(last or first) + 1)}
    return found


def test_labels_count_from_one_without_gaps():
    assert list(SECTIONS) == [f"A{n}" for n in range(1, len(SECTIONS) + 1)]


@pytest.mark.parametrize("label", SECTIONS)
def test_every_law_names_operators_source_and_tests_that_name_it(label):
    section = SECTIONS[label]
    assert "*Operators:*" in section or "Every rescaling" in section
    assert "*Source:*" in section
    named = re.findall(r"`(tests/[\w/]+\.py)`", section.split("*Test:*")[1])
    assert named
    for file in named:
        assert label in governed((ROOT / file).read_text("utf-8")), f"{file} does not name {label}"


def test_every_label_in_a_test_is_a_law_that_names_the_test():
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for label in sorted(governed(file.read_text("utf-8"))):
            assert label in SECTIONS, f"{file.name} names {label}"
            assert file.relative_to(ROOT).as_posix() in SECTIONS[label]


def test_the_tables_are_what_the_profiles_say():
    run = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_law_of_a_heading_is_used():
    loader = SourceFileLoader("generate_arithmetic_doc", str(TOOL))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    used = {n for records in PROFILES.values() for r in records for n in module.names_in(r)}
    inside = {"double-up-16-channels"}  # a step of A15
    assert sorted(set(module.laws_of(TEXT)) - used - inside) == []


def test_every_profile_is_described():
    assert tuple(p.name for p in DESCRIBED) == profile_names() == tuple(PROFILES)
    assert all(p.summary and p.verified for p in DESCRIBED)
    assert profile("tflm").verified.startswith("TFLite Micro")
    with pytest.raises(UsageError, match="unknown arithmetic 'x'; known: litert-reference, "):
        profile("x")
