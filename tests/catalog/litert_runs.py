"""Many models through LiteRT, in child processes that may die without harm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHILD = Path(__file__).with_name("litert_child.py")
REFERENCE, DEFAULT = "BUILTIN_REF", "AUTO"
BOTH = (REFERENCE, DEFAULT)


@dataclass(frozen=True)
class Outcome:
    """error: None where the model ran; outputs: one flat list per output."""

    error: str | None
    outputs: tuple[tuple[float, ...], ...] = ()

    @property
    def ran(self) -> bool:
        return self.error is None


def run_all(models: Sequence[bytes], resolver: str, folder: Path) -> list[Outcome]:
    """What became of each model; one that killed the process says by which signal."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, model in enumerate(models):
        (folder / f"{number:04d}.tflite").write_bytes(model)
    outcomes: list[Outcome] = []
    while len(outcomes) < len(models):
        child = subprocess.run(
            [sys.executable, str(CHILD), str(folder), resolver, str(len(outcomes))],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for line in child.stdout.splitlines():
            said = json.loads(line)
            outputs = tuple(tuple(values) for values in said["outputs"])
            outcomes.append(Outcome(said["error"], outputs))
        if len(outcomes) < len(models):
            if child.returncode >= 0:
                raise RuntimeError(f"the child process failed: {child.stderr[-500:]}")
            outcomes.append(Outcome(f"killed by signal {-child.returncode}"))
    return outcomes


def run_named(
    models: Mapping[Hashable, bytes], folder: Path, resolvers: Sequence[str] = BOTH
) -> dict[tuple[str, Hashable], Outcome]:
    """{(resolver, key): outcome} of {key: model bytes}."""
    return {
        (resolver, key): outcome
        for resolver in resolvers
        for key, outcome in zip(
            models, run_all(list(models.values()), resolver, folder / resolver), strict=True
        )
    }
