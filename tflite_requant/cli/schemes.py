"""`schemes`: the presets, as a list or as files."""

from __future__ import annotations

import argparse

from tflite_requant.cli.lists import single
from tflite_requant.report.as_json import document
from tflite_requant.report.layout import fields
from tflite_requant.schemes import load_scheme, preset_names, scheme_text

SUMMARY = """\
List the schemes that come with the program, print one to start your own, or
check such a file."""
USAGE = "[NAME|FILE.toml] [flags]"
MOST = "one scheme at a time"
QUIET = "changes nothing: what is asked for is printed all the same"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME|FILE.toml", nargs="?",
        help="print this scheme's TOML; of a file only where it is sound, else what is wrong",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    if args.name is not None:
        single("", "schemes", args.name)
    if args.name is not None and not args.json:
        load_scheme(args.name)
        return 0, scheme_text(args.name).rstrip("\n")
    names = preset_names() if args.name is None else (args.name,)
    summaries = [(name, load_scheme(name).summary) for name in names]
    if args.json:
        listed = [
            {"name": name, "summary": summary, "toml": scheme_text(name)}
            for name, summary in summaries
        ]
        return 0, document("schemes", schemes=listed)
    return 0, "\n".join(fields(summaries, indent=""))
