"""What stood on stderr, whatever the columns."""

from __future__ import annotations

PROGRAM = "tflite-requant: "


def messages(err: str) -> list[str]:
    """The program's complaints, one a string, without its name; every line fits 80 columns unless
    it is one long word."""
    found: list[str] = []
    for line in err.splitlines():
        assert len(line) <= 80 or len(line.split()) <= 2, line
        if line.startswith(PROGRAM):
            found.append(line.removeprefix(PROGRAM))
        else:
            assert found and line.startswith("  "), line
            found[-1] += " " + line.strip()
    return found
