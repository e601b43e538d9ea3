"""`--mean`, `--std`, `--crop`: how a folder of images becomes samples; and samples for any flag."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from tflite_requant.cli.terminal import warn
from tflite_requant.errors import UsageError

FLAGS = ("mean", "std", "crop")


def add_flags(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--mean", metavar="X[,X,X]", type=_numbers,
        help="of images: the real value is (pixel - mean) / std; default pixels 0 to 255 fill the "
        "input's range",
    )  # fmt: skip
    parser.add_argument("--std", metavar="X[,X,X]", type=_numbers, help="of images, with --mean")
    parser.add_argument(
        "--crop", metavar="SHARE", type=float,
        help="of images: share of height and width that is kept, around the middle; default 0.875",
    )  # fmt: skip


def check(args: argparse.Namespace, flag: str) -> None:
    """Raise UsageError where flags about images stand beside something else."""
    given = next((name for name in FLAGS if getattr(args, name) is not None), None)
    spec = getattr(args, flag)
    if given is not None and (spec is None or not Path(spec).is_dir()):
        raise UsageError(f"--{given} is about images; give a folder of them with --{flag}")


def samples(args: argparse.Namespace, flag: str, model, words: tuple[str, ...] = ()):
    """The samples that a flag names, and warnings about them.

    flag: its name without the dashes. words: what else may stand there, for messages.
    """
    from tflite_requant.samples import Preprocessing, load_samples

    check(args, flag)
    given = {name: getattr(args, name) for name in FLAGS if getattr(args, name) is not None}
    found = load_samples(
        getattr(args, flag), model, seed=args.seed, preprocessing=Preprocessing(**given),
        words=words,
    )  # fmt: skip
    warn(found.notes, args.quiet)
    return found


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise argparse.ArgumentTypeError(
            f"{text!r}: need a number, or one a channel with commas between"
        )
    return found
