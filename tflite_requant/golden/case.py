"""One case: what an operator is fed and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """name: a short word for file names. stimuli: operand position -> stored values."""

    name: str
    comment: str
    flags: tuple[str, ...]
    stimuli: Mapping[int, np.ndarray]
