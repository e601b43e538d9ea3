"""What operators take, in words that need no key."""

import pytest

from tflite_requant.catalog.signatures import SIGNATURES, told

# signature, position of the leading operand -> words
WORDS = {
    ("int8 int8 int16 int32? int16 -> =", 0): "int8, int8, int16, int32 or none, int16, giving "
    "int8",
    ("int16 int8|int4|int16 int32|int64? -> =", 0): "int16, int8 or int4 or int16, int32 or int64 "
    "or none, giving int16",
    ("int32 int8 int8 int32? -> int8", 2): "int32, int8, int8, int32 or none, giving int8",
    ("= int32 -> =", 0): "T, int32, giving T, T being one type",
    ("=+ -> =", 0): "one or more of T, giving T, T being one type",
    ("uint8|int8 -> =|int16", 0): "T, giving T or int16, T being uint8 or int8",
    ("uint8|int8|float32 = -> =", 0): "T, T, giving T, T being uint8 or int8 or float32",
    ("int8 int8 -> int8|int32", 0): "int8, int8, giving int8 or int32",
    ("* -> float32", 0): "any type, giving float32",
    ("int32 * -> *+", 1): "int32, any type, giving one or more of any type",
    ("int32 uint8|int8|int4 -> float32", 1): "int32, uint8 or int8 or int4, giving float32",
}


@pytest.mark.parametrize("key, words", WORDS.items(), ids=[f"{s}, {p}" for s, p in WORDS])
def test_words(key, words):
    assert told(*key) == words


def test_no_notation_is_left():
    every = [s for _, *signatures in SIGNATURES for s in signatures]
    assert [s for s in every if set(told(s)) & set("=*?+|>")] == []
