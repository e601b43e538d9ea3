"""What samples become, and what is said about those that do not fit."""

import io
import os
import struct
import zipfile
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tflite_requant.errors import SampleError
from tflite_requant.samples import (
    Preprocessing,
    array_labels,
    array_samples,
    load_samples,
    random_inputs,
    read_table,
)
from tflite_requant.samples.archive import npz_bytes
from tflite_requant.testing import GraphBuilder, TensorSpec

MOBILENET = TensorSpec("uint8", (1, 2, 2, 3), 1 / 128, 128, name="input")
INT8_FILLED = TensorSpec("int8", (1, 2, 2, 3), 1 / 255, -128, name="input")
INT8_SYMMETRIC = TensorSpec("int8", (1, 2, 2, 3), 1 / 128, 0, name="input")
INT8_STANDARDIZED = TensorSpec("int8", (1, 2, 2, 3), 0.0187, -14, name="input")
FEATURES = TensorSpec("int8", (1, 4), 0.1, 10, name="features")
NO_BATCH = TensorSpec("uint8", (3, 4), 1 / 255, 0, name="matrix")
FLOAT = TensorSpec("float32", (1, 4), name="real")


def model_of(*inputs: TensorSpec):
    """A model that hands its inputs through RESHAPE."""
    graph = GraphBuilder()
    ends = []
    for spec in inputs:
        x = graph.tensor(spec)
        y = graph.tensor(TensorSpec(spec.dtype, spec.shape, spec.scale, spec.zero_point))
        graph.operator("RESHAPE", (x,), (y,))
        ends.append((x, y))
    return graph.build([x for x, _ in ends], [y for _, y in ends])


def ramp(shape, dtype=np.uint8) -> np.ndarray:
    return (np.arange(np.prod(shape)) * 7 % 256).astype(dtype).reshape(shape)


@pytest.mark.parametrize(
    "spec, given, count",
    [
        pytest.param(MOBILENET, (5, 2, 2, 3), 5, id="samples-on-axis-0"),
        pytest.param(MOBILENET, (5, 1, 2, 2, 3), 5, id="samples-with-batch"),
        pytest.param(MOBILENET, (1, 2, 2, 3), 1, id="one-sample-with-batch"),
        pytest.param(MOBILENET, (2, 2, 3), 1, id="one-sample"),
        pytest.param(NO_BATCH, (5, 3, 4), 5, id="input-without-batch"),
        pytest.param(NO_BATCH, (3, 4), 1, id="one-sample-without-batch"),
    ],
)
def test_stored_integers_stay(spec, given, count):
    array = ramp(given)
    samples = array_samples(array, model_of(spec))
    assert len(samples) == count
    assert all(s.shape == spec.shape and s.dtype == np.uint8 for s in samples)
    assert np.concatenate([s.reshape(-1) for s in samples]).tolist() == array.reshape(-1).tolist()
    assert [s.tolist() for s in samples] == [s.tolist() for s in samples]  # again from the start


def test_floats_are_put_on_the_grid():
    real = np.array([[-11.8, -0.16, 0.04, 11.7], [0.149, 0.151, 11.79, -3.0]], np.float32)
    samples = array_samples(real, model_of(TensorSpec("int8", (1, 4), 0.1, 10, name="x")))
    assert [s.tolist() for s in samples] == [[[-108, 8, 10, 127]], [[11, 12, 127, -20]]]


@pytest.mark.parametrize("spec", [INT8_FILLED, INT8_SYMMETRIC], ids=["filled", "symmetric"])
def test_pixels_for_int8_are_shifted(spec):
    pixels = ramp((2, 2, 2, 3))
    found = list(array_samples(pixels, model_of(spec)))
    assert np.stack(found)[:, 0].tolist() == (pixels.astype(int) - 128).tolist()


