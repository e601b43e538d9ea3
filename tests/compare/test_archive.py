"""Archives of arrays: NumPy reads them, and they are the same at any time."""

import zipfile
from io import BytesIO

import numpy as np
from chains import X

from tflite_requant.samples.archive import npz_bytes


def test_archive_is_what_numpy_reads():
    columns = {"a/b;c": [X[0], X[1]], "s": [np.float32(1.5)[()] * np.ones((), np.float32)]}
    data = npz_bytes(columns)
    with np.load(BytesIO(data)) as found:
        assert found.files == ["a/b;c", "s"]
        np.testing.assert_array_equal(found["a/b;c"], X)
        assert found["a/b;c"].dtype == np.int8
        assert found["s"].tolist() == [1.5]


def test_archive_of_samples_of_other_shapes():
    with np.load(BytesIO(npz_bytes({"n": [np.arange(2), np.arange(3)]}))) as found:
        assert found.files == ["n.0", "n.1"]
        assert found["n.1"].tolist() == [0, 1, 2]


def test_archive_has_no_time_and_no_compression():
    data = npz_bytes({"a": [np.zeros((100, 100), np.float32)]})
    assert data == npz_bytes({"a": [np.zeros((100, 100), np.float32)]})
    (entry,) = zipfile.ZipFile(BytesIO(data)).infolist()
    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.compress_type == zipfile.ZIP_STORED
