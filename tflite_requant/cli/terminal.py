"""What goes to stdout and stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def tell(text: str) -> None:
    """Print the answer. A reader who has seen enough and closes the pipe does not change it."""
    try:
        if text:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain at exit, when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str, details: Iterable[str] = ()) -> None:
    """A problem on stderr: each line of the message names the program, details follow as given."""
    for line in message.splitlines():
        print(f"tflite_requant: {line}", file=sys.stderr)
    for line in details:
        print(line, file=sys.stderr)


def shows_progress(args) -> bool:
    """Whether progress bars are welcome: only where somebody watches."""
    return sys.stderr.isatty() and not args.quiet
