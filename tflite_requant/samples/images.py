"""Image files as a vision model's input stores them. Pillow is imported when one is first read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflite_requant.errors import SampleError, UsageError
from tflite_requant.extras import IMAGES, install
from tflite_requant.feeds import stored_values
from tflite_requant.files import entries_below, is_file
from tflite_requant.model import Tensor
from tflite_requant.model.dtypes import RANGES
from tflite_requant.samples.pixels import is_deep, shown
from tflite_requant.wording import reason_of

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MODES = {1: "L", 3: "RGB"}
UNREADABLE = (OSError, SyntaxError, ValueError)  # what Pillow raises of a damaged file
CURE = "replace it, or take it out of the folder"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From an image file to numbers.

    crop:      share of height and width that is kept, around the middle; the hosted MobileNets were
               trained with 0.875. What is left is resized to the model's input, aspect ignored, by
               Pillow's BILINEAR, which averages where it shrinks.
    mean, std: where given, one number or one per channel: the real value is (pixel - mean) / std,
               and is put on the input's grid. Where not, pixels 0..255 fill the stored range:
               uint8 stores them as they are, int8 stores pixel - 128.
    """

    crop: float = 0.875
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise SampleError(f"crop is {self.crop:g}; need a share in (0, 1]")
        if (self.mean is None) != (self.std is None):
            raise SampleError("mean and std go together; give both or neither")
        if self.std is not None and not all(s > 0 for s in self.std):
            raise SampleError("std holds a number that is not positive")

    def told(self) -> str:
        """One phrase for reports: "middle 87.5 %"."""
        words = "whole" if self.crop == 1 else f"middle {100 * self.crop:g} %"
        if self.mean is None:
            return words
        mean, std = (" ".join(f"{x:g}" for x in numbers) for numbers in (self.mean, self.std))
        return f"{words}, mean {mean}, std {std}"


def image_files(folder: Path) -> list[Path]:
    """Image files below a folder, sorted by their path in it. Raises SampleError without any, and
    where a folder, or what has the name of an image, cannot be read."""
    try:
        found = [p for p in entries_below(folder) if p.suffix.lower() in SUFFIXES]
        other = next((path for path in found if not is_file(path)), None)
    except UsageError as error:
        raise SampleError(str(error)) from None
    if other is not None:
        what = "no regular file" if other.exists() else "a link to nothing"
        raise SampleError(f"{other}: cannot be read as an image: it is {what}; {CURE}")
    if not found:
        raise SampleError(f"{folder}: no images in this folder; need {', '.join(SUFFIXES)} files")
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def check_image_input(tensor: Tensor, how: Preprocessing) -> None:
    """Raise SampleError where images cannot be what a model's input takes."""
    shape = tensor.shape
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in MODES:
        raise SampleError(
            f"{tensor.label()} has shape {list(shape)}, which is no image; "
            "need [1, height, width, 1 or 3], or give samples as .npy"
        )
    for name, values in (("mean", how.mean), ("std", how.std)):
        if values is not None and len(values) not in (1, shape[3]):
            need = "1" if shape[3] == 1 else f"1 or {shape[3]}"
            raise SampleError(f"{name} has {len(values)} numbers; need {need}")
    if how.mean is None and not fills_range(tensor):
        odd = shape[3] == 1 and shape[1] != shape[2]
        doubt = f"is this an image model ({shape[1]} x {shape[2]}, 1 channel)? " if odd else ""
        raise SampleError(
            f"{tensor.label()}: what pixels mean is unknown for {_meaning(tensor)}; {doubt}give "
            "--mean and --std, by which a real value is (pixel - mean) / std, or samples as .npy"
        )


def fills_range(tensor: Tensor) -> bool:
    """Whether pixels 0..255 plausibly fill the stored range: always of uint8; of int8 where its
    least real value is zero or minus the greatest, give or take two steps."""
    if tensor.dtype == "uint8":
        return True
    if tensor.dtype != "int8" or tensor.qparams is None or tensor.qparams.per_axis:
        return False
    low, high = RANGES["int8"]
    zero = tensor.qparams.zero_point
    return abs(low - zero) <= 2 or abs((low - zero) + (high - zero)) <= 4


def _meaning(tensor: Tensor) -> str:
    if tensor.qparams is None or tensor.dtype not in RANGES:
        return f"an input of {tensor.dtype}"
    low, high = (
        tensor.qparams.scales[0] * (end - tensor.qparams.zero_points[0])
        for end in RANGES[tensor.dtype]
    )
    return f"{tensor.dtype} with the real range [{low:.4g}, {high:.4g}]"


def shifted(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """uint8 numbers as the type that fills its range with them stores them."""
    return (pixels ^ 0x80).view(np.int8) if dtype == "int8" else pixels


def read_image(path: Path, tensor: Tensor, how: Preprocessing) -> np.ndarray:
    """One image as the input stores it, [1, height, width, channels].

    Raises SampleError for a file that is no readable image, and without Pillow.
    """
    pixels = read_pixels(path, tensor.shape[1:], how.crop)[None]
    if how.mean is None:
        return shifted(pixels, tensor.dtype)
    return stored_values(tensor, real_values(pixels, how))


def real_values(pixels: np.ndarray, how: Preprocessing) -> np.ndarray:
    """(pixel - mean) / std as float32; both have to be given."""
    real = (pixels.astype(np.float64) - np.array(how.mean)) / np.array(how.std)
    return real.astype(np.float32)


def deep_images(paths: Iterable[Path]) -> list[Path]:
    """Those image files that hold more than 8 bits in one grey channel; none that is unreadable."""
    try:
        from PIL import Image
    except ImportError:
        return []
    found = []
    for path in paths:
        with suppress(*UNREADABLE, Image.DecompressionBombError), _opened(path) as image:
            if is_deep(image):
                found.append(path)
    return found


def read_pixels(path: Path, shape: tuple[int, ...], crop: float) -> np.ndarray:
    """An image file upright, in 8 bits, cropped and resized; uint8 [height, width, channels]."""
    try:
        from PIL import Image
    except ImportError:
        raise SampleError(f"reading images needs Pillow: {install(IMAGES)}") from None
    height, width, channels = shape
    try:
        with _opened(path) as image:
            image = _shown(path, image).convert(MODES[channels])
            x, y = (int((size - size * crop) / 2) for size in image.size)
            image = image.crop((x, y, image.size[0] - x, image.size[1] - y))
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise SampleError(
            f"{path}: cannot be read as an image: {_reason(error)}; {CURE}"
        ) from None
    return np.asarray(image).reshape(height, width, channels)


@contextmanager
def _opened(path: Path) -> Iterator:
    """An image file as Pillow opens it; what it warns of is metadata, and the pixels are sound."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        # Not by its name: Pillow maps such a file, and mistakes the shape of a TIFF on its side.
        with open(path, "rb") as file, Image.open(file) as image:
            yield image


def _shown(path: Path, image):
    """What a viewer shows, of 8 bits. Raises SampleError for pixels without a known white."""
    try:
        return shown(image)
    except SampleError as error:
        raise SampleError(f"{path}: {error}") from None


def _reason(error: Exception) -> str:
    """What Pillow says, without the path that it repeats."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "no format that Pillow knows"
    return reason_of(error) if getattr(error, "strerror", None) else " ".join(str(error).split())
