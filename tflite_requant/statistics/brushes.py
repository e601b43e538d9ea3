"""What made-up scenes are painted with: noise, colours, shapes. Images are float64 [H, W, C] around
0..1, fields float64 [H, W]. All is elementwise and drawn from uniform numbers, so that it is the
same on every machine.

Natural images have a 1/f spectrum, nearly as much contrast at every scale. Value noise has it too:
random grids of cell sizes 1, 2, 4, ... are interpolated and added, weighted by their cell size to a
power.
"""

from __future__ import annotations

import math

import numpy as np

LEAST_LEAF, LARGEST_LEAF = 0.02, 0.6  # radii, of the longer side
COLOURFUL = 0.2  # how far colours are from their grey
SHADE, TEXTURE = 0.25, 0.2

Rng = np.random.Generator


def value_noise(rng: Rng, height: int, width: int, slope: float) -> np.ndarray:
    """A field; slope: how much stronger each doubling of the scale is, as a power of it."""
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
    return _interpolated(grid, np.arange(height) / cell, np.arange(width) / cell)


def _interpolated(grid: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A grid [h, w, ...] at rows y and columns x, both at least 0."""
    top, left = y.astype(np.int64), x.astype(np.int64)
    below, right = (np.minimum(n + 1, s - 1) for n, s in ((top, len(grid)), (left, grid.shape[1])))
    rest = [1] * (grid.ndim - 2)
    fy, fx = (y - top).reshape(-1, 1, *rest), (x - left).reshape(-1, *rest)
    above = grid[top][:, left] * (1 - fx) + grid[top][:, right] * fx
    under = grid[below][:, left] * (1 - fx) + grid[below][:, right] * fx
    return above * (1 - fy) + under * fy


def zoomed(image: np.ndarray, times: int) -> np.ndarray:
    """The image's upper left corner, as large as the image."""
    height, width = image.shape[:2]
    rows, columns = (max(n // times, min(n, 8)) for n in (height, width))
    y, x = (np.arange(n) * ((m - 1) / max(n - 1, 1)) for n, m in ((height, rows), (width, columns)))
    return _interpolated(image[:rows, :columns], y, x)


def texture(rng: Rng, height: int, width: int, least: float = 0.6, most: float = 1.4) -> np.ndarray:
    """Noise in -1..1, its slope drawn between `least` and `most`."""
    field = value_noise(rng, height, width, rng.uniform(least, most))
    low, high = field.min(), field.max()
    return 2.0 * (field - low) / max(high - low, 1e-9) - 1.0


def colour(rng: Rng, channels: int) -> np.ndarray:
    """A grey and little more."""
    return np.clip(rng.uniform() + COLOURFUL * rng.uniform(-1.0, 1.0, channels), 0.0, 1.0)


def direction(rng: Rng) -> np.ndarray:
    """A unit vector [2]."""
    turn = rng.uniform(-1.0, 1.0, 2)
    return turn / max(math.sqrt(turn[0] ** 2 + turn[1] ** 2), 1e-9)


def draw_shape(rng: Rng, image: np.ndarray) -> None:
    """A box, an ellipse or a grating of one colour, in place."""
    height, width, channels = image.shape
    size_y, size_x = (int(rng.integers(2, max(n // 2, 3))) for n in (height, width))
    top, left = int(rng.integers(0, height - 1)), int(rng.integers(0, width - 1))
    paint, kind = rng.uniform(0.0, 1.0, channels), int(rng.integers(0, 3))
    rows, columns = np.ogrid[:height, :width]
    dy, dx = (rows - top) / size_y, (columns - left) / size_x
    if kind == 0:
        inside = (abs(dy) < 0.5) & (abs(dx) < 0.5)
    elif kind == 1:
        inside = dy * dy + dx * dx < 0.25
    else:
        period = int(rng.integers(2, max(min(height, width) // 4, 3)))
        inside = (abs(dy) < 0.5) & (abs(dx) < 0.5) & ((rows + columns) // period % 2 == 0)
    image[inside] = paint


def draw_line(rng: Rng, image: np.ndarray) -> None:
    """A straight line of one colour, up to a dozen of 224 pixels wide, in place."""
    height, width, channels = image.shape
    turn, middle = direction(rng), rng.uniform(0.0, 1.0, 2) * (height, width)
    thick = max(rng.uniform(0.002, 0.027) * max(height, width), 0.5)
    length = rng.uniform(0.1, 1.0) * max(height, width)
    rows, columns = np.ogrid[:height, :width]
    dy, dx = rows - middle[0], columns - middle[1]
    across, along = abs(dy * turn[0] - dx * turn[1]), abs(dy * turn[1] + dx * turn[0])
    image[(across < thick) & (along < length)] = colour(rng, channels)


def drop_leaf(rng: Rng, image: np.ndarray, fields: list[np.ndarray], radius: float) -> None:
    """A turned ellipse or box that hides what lies below, in place; fields: of its texture."""
    height, width, channels = image.shape
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    ratio, is_box = rng.uniform(0.3, 1.0), rng.uniform() < 1 / 3
    turn = direction(rng)
    paint = colour(rng, channels)
    weave = TEXTURE * rng.uniform() * fields[rng.integers(len(fields))]
    shade = SHADE * rng.uniform(-1.0, 1.0, 2)
    rows = slice(max(int(y - radius), 0), min(int(y + radius) + 2, height))
    columns = slice(max(int(x - radius), 0), min(int(x + radius) + 2, width))
    dy = (np.arange(rows.start, rows.stop) - y)[:, None] / radius
    dx = (np.arange(columns.start, columns.stop) - x)[None, :] / radius
    a, b = dy * turn[0] + dx * turn[1], (dx * turn[0] - dy * turn[1]) / ratio
    inside = (abs(a) < 0.7) & (abs(b) < 0.7) if is_box else a * a + b * b < 1
    relief = shade[0] * dy + shade[1] * dx + weave[rows, columns]
    image[rows, columns][inside] = (paint + relief[..., None])[inside]


def leaf_radius(rng: Rng, side: int) -> float:
    """Drawn with density r**-3: a picture of such sizes looks alike at every magnification."""
    most, least = (LEAST_LEAF * side) ** -2.0, (LARGEST_LEAF * side) ** -2.0
    return 1.0 / math.sqrt(rng.uniform(least, most))


def blurred(image: np.ndarray) -> np.ndarray:
    """Each pixel half itself, half its neighbours; the border is repeated."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return (4 * image + around) / 8