PICTURES = (
    r"real values look like pictures scaled to \[0, 1\], but those of tensor 0 input are "
    r"\[{}\]; scale them to that range, as the model was trained, or give the pixels as uint8$"
)
WRONG = {
    "shape": (MOBILENET, ramp((4, 3, 3, 3)), "shape"),
    "rank": (MOBILENET, ramp((12,)), "shape"),
    "dtype": (MOBILENET, ramp((4, 2, 2, 3), np.int64), "int64"),
    "int8-for-uint8": (MOBILENET, ramp((4, 2, 2, 3)).astype(np.int8), "int8"),
    "pixels-of-unknown-meaning": (INT8_STANDARDIZED, ramp((4, 2, 2, 3)), "uint8"),
    "integers-for-float": (FLOAT, ramp((4, 4)), "need float32"),
    "empty": (MOBILENET, ramp((0, 2, 2, 3)), "no samples"),
    "nan": (MOBILENET, np.full((1, 2, 2, 3), np.nan), "NaN"),
    "infinity": (FLOAT, np.full((1, 4), np.inf, np.float32), "infinity"),
    "0..1-for--1..1": (MOBILENET, ramp((4, 2, 2, 3)) / 255.0, PICTURES.format("-1, 0.9922")),
    "features-for--1..1": (
        TensorSpec("uint8", (1, 4), 1 / 128, 128, name="features"),
        ramp((4, 4)) / 255.0,
        "use only the upper half",
    ),
    "features-for-0..255": (
        TensorSpec("uint8", (1, 4), 1.0, 0, name="features"),
        ramp((4, 4)) / 255.0,
        "use almost nothing",
    ),
    "0..255-for--1..1": (MOBILENET, ramp((4, 2, 2, 3)) * 1.0, "leave"),
    "-1..1-for-0..1": (INT8_FILLED, ramp((4, 2, 2, 3)) / 127.5 - 1, "leave"),
    "0..1-for-0..255": (
        TensorSpec("uint8", (1, 2, 2, 3), 1.0, 0, name="input"),
        ramp((4, 2, 2, 3)) / 255.0,
        PICTURES.format("0, 255"),
    ),
    "0..1-for--128..127": (
        TensorSpec("int8", (1, 2, 2, 3), 1.0, 0, name="input"),
        ramp((4, 2, 2, 3)) / 255.0,
        PICTURES.format("-128, 127"),
    ),
}


@pytest.mark.parametrize("spec, array, said", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_one_line(spec, array, said):
    with pytest.raises(SampleError, match=said) as caught:
        array_samples(array, model_of(spec), "data.npy")
    assert str(caught.value).startswith("data.npy: ") and "\n" not in str(caught.value)


FITTING = {
    "-1..1": (MOBILENET, ramp((4, 2, 2, 3)) / 127.5 - 1),
    "a-dark-image": (MOBILENET, ramp((4, 2, 2, 3)) / 1024 - 1),
    "0..1-where-the-zero-point-is-0-by-rule": (INT8_SYMMETRIC, ramp((4, 2, 2, 3)) / 256),
    "all-the-same": (MOBILENET, np.zeros((1, 2, 2, 3))),
    "a-few-outliers": (FEATURES, np.array([[0.0, 1, -3, 4]] * 3 + [[0, 2, 3, 90]])),
}


@pytest.mark.parametrize("spec, array", FITTING.values(), ids=FITTING)
def test_what_may_be_meant_is_taken(spec, array):
    assert len(array_samples(array, model_of(spec))) == len(array)


def test_several_inputs_are_named(tmp_path):
    model = model_of(MOBILENET, FEATURES)
    path = tmp_path / "two.npz"
    features = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int8)
    np.savez(path, input=ramp((2, 2, 2, 3)), features=features)
    image, row = load_samples(str(path), model)[1]
    assert image.tolist() == ramp((2, 2, 2, 3))[1:].tolist() and row.tolist() == [[5, 6, 7, 8]]
    np.savez(path, input=ramp((2, 2, 2, 3)))
    with pytest.raises(SampleError, match="no array for input 'features'"):
        load_samples(str(path), model)
    np.savez(path, input=ramp((3, 2, 2, 3)), features=features)
    with pytest.raises(SampleError, match=r"\[3, 2\] samples"):
        load_samples(str(path), model)


