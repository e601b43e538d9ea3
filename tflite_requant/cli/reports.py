"""`--report` and `--overlay`: pages and data about a result, written with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from tflite_requant.errors import UsageError
from tflite_requant.outcome import Report
from tflite_requant.schemes import Scheme
from tflite_requant.study.outcome import Study

SAMPLES = 8  # of those that were given; each is run through both models
MADE_UP = 4
PLACE = "{scheme}"
SUFFIXES = (".html", ".json")


def add_flags(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--report", metavar="FILE", action="append", default=[],
        help="a page about the result (.html), or its data (.json); {scheme} in the name stands "
        "for each scheme; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--overlay", metavar="FILE.json",
        help="the error of every tensor as node data for Model Explorer",
    )  # fmt: skip


def wanted(args: argparse.Namespace) -> bool:
    """Whether anything needs a study."""
    return bool(args.report or args.overlay)


def check(args: argparse.Namespace, schemes: list[Scheme]) -> None:
    """Raise UsageError for names that cannot be written."""
    for flag, names, suffixes in (
        ("--report", args.report, SUFFIXES),
        ("--overlay", [args.overlay] if args.overlay else [], (".json",)),
    ):
        for name in names:
            if Path(name).suffix not in suffixes:
                raise UsageError(f"{flag} {name}: need a name that ends in {' or '.join(suffixes)}")
            if len(schemes) > 1 and PLACE not in name:
                raise UsageError(
                    f"{flag} {name}: {len(schemes)} schemes need {PLACE} in the name, "
                    f"such as {Path(name).with_stem(Path(name).stem + '.' + PLACE)}"
                )


def places(args: argparse.Namespace, scheme: Scheme) -> list[Path]:
    """Files about the result of one scheme."""
    names = [*args.report, *([args.overlay] if args.overlay else [])]
    return [Path(name.replace(PLACE, scheme.name)) for name in names]


def study_of(source, result, samples, seed: int, progress: bool) -> Study:
    """Source and result on a few of the samples, or on made-up ones where there are none."""
    from tflite_requant.errors import SampleError
    from tflite_requant.samples import load_samples
    from tflite_requant.statistics.synthetic import SyntheticImages
    from tflite_requant.study import study

    if samples is not None:
        few, data = samples.limited(SAMPLES), "of those given to calibrate on"
    else:
        try:
            few, data = SyntheticImages(source, MADE_UP, seed), "synthetic images"
        except SampleError:
            few, data = load_samples(f"random:{MADE_UP}", source, seed=seed), "random integers"
    return study(source, result, few, data, progress=progress)


def contents(args: argparse.Namespace, scheme: Scheme, report: Report, study: Study, value: dict):
    """File -> bytes of everything asked about one result. value: the report as JSON values."""
    from tflite_requant.report.as_json import document
    from tflite_requant.report.as_study import overlay

    found = {}
    for path in places(args, scheme):
        if args.overlay and path == Path(args.overlay.replace(PLACE, scheme.name)):
            text = overlay(study)
        elif path.suffix == ".html":
            from tflite_requant.report.html.page import page

            text = page(report, study, Path(args.model).name, _asked(args))
        else:
            text = document("requantize", model=args.model, written=True, results=[value]) + "\n"
        found[path] = text.encode()
    return found


def _asked(args: argparse.Namespace) -> dict[str, object]:
    """What of the request is not told elsewhere on the page."""
    hidden = {
        "model", "scheme", "output", "correction", "calibration", "report", "overlay", "json",
        "depfile", "quiet", "verbose", "command", "run",
    }  # fmt: skip
    usual = {"clamps": "fused", "seed": 0}
    return {
        name.replace("_", " "): value
        for name, value in sorted(vars(args).items())
        if name not in hidden and usual.get(name) != value and isinstance(value, (str, int))
    }
