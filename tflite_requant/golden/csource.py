"""C headers and sources: const arrays, and numbers in the signs that TFLM and CMSIS-NN take.

Offsets: what is *added* to a stored integer, so -zero_point of inputs and weights, +zero_point of
outputs. Shifts: positive to the left. Alignment: 16 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tflite_requant.golden.layout import arrange

PER_LINE = 16
TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t", "uint64": "uint64_t",
    "bool": "uint8_t", "float32": "float", "float64": "double", "float16": "uint16_t",
}  # fmt: skip
ALIGN = """\
#if !defined(GOLDEN_ALIGNED)
#if defined(__GNUC__) || defined(__clang__) || defined(__ARMCC_VERSION)
#define GOLDEN_ALIGNED __attribute__((aligned(16)))
#elif defined(_MSC_VER)
#define GOLDEN_ALIGNED __declspec(align(16))
#else
#define GOLDEN_ALIGNED
#endif
#endif
"""


def header(
    guard: str, comment: str, macros: Mapping[str, int | float], arrays: Mapping[str, np.ndarray],
    layout: str, includes: Iterable[str] = (),
) -> bytes:  # fmt: skip
    """A header: macros, then one declaration an array, with its shape."""
    lines = [f"/* {_comment(comment)} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines += ["#include <stdint.h>", *(f'#include "{name}"' for name in includes), ""]
    lines += [ALIGN] if arrays else []
    lines += [f"#define {name} {_number(value)}" for name, value in macros.items()]
    lines += [""] if macros else []
    if arrays:
        lines += ["#ifdef __cplusplus", 'extern "C" {', "#endif"]
        for name, array in arrays.items():
            size = arrange(array, layout).size
            order = f" {layout}" if array.ndim == 4 else ""
            shape = "x".join(map(str, array.shape)) or "scalar"
            lines.append(f"extern const {TYPES[str(array.dtype)]} {name}[{size}]; "
                         f"/* {array.dtype} {shape}{order} */")  # fmt: skip
        lines += ["#ifdef __cplusplus", "}", "#endif", ""]
    return "\n".join([*lines, f"#endif /* {guard} */", ""]).encode("utf-8", "backslashreplace")


def index(guard: str, comment: str, includes: Iterable[str], macro: str, cases) -> bytes:
    """A header of headers, with a list of the cases.

    cases: (what names of the case's arrays begin with, its id). `macro(X)` calls X(symbol, id) for
    each of them.
    """
    lines = [f"/* {_comment(comment)} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [*(f'#include "{name}"' for name in includes), "", f"#define {macro}(X) \\"]
    lines += [f'    X({symbol}, "{number}") \\' for symbol, number in cases]
    return "\n".join([*lines, "", f"#endif /* {guard} */", ""]).encode("utf-8", "backslashreplace")


def source(include: str, arrays: Mapping[str, tuple[np.ndarray, int]], layout: str) -> bytes:
    """The definitions; arrays: name -> (array, fill of a layout's empty channels)."""
    parts = [f'#include "{include}"\n']
    for name, (array, fill) in arrays.items():
        flat = arrange(array, layout, fill).reshape(-1)
        parts.append(
            f"\nconst {TYPES[str(array.dtype)]} {name}[{flat.size}] GOLDEN_ALIGNED = {{\n"
            f"{_elements(flat)}}};\n"
        )
    return "".join(parts).encode("utf-8", "backslashreplace")


def _elements(flat: np.ndarray) -> str:
    words = _words(flat)
    if not words:
        return "    0\n"
    rows = (", ".join(words[i : i + PER_LINE]) for i in range(0, len(words), PER_LINE))
    return "".join(f"    {row},\n" for row in rows)


def _words(flat: np.ndarray) -> list[str]:
    if flat.dtype.kind == "f":
        if flat.dtype.itemsize == 2:
            return [str(v) for v in flat.view(np.uint16).tolist()]
        end = "f" if flat.dtype.itemsize == 4 else ""
        return [_real(v) + end for v in flat.astype(np.float64).tolist()]
    if flat.dtype.kind == "b":
        flat = flat.view(np.uint8)
    if flat.dtype.itemsize == 1:
        return [BYTES[v] for v in flat.tolist()]
    if flat.dtype.itemsize < 4 or flat.dtype.kind == "u":
        return [str(v) for v in flat.tolist()]
    return [_number(v) for v in flat.tolist()]


BYTES = {v: str(v) for v in range(-128, 256)}


def _number(value: int | float) -> str:
    """A C literal; the most negative integers have none of their own."""
    if isinstance(value, float):
        return _real(value)
    if value == -(2**31):
        return "(-2147483647 - 1)"
    if value == -(2**63):
        return "(-9223372036854775807LL - 1)"
    if not -(2**31) <= value < 2**31:
        return f"{value}LL"
    return str(value)


def _real(value: float) -> str:
    """Hexadecimal, so that not a bit is lost. NaN and infinity come from math.h's spelling."""
    if value != value:
        return "(0.0/0.0)"
    if value in (float("inf"), float("-inf")):
        return "(1.0/0.0)" if value > 0 else "(-1.0/0.0)"
    return float(value).hex()


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *")
