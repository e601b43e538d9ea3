"""`compare`: two models, or one model here and in LiteRT, on the same inputs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.cli import entries, pictures, workers
from tflite_requant.cli.gate import parse_conditions, unmet
from tflite_requant.cli.lists import Joined, listed
from tflite_requant.cli.refusals import naming
from tflite_requant.cli.terminal import complain, shows_progress
from tflite_requant.compare.outcome import NUMBERS, Comparison
from tflite_requant.errors import UnsupportedOperatorError, UsageError
from tflite_requant.report.as_json import document
from tflite_requant.report.comparison import comparison_lines, comparison_value
from tflite_requant.report.findings import finding_value
from tflite_requant.report.layout import fields, plural, wrap

if TYPE_CHECKING:
    from tflite_requant.model import Model
    from tflite_requant.samples import Samples

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

    whole = files.load(args.a)
    a = entries.entered(whole, args.signature, args.a)
    b = None
    if args.b is not None:
        b = entries.entered(files.load(args.b), args.signature, args.b)
    profiles = _profiles(args.arithmetic, b is not None)
    samples = pictures.samples(args, "inputs", a)
    sides = {"A": args.a, "B": args.b}
    with naming(sides), _naming(args.a):
        found, refused = _answers(args, a, b, samples, profiles)
        if not found and not args.json:
            raise next(iter(refused.values()))
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
    for profile, error in refused.items():
        complain(f"{args.a} against {_kernels(profile)}: not compared: {_why(error)}")
    code = 0 if all(good) and not refused else 1
    if args.json:
        comparisons = [
            {**comparison_value(c), "runtime": _runtime(args.b), "unmet": lines}
            for c, lines in zip(found, missed, strict=True)
        ]
        return code, document(
            "compare", a=args.a, b=args.b, inputs=samples.origin, passed=not code,
            signature=args.signature, not_run=entries.not_run(whole, args.signature),
            comparisons=comparisons, refused=[_refused(*pair) for pair in refused.items()],
        )  # fmt: skip
    if args.quiet:
        return code, ""
    head = wrap(f"on {plural(found[0].samples, 'sample')}: {samples.origin}", "  ")
    told = fields(entries.entry_fields(whole, args.signature))
    lines = [args.a, *head, *told, *_text(args, found, names)]
    for profile in refused:
        pairs = [("against", _kernels(profile)), ("arithmetic", profile)]
        lines += ["", *fields([*pairs, ("answer", "none, refused")])]
    return code, "\n".join(lines)


def _answers(
    args: argparse.Namespace, a: Model, b: Model | None, samples: Samples,
    profiles: tuple[str | None, ...],
) -> tuple[list[Comparison], dict[str, UnsupportedOperatorError]]:  # fmt: skip
    """What was compared, and without B the profiles that our interpreter cannot compute A in."""
    from tflite_requant.compare.models import compare

    found, refused = [], {}
    with workers.executor_of(args) as executor:
        for profile in profiles:
            try:
                found.append(
                    compare(
                        a, b, samples, arithmetic=profile, progress=shows_progress(args),
                        executor=executor,
                    )
                )  # fmt: skip
            except UnsupportedOperatorError as error:
                error = _hinted(error, a, b)
                if b is not None:
                    raise error from None
                refused[profile] = error
    return found, refused


def _hinted(error: UnsupportedOperatorError, a: Model, b: Model | None) -> UnsupportedOperatorError:
    """The same refusal with a hint that helps here: the profiles that can be computed."""
    from tflite_requant.compare.litert import profiles_with_runtime
    from tflite_requant.interpreter import HINT, Interpreter

    models = (a,) if b is None else (a, b)
    known = profiles_with_runtime() if b is None else profile_names()
    able = [p for p in known if not any(Interpreter(m, p).unsupported for m in models)]
    hint = "runs in LiteRT only"
    if able:
        asked = ",".join(able) if b is None else " or ".join(able)
        hint = f"--arithmetic {asked} takes what can be computed"
    findings = (replace(f, hint=hint) if f.hint == HINT else f for f in error.findings)
    return UnsupportedOperatorError(error.summary, tuple(findings)).about(error.side)


def _why(error: UnsupportedOperatorError) -> str:
    """A refusal in one line."""
    first, more = error.findings[0], len(error.findings) - 1
    others = f", and {plural(more, 'operator')} more" if more else ""
    return f"{first.where}: {first.found}{others}; {first.hint}"


def _refused(profile: str, error: UnsupportedOperatorError) -> dict[str, Any]:
    """A profile without an answer, as JSON holds it."""
    return {
        "arithmetic": profile,
        "refused": error.summary,
        "findings": [finding_value(f) for f in error.findings],
    }


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
    return _titled(found.against) if b is None else b


def _kernels(profile: str) -> str:
    from tflite_requant.compare.litert import RUNTIMES

    return _titled(RUNTIMES[profile].title)


def _titled(kernels: str) -> str:
    """Kernels of LiteRT with its version."""
    return kernels.replace("LiteRT", f"LiteRT {_runtime(None)}".rstrip(), 1)


def _complain_first(a: str, b: str, found: Comparison) -> None:
    first = found.first
    count = plural(first.differing, "element")
    complain(f"{a} against {b}: first difference at {first.operator}: {count}")


def _text(args: argparse.Namespace, found: list[Comparison], names: list[str]) -> list[str]:
    lines = []
    for comparison, name in zip(found, names, strict=True):
        lines += ["", *comparison_lines(comparison, name, args.verbose)]
    return lines
