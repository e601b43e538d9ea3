"""Stored bytes to arrays and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.model import dtypes


@pytest.mark.parametrize(
    ("values", "data"),
    [
        pytest.param([1, 2], b"\x21", id="low nibble first"),
        pytest.param([-8, 7, -1], b"\x78\x0f", id="odd count is padded with zero"),
        pytest.param([], b"", id="nothing"),
    ],
)
def test_int4(values, data):
    assert dtypes.encode(np.array(values, np.int8), "int4") == data
    assert dtypes.decode(data, "int4", (len(values),)).tolist() == values


@given(st.lists(st.integers(-8, 7), max_size=9))
def test_int4_round_trip(values):
    array = np.array(values, np.int8)
    assert dtypes.decode(dtypes.encode(array, "int4"), "int4", array.shape).tolist() == values


@pytest.mark.parametrize("dtype", sorted(set(dtypes.NUMPY) - {"int4"}))
def test_every_type_round_trips_little_endian(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtypes.NUMPY[dtype])
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    data = dtypes.encode(big_endian, dtype)
    assert data == dtypes.encode(array, dtype)
    again = dtypes.decode(data, dtype, (2, 3))
    assert again.dtype.kind == array.dtype.kind
    assert (again == array).all()


@pytest.mark.parametrize(
    ("data", "dtype", "shape", "line"),
    [
        pytest.param(b"abc", "int16", (2,), r"3 bytes, shape \[2\] of int16 needs 4", id="short"),
        pytest.param(b"abcd", "int8", (2,), "4 bytes, .* needs 2", id="long"),
        pytest.param(b"a", "int4", (3,), r"1 bytes, shape \[3\] of int4 needs 2", id="int4"),
        pytest.param(b"", "int8", (), r"0 bytes, shape \[\] of int8 needs 1", id="empty scalar"),
        pytest.param(b"", "string", (0,), "string have no array form", id="strings"),
    ],
)
def test_bytes_that_do_not_fill_the_shape(data, dtype, shape, line):
    with pytest.raises(ValueError, match=line):
        dtypes.decode(data, dtype, shape)


def test_a_size_of_zero_needs_no_bytes():
    assert dtypes.decode(b"", "int32", (0, 4)).shape == (0, 4)
