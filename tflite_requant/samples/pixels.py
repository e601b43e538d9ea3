"""What an opened image shows: upright, and of 8 bits a channel, whatever the file stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tflite_requant.errors import SampleError

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # tag of EXIF 2.3 and TIFF 6.0
# Names of Pillow's Transpose, by what the tag holds; 1 is upright.
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF 6.0
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2
WHOLE = 2**16 - 1
# Where Pillow calls 16 bits "I", as it calls 32 bits: PNG in old versions, and PGM, whose own
# greatest value it makes 65535.
AS_32 = ("PNG", "PPM")
CURE = "convert it to unsigned integers of 8 or 16 bits, or give real values as .npy"


def shown(image: Image) -> Image:
    """What viewers show of an image: of 8 bits, turned and mirrored as EXIF says.

    Raises SampleError, without the path, where `eight_bits` does.
    """
    from PIL import Image as pillow

    image.load()
    orientation = _orientation(image)
    image = eight_bits(image)
    if orientation not in TURNS:
        return image
    return image.transpose(getattr(pillow.Transpose, TURNS[orientation]))


def _orientation(image: Image) -> int:
    if image.format == "TIFF":  # Pillow has turned it, and some versions keep the tag
        return 1
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever damaged metadata raise; the pixels are sound
        return 1


def is_deep(image: Image) -> bool:
    """Whether a grey image holds more than 8 bits a pixel."""
    return image.mode == "F" or image.mode.startswith("I")


def eight_bits(image: Image) -> Image:
    """A grey image of up to 16 bits as one of 8, mode L; any other as it is.

    A pixel p of a file that declares d bits becomes round(p * 255 / (2**d - 1)), to nearest: 65535
    of 16 bits and 4095 of 12 become 255. There are no ties, since 2**d - 1 is odd. Colours of 16
    bits, and grey with alpha, are reduced by Pillow as it reads them, mostly to their upper byte.

    Raises SampleError, without the path, for floats, signed integers and those of 32 bits, whose
    darkest and brightest no file states.
    """
    tags = getattr(image, "tag_v2", {})
    if not is_deep(image):
        if SIGNED in _values(tags, SAMPLE_FORMAT, UNSIGNED):  # Pillow takes them for unsigned ones
            raise _refused("signed", max(_values(tags, BITS, 1)))
        return image
    from PIL import Image as pillow

    if image.mode == "F":
        raise SampleError(f"its pixels are floats, whose white is not known; {CURE}")
    whole = _whole(image, tags)
    stored = np.asarray(image).astype(np.int64)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        stored = whole - stored
    return pillow.fromarray(((stored * 255 + whole // 2) // whole).astype(np.uint8))


def _whole(image: Image, tags) -> int:
    """The integer that stands for white, or for black where white is zero."""
    if image.format == "TIFF":
        bits, kind = _values(tags, BITS, 1)[0], _values(tags, SAMPLE_FORMAT, UNSIGNED)[0]
        if kind == UNSIGNED and bits <= 16:
            return 2**bits - 1
        raise _refused("unsigned" if kind == UNSIGNED else "signed", bits)
    if image.mode.startswith("I;16") or image.format in AS_32:
        return WHOLE
    raise SampleError(f"its pixels are integers of 32 bits, whose white is not known; {CURE}")


def _values(tags, tag: int, default: int) -> tuple[int, ...]:
    """A tag's numbers, one a channel."""
    return tuple(tags.get(tag, ())) or (default,)


def _refused(kind: str, bits: int) -> SampleError:
    return SampleError(f"its pixels are {kind} integers of {bits} bits; {CURE}")
