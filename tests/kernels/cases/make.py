"""Helpers that draw grids, values and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant.model import Model
from tflite_requant.testing import TensorSpec, one_operator_model

QUANTIZED = ("uint8", "int8", "int16")
EIGHT_BIT = ("uint8", "int8")
FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True, eq=False)
class Case:
    """A model and the stored inputs of each run; what it is stands in `label`.

    defined: given the reference outputs, how many leading entries of axis 1 LiteRT really wrote.
    """

    model: Model
    runs: list[list[np.ndarray]]
    label: str
    defined: Callable[[list[np.ndarray]], int] | None = None


@dataclass(frozen=True)
class Group:
    """An operator, its element types, how to draw one case, and how many."""

    operator: str
    dtypes: tuple[str, ...]
    make: Callable[[np.random.Generator, str], Case]
    count: int = 8


def limits(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def values(rng: np.random.Generator, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """Stored values: mostly uniform over the type, sometimes extremes or a narrow band."""
    if dtype in ("float32", "float16", "float64"):
        return np.asarray(rng.standard_normal(shape) * 10.0 ** rng.integers(-1, 2), dtype)
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape), bool)
    if dtype in ("uint32", "uint64"):
        return np.asarray(rng.integers(0, 1000, shape), dtype)
    if dtype in ("int32", "int64"):
        return np.asarray(rng.integers(-1000, 1000, shape), dtype)
    low, high = limits(dtype)
    kind = rng.integers(0, 8)
    if kind == 0:
        return np.asarray(rng.choice([low, high], shape), dtype)
    if kind == 1:
        centre = int(rng.integers(low, high + 1))
        band = rng.integers(centre - 3, centre + 4, shape)
        return np.clip(band, low, high).astype(dtype)
    return np.asarray(rng.integers(low, high + 1, shape), dtype)


def scale(rng: np.random.Generator, middle: float = 0.05, spread: float = 1.0) -> float:
    """A float32 scale around `middle`; one in four is a power of two, which makes ties."""
    drawn = middle * np.exp(rng.uniform(-spread, spread))
    if rng.integers(0, 4) == 0:
        drawn = 2.0 ** np.round(np.log2(drawn))
    return float(np.float32(drawn))


def zero_point(rng: np.random.Generator, dtype: str) -> int:
    """A zero point; int16 has 0, the others often an end of their range."""
    if dtype == "int16":
        return 0
    low, high = limits(dtype)
    return int(rng.choice([low, high, (low + high + 1) // 2, rng.integers(low, high + 1)]))


def grid(rng: np.random.Generator, dtype: str, middle: float | None = None, spread: float = 1.0):
    """(scale, zero point) keyword arguments of a TensorSpec; none for what is not quantized."""
    if dtype not in QUANTIZED:
        return {}
    if middle is None:
        middle = 0.0005 if dtype == "int16" else 0.05
    return {"scale": scale(rng, middle, spread), "zero_point": zero_point(rng, dtype)}


def shape(rng: np.random.Generator, rank: int, low: int = 1, high: int = 5) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(low, high + 1, rank))


def index(*entries: int) -> TensorSpec:
    """A constant int32 vector."""
    return TensorSpec("int32", data=np.array(entries, np.int32))


def case(
    rng: np.random.Generator,
    opcode: str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: dict | None = None,
    runs: int = 2,
    fed: list[list[np.ndarray]] | None = None,
    **keywords,
) -> Case:
    """A one-operator model, fed with drawn values, or those given."""
    model = one_operator_model(opcode, inputs, outputs, options, **keywords)
    fed = fed or [[values(rng, t.dtype, t.shape) for t in model.inputs] for _ in range(runs)]
    described = ", ".join(
        f"{t.dtype}{list(t.shape)} {t.qparams.scales[:1]} {t.qparams.zero_points[:1]}"
        if t.qparams
        else f"{t.dtype}{list(t.shape)}"
        for t in model.main.tensors
    )
    return Case(model, fed, f"{opcode} {options or {}} on {described}")
