"""The argument parser: flags as a firmware engineer's build wants them, errors in one line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from absl.flags import argparse_flags

from tflite_requant.cli.commands import COMMANDS, DEFAULT, command_module
from tflite_requant.cli.lists import Once
from tflite_requant.cli.terminal import PROGRAM, tell
from tflite_requant.errors import UsageError
from tflite_requant.spelling import meant, or_meant
from tflite_requant.version import VERSION

HELP_WIDTH = 80
EPILOG = """\
commands:
{commands}

  {program} COMMAND --help tells the flags of one; without a command,
  {default} is meant.

exit codes:
  0  done
  1  the answer is no: findings, refused by a law, --require not met
  2  the request or the file is unusable
  3  a bug in this program
"""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in the same words and columns on every terminal and Python version."""

    def __init__(self, prog: str, **kwargs) -> None:
        super().__init__(prog, **{**kwargs, "width": HELP_WIDTH, "max_help_position": 26})

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return str(action.metavar or action.dest)
        names = ", ".join(action.option_strings)
        return names if action.nargs == 0 else f"{names} {action.metavar or action.dest.upper()}"


class Parser(argparse_flags.ArgumentParser):
    """Raises UsageError where argparse prints usage and exits.

    No absl flags are inherited: absl's own -v takes a number, and its flags are not our promise.
    """

    def __init__(self, command: str, module: ModuleType) -> None:
        word = "" if command == DEFAULT else f"{command} "
        super().__init__(
            prog=PROGRAM,
            usage=f"{PROGRAM} {word}{module.USAGE}",
            description=module.SUMMARY,
            epilog=_epilog() if command == DEFAULT else None,
            formatter_class=Formatter,
            add_help=False,
            allow_abbrev=False,
            inherited_absl_flags=None,
        )
        self.command = command
        self._hint = ""
        self.most = getattr(module, "MOST", "one model at a time")
        self.register("action", None, Once)
        module.add_flags(self)
        common = self.add_argument_group("common")
        common.add_argument(
            "--max-memory", metavar="SIZE",
            help="such as 4G: refuse models that take more; default 1G, or 16 times the file",
        )  # fmt: skip
        quiet = getattr(module, "QUIET", "only errors are printed")
        common.add_argument("-q", "--quiet", action="store_true", help=quiet)
        common.add_argument("-v", "--verbose", action="store_true", help="everything is told")
        common.add_argument(
            "--version", action="version", version=f"{PROGRAM} {VERSION}", help="print the version"
        )
        common.add_argument("-h", "--help", action="help", help="print this")

    def error(self, message: str) -> None:
        raise UsageError(f"{message}{self._hint}; see {self.help_call()}")

    def _print_message(self, message: str, file=None) -> None:
        """Help and the version: answers like others. argparse says nothing where they are lost."""
        tell(message.removesuffix("\n"))

    def help_call(self) -> str:
        """The command line that prints this parser's help."""
        return f"{PROGRAM} {'' if self.command == DEFAULT else self.command + ' '}--help"

    def parse(self, words: list[str]) -> argparse.Namespace:
        """Parse the words behind the command. Raises UsageError; exits after --help, --version."""
        self._hint = self._about_dashes(words)
        empty = empty_argument(self._actions, words)
        if empty:
            self.error(empty)
        args, unknown = self.parse_known_args(words)
        unknown = [word for word in unknown if word != "--"]  # left over where nothing follows it
        if unknown:
            self.error(self._about(unknown[0], words))
        args.command = self.command
        args.given = frozenset(getattr(args, "given", ()))
        return args

    def _about(self, word: str, words: Sequence[str]) -> str:
        """What is wrong with a word that belongs to no flag and no place."""
        first = words[0]
        before, behind = _parted(words)
        if word.startswith("-") and word in behind and word not in before:
            return f"{word} stands behind --, where no word is a flag; put flags before the --"
        if not word.startswith("-"):
            if self.command == DEFAULT and meant(first, COMMANDS) and not Path(first).exists():
                return f"unknown command {first}{or_meant(first, COMMANDS)}"
            if self.command == DEFAULT and Path(word).is_file() and _is_nothing(first):
                return f"{first} is neither a command nor a file"
            return f"{self.most}: what is {word!r}?"
        flag = word.split("=")[0]
        return f"unknown flag {flag}{or_meant(flag, self._flags())}"

    def _flags(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings]

    def _about_dashes(self, words: Sequence[str]) -> str:
        """What to write for a file whose name begins as flags do, or ""."""
        known = self._flags()
        for word in _parted(words)[0]:
            named = word.startswith("-") and word[:2] not in known and word.endswith(".tflite")
            if named or (word.startswith("-") and word not in known and Path(word).is_file()):
                return f"; a file of that name is ./{word}, or stands behind --"
        return ""


def _is_nothing(word: str) -> bool:
    return not word.startswith("-") and not Path(word).exists()


def _parted(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words before the first `--` and those behind it."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def empty_argument(actions: Iterable[argparse.Action], words: Sequence[str]) -> str:
    """What is wrong where a word, or a flag's value in it, is empty or blank; or "".

    An unset shell variable looks like this, and must not pass for a flag that was left out.
    """
    actions = list(actions)
    flags = {name: a for a in actions for name in a.option_strings if a.nargs != 0}
    rest = next((a for a in actions if not a.option_strings), None)
    for before, word in zip(["", *words], words, strict=False):
        name, given, value = word.partition("=")
        if given and name in flags and not value.strip():
            asked = flags[name]
        elif not word.strip():
            asked, name = flags.get(before, rest), before if before in flags else ""
        else:
            continue
        need = asked.metavar or asked.dest.upper() if asked is not None else "no such word"
        leave = ", or leave the flag out" if name else ""
        return f"{name or 'an argument'} is empty; need {need}{leave}; is a variable not set?"
    return ""


def parser_of(command: str) -> Parser:
    """The parser of one command."""
    return Parser(command, command_module(command))


def _epilog() -> str:
    lines = "\n".join(f"  {name:<12}{summary}" for name, summary in COMMANDS.items())
    return EPILOG.format(commands=lines, program=PROGRAM, default=DEFAULT)
