"""Pictures of nothing, in several kinds, all lit and grained alike.

What a network's last layers see depends on what it takes a picture for; so the kinds are as
different as few rules can make them. Noise: as much contrast at every scale, and a few shapes.
Leaves: natural images are of objects that hide each other, whatever the distance (Lee, Mumford and
Huang, Occlusion models for natural images, 2001). Figures: one to three things in the middle,
symmetric or tiled or neither, before a ground that is out of focus. Horizons: a sky above. Lines:
straight ones, thick or thin.

Scenes are float64 [H, W, C] around 0..1, painted with `brushes`: the same on every machine.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.statistics.brushes import (
    TEXTURE,
    Rng,
    blurred,
    colour,
    direction,
    draw_line,
    draw_shape,
    drop_leaf,
    leaf_radius,
    texture,
    zoomed,
)

MAX_SHAPES, LEAVES, LEAST_LINES, MAX_LINES = 11, 250, 3, 40
FIELDS = 4  # textures of a scene with leaves
SKY, BOARD = 0.15, 0.3  # the most that textures of a sky, and of what lines lie on, are off it
SHARED = 0.8  # how much of a noise field all colours have in common
ROUGH = (0.1, 1.0)  # slopes of its spectrum

GRAIN, LIGHT, VIVID = 0.25, 0.35, 2.0  # the most of them; of VIVID, 1 is as painted, 0 grey
DAYLIGHT = np.array([0.04, 0.0, -0.06])  # red, green and blue: photographs are warm


def noise_scene(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """Noise at all scales, and up to 11 shapes on it."""
    shared = texture(rng, height, width, *ROUGH)
    image = np.empty((height, width, channels))
    for c in range(channels):
        own = texture(rng, height, width, *ROUGH) if channels > 1 else shared
        image[..., c] = 0.5 + 0.5 * (SHARED * shared + (1 - SHARED) * own)
    for _ in range(int(rng.integers(0, MAX_SHAPES + 1))):
        draw_shape(rng, image)
    return image


def leaves_scene(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """Ellipses and boxes of all sizes that hide each other, out of focus in two of three."""
    fields = [texture(rng, height, width) for _ in range(FIELDS)]
    image = _plain(rng, height, width, channels)
    image += TEXTURE * rng.uniform() * fields[0][..., None]
    for _ in range(LEAVES):
        drop_leaf(rng, image, fields, leaf_radius(rng, max(height, width)))
    for _ in range(int(rng.integers(0, 3))):
        image = blurred(image)
    return np.clip(image, 0.0, 1.0)


def figures_scene(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """Roundish things near the middle, of any texture, often symmetric, before a blurred ground."""
    image = _any(rng, height, width, channels)
    for _ in range(int(rng.integers(0, 4))):
        image = blurred(image)
    image = zoomed(image, int(rng.integers(1, 5)))
    rows, columns = np.ogrid[:height, :width]
    for _ in range(int(rng.integers(1, 4))):
        inner = (_any, _mirrored, _tiled)[int(rng.integers(3))](rng, height, width, channels)
        radii, middle = rng.uniform(0.1, 0.45, 2), rng.uniform(0.3, 0.7, 2)
        wobble = rng.uniform(0.0, 1.5) * texture(rng, height, width)
        dy = (rows / height - middle[0]) / radii[0]
        dx = (columns / width - middle[1]) / radii[1]
        inside = dy * dy + dx * dx + wobble < 1
        tint = np.clip(1 + rng.uniform(-0.4, 0.4, channels), 0.3, 1.6)
        image[inside] = np.clip(inner * tint, 0.0, 1.0)[inside]
    return image


def horizon_scene(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """A sky that changes its colour towards an uneven horizon, and another scene below."""
    ground, falling = _any(rng, height, width, channels), np.arange(height)[:, None, None] / height
    sky = colour(rng, channels) + (colour(rng, channels) - 0.5) * falling
    sky = sky + SKY * rng.uniform() * texture(rng, height, width)[..., None]
    line = rng.uniform(0.2, 0.8) + 0.1 * rng.uniform() * texture(rng, height, width)[height // 2]
    return np.where(falling < line[None, :, None], np.clip(sky, 0.0, 1.0), ground)


def lines_scene(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """Straight lines on a plain ground."""
    image = _plain(rng, height, width, channels)
    image += BOARD * rng.uniform() * texture(rng, height, width)[..., None]
    for _ in range(int(rng.integers(LEAST_LINES, MAX_LINES))):
        draw_line(rng, image)
    return np.clip(image, 0.0, 1.0)


def lit(rng: Rng, scene: np.ndarray) -> np.ndarray:
    """The scene under uneven light of some colour, more or less vivid, with a grain that is not
    everywhere the same."""
    height, width, channels = scene.shape
    grey = scene.sum(axis=2, keepdims=True) / channels
    scene = grey + (scene - grey) * rng.uniform(0.0, VIVID)
    strength = 0.5 + 0.5 * texture(rng, height, width, 0.8, 1.4)
    grain = GRAIN * rng.uniform() * strength * texture(rng, height, width, -0.2, 0.6)
    light = LIGHT * rng.uniform() * texture(rng, height, width, 1.2, 1.6)
    image = scene + (grain + light)[..., None]
    warmth = rng.uniform(-0.3, 1.0)
    return image + warmth * DAYLIGHT if channels == len(DAYLIGHT) else image


SCENES = (noise_scene, leaves_scene, figures_scene, horizon_scene, lines_scene)


def _plain(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    image = np.empty((height, width, channels))
    image[:] = colour(rng, channels)
    return image


def _any(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    kind = leaves_scene if rng.uniform() < 0.5 else noise_scene
    return kind(rng, height, width, channels)


def _mirrored(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    image = _any(rng, height, width, channels)
    left = width // 2
    image[:, width - left :] = np.flip(image[:, :left], axis=1)
    return image


def _tiled(rng: Rng, height: int, width: int, channels: int) -> np.ndarray:
    """A small scene again and again, mirrored or not, turned by any angle."""
    count = int(rng.integers(3, 14))
    tile = _any(rng, max(height // count, 4), max(width // count, 4), channels)
    for axis in (0, 1):
        if rng.uniform() < 0.5:
            tile = np.concatenate([tile, np.flip(tile, axis)], axis)
    turn, zoom = direction(rng), rng.uniform(0.7, 1.5)
    rows, columns = np.ogrid[:height, :width]
    y = ((rows * turn[0] + columns * turn[1]) * zoom).astype(np.int64) % tile.shape[0]
    x = ((columns * turn[0] - rows * turn[1]) * zoom).astype(np.int64) % tile.shape[1]
    return tile[y, x]
