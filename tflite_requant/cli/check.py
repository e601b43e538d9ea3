"""`check`: is a model legal under a scheme?"""

from __future__ import annotations

import argparse

from tflite_requant.cli.lists import single
from tflite_requant.cli.terminal import complain
from tflite_requant.errors import Finding, FormatError
from tflite_requant.report.as_json import document
from tflite_requant.report.findings import finding_lines, finding_value, severity_counts
from tflite_requant.report.layout import WIDTH
from tflite_requant.schemes import load_scheme

SUMMARY = "Is a model legal under a scheme? All findings are told."
USAGE = "MODEL [flags]"
ORDER = ("error", "exception", "warning", "note")
NEXT = "          writes a copy that is, where the laws of TFLite allow it"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the .tflite file")
    parser.add_argument(
        "-s", "--scheme", metavar="NAME|FILE", default="int8",
        help="a preset or a .toml file; default int8",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true",
        help="exceptions (what TFLite fixes against the scheme) fail too",
    )  # fmt: skip
    parser.add_argument(
        "--keep-unknown", action="store_true",
        help="operators outside the catalog may stand; a result of requantize --keep-unknown "
        "remembers that",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    scheme = load_scheme(single("--scheme ", "check", args.scheme))
    from tflite_requant import files
    from tflite_requant.check import check
    from tflite_requant.requantize import screen

    model = files.load(args.model)
    try:
        screen(model)
    except FormatError as error:
        raise type(error)(f"{args.model}: {error}", error.findings) from None
    findings = check(model, scheme, args.keep_unknown or None)
    failing = ("error", "exception") if args.strict else ("error",)
    legal = not any(f.severity in failing for f in findings)
    if not legal and (args.json or args.quiet):
        complain(f"{args.model}: not legal under {scheme.name}: {severity_counts(findings)}")
    code = 0 if legal else 1
    if args.json:
        return code, document(
            "check",
            model=args.model,
            scheme=scheme.name,
            strict=args.strict,
            legal=legal,
            findings=[finding_value(f) for f in findings],
        )
    if args.quiet:
        return code, ""
    return code, "\n".join(_text(args.model, args.scheme, scheme.name, legal, findings))


def _text(model: str, name: str, scheme: str, legal: bool, findings: list[Finding]) -> list[str]:
    told = severity_counts(findings)
    answer = f"{'legal' if legal else 'not legal'} under {scheme}" + (f": {told}" if told else "")
    line = f"{model}: {answer}"
    lines = [line] if len(line) <= WIDTH else [f"{model}:", f"  {answer}"]
    for severity in ORDER:
        some = [f for f in findings if f.severity == severity]
        if some:
            lines += ["", f"  {severity}s", *finding_lines(some, "    ")]
    if not legal and any(f.severity == "error" for f in findings):
        lines += ["", f"  next    tflite-requant {model} --scheme {name}", NEXT]
    return lines
