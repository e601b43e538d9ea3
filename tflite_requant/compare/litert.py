"""LiteRT as the other side of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from tflite_requant.catalog.arithmetic import PROFILES, arithmetic_for
from tflite_requant.catalog.dimension import dimension_errors
from tflite_requant.errors import UsageError
from tflite_requant.extras import RUNTIME, install
from tflite_requant.model import Model
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run

COMPUTED = "what our interpreter computes is not in question"
NOT_COMPUTED = "and our interpreter does not compute it either, `run` says why"
CHUNK_BYTES = 1 << 26  # tensors that one child process hands back


@dataclass(frozen=True, slots=True)
class Runtime:
    """Kernels of LiteRT.

    every_tensor: whether tensors inside the graph can be looked at; a delegate does not write them.
    """

    resolver: str
    title: str
    every_tensor: bool


RUNTIMES: Mapping[str, Runtime] = {
    "litert-reference": Runtime("reference", "LiteRT, reference kernels", True),
    "litert-optimized": Runtime("optimized", "LiteRT, optimized kernels", True),
    "litert-xnnpack": Runtime("default", "LiteRT, XNNPACK delegate", False),
}


def profiles_with_runtime() -> tuple[str, ...]:
    """Arithmetic profiles that are named after kernels of LiteRT."""
    return tuple(name for name in RUNTIMES if name in PROFILES)


def runtime_of(arithmetic: str) -> Runtime:
    """The kernels that a profile is named after. Raises UsageError without such, or LiteRT."""
    arithmetic_for(arithmetic, "")
    if arithmetic not in RUNTIMES:
        raise UsageError(
            f"arithmetic {arithmetic!r} is not LiteRT's, there is nothing to compare with; "
            f"need one of {', '.join(profiles_with_runtime())}"
        )
    if not litert_available():
        raise UsageError(
            f"LiteRT is not installed, and comparing with it needs it: {install(RUNTIME)}"
        )
    return RUNTIMES[arithmetic]


def litert_version() -> str:
    """The installed version, "" where it cannot be told."""
    try:
        return metadata.version("ai-edge-litert")
    except metadata.PackageNotFoundError:
        return ""


def _cure(model: Model, kernels: Runtime) -> str:
    """What to do where these kernels do not run a model."""
    if any(list(dimension_errors(subgraph)) for subgraph in model.subgraphs):
        return "no LiteRT loads such dimensions, and requantize puts them right: compare its result"
    others = " or ".join(n for n, r in RUNTIMES.items() if r != kernels)
    return (
        f"see whether LiteRT runs the model that this was made from, or try --arithmetic {others}"
    )


class LiteRT:
    """A model in LiteRT, run on samples in child processes of bounded memory.

    computable: whether our interpreter computes the model, for what is said where LiteRT fails.
    """

    def __init__(self, model: Model, kernels: Runtime, computable: bool = True) -> None:
        self._ours = COMPUTED if computable else NOT_COMPUTED
        self._bytes = model.to_bytes()
        self._kernels = kernels
        self._outputs = model.main.outputs
        self._cure = _cure(model, kernels)
        tensors = model.main.tensors if kernels.every_tensor else model.outputs
        elements = sum(math.prod(t.shape) for t in tensors)
        self._at_once = max(1, CHUNK_BYTES // max(1, 4 * elements))

    def runs(
        self, feeds: Iterable[list[np.ndarray]]
    ) -> Iterator[tuple[list[np.ndarray], dict[int, np.ndarray]]]:
        """For each sample: its arrays, and the tensors that LiteRT showed, by index."""
        chunk: list[list[np.ndarray]] = []
        for arrays in feeds:
            chunk.append(arrays)
            if len(chunk) == self._at_once:
                yield from self._run(chunk)
                chunk = []
        if chunk:
            yield from self._run(chunk)

    def _run(self, chunk):
        keep = self._kernels.every_tensor
        try:
            runs = litert_run(self._bytes, chunk, self._kernels.resolver, keep_all=keep)
        except RuntimeFailure as error:
            raise RuntimeFailure(
                f"{self._kernels.title}: {str(error).removeprefix('LiteRT: ')}; there is nothing "
                f"to compare with, {self._ours}; {self._cure}"
            ) from None
        for arrays, found in zip(chunk, runs, strict=True):
            outputs = dict(zip(self._outputs, found.outputs, strict=True))
            yield arrays, {**found.tensors, **outputs}
