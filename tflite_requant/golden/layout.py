"""The order in which memory images hold arrays: NHWC, NCHW, or channels in blocks.

Every array of rank 4 is taken as NHWC, filters too (outputs, rows, columns, inputs):

    nhwc      (n, h, w, c)
    nchw      (n, c, h, w)
    nc4hw4    (n, ceil(c / 4), h, w, 4), missing channels filled
    nc16hw16  (n, ceil(c / 16), h, w, 16)

Arrays of another rank keep their order.
"""

from __future__ import annotations

import numpy as np

BLOCKS = {"nc4hw4": 4, "nc16hw16": 16}


def arrange(array: np.ndarray, layout: str, fill: int = 0) -> np.ndarray:
    """The array in a layout; fill: the stored value of channels that only fill a block."""
    if array.ndim != 4 or layout == "nhwc":
        return np.ascontiguousarray(array)
    planes = array.transpose(0, 3, 1, 2)
    if layout == "nchw":
        return np.ascontiguousarray(planes)
    block = BLOCKS[layout]
    n, c, h, w = planes.shape
    blocks = -(-c // block)
    whole = np.full((n, blocks * block, h, w), fill, array.dtype)
    whole[:, :c] = planes
    return np.ascontiguousarray(whole.reshape(n, blocks, block, h, w).transpose(0, 1, 3, 4, 2))


def restore(flat: np.ndarray, layout: str, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse: elements in a layout's order as an array of `shape`.

    Raises ValueError where their number does not fit.
    """
    if len(shape) != 4 or layout == "nhwc":
        return flat.reshape(shape)
    n, h, w, c = shape
    if layout == "nchw":
        return flat.reshape(n, c, h, w).transpose(0, 2, 3, 1)
    block = BLOCKS[layout]
    blocks = -(-c // block)
    planes = flat.reshape(n, blocks, h, w, block).transpose(0, 2, 3, 1, 4)
    return planes.reshape(n, h, w, blocks * block)[..., :c]
