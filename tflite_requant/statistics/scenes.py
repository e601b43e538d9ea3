"""Pictures of nothing, in two kinds: noise at all scales with a few shapes on it, and leaves.

Noise: natural images have a 1/f spectrum, as much contrast at every scale. Value noise has it too:
random grids of cell sizes 1, 2, 4, ... are interpolated and added, weighted by their cell size to a
power. Boxes, ellipses and gratings add edges.

Leaves: natural images are of objects that hide each other, whatever the distance. Shaded, textured
shapes fall upon each other, their sizes drawn with density r**-3: the one law under which a picture
looks alike at every magnification (Lee, Mumford and Huang, Occlusion models for natural images,
2001).

Scenes are float64 [H, W, C] around 0..1. All is elementwise and drawn from uniform numbers, so that
they are the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np

MAX_SHAPES = 11
SHARED_COLOUR = 0.8  # how much of a noise field all colours have in common

LEAVES = 250
LEAST_LEAF, LARGEST_LEAF = 0.02, 0.6  # radii, of the longer side
COLOURFUL = 0.2  # how far colours of a leaf are from its grey
SHADE, TEXTURE = 0.25, 0.2
FIELDS = 4  # textures of a scene


def noise_scene(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """Noise that has as much contrast at every scale, and up to 11 shapes on it."""
    image = _noise_image(rng, height, width, channels)
    for _ in range(int(rng.integers(0, MAX_SHAPES + 1))):
        _draw_shape(rng, image)
    return image


def leaves_scene(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """Ellipses and boxes of all sizes that hide each other, out of focus in two of three."""
    side = max(height, width)
    fields = [_texture(rng, height, width) for _ in range(FIELDS)]
    image = np.empty((height, width, channels))
    image[:] = _colour(rng, channels)
    image += TEXTURE * rng.uniform() * fields[0][..., None]
    most, least = (LEAST_LEAF * side) ** -2.0, (LARGEST_LEAF * side) ** -2.0
    for _ in range(LEAVES):
        radius = 1.0 / math.sqrt(rng.uniform(least, most))
        _drop_leaf(rng, image, fields, radius)
    for _ in range(int(rng.integers(0, 3))):
        image = _blurred(image)
    return np.clip(image, 0.0, 1.0)


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


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise in -1..1."""
    field = _value_noise(rng, height, width, rng.uniform(0.6, 1.4))
    low, high = field.min(), field.max()
    return 2.0 * (field - low) / max(high - low, 1e-9) - 1.0


def _colour(rng: np.random.Generator, channels: int) -> np.ndarray:
    """A grey and little more."""
    return np.clip(rng.uniform() + COLOURFUL * rng.uniform(-1.0, 1.0, channels), 0.0, 1.0)


def _drop_leaf(
    rng: np.random.Generator, image: np.ndarray, fields: list[np.ndarray], radius: float
) -> None:
    """A turned ellipse or box that hides what lies below, in place."""
    height, width, channels = image.shape
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    ratio, is_box = rng.uniform(0.3, 1.0), rng.uniform() < 1 / 3
    turn = rng.uniform(-1.0, 1.0, 2)
    turn /= max(math.sqrt(turn[0] ** 2 + turn[1] ** 2), 1e-9)
    colour, texture = _colour(rng, channels), TEXTURE * rng.uniform() * fields[rng.integers(FIELDS)]
    shade = SHADE * rng.uniform(-1.0, 1.0, 2)
    rows = slice(max(int(y - radius), 0), min(int(y + radius) + 2, height))
    columns = slice(max(int(x - radius), 0), min(int(x + radius) + 2, width))
    dy = (np.arange(rows.start, rows.stop) - y)[:, None] / radius
    dx = (np.arange(columns.start, columns.stop) - x)[None, :] / radius
    a, b = dy * turn[0] + dx * turn[1], (dx * turn[0] - dy * turn[1]) / ratio
    inside = (abs(a) < 0.7) & (abs(b) < 0.7) if is_box else a * a + b * b < 1
    relief = shade[0] * dy + shade[1] * dx + texture[rows, columns]
    image[rows, columns][inside] = (colour + relief[..., None])[inside]


def _blurred(image: np.ndarray) -> np.ndarray:
    """Each pixel half itself, half its neighbours; the border is repeated."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return (4 * image + around) / 8
