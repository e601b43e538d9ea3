"""The words of a report, each defined once: what terminal, page, schema and docs say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# What became of a tensor's grid.
KEPT: Mapping[str, str] = {
    "identical": "type, scale and zero point of the source",
    "shifted": "the same real grid in the other 8-bit type; integers differ by 128",
    "relabelled": "the file's scale and zero point stand for other reals than are meant: an offset "
    "or a factor that biases and weights make up for",
    "nested": "twice the source's step, each integer standing for two of the source's, the upper "
    "of which it means",
    "regridded": "another grid, to which values are rounded anew",
}

SQNR = "in 8-bit classifiers two kernels of one runtime are 20 to 30 dB apart at the logits"

LOGITS = (
    "the real values that the last SOFTMAX reads, times its beta, each sample's mean removed, "
    "because it cancels; an SQNR in a table of tensors or operators removes none, so that of the "
    "same tensor differs a little"
)


def sqnr_of(logits: bool, raw: str = "") -> str:
    """What a result is judged by. raw: of a detector, the worse of its raw tensors."""
    if logits:
        return "logits"
    if raw:
        return f"worse of the raw boxes and scores that post-processing reads, {raw}"
    return "worst output"


def of_run(what: str, run: Sequence) -> str:
    """What a result is judged by where a part of it was not run. run: lines that say so."""
    return f"{what} of what was run" if run else what


# What a correction does, by the name that asks for it.
CORRECTIONS: Mapping[str, str] = {
    "dead-channels": "channels proven constant for every input give up their weights, which have "
    "no say in scales then",
    "exact-grid": "weights that fit the new range keep their scale and integers",
    "scale-search": "where they do not, a weights scale below the one that covers the largest "
    "weight is taken if it errs less",
    "error-compensation": "the rounding error of a weight is made up for by the weights not "
    "rounded yet",
    "bias-folding": "the mean of what weights lose goes into the bias",
    "nested-rounding": "a tensor with half the source's steps, computed from the source's own "
    "sums, is rounded so that an integer stands for two of the source's; biases take what that "
    "adds",
    "range-fit": "activation ranges are narrowed where samples hardly reach their ends; idle "
    "without samples",
    "sequential-bias": "biases take the mean of all errors before them, in order, where outputs "
    "gain by it; idle without samples",
}

# What the table of operators tells, by its columns.
COLUMNS: Mapping[str, str] = {
    "op": "S.N is operator N of subgraph S",
    "op, new": "number in the source, as in notes; in the result, as in exceptions",
    "shifts": "2^k is the whole multiplier; k alone stands for M x 2^k, 0.5 <= M < 1",
    "sum, bias": "bits that hold every sum; bits of the largest bias",
    "folded": "greatest mean error of weights that a bias takes back, in output steps",
    "lost": "steps by which the result goes below (-) or above (+) the source's clamp",
}
