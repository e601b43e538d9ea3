"""Variants of a model on the bench: the same samples, the source's answers, and a race."""

from __future__ import annotations

from collections.abc import Sequence

from tflite_requant.model import Model
from tflite_requant.planning import Plan
from tflite_requant.search.noise import Meaning, Reference, measured_tensors
from tflite_requant.search.runner import LITERT, Runner, Variant, source_profile

# After so many samples, noise above that share of the rival's loses: a few tell most of the bad.
RACE = ((4, 1.05), (12, 1.01))
# Share of the noise that a whole search has to reach: what gained less was no better on samples of
# neither part.
CLEAR = 0.9


class Bench:
    """profile: the arithmetic that variants are run by; the source is run by `source_profile`.

    Raises UsageError for a source without measurable outputs.
    """

    def __init__(self, source: Model, samples: Sequence, profile: str = LITERT) -> None:
        self.profile = profile
        self.measured, logits = measured_tensors(source)
        self.runner = Runner(source, samples, self.measured)
        variant = self.runner.variant(source, source_profile(source))
        outputs = [self.runner.outputs(variant, i) for i in range(len(self.runner))]
        qparams = {t: source.main.tensors[t].qparams for t in self.measured}
        self.reference = Reference(outputs, qparams, logits)

    def variant(self, model: Model) -> Variant:
        return self.runner.variant(model, self.profile)

    def noise(self, variant: Variant, plan: Plan, rival: list[float] | None = None) -> list[float]:
        """Noise of every sample; none where the rival is clearly better before all have run."""
        meanings = {t: _meaning(plan, t) for t in self.measured}
        noise: list[float] = []
        for sample in range(len(self.runner)):
            outputs = self.runner.outputs(variant, sample)
            noise.append(self.reference.noise(sample, outputs, meanings))
            for count, share in RACE:
                if rival and len(noise) == count and sum(noise) > share * sum(rival[:count]):
                    return []
        return noise

    def disturbed(self, variant: Variant) -> float:
        """Noise of all samples of a variant whose outputs are on the source's own grids."""
        reference, runner = self.reference, self.runner
        return sum(
            reference.noise(i, runner.outputs(variant, i), reference.meanings)
            for i in range(len(runner))
        )


def _meaning(plan: Plan, tensor: int) -> Meaning:
    kind = plan.home[tensor] if tensor in plan.home else plan.subgraph.tensors[tensor].type
    gain = plan.gains.get(tensor, 1.0)
    offset = plan.offsets.get(tensor, 0.0) / gain
    return Meaning(kind.qparams.scale / gain, kind.qparams.zero_point, offset)


def is_clearly_better(found: list[float], noise: list[float]) -> bool:
    """So much less noise altogether that it is no luck of many changes tried on other samples."""
    return sum(found) < CLEAR * sum(noise)
