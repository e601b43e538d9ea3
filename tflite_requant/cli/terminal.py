"""What goes to stdout and stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from tflite_requant.report.layout import wrap
from tflite_requant.streams import lose

PROGRAM = "tflite-requant"
INDENT = "  "


def tell(text: str) -> None:
    """Print the answer. A reader who has seen enough and closes the pipe does not change it, nor
    does one who never was there. Raises OSError where it cannot be told for another reason."""
    if sys.stdout is None:
        return
    try:
        if text:
            print(printable(text, sys.stdout))
        sys.stdout.flush()
    except OSError as error:
        lose(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise


def complain(message: str, details: Iterable[str] = ()) -> None:
    """A problem on stderr, in 80 columns; details follow as given.

    Each line of the message names the program, and what does not fit hangs below it; indented
    lines belong to the one above and name nothing. What cannot be told is lost: the work goes on.
    """
    if sys.stderr is None:  # `print` would take stdout
        return
    lines: list[str] = []
    for line in message.splitlines():
        is_detail = line.startswith(" ")
        first = 2 * INDENT if is_detail else f"{PROGRAM}: "
        lines += wrap(line.strip(), first, 3 * INDENT if is_detail else 2 * INDENT)
    try:
        for line in [*lines, *details]:
            print(printable(line, sys.stderr), file=sys.stderr)
        sys.stderr.flush()
    except OSError:
        lose(sys.stderr)


def warn(notes: Iterable[str], quiet: bool) -> None:
    """What may be meant and mostly is not: on stderr, and nowhere with --quiet."""
    for note in () if quiet else notes:
        complain(f"warning: {note}")


def printable(text: str, stream) -> str:
    """Text that the stream's encoding can say, without what would steer a terminal."""
    clean = "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(character: str) -> str:
    """As JSON escapes it, so that a document stays one."""
    return json.dumps(character)[1:-1]


def shows_progress(args) -> bool:
    """Whether progress bars are welcome: only where somebody watches."""
    return sys.stderr is not None and sys.stderr.isatty() and not args.quiet
