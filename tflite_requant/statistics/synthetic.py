"""Images that nobody took. For moments, never for ranges.

All kinds of `scenes` come equally often, in an order drawn by lot: whoever takes every second or
third of them gets all kinds. Each has a contrast and a brightness of its own.
Seeded: the same images on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.model import Model, Tensor
from tflite_requant.model.dtypes import RANGES
from tflite_requant.statistics.scenes import SCENES, lit

DEFAULT_COUNT = 90  # eighteen of each kind
CHANNELS = (1, 3)


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
            rng = np.random.default_rng([self.seed, index])
            yield self._image(rng, self._scene(index))

    def _scene(self, index: int) -> Callable:
        turn, place = divmod(index, len(SCENES))
        order = np.random.default_rng([self.seed, turn, len(SCENES)]).permutation(len(SCENES))
        return SCENES[order[place]]

    def _image(self, rng: np.random.Generator, scene: Callable) -> np.ndarray:
        _, height, width, channels = self.tensor.shape
        image = lit(rng, scene(rng, height, width, channels))
        contrast, brightness = rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.7)
        shown = np.clip((image - 0.5) * contrast + brightness, 0.0, 1.0)
        low, high = RANGES[self.tensor.dtype]
        stored = np.floor(low + shown * (high - low) + 0.5)
        return stored.astype(self.tensor.dtype)[None]


def takes_colour_images(model: Model) -> bool:
    """Whether the input is an image of three colours; of one, it may as well be a spectrogram."""
    return _is_image(model) and model.inputs[0].shape[3] == 3


def _is_image(model: Model) -> bool:
    tensor = model.inputs[0] if len(model.inputs) == 1 else None
    return (
        tensor is not None
        and tensor.is_quantized_activation
        and len(tensor.shape) == 4
        and tensor.shape[0] == 1
        and tensor.shape[3] in CHANNELS
        and min(tensor.shape[1:3]) >= 4
    )


def _image_input(model: Model) -> Tensor:
    if not _is_image(model):
        shapes = ", ".join(str(list(t.shape)) for t in model.inputs)
        raise SampleError(
            f"synthetic images need one quantized image input [1, H, W, 1 or 3]; "
            f"this model reads {shapes}; give samples, or leave --calibration out"
        )
    return model.inputs[0]
