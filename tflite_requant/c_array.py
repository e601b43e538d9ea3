"""A model as C source, for firmware that has no file system.

`python -m tflite_requant.c_array MODEL.tflite OUT.cc` does what `requantize --c-array` does for a
model that is ready: OUT.h is written beside OUT.cc.

The array is aligned to 16 bytes, as TFLite Micro wants it, and its definition sees the declaration
of its header, so that it links from C and C++ alike.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tflite_requant.errors import RequantError, UsageError
from tflite_requant.streams import say

ALIGNMENT = 16
BYTES_A_LINE = 12
SUFFIXES = (".c", ".cc", ".cpp")
# What no array can be called: words of C23 and of C++23, the function and the namespace that every
# program has, and what compilers for some targets define in their GNU modes.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto i386 if inline int linux long main mips mutable namespace new
    noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof sparc static static_assert static_cast std struct
    sun switch template this thread_local throw true try typedef typeid typename typeof
    typeof_unqual union unix unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()
)

USAGE = "usage: python -m tflite_requant.c_array MODEL.tflite OUT.cc (or .c, .cpp)"

HEADER = """\
/* Made by tflite_requant. */
#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {name}[{size}];
extern const unsigned int {name}_size;

#ifdef __cplusplus
}}
#endif

#endif /* {guard} */
"""

SOURCE = """\
/* Made by tflite_requant. */
#include "{header}"

#if defined(_MSC_VER)
#define {macro} __declspec(align({alignment}))
#elif defined(__cplusplus) && __cplusplus >= 201103L
#define {macro} alignas({alignment})
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {macro} _Alignas({alignment})
#elif defined(__GNUC__) || defined(__ARMCC_VERSION)
#define {macro} __attribute__((aligned({alignment})))
#else
#error "say here how this compiler aligns to {alignment} bytes; C11 and C++11 are known"
#endif

{macro} const unsigned char {name}[{size}] = {{
{body}
}};
const unsigned int {name}_size = {size};
"""


def c_array(data: bytes, stem: str) -> tuple[str, str]:
    """(source, header) of a model's bytes. stem: of both file names; the array is called after it.

    C11 and C++11; older ones of compilers like GCC, too. Raises UsageError where no C name can be
    made of the stem.
    """
    name = c_name(stem)
    values = [f"0x{byte:02x}," for byte in data]
    lines = (
        "  " + " ".join(values[i : i + BYTES_A_LINE]) for i in range(0, len(values), BYTES_A_LINE)
    )
    parts = {
        "name": name,
        "guard": f"{name.upper()}_H_",
        "macro": f"{name.upper()}_ALIGNED",
        "header": f"{stem}.h",
        "size": len(data),
        "alignment": ALIGNMENT,
        "body": "\n".join(lines),
    }
    return SOURCE.format(**parts), HEADER.format(**parts)


def c_name(stem: str) -> str:
    """A C identifier: letters, digits and single underscores of a file's stem; C++ keeps double
    ones for itself. One that begins with a digit, or is a word of the languages, follows
    `model_`. Raises UsageError for a stem of which none can be made, or that no #include can
    hold."""
    if re.search(r'["\n\r]', stem):
        raise UsageError(f"{stem!r}: no #include can hold it; use no quotes and no line breaks")
    name = re.sub(r"[\W_]+", "_", stem, flags=re.ASCII).strip("_")
    if not name:
        raise UsageError(f"{stem!r}: no C name can be made of it; use letters and digits")
    return f"model_{name}" if name[0].isdigit() or name in RESERVED else name


def main(words: list[str]) -> int:
    """Write the model named first as the source named second. Returns the exit code."""
    if len(words) != 2 or Path(words[1]).suffix not in SUFFIXES:
        say(USAGE)
        return 2
    from tflite_requant import files

    model, target = (Path(word) for word in words)
    try:
        files.load(model)  # refuses what is no model
        source, header = c_array(files.read_bytes(model), target.stem)
        texts = {target: source, target.with_suffix(".h"): header}
        if os.path.realpath(model) in map(os.path.realpath, texts):
            raise UsageError(f"{model}: this is the model, which is never changed; name others")
        files.write_all({p: t.encode("utf-8", "backslashreplace") for p, t in texts.items()})
    except RequantError as error:
        say(f"tflite-requant: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
