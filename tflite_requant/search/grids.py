"""What other grids for a few tensors cost at the outputs of an otherwise unchanged source.

Rounding costs what the network makes of it, and saturation too: where a mean follows, or an
addition whose other side is larger, the error of the tensor itself tells little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tflite_requant.model import Model, TensorType
from tflite_requant.search.bench import Bench
from tflite_requant.search.runner import source_profile
from tflite_requant.statistics.disturbance import on_grids

MOST = 32  # samples that are run


class GridJudge:
    """samples: what the source's inputs take. Raises UsageError for a source without measurable
    outputs, and UnsupportedOperatorError for one that cannot be run."""

    def __init__(self, source: Model, samples: Sequence) -> None:
        count = min(MOST, len(samples))
        chosen = [samples[i * len(samples) // count] for i in range(count)]
        self.source = source
        self.bench = Bench(source, chosen, source_profile(source))
        self._plain = self.bench.variant(source)

    def __call__(self, grids: Mapping[int, TensorType]) -> float:
        """Noise over signal, summed over samples."""
        bench = self.bench
        variant = bench.variant(on_grids(self.source, grids))
        bench.runner.keep(self._plain, variant.common(self._plain))
        return bench.disturbed(variant)
