"""`run`: a model on inputs, in our interpreter."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.cli import entries, pictures, places
from tflite_requant.cli.refusals import naming
from tflite_requant.cli.terminal import shows_progress
from tflite_requant.errors import UsageError
from tflite_requant.progress import bar
from tflite_requant.report.as_json import document, plain
from tflite_requant.report.layout import fields, number, plural, shorten, table

SUMMARY = "Run a model in our interpreter, bit by bit as the named arithmetic computes."
USAGE = "MODEL --inputs FILE|DIR|random:N [flags]"
SUFFIXES = (".npz", ".npy")
BEST, SHOWN_SAMPLES, NAME_WIDTH = 5, 8, 30


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL",
        help="the .tflite file; its main subgraph is run, other signatures are named as not run",
    )  # fmt: skip
    entries.add_flag(parser)
    parser.add_argument(
        "--inputs", metavar="FILE|DIR|random:N", required=True,
        help=".npy, .npz, a folder of images, or N random samples",
    )  # fmt: skip
    parser.add_argument(
        "--arithmetic", metavar="NAME",
        help="arithmetic profile; default that of the model's metadata, or litert-reference. "
        f"Known: {', '.join(profile_names())}",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="FILE.npz|FILE.npy",
        help="write the stored values of the outputs, samples on axis 0; a .npy holds one",
    )  # fmt: skip
    parser.add_argument(
        "--keep", metavar="all|LIST",
        help="write these tensors, by name or index, instead of the outputs; all: every one that "
        "is no constant",
    )  # fmt: skip
    pictures.add_flags(parser)
    parser.add_argument("--seed", type=int, default=0, help="of random:N; default 0")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    if args.keep is not None and args.output is None:
        raise UsageError("--keep chooses what is written; say where with --output")
    from tflite_requant import files
    from tflite_requant.compare.bench import feeds_of_sample
    from tflite_requant.interpreter import Interpreter
    from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of

    output = Path(args.output) if args.output else None
    if output is not None:
        if output.suffix not in SUFFIXES:
            raise UsageError(f"--output {output}: need a name that ends in {' or '.join(SUFFIXES)}")
        places.check_files(args, [output])
    whole = files.load(args.model)
    model = entries.entered(whole, args.signature, args.model)
    profile = args.arithmetic
    if profile is None:
        profile = arithmetic_of(model) or DEFAULT_ARITHMETIC
    interpreter = Interpreter(model, profile)
    kept = kept_tensors(model, args.keep)
    if output is not None and output.suffix == ".npy" and len(kept) != 1:
        raise UsageError(
            f"--output {output}: a .npy holds one tensor, these are {len(kept)}; need a .npz, or "
            "--keep with one of them"
        )
    samples = pictures.samples(args, "inputs", model)
    summaries = [OutputSummary(t) for t in scored(model)]
    columns: dict[int, list] = {index: [] for index in kept} if output is not None else {}
    with bar("running" if shows_progress(args) else "", "sample", len(samples)) as advance:
        for sample in samples:
            asked = {*columns, *model.main.outputs}
            with naming({"": args.model}):
                found = interpreter.run(feeds_of_sample(model, sample), keep=sorted(asked))
            for summary in summaries:
                summary.add(found[summary.index])
            for index, arrays in columns.items():
                if index in found:
                    arrays.append(found[index])
            advance(1)
    if output is not None:
        names = entry_names(model, [i for i, arrays in columns.items() if arrays])
        files.write_all({output: _file_bytes(output, {n: columns[i] for i, n in names.items()})})
    if args.json:
        return 0, document(
            "run", model=args.model, arithmetic=profile, inputs=samples.origin,
            samples=len(samples), written=args.output,
            outputs=[plain(s.value()) for s in summaries], signature=args.signature,
            not_run=entries.not_run(whole, args.signature),
        )  # fmt: skip
    if args.quiet:
        return 0, ""
    told = entries.entry_fields(whole, args.signature)
    return 0, "\n".join(_text(args, told, profile, samples, summaries))


def _file_bytes(output: Path, columns: dict[str, list]) -> bytes:
    """The file's content. Raises UsageError for a .npy of what is not one array."""
    from tflite_requant.samples.archive import npy_bytes, npz_bytes

    if output.suffix == ".npz":
        return npz_bytes(columns)
    arrays = next(iter(columns.values()), [])
    if len({a.shape for a in arrays}) != 1:
        found = "shapes vary by sample" if arrays else "this tensor was never computed"
        raise UsageError(f"--output {output}: {found}; need a .npz")
    return npy_bytes(arrays)


