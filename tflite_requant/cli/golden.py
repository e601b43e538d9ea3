"""`golden`: vectors for hardware."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from tflite_requant.cli import entries, pictures, places, workers
from tflite_requant.cli.lists import listed
from tflite_requant.cli.refusals import naming
from tflite_requant.cli.terminal import shows_progress
from tflite_requant.errors import UsageError
from tflite_requant.report.as_json import document, plain
from tflite_requant.report.layout import fields, plural, shorten, table, wrap

SUMMARY = """\
Write golden vectors: what hardware has to compute of each operator, stage by
stage; or verify such a set, or compare what hardware computed with it."""
USAGE = "MODEL -o DIR [flags] | --verify DIR [--actual DIR]"
SHOWN = 20
KILO = 1000
# What a set that is verified holds already; in a command line, in this order.
WRITING = (
    "model", "output", "signature", "layers", "inputs", "mean", "std", "crop", "directed", "random",
    "seed", "arithmetic", "force_arithmetic", "formats", "layout", "hex_elements", "hex_order",
)  # fmt: skip
GOALS = """\
Goals are corners of a channel's rounding and bounds: reached by a case, proven unreachable, or
open, that is not found (--directed N looks longer)."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?",
        help="the .tflite file; vectors are of its main subgraph, other signatures are named as "
        "not run",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="the set's folder; an older set in it is replaced"
    )
    parser.add_argument(
        "--verify", metavar="DIR", help="compute a set again and compare every byte"
    )
    parser.add_argument(
        "--actual", metavar="DIR",
        help="with --verify: compare what hardware computed, in the set's paths and formats, and "
        "say what the differences look like",
    )  # fmt: skip
    what = parser.add_argument_group("what is written")
    entries.add_flag(what)
    what.add_argument(
        "--layers", metavar="LIST", default="",
        help="operators by index (3), range (0-5), type (CONV_2D), or regular expression of the "
        "output's name; default all",
    )  # fmt: skip
    what.add_argument(
        "--inputs", metavar="FILE|DIR|random:N",
        help="chained: operators see what the model makes of these; without, each operator gets "
        "stimuli of its own",
    )  # fmt: skip
    pictures.add_flags(what)
    what.add_argument(
        "--directed", metavar="N", type=int, default=16,
        help="directed cases an operator, at most; default 16",
    )  # fmt: skip
    what.add_argument(
        "--random", metavar="N", type=int, default=1, help="random cases an operator; default 1"
    )
    what.add_argument("--seed", type=int, default=0, help="of what is random; default 0")
    what.add_argument(
        "--arithmetic", metavar="NAME", default="",
        help="arithmetic profile; default that of the model's metadata, or litert-reference",
    )  # fmt: skip
    what.add_argument(
        "--force-arithmetic", action="store_true",
        help="also where the model was made for another profile; the manifest states both",
    )  # fmt: skip
    how = parser.add_argument_group("how it is written")
    how.add_argument(
        "--formats", metavar="LIST", default="npz",
        help="of npz, npy, bin, hex ($readmemh), c; default npz",
    )  # fmt: skip
    how.add_argument(
        "--layout", metavar="NAME", default="nhwc",
        help="of bin, hex and c: nhwc, nchw, nc4hw4, nc16hw16; default nhwc",
    )  # fmt: skip
    how.add_argument(
        "--hex-elements", metavar="N", type=int, default=1,
        help="elements in a word of a hex file; default 1",
    )  # fmt: skip
    how.add_argument(
        "--hex-order", metavar="little|big", default="little",
        help="the first element is in the lowest or the highest bits; default little",
    )  # fmt: skip
    workers.add_flags(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    if args.actual is not None and args.verify is None:
        raise UsageError("--actual DIR needs --verify DIR: the set that it is compared with")
    idle = _asked_to_write(args)
    if args.verify is not None and idle:
        raise UsageError(
            f"--verify DIR needs no {', '.join(idle)}: the set holds its model and what was asked "
            "of it"
        )
    if args.actual is not None:
        return _compare(args)
    if args.verify is not None:
        return _verify(args)
    if args.model is None or args.output is None:
        raise UsageError("need MODEL and --output DIR, or --verify DIR")
    return _write(args)


def _asked_to_write(args: argparse.Namespace) -> list[str]:
    """What was given and says only how a set is written."""
    given = {*args.given, *(key for key in ("model", "force_arithmetic") if getattr(args, key))}
    names = {key: f"--{key.replace('_', '-')}" for key in WRITING} | {"model": "MODEL"}
    return [names[key] for key in WRITING if key in given]


def _write(args: argparse.Namespace) -> tuple[int, str]:
    from tflite_requant import files
    from tflite_requant.golden import write_golden_vectors
    from tflite_requant.golden.select import OtherArithmetic

    places.check_folder(args, Path(args.output))
    whole = files.load(args.model)
    model = entries.entered(whole, args.signature, args.model)
    inputs = None
    pictures.check(args, "inputs")
    if args.inputs is not None:
        inputs = pictures.samples(args, "inputs", model)
    try:
        with workers.executor_of(args) as executor, naming({"": args.model}):
            found = write_golden_vectors(
                model, inputs, args.output,
                formats=listed("--formats", args.formats),
                layers=listed("--layers", args.layers) if args.layers else [], layout=args.layout,
                hex_elements=args.hex_elements, hex_order=args.hex_order, directed=args.directed,
                random=args.random, seed=args.seed, arithmetic=args.arithmetic,
                force=args.force_arithmetic, progress=shows_progress(args), executor=executor,
            )  # fmt: skip
    except OtherArithmetic as error:
        raise OtherArithmetic(f"{args.model}: {error}") from None
    if args.json:
        return 0, document(
            "golden", written=args.output, manifest=plain(found.manifest),
            signature=args.signature, not_run=entries.not_run(whole, args.signature),
        )  # fmt: skip
    if args.quiet:
        return 0, ""
    return 0, "\n".join(_text(args, found, entries.entry_fields(whole, args.signature)))


def _text(args: argparse.Namespace, found, entry: list[tuple[str, str]]) -> list[str]:
    manifest = found.manifest
    arithmetic = manifest["arithmetic"]
    told = arithmetic["profile"]
    if arithmetic["forced"]:
        told += f", against the model, which was made for {arithmetic['of_model']}"
    cases = sum(len(o["cases"]) for o in found.operators)
    count = len(manifest["files"]) + 1
    lines = [args.model, *fields([
        ("arithmetic", told),
        ("mode", manifest["request"]["mode"]),
        ("operators", f"{len(found.operators):,}, {plural(cases, 'case')}"),
        ("written", f"{args.output}: {plural(count, 'file')}, {found.bytes / KILO**2:,.1f} MB"),
        *entry,
    ])]  # fmt: skip
    rows = [
        (str(o["index"]), o["type"], str(len(o["cases"])), *_goals(o["coverage"]),
         shorten(o["outputs"][0]["name"], 20))
        for o in found.operators
    ]  # fmt: skip
    shown = rows if args.verbose else rows[:SHOWN]
    head = ("op", "type", "cases", "reached", "unreachable", "open", "output")
    lines += ["", *table(head, shown, "><>>>><", cut=6)]
    if len(shown) < len(rows):
        lines.append(f"    and {plural(len(rows) - len(shown), 'operator')} more; -v shows all")
    if any(row[3] for row in rows):
        lines += ["", *wrap(GOALS, "  ")]
    for left in manifest["left_out"]:
        lines += wrap(f"{left['operator']}: {left['reason']}", "  left out  ")
    return lines


def _verify(args: argparse.Namespace) -> tuple[int, str]:
    from tflite_requant.golden import verify_golden_vectors

    with workers.executor_of(args) as executor:
        found = verify_golden_vectors(
            Path(args.verify), progress=shows_progress(args), executor=executor
        )
    code = 0 if found.passed else 1
    if args.json:
        problems = [{"path": path, "problem": what} for path, what in found.problems]
        return code, document(
            "golden", verified=args.verify, files=found.files, passed=found.passed,
            problems=problems,
        )  # fmt: skip
    if args.quiet and found.passed:
        return code, ""
    verdict = (
        "every byte is as computed" if found.passed else plural(len(found.problems), "problem")
    )
    lines = [args.verify, *fields([("files", f"{found.files:,}"), ("verdict", verdict)])]
    shown = found.problems if args.verbose else found.problems[:SHOWN]
    lines += [line for path, what in shown for line in wrap(f"{path} {what}", "  ", "      ")]
    if len(shown) < len(found.problems):
        hidden = plural(len(found.problems) - len(shown), "problem")
        lines.append(f"  and {hidden} more; -v shows all")
    return code, "\n".join(lines)


def _goals(coverage) -> tuple[str, str, str]:
    """Goals of all channels together: reached, proven unreachable, not found."""
    if coverage is None:
        return "", "", ""
    keys = "reached", "unreachable", "not_found"
    return tuple(f"{sum(g[k] for g in coverage['goals'].values()):,}" for k in keys)


def _stages(count: int) -> str:
    return "1 stage differs" if count == 1 else f"{count:,} stages differ"


def _compare(args: argparse.Namespace) -> tuple[int, str]:
    from tflite_requant.golden import compare_dump

    found = compare_dump(args.verify, args.actual)
    code = 0 if found.passed else 1
    if args.json:
        return code, document(
            "golden", verified=args.verify, actual=args.actual, arrays=found.arrays,
            passed=found.passed, findings=[plain(asdict(f)) for f in found.findings],
        )  # fmt: skip
    if args.quiet and found.passed:
        return code, ""
    differ = "no bit differs" if found.passed else _stages(len(found.findings))
    lines = [args.actual, *fields([("arrays", f"{found.arrays:,}"), ("verdict", differ)])]
    for finding in found.findings:
        lines += ["", *wrap(f"{finding.operator}: {finding.stage}", "  ", "    ")]
        share = f"{finding.differing:,} of {finding.elements:,} elements, in "
        share += f"{len(finding.cases)} of {plural(finding.compared, 'case')}"
        told = [("differ", share), ("first", finding.first)]
        told += [("cause", text) for _, text in finding.causes]
        if not finding.causes:
            told.append(("cause", "none of the known faults explains it"))
        told += [("note", text) for text in finding.facts]
        lines += fields(told, "    ")
    return code, "\n".join(lines)
