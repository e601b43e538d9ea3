"""From words to an exit code. Whatever goes wrong becomes one clear line here."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from tflite_requant.cli.commands import COMMANDS, DEFAULT, command_module
from tflite_requant.cli.parser import PROGRAM, parser_of
from tflite_requant.cli.terminal import complain, tell
from tflite_requant.errors import RequantError, UsageError

UNUSABLE = 2
BUG = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a whole command line, the program's name first; exits after help and on errors."""
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # absl's own flags keep their defaults
    words = list(argv[1:])
    command = words.pop(0) if words and words[0] in COMMANDS else DEFAULT
    try:
        return parser_of(command).parse(words)
    except UsageError as error:
        complain(str(error))
        raise SystemExit(error.exit_code) from None


def run(args: argparse.Namespace) -> int:
    """Run a parsed command line and return its exit code."""
    try:
        code, text = command_module(args.command).run(args)
        tell(text)
        return code
    except RequantError as error:
        complain(str(error))
        return error.exit_code
    except OSError as error:
        complain(f"cannot write the answer: {error.strerror or error}")
        return UNUSABLE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except Exception as error:
        if args.verbose:
            traceback.print_exc()
        what = " ".join(f"{type(error).__name__}: {error}".split())
        more = "" if args.verbose else "; -v shows where"
        complain(f"internal error: {what}; please report it with the model{more}")
        return BUG


def main(argv: Sequence[str] | None = None) -> int:
    """The command line as a function: words without the program's name in, exit code out."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return run(parse([PROGRAM, *words]))
    except SystemExit as stop:
        return int(stop.code or 0)


def console() -> None:
    """Entry point of `tflite-requant` and `python -m tflite_requant`."""
    from absl import app

    app.run(run, flags_parser=parse)
