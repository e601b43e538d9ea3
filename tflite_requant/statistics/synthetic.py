"""Images that nobody took: noise at all scales, and shapes on it. For moments, never for ranges.

Natural images have a 1/f spectrum: as much contrast at every scale. Value noise has it too: random
grids of cell sizes 1, 2, 4, ... are interpolated and added, weighted by their cell size to a power.
Boxes, ellipses and gratings add edges. Everything is elementwise float64 and seeded, so that the
images are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.model import Model, Tensor
from tflite_requant.model.dtypes import RANGES

DEFAULT_COUNT = 32
CHANNELS = (1, 3)
MAX_SHAPES = 11
SHARED_COLOUR = 0.8  # how much of a noise field all colours have in common


class SyntheticImages:
    """`count` images for a model with one image input; each stored integers [1, H, W, C].

    Raises SampleError for a model whose input is no image.
    """

    def __init__(self, model: Model, count: int = DEFAULT_COUNT, seed: int = 0) -> None:
        if count < 1:
            raise SampleError(f"synthetic:{count}: need at least one image")
        self.tensor = _image_input(model)
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(self.count):
            yield self._image(np.random.default_rng([self.seed, index]))

    def _image(self, rng: np.random.Generator) -> np.ndarray:
        _, height, width, channels = self.tensor.shape
        image = _noise_image(rng, height, width, channels)
        for _ in range(int(rng.integers(0, MAX_SHAPES + 1))):
            _draw_shape(rng, image)
        contrast, brightness = rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.7)
        shown = np.clip((image - 0.5) * contrast + brightness, 0.0, 1.0)
        low, high = RANGES[self.tensor.dtype]
        stored = np.floor(low + shown * (high - low) + 0.5)
        return stored.astype(self.tensor.dtype)[None]


def _image_input(model: Model) -> Tensor:
    tensor = model.inputs[0] if len(model.inputs) == 1 else None
    if (
        tensor is None
        or not tensor.is_quantized_activation
        or len(tensor.shape) != 4
        or tensor.shape[0] != 1
        or tensor.shape[3] not in CHANNELS
        or min(tensor.shape[1:3]) < 4
    ):
        shapes = ", ".join(str(list(t.shape)) for t in model.inputs)
        raise SampleError(
            f"synthetic images need one quantized image input [1, H, W, 1 or 3]; "
            f"this model reads {shapes}; give samples, or leave --calibration out"
        )
    return tensor


def _noise_image(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    slope = rng.uniform(0.8, 1.4)
    shared = _value_noise(rng, height, width, slope)
    image = np.empty((height, width, channels))
    for c in range(channels):
        own = _value_noise(rng, height, width, slope) if channels > 1 else shared
        image[..., c] = SHARED_COLOUR * shared + (1 - SHARED_COLOUR) * own
    low, high = image.min(), image.max()
    return (image - low) / max(high - low, 1e-9)


def _value_noise(rng: np.random.Generator, height: int, width: int, slope: float) -> np.ndarray:
    total = np.zeros((height, width))
    cell = 1
    while cell < 2 * max(height, width):
        rows, columns = height // cell + 2, width // cell + 2
        total += (
            cell**slope
            / max(height, width)
            * _stretched(rng.uniform(-1.0, 1.0, (rows, columns)), cell, height, width)
        )
        cell *= 2
    return total


def _stretched(grid: np.ndarray, cell: int, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of a grid whose points are `cell` pixels apart."""
    y, x = np.arange(height) / cell, np.arange(width) / cell
    top, left = y.astype(np.int64), x.astype(np.int64)
    fy, fx = (y - top)[:, None], (x - left)[None, :]
    above = grid[top][:, left] * (1 - fx) + grid[top][:, left + 1] * fx
    below = grid[top + 1][:, left] * (1 - fx) + grid[top + 1][:, left + 1] * fx
    return above * (1 - fy) + below * fy


def _draw_shape(rng: np.random.Generator, image: np.ndarray) -> None:
    """A box, an ellipse or a grating of one colour, in place."""
    height, width, channels = image.shape
    size_y, size_x = (int(rng.integers(2, max(n // 2, 3))) for n in (height, width))
    top, left = int(rng.integers(0, height - 1)), int(rng.integers(0, width - 1))
    colour, kind = rng.uniform(0.0, 1.0, channels), int(rng.integers(0, 3))
    rows, columns = np.ogrid[:height, :width]
    dy, dx = (rows - top) / size_y, (columns - left) / size_x
    if kind == 0:
        inside = (abs(dy) < 0.5) & (abs(dx) < 0.5)
    elif kind == 1:
        inside = dy * dy + dx * dx < 0.25
    else:
        period = int(rng.integers(2, max(min(height, width) // 4, 3)))
        inside = (abs(dy) < 0.5) & (abs(dx) < 0.5) & ((rows + columns) // period % 2 == 0)
    image[inside] = colour
