"""A model as C source: what a C and a C++ compiler make of it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tflite_requant.c_array import RESERVED, c_array, c_name
from tflite_requant.c_array import main as c_array_alone
from tflite_requant.cli import main
from tflite_requant.errors import UsageError

COMPILERS = {
    "c99": ("cc", ".c"), "c11": ("cc", ".c"), "c++98": ("c++", ".cc"), "c++11": ("c++", ".cc"),
    "c++17": ("c++", ".cc"), "gnu11": ("cc", ".c"), "gnu++17": ("c++", ".cc"),
}  # fmt: skip
PRINTER = """\
#include <stdint.h>
#include <stdio.h>
#include "kws-int8.h"
int main(void) {
  if ((uintptr_t)kws_int8 % 16) return 1;
  return fwrite(kws_int8, 1, kws_int8_size, stdout) == sizeof(kws_int8) ? 0 : 2;
}
"""


@pytest.mark.parametrize("standard", COMPILERS)
def test_compiles_to_the_same_bytes(tmp_path, standard):
    compiler, suffix = COMPILERS[standard]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    data = bytes(range(256)) + b"tail"
    source, header = c_array(data, "kws-int8")
    (tmp_path / f"kws-int8{suffix}").write_text(source)
    (tmp_path / "kws-int8.h").write_text(header)
    (tmp_path / f"main{suffix}").write_text(PRINTER)
    files = [f"kws-int8{suffix}", f"main{suffix}"]
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([compiler, *flags, *files, "-o", "main"], cwd=tmp_path, check=True)
    assert subprocess.run(["./main"], cwd=tmp_path, capture_output=True).stdout == data


@pytest.mark.parametrize(
    "stem, name",
    [
        ("kws", "kws"),
        ("kws-v2.int8", "kws_v2_int8"),
        ("2nd", "model_2nd"),
        ("modèle", "mod_le"),
        ("kws--v2__int8", "kws_v2_int8"),
        ("int", "model_int"),
        ("class", "model_class"),
        ("not-eq", "model_not_eq"),
        ("main", "model_main"),
        ("linux", "model_linux"),
        ("unix", "model_unix"),
        ("std", "model_std"),
        ("Int", "Int"),
        ("int8", "int8"),
        ("model", "model"),
    ],
)
def test_names(stem, name):
    assert c_name(stem) == name


def test_no_name_that_cpp_keeps_for_itself():
    """Double underscores, or one and a capital in front."""
    texts = [re.sub("#include.*", "", text) for text in c_array(b"x", "_Kws__v2-.int8")]
    words = {w for text in texts for w in re.findall(r"\w+", text)}
    reserved = {w for w in words if re.search("__|^_[A-Z]", w)}
    assert reserved == {
        "__cplusplus", "_MSC_VER", "__declspec", "__STDC_VERSION__", "_Alignas", "__GNUC__",
        "__ARMCC_VERSION", "__attribute__",
    }  # fmt: skip


@pytest.mark.parametrize("standard", COMPILERS)
def test_no_word_of_the_language_is_a_name(tmp_path, standard):
    compiler, suffix = COMPILERS[standard]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    texts = [c_array(b"x", stem)[1] for stem in sorted(RESERVED)]
    (tmp_path / f"all{suffix}").write_text("\n".join(texts))
    command = [compiler, f"-std={standard}", "-Werror", "-fsyntax-only", f"all{suffix}"]
    subprocess.run(command, cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    "stem, said",
    [
        pytest.param("---", "no C name", id="no-letter"),
        pytest.param('a"b', "no #include", id="quote"),
        pytest.param("a\nb", "no #include", id="line-break"),
        pytest.param("a\rb", "no #include", id="carriage-return"),
    ],
)
def test_no_name_can_be_made(stem, said):
    with pytest.raises(UsageError, match=said):
        c_name(stem)


def test_alone_and_with_requantize_the_same(tiny, capsys):
    assert main("tiny.tflite -o x.tflite --c-array x.cc -q".split()) == 0
    (tiny.parent / "other").mkdir()
    assert c_array_alone(["x.tflite", "other/x.cc"]) == 0
    for name in ("x.cc", "x.h"):
        assert (tiny.parent / name).read_text() == (tiny.parent / "other" / name).read_text()
    stored = re.findall(r"0x(..),", (tiny.parent / "x.cc").read_text())
    assert bytes.fromhex("".join(stored)) == (tiny.parent / "x.tflite").read_bytes()


REFUSED = {
    "suffix": ("tiny.tflite x.txt", "usage:"),
    "one-name": ("tiny.tflite", "usage:"),
    "no-model": ("no.tflite x.cc", "no.tflite: cannot be read"),
}


@pytest.mark.parametrize("words", [words for words, _ in REFUSED.values()], ids=REFUSED)
def test_what_it_refuses_where_nobody_hears_it(tiny, words):
    with open(os.devnull) as deaf:  # open for reading
        command = [sys.executable, "-m", "tflite_requant.c_array", *words.split()]
        assert subprocess.run(command, stderr=deaf, check=False).returncode == 2


@pytest.mark.parametrize("words, said", REFUSED.values(), ids=REFUSED)
def test_what_it_refuses(tiny, capsys, words, said):
    assert c_array_alone(words.split()) == 2
    assert said in capsys.readouterr().err and not (tiny.parent / "x.h").exists()
