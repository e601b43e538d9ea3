"""From words to an exit code. Whatever goes wrong becomes one clear line here."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from tflite_requant.cli.commands import COMMANDS, DEFAULT, command_module
from tflite_requant.cli.parser import parser_of
from tflite_requant.cli.terminal import PROGRAM, complain, tell
from tflite_requant.errors import (
    Finding,
    FormatError,
    RefusedError,
    RequantError,
    Terminated,
    UsageError,
)
from tflite_requant.limits import allowing, parse_memory
from tflite_requant.report.findings import finding_lines
from tflite_requant.wording import reason_of

UNUSABLE = 2
BUG = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
TERMINATED = 143  # 128 + SIGTERM
SHOWN_FINDINGS = 20
HELP = "help"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a whole command line, the program's name first; exits after help and on errors."""
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # absl's own flags keep their defaults
    words = _help_words(list(argv[1:]))
    command = words.pop(0) if words and words[0] in COMMANDS else DEFAULT
    try:
        return parser_of(command).parse(words)
    except UsageError as error:
        complain(str(error))
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # of help or the version, which is told there
        raise SystemExit(_untold(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(_interrupted(None)) from None


def _help_words(words: list[str]) -> list[str]:
    """`help` and `help COMMAND` as the flag says it; a file of that name is a model."""
    if words[:1] != [HELP] or Path(HELP).exists():
        return words
    if not words[1:]:
        return ["--help"]
    return [*words[1:], "--help"] if words[1] in COMMANDS and not words[2:] else words


def run(args: argparse.Namespace) -> int:
    """Run a parsed command line and return its exit code."""
    try:
        size = None if args.max_memory is None else parse_memory(args.max_memory)
        with allowing(size):
            code, text = command_module(args.command).run(args)
        tell(text)
        return code
    except FormatError as error:
        if len(error.findings) < 2:
            complain(str(error))
        else:
            _complain_of(str(error).split("\n")[0], error.findings, args.verbose)
        return error.exit_code
    except RefusedError as error:
        _complain_of(error.summary, error.findings, args.verbose)
        return error.exit_code
    except RequantError as error:
        complain(str(error))
        return error.exit_code
    except MemoryError:
        complain("out of memory; nothing was written. Give it fewer samples, or more memory")
        return UNUSABLE
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except Exception as error:
        stop = _interrupt_behind(error)
        if stop is not None:
            return _interrupted(stop)
        if isinstance(error, OSError):
            return _untold(error)
        if args.verbose:
            complain("", traceback.format_exc().splitlines())
        what = " ".join(f"{type(error).__name__}: {error}".split())
        more = "" if args.verbose else "; -v shows where"
        complain(f"internal error: {what}; please report it with the model{more}")
        return BUG


def _complain_of(summary: str, findings: Sequence[Finding], verbose: bool) -> None:
    """A line, and the findings below it; how many are left out stands before what is told last,
    so that what to do ends it."""
    shown = findings if verbose else findings[:SHOWN_FINDINGS]
    if len(shown) < len(findings):
        summary += f"; the first {len(shown)}, -v shows all"
    complain(summary, finding_lines(shown))


def _untold(error: OSError) -> int:
    what = "cannot write the answer"
    if error.filename is not None:
        what = f"{error.filename}: cannot be used"
    complain(f"{what}: {reason_of(error)}")
    return UNUSABLE


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The interrupt while which an error arose: an archive, for one, cannot be closed halfway into
    a file, and says so in the interrupt's place."""
    while error.__context__ is not None:
        error = error.__context__
        if isinstance(error, KeyboardInterrupt):
            return error
    return None


def _interrupted(error: KeyboardInterrupt | None) -> int:
    complain("interrupted")
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def main(argv: Sequence[str] | None = None) -> int:
    """The command line as a function: words without the program's name in, exit code out."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return run(parse([PROGRAM, *words]))
    except SystemExit as stop:
        return int(stop.code or 0)


def console() -> None:
    """The command line as a program: exits the process. `start.console` calls it."""
    from absl import app

    app.run(run, flags_parser=parse)
