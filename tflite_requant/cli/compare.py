"""`compare`: two models, or one model here and in LiteRT, on the same inputs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.cli import entries, pictures, workers
from tflite_requant.cli.gate import parse_conditions, unmet
from tflite_requant.cli.lists import Joined, listed
from tflite_requant.cli.refusals import naming
from tflite_requant.cli.terminal import complain, shows_progress
from tflite_requant.compare.outcome import NUMBERS, Comparison
from tflite_requant.errors import UsageError
from tflite_requant.report.as_json import document
from tflite_requant.report.comparison import comparison_lines, comparison_value
from tflite_requant.report.layout import fields, plural, wrap

SUMMARY = "Compare two models tensor by tensor, or one model with what LiteRT computes."
USAGE = "A [B] --inputs FILE|DIR|random:N [flags]"

MOST = "two models at most"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "a", metavar="A",
        help="a .tflite file; the source, if B was made from it. Main subgraphs are compared, "
        "other signatures are named as not run",
    )  # fmt: skip
    parser.add_argument(
        "b", metavar="B", nargs="?",
        help="another one; without it, A in our interpreter is compared with A in LiteRT",
    )  # fmt: skip
    entries.add_flag(parser)
    parser.add_argument(
        "--inputs", metavar="FILE|DIR|random:N", required=True,
        help="samples of A's inputs: .npy, .npz, a folder of images, or N random ones",
    )  # fmt: skip
    parser.add_argument(
        "--arithmetic", metavar="NAME[,...]",
        help="arithmetic profile of both models; default for each that of its metadata, or "
        "litert-reference; without B several, default every one of LiteRT's. "
        f"Known: {', '.join(profile_names())}",
    )  # fmt: skip
    workers.add_flags(parser)
    pictures.add_flags(parser)
    parser.add_argument("--seed", type=int, default=0, help="of random:N; default 0")
    parser.add_argument(
        "--require", metavar="CONDITIONS", default="", action=Joined,
        help="such as 'sqnr>=20,same_top1>=99': what exit code 0 needs, instead of equality. "
        f"Numbers: {', '.join(NUMBERS)}; sqnr is that of the outputs as they are stored, "
        "logits_sqnr what requantize calls sqnr of a classifier: of the logits, each sample's mean "
        "removed, which the table of tensors keeps; raw_sqnr what it calls so of a detector",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    conditions = parse_conditions(args.require, NUMBERS)
    from tflite_requant import files
    from tflite_requant.compare.models import compare

    whole = files.load(args.a)
    a = entries.entered(whole, args.signature, args.a)
    b = None
    if args.b is not None:
        b = entries.entered(files.load(args.b), args.signature, args.b)
    profiles = _profiles(args.arithmetic, b is not None)
    samples = pictures.samples(args, "inputs", a)
    sides = {"A": args.a, "B": args.b}
    with workers.executor_of(args) as executor, naming(sides), _naming(args.a):
        found = [
            compare(
                a, b, samples, arithmetic=profile, progress=shows_progress(args), executor=executor
            )
            for profile in profiles
        ]
    names = [_other(args.b, comparison) for comparison in found]
    missed = [unmet(conditions, comparison.numbers(), _meant(comparison)) for comparison in found]
    good = [
        not lines if conditions else comparison.equal or not (comparison.exact or b is None)
        for comparison, lines in zip(found, missed, strict=True)
    ]
    for name, comparison, lines, passes in zip(names, found, missed, good, strict=True):
        for line in lines:
            complain(f"{args.a} against {name}: {line}")
        if not lines and not passes and args.quiet:
            _complain_first(args.a, name, comparison)
    code = 0 if all(good) else 1
    if args.json:
        comparisons = [
            {**comparison_value(c), "runtime": _runtime(args.b), "unmet": lines}
            for c, lines in zip(found, missed, strict=True)
        ]
        return code, document(
            "compare", a=args.a, b=args.b, inputs=samples.origin, passed=not code,
            signature=args.signature, not_run=entries.not_run(whole, args.signature),
            comparisons=comparisons,
        )  # fmt: skip
    if args.quiet:
        return code, ""
    head = wrap(f"on {plural(found[0].samples, 'sample')}: {samples.origin}", "  ")
    told = fields(entries.entry_fields(whole, args.signature))
    lines = [args.a, *head, *told, *_text(args, found, names)]
    return code, "\n".join(lines)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Let a failure of LiteRT say which file it could not run."""
    from tflite_requant.runtime import RuntimeFailure

    try:
        yield
    except RuntimeFailure as error:
        raise RuntimeFailure(f"{path}: {error}") from None


def _meant(found: Comparison) -> dict[str, str]:
    """What `sqnr` is of, where another number tells more."""
    if found.detects:
        where = "see raw_sqnr" if found.raw else "which is not seen here"
        return {
            "sqnr": "of boxes and scores behind post-processing, whose order jumps with the least "
            f"change; what it reads tells more, {where}"
        }
    if found.logits_sqnr is None:
        return {}
    return {"sqnr": "of the output; that of the logits is logits_sqnr"}


def _profiles(text: str | None, two_models: bool) -> tuple[str | None, ...]:
    """The profiles to run, None for each model's own.

    Raises UsageError for an empty name, or several with two models.
    """
    from tflite_requant.compare.litert import profiles_with_runtime

    if text is None:
        return (None,) if two_models else profiles_with_runtime()
    words = tuple(dict.fromkeys(listed("--arithmetic", text)))
    if two_models and len(words) > 1:
        raise UsageError("--arithmetic: one profile at a time when two models are compared")
    return words


def _runtime(b: str | None) -> str | None:
    """The version of LiteRT where it took part."""
    from tflite_requant.compare.litert import litert_version

    return litert_version() if b is None else None


def _other(b: str | None, found: Comparison) -> str:
    if b is not None:
        return b
    return found.against.replace("LiteRT", f"LiteRT {_runtime(b)}".rstrip(), 1)


def _complain_first(a: str, b: str, found: Comparison) -> None:
    first = found.first
    count = plural(first.differing, "element")
    complain(f"{a} against {b}: first difference at {first.operator}: {count}")


def _text(args: argparse.Namespace, found: list[Comparison], names: list[str]) -> list[str]:
    lines = []
    for comparison, name in zip(found, names, strict=True):
        lines += ["", *comparison_lines(comparison, name, args.verbose)]
    return lines