def test_arrays_of_a_file(tmp_path):
    model, path = model_of(MOBILENET), tmp_path / "data.npz"
    np.savez(path, test=ramp((6, 2, 2, 3)), calibration=ramp((2, 2, 2, 3)))
    assert len(load_samples(f"{path}:calibration", model)) == 2
    with pytest.raises(SampleError, match="which array"):
        load_samples(str(path), model)
    with pytest.raises(SampleError, match="no array 'train'"):
        load_samples(f"{path}:train", model)
    limited = load_samples(f"{path}:test", model, limit=3)
    assert limited.indices == (0, 2, 4)
    assert limited[1].tolist() == ramp((6, 2, 2, 3))[2:3].tolist()


def npy_header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    """What a .npy file begins with, and nothing else of it."""
    text = str({"descr": dtype, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def npz_of(member: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x.npy", member)
    return data.getvalue()


@pytest.mark.parametrize(
    "name, content, said",
    [
        pytest.param("absent.npy", None, "cannot be read", id="absent"),
        pytest.param("text.npy", b"not an array", "it begins with b'not an", id="text"),
        pytest.param("empty.npz", b"", "no .npz file: it is empty", id="empty"),
        pytest.param("cut.npz", b"PK\x03\x04 and no more", "damaged .npz file", id="truncated"),
        pytest.param("head.npy", b"\x93NUMPY\x01\x00v\x00{", "header is damaged", id="header"),
        pytest.param("huge.npy", npy_header((10**12, 2, 2, 3)), "truncated: shape", id="shape"),
        pytest.param("huge.npz", npz_of(npy_header((10**12,))), "'x': truncated", id="member"),
        pytest.param("object.npy", npy_header((2,), "|O"), "holds Python objects", id="objects"),
        pytest.param("nothing", None, "no such file or folder", id="nothing"),
        pytest.param("data.csv", b"1,2", "need a .npy", id="suffix"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError, match=said) as caught:
        load_samples(str(tmp_path / name), model_of(MOBILENET))
    assert name in str(caught.value) and "\n" not in str(caught.value)


ODD = {
    "no-axis-of-samples": (MOBILENET, ramp((2, 2, 3)), "no axis of samples and is taken as one"),
    "integers-that-were-reals": (MOBILENET, ramp((4, 2, 2, 3)) % 2, "from 0 to 1 use almost noth"),
}


INT8_WIDE = TensorSpec("int8", (1, 2, 2, 3), 2.64 / 128, 0, name="input")
PIXELS = ramp((4, 2, 2, 3)) / 255.0
ODD["0..1-for--2.64..2.62"] = (INT8_WIDE, PIXELS, "like pictures scaled to [0, 1], but those of te")
NOT_ODD = {
    "stored": (MOBILENET, ramp((4, 2, 2, 3))),
    "0..1-for-0..1": (INT8_FILLED, PIXELS),
    "0..1-for--1..1": (INT8_SYMMETRIC, PIXELS),
    "-1..1-for--1..1": (INT8_SYMMETRIC, 2 * PIXELS - 1),
    "standardized": (INT8_WIDE, 4 * PIXELS - 2),
    "no-picture": (TensorSpec("int8", (1, 4), 2.64 / 128, 0), ramp((4, 4)) / 255.0),
    "constant": (INT8_WIDE, np.full((1, 2, 2, 3), 0.75)),
}


@pytest.mark.parametrize("spec, array, said", ODD.values(), ids=ODD)
def test_what_looks_odd_is_noted(spec, array, said):
    (note,) = array_samples(array, model_of(spec), "data.npy").notes
    assert note.startswith("data.npy: ") and said in note


@pytest.mark.parametrize("spec, array", NOT_ODD.values(), ids=NOT_ODD)
def test_what_is_not_odd_is_not_noted(spec, array):
    assert array_samples(array, model_of(spec)).notes == ()


def test_names_that_are_no_text_in_an_archive():
    columns = {"\udcff\n": [np.zeros(2)], "a" * 70_000: [np.ones(2)]}
    with np.load(io.BytesIO(npz_bytes(columns))) as found:
        assert sorted(map(len, found.files)) == [8, 409]
        assert "\\udcff\\n" in found.files


def test_random_is_seeded_and_within_the_type():
    model = model_of(TensorSpec("uint8", (1, 500), 1.0, 3), FLOAT)
    first, again = (load_samples("random:3", model, seed=5) for _ in range(2))
    assert [s[0].tolist() for s in first] == [s[0].tolist() for s in again]
    assert first[2][0].tolist() != first[1][0].tolist()
    assert first[0][0].tolist() != load_samples("random:1", model, seed=6)[0][0].tolist()
    values = np.concatenate([s[0].reshape(-1) for s in load_samples("random:20", model)])
    assert values.min() == 0 and values.max() == 255 and len(np.unique(values)) == 256
    assert all(np.abs(s[1]).max() < 1 for s in first)
    with pytest.raises(SampleError, match="no samples"):
        load_samples("random:0", model)


def test_random_gives_shape_operands_the_stated_shape():
    graph = GraphBuilder()
    shape = graph.tensor(TensorSpec("int32", (4,), name="output_shape"))
    weights = graph.tensor(TensorSpec("int8", scale=0.1, data=np.ones((2, 3, 3, 1), np.int8)))
    x = graph.tensor(TensorSpec("int8", (1, 4, 4, 1), 0.1))
    y = graph.tensor(TensorSpec("int8", (1, 8, 8, 2), 0.1))
    graph.operator("TRANSPOSE_CONV", (shape, weights, x), (y,))
    assert random_inputs(graph.build((x, shape), (y,)))[1].tolist() == [1, 8, 8, 2]


@pytest.fixture
def pictures(tmp_path):
    """Three images; each is 8 rows by 16 columns, a border around a plain middle."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name, colour in (("b.png", 200), ("a.PNG", 10), ("more/c.bmp", 90)):
        pixels = np.full((8, 16, 3), 255, np.uint8)
        pixels[1:7, 2:14] = colour, 0, 128
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_images_are_sorted_cropped_and_resized(pictures):
    how = Preprocessing(crop=0.75)
    samples = load_samples(str(pictures), model_of(MOBILENET), preprocessing=how)
    assert samples.names == ("a.PNG", "b.png", "more/c.bmp")
    assert [s.tolist() for s in samples] == [[[[[c, 0, 128]] * 2] * 2] for c in (10, 200, 90)]
    whole = load_samples(str(pictures), model_of(MOBILENET), preprocessing=Preprocessing(crop=1))
    assert whole[0].min() > 10  # the border shines in


@pytest.mark.parametrize(
    "spec, how, stored",
    [
        pytest.param(INT8_FILLED, Preprocessing(0.75), [-118, -128, 0], id="int8"),
        pytest.param(
            INT8_STANDARDIZED,
            Preprocessing(0.75, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
            [-118, -123, 9],
            id="mean-and-std",
        ),
        pytest.param(
            TensorSpec("float32", (1, 2, 2, 3)),
            Preprocessing(0.75, (0,), (4,)),
            [2.5, 0, 32],
            id="float",
        ),
    ],
)
def test_pixels_become_what_the_input_stores(pictures, spec, how, stored):
    found = load_samples(str(pictures), model_of(spec), preprocessing=how)[0]
    assert found.dtype == spec.dtype and found[0, 0, 0].tolist() == stored


def test_grey_images(pictures):
    spec = TensorSpec("uint8", (1, 2, 2, 1), 1 / 255, 0)
    found = load_samples(str(pictures), model_of(spec), preprocessing=Preprocessing(0.75))
    grey = Image.fromarray(np.array([[[10, 0, 128]]], np.uint8)).convert("L").getpixel((0, 0))
    assert found[0].reshape(-1).tolist() == [grey] * 4


GREY_ROW = TensorSpec("uint8", (1, 1, 8, 1), 1 / 255, 0, name="input")
WHOLE_IMAGE = Preprocessing(crop=1)
DEEP = [0, 128, 129, 257, 32768, 65406, 65407, 65535]


def tiff(dtype: str, values, *, bits=0, kind=1, photometric=1) -> bytes:
    """A TIFF file of one row; dtype says the byte order. kind: 1 unsigned, 2 signed, 3 float."""
    order = dtype[0]
    data = np.array(values).astype(dtype).tobytes()
    bits = bits or 8 * np.dtype(dtype).itemsize
    count = len(data) * 8 // bits
    facts = ((256, count), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 146),
             (277, 1), (278, 1), (279, len(data)), (339, kind))  # fmt: skip
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(facts))
    tags = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in facts)
    return (head + tags + bytes(4)).ljust(146, b"\0") + data


def pgm(most: int, values) -> bytes:
    return f"P5\n{len(values)} 1\n{most}\n".encode() + np.array(values, ">u2").tobytes()


def saved(array: np.ndarray, form: str) -> bytes:
    data = io.BytesIO()
    Image.fromarray(array).save(data, form)
    return data.getvalue()


def nearest(values, most: int) -> list[int]:
    return [round(Fraction(255 * v, most)) for v in values]


# file -> (its bytes, the pixels)
GREY = {
    "16-bit.png": (saved(np.array([DEEP], np.uint16), "PNG"), nearest(DEEP, 65535)),
    "16-bit.pgm": (pgm(65535, DEEP), nearest(DEEP, 65535)),
    "least-first.tif": (tiff("<u2", DEEP), nearest(DEEP, 65535)),
    "most-first.tif": (tiff(">u2", DEEP), nearest(DEEP, 65535)),
    "white-is-0.tif": (tiff("<u2", DEEP, photometric=0), [255 - p for p in nearest(DEEP, 65535)]),
    # Three bytes hold two pixels.
    "12-bit.tif": (
        tiff("<u1", list(bytes.fromhex("0123456789abcdefff0007ff")), bits=12),
        nearest([0x012, 0x345, 0x678, 0x9AB, 0xCDE, 0xFFF, 0x000, 0x7FF], 4095),
    ),
    "bytes.tif": (tiff("<u1", range(0, 256, 36)), list(range(0, 256, 36))),
    "most-is-1000.pgm": (pgm(1000, [0, 1, 100, 250, 500, 750, 999, 1000]),
                         [0, 0, 26, 64, 128, 191, 255, 255]),
    "1-bit.png": (saved(np.array([[0, 1, 0, 1, 1, 0, 0, 1]], bool), "PNG"),
                  [0, 255, 0, 255, 255, 0, 0, 255]),
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("name", GREY)
def test_grey_of_any_depth_becomes_eight_bits(tmp_path, name, channels):
    content, pixels = GREY[name]
    (tmp_path / name).write_bytes(content)
    spec = replace(GREY_ROW, shape=(1, 1, 8, channels))
    (found,) = load_samples(str(tmp_path), model_of(spec), preprocessing=WHOLE_IMAGE)
    assert found[0, 0].tolist() == [[p] * channels for p in pixels]


# file -> (its bytes, what is said)
NO_WHITE = {
    "float.tif": (tiff("<f4", np.arange(8) / 7, kind=3), "are floats, whose white is not known"),
    "signed.tif": (tiff("<i2", DEEP[:4] * 2, kind=2), "are signed integers of 16 bits"),
    "signed-bytes.tif": (tiff("<i1", range(-4, 4), kind=2), "are signed integers of 8 bits"),
    "signed-most-first.tif": (tiff(">i1", range(8), kind=2), "are signed integers of 8 bits"),
    "wide.tif": (tiff("<u4", DEEP), "are unsigned integers of 32 bits"),
}


@pytest.mark.parametrize("name", NO_WHITE)
def test_pixels_without_a_white_are_refused(tmp_path, name):
    content, said = NO_WHITE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError) as caught:
        load_samples(str(tmp_path), model_of(GREY_ROW), preprocessing=WHOLE_IMAGE)[0]
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / name}: its pixels {said}") and "\n" not in told
    assert told.endswith(
        "; convert it to unsigned integers of 8 or 16 bits, or give real values as .npy"
    )


@pytest.mark.parametrize(
    "values, noted",
    [([0, 4095], "pixels from 0 to 16 of"), ([7000, 9000], "from 27 to 35"), ([0, 65535], None)],
    ids=["12-bits-in-16", "thermal", "all-16"],
)
def test_deep_images_that_become_almost_flat_are_told(tmp_path, values, noted):
    (tmp_path / "a.png").write_bytes(saved(np.array([values * 4], np.uint16), "PNG"))
    notes = load_samples(str(tmp_path), model_of(GREY_ROW), preprocessing=WHOLE_IMAGE).notes
    assert len(notes) == (noted is not None)
    assert all(noted in note and "stretch them to that depth" in note for note in notes)


def coloured(mode: str) -> bytes:
    """Eight pixels of (10, 200, 30), half of them transparent where the mode can say so."""
    data = io.BytesIO()
    plain = np.tile(np.array([[[10, 200, 30]]], np.uint8), (1, 8, 1))
    image = Image.fromarray(plain)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(np.array([[0] * 4 + [255] * 4], np.uint8)))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    image.save(data, "TIFF" if mode == "CMYK" else "PNG")
    return data.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colours_are_taken_without_their_alpha(tmp_path, mode):
    (tmp_path / ("a.tif" if mode == "CMYK" else "a.png")).write_bytes(coloured(mode))
    spec = replace(GREY_ROW, shape=(1, 1, 8, 3))
    (found,) = load_samples(str(tmp_path), model_of(spec), preprocessing=WHOLE_IMAGE)
    assert found[0, 0].tolist() == [[10, 200, 30]] * 8


# orientation of EXIF 2.3 -> where it puts [[1, 2, 3], [4, 5, 6]]
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8-bit", "16-bit"])
@pytest.mark.parametrize("form", [("png", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})],
                         ids=["png", "tif", "tif-lzw"])  # fmt: skip
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_images_are_turned_as_exif_says(tmp_path, orientation, form, dtype):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rows = np.array([[1, 2, 3], [4, 5, 6]], dtype) * (40 * (np.iinfo(dtype).max // 255))
    suffix, options = form
    Image.fromarray(rows.astype(dtype)).save(tmp_path / f"a.{suffix}", exif=exif, **options)
    wanted = np.array(UPRIGHT[orientation]) * 40
    spec = replace(GREY_ROW, shape=(1, *wanted.shape, 1))
    (found,) = load_samples(str(tmp_path), model_of(spec), preprocessing=WHOLE_IMAGE)
    assert found[0, ..., 0].tolist() == wanted.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "exif",
    [b"MM\0*no exif", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 9, 0, 0)],
    ids=["damaged", "no-such-orientation"],
)
def test_damaged_metadata_turn_nothing(tmp_path, exif):
    pixels = np.full((2, 3, 3), 80, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=100, exif=b"Exif\0\0" + exif)
    spec = replace(GREY_ROW, shape=(1, 2, 3, 3))
    (found,) = load_samples(str(tmp_path), model_of(spec), preprocessing=WHOLE_IMAGE)
    assert found[0].tolist() == pixels.tolist()


def test_a_narrow_input_of_one_channel_may_be_no_image(pictures):
    spec = TensorSpec("int8", (1, 49, 10, 1), 0.1, 83)
    with pytest.raises(SampleError, match=r"is this an image model \(49 x 10, 1 channel\)\?"):
        load_samples(str(pictures), model_of(spec))


def test_what_was_done_to_images_is_told(pictures):
    how = Preprocessing(0.5, mean=(127.5,), std=(127.5,))
    folder = str(pictures)
    told = [load_samples(folder, model_of(MOBILENET), preprocessing=p).origin for p in (None, how)]
    assert told == [
        f"images of {folder}, middle 87.5 %",
        f"images of {folder}, middle 50 %, mean 127.5, std 127.5",
    ]


def test_a_file_that_is_no_image_is_named_once(pictures):
    (pictures / "a.jpg").write_text("<html>")
    with pytest.raises(SampleError) as caught:
        list(load_samples(str(pictures), model_of(MOBILENET)))
    assert str(caught.value) == (
        f"{pictures / 'a.jpg'}: cannot be read as an image: no format that Pillow knows; replace "
        "it, or take it out of the folder"
    )


NO_FILES = {
    "link-to-nothing": (lambda path: path.symlink_to("nothing"), "a link to nothing"),
    "link-to-itself": (lambda path: path.symlink_to(path.name), "a link to nothing"),
    "pipe": (lambda path: os.mkfifo(path), "no regular file"),
}


@pytest.mark.parametrize("make, what", NO_FILES.values(), ids=NO_FILES)
def test_what_has_the_name_of_an_image_and_is_no_file(pictures, make, what):
    make(pictures / "more" / "d.jpg")
    make(pictures / "more" / "d.txt")
    with pytest.raises(SampleError) as caught:
        load_samples(str(pictures), model_of(MOBILENET))
    assert str(caught.value) == (
        f"{pictures / 'more' / 'd.jpg'}: cannot be read as an image: it is {what}; replace it, or "
        "take it out of the folder"
    )


def test_links_to_folders_are_followed(pictures, tmp_path):
    whole = tmp_path / "whole"
    (whole / "deep").mkdir(parents=True)
    for link, place in (("c1", pictures), ("c2", pictures), ("self", whole), ("deep/up", whole)):
        (whole / link).symlink_to(place)
    (pictures / "more" / "to-whole").symlink_to(whole)
    (whole / "one.png").symlink_to(pictures / "b.png")
    samples = load_samples(str(whole), model_of(MOBILENET))
    inside = ("a.PNG", "b.png", "more/c.bmp")
    assert samples.names == (
        *(f"c1/{name}" for name in inside), *(f"c2/{name}" for name in inside), "one.png"
    )  # fmt: skip
    assert len(list(samples)) == 7


def test_images_that_do_not_work(pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SampleError, match="no images"):
        load_samples(str(tmp_path / "empty"), model_of(MOBILENET))
    with pytest.raises(SampleError, match="which is no image"):
        load_samples(str(pictures), model_of(FEATURES))
    with pytest.raises(SampleError, match="give --mean and --std"):
        load_samples(str(pictures), model_of(INT8_STANDARDIZED))
    with pytest.raises(SampleError, match="one input"):
        load_samples(str(pictures), model_of(MOBILENET, FEATURES))
    (pictures / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    samples = load_samples(str(pictures), model_of(MOBILENET))
    with pytest.raises(SampleError, match="b.png: cannot be read as an image: .*; re") as caught:
        list(samples)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [{"crop": 0}, {"crop": 1.1}, {"mean": (1,)}, {"mean": (1,), "std": (0,)}],
    ids=["no-crop", "more-than-all", "mean-alone", "std-zero"],
)
def test_preprocessing_is_checked(given):
    with pytest.raises(SampleError):
        Preprocessing(**given)


def test_tables_of_labels(pictures, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,class_index,split\nb.png,4,test\nc.bmp,7,train\na.PNG,2,test\n")
    table, every = read_table(path), load_samples(str(pictures), model_of(MOBILENET))
    test = table.chosen(every, "test")
    assert test.names == ("a.PNG", "b.png") and table.of(test, 1).tolist() == [3, 5]
    assert table.of(table.chosen(every, None)).tolist() == [2, 4, 7]
    with pytest.raises(SampleError, match="split 'dev'; there are test, train"):
        table.chosen(every, "dev")
    path.write_text("file,class_index\na.PNG,x\n")
    with pytest.raises(SampleError, match="line 2: class_index is 'x'"):
        read_table(path)
    path.write_text("picture,class_index\na.PNG,1\n")
    with pytest.raises(SampleError, match="need one of file"):
        read_table(path)


def test_arrays_of_labels(tmp_path):
    path = tmp_path / "labels.npy"
    np.save(path, np.array([3, 1], np.uint8))
    assert array_labels(path, None, 2, offset=1).tolist() == [4, 2]
    with pytest.raises(SampleError, match="need 3 integers"):
        array_labels(path, None, 3)


def test_drawn_samples_depend_on_the_seed_only():
    samples = load_samples("random:20", model_of(FEATURES))
    first, again, other = (samples.drawn(5, seed) for seed in (1, 1, 2))
    assert first.indices == again.indices != other.indices
    assert sorted(set(first.indices)) == list(first.indices) and len(first) == 5
    assert samples.drawn(None, 1) is samples and samples.drawn(20, 1) is samples
