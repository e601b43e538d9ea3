"""Quantization parameters, and integers that carry them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class QParams:
    """real = scale * (integer - zero_point), per tensor or along one axis.

    scales:      float32-representable numbers; one, or one per index of `axis`.
    zero_points: as many as scales.
    axis:        the axis of per-axis parameters; 0 where there is one scale.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @classmethod
    def of(cls, scale, zero_point=0, axis: int = 0) -> QParams:
        """From numbers or arrays; scales are rounded to float32, a lone zero point is repeated."""
        scales = tuple(
            float(s) for s in np.atleast_1d(np.asarray(scale, np.float64)).astype(np.float32)
        )
        zeros = tuple(int(z) for z in np.atleast_1d(np.asarray(zero_point)))
        if len(zeros) == 1:
            zeros = zeros * len(scales)
        if len(zeros) != len(scales):
            raise ValueError(f"{len(scales)} scales but {len(zeros)} zero points")
        return cls(scales, zeros, axis if len(scales) > 1 else 0)

    @property
    def per_axis(self) -> bool:
        return len(self.scales) > 1

    @property
    def scale(self) -> float | np.ndarray:
        """A float per tensor; a float64 vector per axis."""
        return np.array(self.scales, np.float64) if self.per_axis else self.scales[0]

    @property
    def zero_point(self) -> int | np.ndarray:
        """An int per tensor; an int64 vector per axis (all equal in TFLite)."""
        return np.array(self.zero_points, np.int64) if self.per_axis else self.zero_points[0]

    def along(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """(scales float64, zero points int64) that broadcast against an array of that rank."""
        shape = [1] * rank
        if self.per_axis:
            shape[self.axis] = len(self.scales)
        elif rank == 0:
            shape = []
        return (
            np.array(self.scales, np.float64).reshape(shape),
            np.array(self.zero_points, np.int64).reshape(shape),
        )


@dataclass(frozen=True, slots=True, eq=False)
class QArray:
    """Stored integers (or floats, bools, ...) and the parameters they are read by, if any."""

    integers: np.ndarray
    qparams: QParams | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.integers.shape

    @property
    def dtype(self) -> np.dtype:
        return self.integers.dtype

    @property
    def scale(self):
        return self.qparams.scale

    @property
    def zero_point(self):
        return self.qparams.zero_point

    def centred(self) -> np.ndarray:
        """integers - zero_point, int64, same shape."""
        _, zeros = self.qparams.along(self.integers.ndim)
        return self.integers.astype(np.int64) - zeros

    def real(self) -> np.ndarray:
        """scale * (integers - zero_point), float64, same shape; unquantized: the array itself."""
        if self.qparams is None:
            return self.integers.astype(np.float64)
        scales, _ = self.qparams.along(self.integers.ndim)
        return self.centred() * scales
