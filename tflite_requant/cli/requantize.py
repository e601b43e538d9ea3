"""`requantize`: schemes in, models out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from tflite_requant.cli import companions, entries, nearness, pictures, places, workers
from tflite_requant.cli.attempts import Attempt, answer, complain_of, value
from tflite_requant.cli.depfile import depfile_bytes, files_of
from tflite_requant.cli.gate import parse_conditions, unmet
from tflite_requant.cli.lists import Joined, listed
from tflite_requant.cli.output_paths import output_paths
from tflite_requant.cli.refusals import naming
from tflite_requant.cli.terminal import shows_progress
from tflite_requant.errors import FormatError, RefusedError, SampleError, UsageError
from tflite_requant.report.numbers import MEASURED, NUMBERS, numbers
from tflite_requant.schemes import Scheme, load_scheme
from tflite_requant.spelling import or_meant

SUMMARY = "Put a quantized TFLite model on a scheme that your hardware asks for."
USAGE = "MODEL [flags]"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the .tflite file, which is never changed")
    what = parser.add_argument_group("what is made")
    what.add_argument(
        "-s", "--scheme", metavar="NAME|FILE[,...]", default="int8",
        help="presets or .toml files, one output each; default int8",
    )  # fmt: skip
    what.add_argument(
        "-o", "--output", metavar="PATH",
        help="a file, or a folder that exists; default STEM.SCHEME.tflite beside MODEL",
    )  # fmt: skip
    what.add_argument(
        "--keep-io", action="store_true",
        help="inputs and outputs keep their type and quantization",
    )  # fmt: skip
    what.add_argument(
        "--keep-unknown",
        action="store_true",
        help="operators outside the catalog stay as they are, between QUANTIZE operators",
    )
    what.add_argument(
        "--strict-meaning",
        action="store_true",
        help="every tensor keeps its real values: no zero point is folded into a bias, no "
        "power-of-two scale is relabelled",
    )
    what.add_argument(
        "--clamps", choices=("fused", "auto", "exact"), default="fused",
        metavar="fused|auto|exact",
        help="exact: restore every old clamp, with MINIMUM and MAXIMUM where need be; auto: only "
        "those that matter, where the scheme allows these operators",
    )  # fmt: skip
    what.add_argument(
        "--allow-padv2", type=_padv2_count, default=0, metavar="N|any",
        help="insert so many PADV2 at most, where a zero point can then be folded through a "
        "convolution's padding; default 0",
    )  # fmt: skip
    how = parser.add_argument_group("how it is made")
    how.add_argument(
        "--calibration", metavar="FILE|DIR|prior|synthetic[:N]|random:N",
        help=".npy, .npz or a folder of images; prior and synthetic, which makes images up, need "
        "no data; default synthetic where both the scheme makes weights or activations leave their "
        "grids (powers of two, one scale a tensor, int8 activations with a fixed zero point) and "
        "the model is one of colour images, else prior",
    )  # fmt: skip
    pictures.add_flags(how)
    how.add_argument(
        "--correction",
        metavar="LIST",
        help="some of dead-channels, exact-grid, scale-search, error-compensation, bias-folding, "
        "nested-rounding, range-fit, sequential-bias, or none; default all",
    )
    workers.add_flags(how)
    how.add_argument(
        "--search", action="store_true",
        help="run the model again and again, and keep the activation scales under which its "
        "outputs stay closest to the source's; takes minutes. It needs samples of --calibration; "
        "a model of colour images can do without, on 90 that are made up",
    )  # fmt: skip
    how.add_argument("--seed", type=int, default=0, help="of everything random; default 0")
    build = parser.add_argument_group("for builds")
    build.add_argument(
        "--require", metavar="CONDITIONS", default="", action=Joined,
        help=f"such as 'exceptions==0,exact_weights>=99'; where one does not hold, nothing is "
        f"written. Numbers: {', '.join(NUMBERS)}; with samples {', '.join(MEASURED)}, which are "
        f"measured on at most {nearness.MOST_SAMPLES} of the samples calibrated on: sqnr of the "
        "logits, each sample's mean removed (compare's logits_sqnr), of a detector of the worse of "
        "the raw boxes and scores that its post-processing reads, of others of the worst output",
    )  # fmt: skip
    build.add_argument(
        "--depfile", metavar="FILE", help="write what the outputs depend on, for Make"
    )
    companions.add_flags(build)
    build.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    """Every scheme is tried; files are written only when all of them succeed."""
    conditions = parse_conditions(args.require, [*NUMBERS, *MEASURED])
    _check_measurable(args, conditions)
    named = [(word, load_scheme(word)) for word in listed("--scheme", args.scheme)]
    schemes = [scheme for _, scheme in named]
    source = Path(args.model)
    outputs = output_paths(source, args.output, schemes)
    from tflite_requant import files

    depfile = Path(args.depfile) if args.depfile else None
    companions.check(args, schemes)
    beside = [place for scheme in schemes for place in companions.places(args, scheme)]
    places.check_files(args, [*outputs, *beside, *([depfile] if depfile else [])])
    options = _options(args)
    model = files.load(source)
    samples = _samples(args, model)
    known = _statistics(args, model, samples, schemes)
    attempts = [
        _attempt(model, scheme, output, args, samples, statistics, options, conditions)
        for scheme, output, statistics in zip(schemes, outputs, known, strict=True)
    ]
    good = all(attempt.succeeded for attempt in attempts)
    if good:
        contents = {attempt.output: attempt.data for attempt in attempts}
        for a in attempts:
            contents |= companions.contents(
                args, a.scheme, a.data, a.report, a.study, value(a), a.run
            )  # fmt: skip
        if depfile:
            scheme_files = [Path(word) for word, _ in named if word.endswith(".toml")]
            inputs = [source, *scheme_files, *files_of(args.calibration)]
            contents[depfile] = depfile_bytes([*outputs, *beside], inputs)
        files.write_all(contents)
    complain_of(source, attempts)
    return (0 if good else 1), answer(args, source, attempts, good)


def _options(args: argparse.Namespace):
    from tflite_requant.requantize import CORRECTIONS, Options

    correction = CORRECTIONS
    if args.correction is not None:
        words = listed("--correction", args.correction)
        unknown = [w for w in words if w not in CORRECTIONS and words != ["none"]]
        if unknown:
            raise UsageError(
                f"--correction: unknown {unknown[0]!r}{or_meant(unknown[0], CORRECTIONS)}; "
                f"known: {', '.join(CORRECTIONS)}, or none"
            )
        correction = tuple(c for c in CORRECTIONS if c in words)
    try:
        return Options(
            keep_io=args.keep_io,
            keep_unknown=args.keep_unknown,
            strict_meaning=args.strict_meaning,
            clamps=args.clamps,
            allow_padv2=args.allow_padv2,
            correction=correction,
            search=args.search,
            seed=args.seed,
            progress=shows_progress(args),
        )
    except UsageError as error:
        raise UsageError(_with_flags(str(error), Options)) from None


def _with_flags(text: str, options: type) -> str:
    """A message in which options are called as the command line calls them."""
    for name in (f.name for f in fields(options) if "_" in f.name):
        text = text.replace(name, f"--{name.replace('_', '-')}")
    return text


def _padv2_count(text: str) -> int | str:
    if text != "any" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: need a number from 0, or any")
    return text if text == "any" else int(text)


def _attempt(
    model, scheme: Scheme, output: Path, args, samples, known, options, conditions
) -> Attempt:
    from tflite_requant import files
    from tflite_requant.requantize import requantize

    try:
        with _naming(args.model):
            result = requantize(model, scheme, known, options)
    except RefusedError as error:
        return Attempt(scheme, output, refusal=error)
    report = result.report
    if samples is not None:
        metrics, of = nearness.measured(model, result.model, samples, shows_progress(args))
        report = replace(report, metrics=metrics, sqnr_of=of)
    missed = unmet(conditions, numbers(report), nearness.meant(report))
    data = files.model_bytes(result.model)
    study = None
    if companions.wanted(args) and not missed:
        progress = shows_progress(args)
        sides = {"A": Path(args.model).name, "B": output.name}
        study = companions.study_of(model, result.model, sides, samples, args.seed, progress)
    ran = study is not None or report.metrics
    return Attempt(
        scheme, output, report, data, unmet=tuple(missed), study=study,
        run=tuple(entries.entry_fields(model, flag="compare --signature")) if ran else (),
        not_run=tuple(entries.not_run(model)) if ran else (),
    )  # fmt: skip


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Let an error about the model say which file it speaks of."""
    try:
        yield
    except FormatError as error:
        raise type(error)(f"{path}: {error}", error.findings) from None
    except SampleError as error:
        raise SampleError(f"{path}: {error}") from None


