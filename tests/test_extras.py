"""What messages and pages tell to install is there."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from tflite_requant.extras import EXTRAS, install

ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    "README.md", "BUILD.md", "docs/*.md", "tflite_requant/**/*.py", "tools/*", "examples/**/*",
)  # fmt: skip
INSTALL = re.compile(r"\bpip install [^`\n]*")


def known() -> dict[str, str]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    return dict(setup["options.extras_require"])


def told() -> list[tuple[str, str]]:
    """(file, what it tells to install), everywhere."""
    files = sorted({p for place in PLACES for p in ROOT.glob(place) if p.is_file()})
    found = []
    for path in files:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [(path.relative_to(ROOT).as_posix(), line) for line in INSTALL.findall(text)]
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_messages_name(extra):
    assert known()[extra].strip()
    assert install(extra) == f"pip install '.[{extra}]' in a checkout of tflite_requant"


def test_extras_that_are_told_anywhere_exist():
    named = [e for _, line in told() for group in re.findall(r"\.\[(.*?)\]", line)
             for e in group.split(",")]  # fmt: skip
    assert len(named) >= 6
    assert sorted(set(named) - {*known(), "{extra}"}) == []


def test_nothing_is_told_to_come_from_a_registry():
    """The package is in none."""
    assert [(file, line) for file, line in told() if not re.match(r"pip install '?\.", line)] == []