def kept_tensors(model, keep: str | None) -> list[int]:
    """Indices of the tensors that are written, ascending; the outputs in graph order.

    Raises UsageError for a name or index that the model does not have.
    """
    tensors = model.main.tensors
    if keep is None:
        return list(dict.fromkeys(model.main.outputs))
    if keep == "all":
        return [t.index for t in tensors if not t.is_constant]
    names = {t.name: t.index for t in reversed(tensors)}
    chosen = set()
    for word in (w.strip() for w in keep.split(",")):
        if word in names:
            chosen.add(names[word])
        elif word.isascii() and word.isdigit() and int(word) < len(tensors):
            chosen.add(int(word))
        else:
            raise UsageError(
                f"--keep: no tensor {word!r}; the model has tensors 0 to {len(tensors) - 1}, "
                "`inspect -v` lists them"
            )
    return sorted(chosen)


def entry_names(model, indices: Iterable[int]) -> dict[int, str]:
    """Tensor index -> its name in the archive; with its index where the name is not its alone."""
    tensors = [model.main.tensors[i] for i in indices]
    names = [t.name for t in tensors]
    return {
        t.index: t.name if t.name and names.count(t.name) == 1 else f"{t.name}#{t.index}"
        for t in tensors
    }


def scored(model) -> list[tuple[Any, bool]]:
    """The graph outputs, each with whether it holds one score a class."""
    from tflite_requant.compare.matching import class_scores

    scores = class_scores(model)
    outputs = dict.fromkeys(model.main.outputs)
    return [(model.main.tensors[i], scores is not None and i == scores.index) for i in outputs]


class OutputSummary:
    """Least and greatest value of an output over all samples, and each sample's best classes."""

    def __init__(self, tensor_and_scored: tuple[Any, bool]) -> None:
        self.tensor, self._scored = tensor_and_scored
        self.index = self.tensor.index
        self.shapes: list[tuple[int, ...]] = []
        self.least = self.greatest = None
        self.best: list[list[tuple[int, float]]] = []

    def add(self, array) -> None:
        """Count one sample's stored values."""
        if array.shape not in self.shapes:
            self.shapes.append(array.shape)
        if array.size:
            low, high = array.min().item(), array.max().item()
            self.least = low if self.least is None else min(self.least, low)
            self.greatest = high if self.greatest is None else max(self.greatest, high)
        if self._scored:
            flat = array.reshape(-1).tolist()
            order = sorted(range(len(flat)), key=lambda i: (-flat[i], i))[:BEST]
            self.best.append([(i, self.real(flat[i])) for i in order])

    def real(self, stored) -> float:
        """What a stored value stands for; the value itself where there is not one scale."""
        qparams = self.tensor.qparams
        if qparams is None or qparams.per_axis or stored is None:
            return stored
        return qparams.scales[0] * (stored - qparams.zero_points[0])

    def value(self) -> dict[str, Any]:
        """The summary as JSON holds it."""
        found = {
            "name": self.tensor.name,
            "index": self.index,
            "dtype": self.tensor.dtype,
            "shapes": self.shapes,
            "min": self.least,
            "max": self.greatest,
            "real_min": self.real(self.least),
            "real_max": self.real(self.greatest),
        }
        if self._scored:
            found["top"] = [[{"class": c, "score": s} for c, s in best] for best in self.best]
        return found


def _text(
    args: argparse.Namespace, told: list[tuple[str, str]], profile: str, samples,
    summaries: list[OutputSummary],
) -> list[str]:  # fmt: skip
    overview = [
        *told,
        ("arithmetic", profile),
        ("samples", f"{len(samples):,}, {samples.origin}"),
    ]
    if args.output:
        overview.append(("written", args.output))
    rows = [
        (
            shorten(s.tensor.name, NAME_WIDTH),
            s.tensor.dtype,
            " ".join("x".join(map(str, shape)) for shape in s.shapes[:2]),
            f"{_told(s.least)}..{_told(s.greatest)}",
            f"{_told(s.real(s.least))}..{_told(s.real(s.greatest))}" if s.tensor.qparams else "",
        )
        for s in summaries
    ]
    lines = [args.model, *fields(overview), ""]
    lines += table(("output", "dtype", "shape", "stored", "real"), rows, "<<<>>")
    for summary in summaries:
        shown = summary.best if args.verbose else summary.best[:SHOWN_SAMPLES]
        if shown:
            lines += ["", f"  best classes of {shorten(summary.tensor.name, 50)}"]
            lines += fields((_sample(samples, i), _classes(b)) for i, b in enumerate(shown))
        if len(shown) < len(summary.best):
            hidden = plural(len(summary.best) - len(shown), "sample")
            lines.append(f"    and {hidden} more; -v shows all")
    return lines


def _sample(samples, position: int) -> str:
    return shorten(samples.names[position], NAME_WIDTH) if samples.names else f"sample {position}"


def _classes(best: list[tuple[int, float]]) -> str:
    return ", ".join(f"{c}: {score:.4g}" for c, score in best)


def _told(value) -> str:
    return "none" if value is None else number(value)
