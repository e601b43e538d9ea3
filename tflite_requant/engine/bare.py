"""NumPy's functions themselves, without the layer that looks at their arguments first.

A program calls them several hundred times, on views that never change.
"""

try:
    from numpy._core._multiarray_umath import c_einsum, copyto
    from numpy._core.umath import clip
except ImportError:
    from numpy.core._multiarray_umath import c_einsum, copyto
    from numpy.core.umath import clip

__all__ = ["c_einsum", "clip", "copyto"]
