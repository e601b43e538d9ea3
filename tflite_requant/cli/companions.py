"""`--report`, `--overlay` and `--c-array`: files that are written with a result."""

from __future__ import annotations

import argparse
from pathlib import Path

from tflite_requant import c_array
from tflite_requant.cli.terminal import shows_progress
from tflite_requant.errors import UnsupportedOperatorError, UsageError
from tflite_requant.outcome import Report
from tflite_requant.schemes import Scheme
from tflite_requant.study.outcome import Study

SAMPLES = 8  # of those that were given; each is run through both models
MADE_UP = 4
LISTED = 8  # operators that cannot be run, by name
PLACE = "{scheme}"
# Flag -> what names given to it end in.
SUFFIXES = {
    "report": (".html", ".json"),
    "overlay": (".json",),
    "c_array": c_array.SUFFIXES,
}


def add_flags(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--report", metavar="FILE", action="append", default=[],
        help="a page about the result (.html), or its data (.json); {scheme} in this and the next "
        "two names stands for each scheme",
    )  # fmt: skip
    parser.add_argument(
        "--overlay", metavar="FILE.json", action="append", default=[],
        help="the error of every tensor as node data for Model Explorer",
    )  # fmt: skip
    parser.add_argument(
        "--c-array", metavar="FILE.cc", action="append", default=[],
        help="the result as C source (.c, .cc), for TFLite Micro; its header is written beside it",
    )  # fmt: skip


def wanted(args: argparse.Namespace) -> bool:
    """Whether anything needs a study."""
    return bool(args.report or args.overlay)


def check(args: argparse.Namespace, schemes: list[Scheme]) -> None:
    """Raise UsageError for names that cannot be written, and for packages that are missing."""
    for key, suffixes in SUFFIXES.items():
        flag = "--" + key.replace("_", "-")
        for name in getattr(args, key):
            path = Path(name)
            if path.suffix not in suffixes:
                raise UsageError(f"{flag} {name}: need a name that ends in {' or '.join(suffixes)}")
            if len(schemes) > 1 and PLACE not in name:
                raise UsageError(
                    f"{flag} {name}: {len(schemes)} schemes need {PLACE} in the name, "
                    f"such as {path.with_name(f'{path.stem}.{PLACE}{path.suffix}')}"
                )
            if key == "c_array":
                c_array.c_name(path.stem)
    if any(Path(name).suffix == ".html" for name in args.report):
        from tflite_requant.report.html import require_packages

        require_packages()


def places(args: argparse.Namespace, scheme: Scheme) -> list[Path]:
    """Files that are written with the result of one scheme."""
    found = [path for key in SUFFIXES for path in _paths(args, key, scheme)]
    return found + [path.with_suffix(".h") for path in _paths(args, "c_array", scheme)]


def _paths(args: argparse.Namespace, key: str, scheme: Scheme) -> list[Path]:
    return [Path(name.replace(PLACE, scheme.name)) for name in getattr(args, key)]


def study_of(source, result, names: dict[str, str], samples, seed: int, progress: bool) -> Study:
    """Source and result on a few of the samples, or on made-up ones where there are none; of
    models that the interpreter cannot run, a study that says so. names: of the files, as
    `compare` calls them, "A" and "B"."""
    from tflite_requant.errors import SampleError
    from tflite_requant.samples import load_samples
    from tflite_requant.statistics.synthetic import SyntheticImages
    from tflite_requant.study import study, unmeasured
    from tflite_requant.study.outcome import GIVEN

    if samples is not None:
        few, data = samples.limited(SAMPLES), GIVEN
    else:
        try:
            few, data = SyntheticImages(source, MADE_UP, seed), "synthetic images"
        except SampleError:
            few, data = load_samples(f"random:{MADE_UP}", source, seed=seed), "random integers"
    try:
        return study(source, result, few, data, progress=progress)
    except UnsupportedOperatorError as error:
        return unmeasured(source, result, data, _why(error, names[error.side]))


def _why(error: UnsupportedOperatorError, name: str) -> str:
    """What could not be run, in a line: the file, the operators, the first one's reason."""
    places = [finding.where for finding in error.findings]
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    listed = ", ".join(places[:LISTED]) + more
    reason = next((finding.found for finding in error.findings), "")
    return f"{name}: {error.summary}: {listed} ({reason})"


def contents(
    args: argparse.Namespace,
    scheme: Scheme,
    data: bytes,
    report: Report,
    study: Study | None,
    value: dict,
    run: tuple[tuple[str, str], ...] = (),
) -> dict[Path, bytes]:
    """File -> bytes of everything that goes with one result. value: the report as JSON values;
    run: lines about what was run and what not."""
    from tflite_requant.report.as_json import document
    from tflite_requant.report.as_study import overlay

    found = {}
    for path in _paths(args, "report", scheme):
        if path.suffix == ".html":
            from tflite_requant.report.html.page import page

            title = f"drawing, {scheme.name}" if shows_progress(args) else ""
            found[path] = page(report, study, Path(args.model).name, _asked(args), title, run)
        else:
            value_alone = document("requantize", model=args.model, written=True, results=[value])
            found[path] = value_alone + "\n"
    for path in _paths(args, "overlay", scheme):
        found[path] = overlay(study)
    for path in _paths(args, "c_array", scheme):
        found[path], found[path.with_suffix(".h")] = c_array.c_array(data, path.stem)
    return {path: text.encode("utf-8", "backslashreplace") for path, text in found.items()}


def _asked(args: argparse.Namespace) -> dict[str, object]:
    """What of the request is not told elsewhere on the page."""
    hidden = {
        "model", "scheme", "output", "correction", "calibration", "report", "overlay", "json",
        "c_array", "depfile", "quiet", "verbose", "command", "run",
        "jobs", "dask", "max_memory",  # change no result
    }  # fmt: skip
    usual = {"clamps": "fused", "seed": 0}
    return {
        name.replace("_", " "): _shown(value)
        for name, value in sorted(vars(args).items())
        if name not in hidden and usual.get(name) != value
        and isinstance(value, (str, int, float, tuple))
    }  # fmt: skip


def _shown(value: object) -> object:
    """A flag's value as the page tells it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, map(_shown, value)))
    return f"{value:g}" if isinstance(value, float) else value