def _check_measurable(args: argparse.Namespace, conditions) -> None:
    asked = next((c.name for c in conditions if c.name in MEASURED), None)
    if asked and not _reads_samples(args):
        raise UsageError(f"--require: {asked} is measured on samples; give some with --calibration")


def _reads_samples(args: argparse.Namespace) -> bool:
    word = (args.calibration or "prior").split(":")[0]
    return word not in ("prior", "synthetic")


def _samples(args: argparse.Namespace, model):
    """The calibration samples, or None where none are given."""
    pictures.check(args, "calibration")
    if not _reads_samples(args):
        return None
    return pictures.samples(args, "calibration", model, words=("prior", "synthetic[:N]"))


def _statistics(args: argparse.Namespace, model, samples, schemes: list[Scheme]) -> list:
    """What weighted operators read, for each scheme; measured once each way."""
    from tflite_requant import statistics
    from tflite_requant.requantize import screen

    with _naming(args.model):
        screen(model)
    ways = [args.calibration or statistics.default_calibration(model, s) for s in schemes]
    with workers.executor_of(args) as executor, naming({"": args.model}):
        known = {
            way: statistics.measure(
                model, way if samples is None else samples,
                progress=shows_progress(args), seed=args.seed, executor=executor,
            )
            for way in dict.fromkeys(ways)
        }  # fmt: skip
    return [known[way] for way in ways]
