"""Values of samples that are refused, or told of: of another type, or made for another range. The
model would take them without a word, and answer nonsense.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.model import Tensor
from tflite_requant.model.dtypes import NUMPY, RANGES
from tflite_requant.samples.images import MODES, fills_range

OUTSIDE = 0.1  # share of real values more than a step outside the input's range that is an error
UNUSED = 1 / 64  # share of the input's range below which real values were scaled for another one
WIDE = 1.5  # greatest real value above which an input is made neither for 0..1 nor for -1..1
CHUNK = 1 << 24  # elements that are looked at at once


def notes_on(given: np.ndarray, column: np.ndarray, tensor: Tensor, origin: str) -> Iterator[str]:
    """What may be meant and mostly is not. given: the array as it came; column: [samples, ...]."""
    batched = tensor.shape[:1] == (1,)
    sample = tensor.shape[1:] if batched else tensor.shape
    if given.ndim == len(sample):
        need = ", ".join(map(str, ("N", *sample)))
        yield (
            f"{origin}: array of shape {list(given.shape)} has no axis of samples and is taken as "
            f"one sample; several are [{need}]"
        )
    if tensor.dtype in RANGES and column.dtype.kind in "iu" and column.dtype.itemsize <= 2:
        some = column.reshape(-1)[:CHUNK]
        low, high = np.iinfo(column.dtype).min, np.iinfo(column.dtype).max
        least, most = int(some.min(initial=high)), int(some.max(initial=low))
        if least < most and most - least < UNUSED * (high - low) and tensor.qparams is not None:
            yield (
                f"{origin}: stored integers from {least} to {most} use almost nothing of "
                f"{tensor.dtype}; real values are given as floats"
            )
    if column.dtype.kind == "f":
        yield from range_notes(float(column.min()), float(column.max()), tensor, origin)


def range_notes(
    low: float, high: float, tensor: Tensor, origin: str, cure: str = ""
) -> Iterator[str]:
    limits = real_range(tensor)
    if limits and limits[1] > WIDE and _are_pictures(low, high, tensor):
        yield f"{origin}: {_pictures(limits, tensor, cure)}"


def check_dtype(array: np.ndarray, tensor: Tensor, origin: str) -> None:
    """Raise SampleError for a type that is neither the input's own nor real values."""
    wanted = np.dtype(NUMPY[tensor.dtype])
    if array.dtype == wanted or (
        array.dtype.kind == "f" and (tensor.qparams or wanted.kind == "f")
    ):
        return
    if array.dtype == np.uint8 and fills_range(tensor):
        return
    reals = " (stored) or floats (real values)" if tensor.qparams else ""
    raise SampleError(
        f"{origin}: array of {array.dtype} does not fit {tensor.label()}; need {wanted}{reals}"
    )


def check_values(array: np.ndarray, tensor: Tensor, origin: str) -> None:
    """Refuse floats that are no numbers, or that were plainly scaled for another input range."""
    flat, low, high, outside = array.reshape(-1), np.inf, -np.inf, 0
    limits = real_range(tensor)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        if not np.isfinite(part).all():
            raise SampleError(f"{origin}: holds NaN or infinity, which no input value stands for")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        outside += outside_of(part, tensor) if limits else 0
    if limits:
        check_range(low, high, outside / flat.size, tensor, origin)


def outside_of(reals: np.ndarray, tensor: Tensor) -> int:
    """How many values are more than a step outside a quantized input's range."""
    low, high = real_range(tensor)
    step = tensor.qparams.scales[0]
    return int(np.count_nonzero((reals < low - step) | (reals > high + step)))


def check_range(
    low: float, high: float, outside: float, tensor: Tensor, origin: str, cure: str = ""
) -> None:
    """Refuse real values in [low, high], a share of them outside, where the input's range is
    plainly another one. cure: what to do, where that is not to scale an array otherwise."""
    limits = real_range(tensor)
    problem = _misfit(low, high, outside, limits, tensor)
    if problem and _are_pictures(low, high, tensor):
        raise SampleError(f"{origin}: {_pictures(limits, tensor, cure)}")
    if problem:
        raise SampleError(
            f"{origin}: real values in [{low:.4g}, {high:.4g}] {problem} [{limits[0]:.4g}, "
            f"{limits[1]:.4g}] of {tensor.label()}; "
            f"{cure or 'scale them as the model was trained'}"
        )


def real_range(tensor: Tensor) -> tuple[float, float] | None:
    """Least and greatest real value that a quantized input can store, or None."""
    if tensor.qparams is None or tensor.qparams.per_axis or tensor.dtype not in RANGES:
        return None
    low, high = RANGES[tensor.dtype]
    zero = tensor.qparams.zero_point
    return tensor.qparams.scale * (low - zero), tensor.qparams.scale * (high - zero)


def _misfit(low: float, high: float, outside: float, limits, tensor: Tensor) -> str:
    """What is wrong with values in [low, high], as words before the input's range; or ""."""
    if outside > OUTSIDE:
        return f"leave ({outside:.0%} of them) the range"
    if low == high:
        return ""
    if high - low < UNUSED * (limits[1] - limits[0]):
        return "use almost nothing of the range"
    # Where the zero point is 0 by rule, half a range may well be idle; where it was chosen, not.
    chosen = tensor.dtype == "uint8" or (tensor.dtype == "int8" and tensor.qparams.zero_point != 0)
    if chosen and low >= 0 and limits[0] <= -0.75 * limits[1]:
        return "use only the upper half of the range"
    return ""


def _are_pictures(low: float, high: float, tensor: Tensor) -> bool:
    """Whether real values in [low, high] look like pixels over 255."""
    shape = tensor.shape
    is_image = len(shape) == 4 and min(shape[1:3]) > 1 and shape[3] in MODES
    return is_image and 0 <= low < 0.5 < high <= 1


def _pictures(limits: tuple[float, float], tensor: Tensor, cure: str) -> str:
    pixels = ", or give the pixels as uint8" if fills_range(tensor) else ""
    scale = f"scale them to that range, as the model was trained{pixels}"
    return (
        f"real values look like pictures scaled to [0, 1], but those of {tensor.label()} are "
        f"[{limits[0]:.4g}, {limits[1]:.4g}]; {cure or scale}"
    )
