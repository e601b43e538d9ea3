"""Operator versions and the releases that know them."""

from __future__ import annotations

import pytest

from tflite_requant.catalog import OPERATORS, min_runtime_version, runtime_of, version_of
from tflite_requant.catalog.versions import RELEASES

# operator: versions for uint8, int8, int16 without any feature; 0: no kernel.
PLAIN = {
    "CONV_2D": (1, 3, 4),
    "DEPTHWISE_CONV_2D": (1, 3, 5),
    "FULLY_CONNECTED": (1, 4, 7),
    "TRANSPOSE_CONV": (1, 2, 2),
    "ADD": (1, 2, 1),
    "SUB": (1, 2, 1),
    "MUL": (1, 2, 4),
    "MEAN": (1, 2, 3),
    "SUM": (1, 2, 1),
    "AVERAGE_POOL_2D": (1, 2, 3),
    "CONCATENATION": (1, 2, 3),
    "TRANSPOSE": (1, 2, 5),
    "RELU": (2, 2, 3),
    "UNPACK": (2, 2, 4),
    "BROADCAST_TO": (2, 3, 3),
    "DEPTH_TO_SPACE": (1, 1, 0),
    "SPACE_TO_DEPTH": (1, 2, 0),
    "TILE": (1, 2, 1),
    "ELU": (0, 1, 0),
    "BATCH_MATMUL": (0, 2, 3),
    "RESHAPE": (1, 1, 1),
    "LEAKY_RELU": (1, 1, 2),
    "EQUAL": (1, 2, 5),
    "SOFTMAX": (1, 2, 3),
}

# operator, dtype, features, version
RAISED = [
    ("CONV_2D", "int8", ("grouped",), 6),
    ("CONV_2D", "int16", ("grouped", "quantized_bias_type"), 8),
    ("CONV_2D", "int8", ("quantized_bias_type",), 3),
    ("DEPTHWISE_CONV_2D", "uint8", ("dilated",), 2),
    ("DEPTHWISE_CONV_2D", "int8", ("dilated",), 3),
    ("FULLY_CONNECTED", "int8", ("keep_num_dims",), 5),
    ("FULLY_CONNECTED", "uint8", ("keep_num_dims", "no_bias"), 6),
    ("FULLY_CONNECTED", "int16", ("no_bias",), 7),
    ("TRANSPOSE_CONV", "int8", ("bias",), 3),
    ("TRANSPOSE_CONV", "int8", ("bias", "fused_activation"), 4),
    ("ADD", "int16", ("general_scale_int16",), 3),
    ("SUB", "int16", ("general_scale_int16",), 5),
    ("MUL", "int8", ("rescale_at_least_1",), 3),
    ("MUL", "int16", ("rescale_at_least_1",), 4),
    ("RESIZE_BILINEAR", "uint8", ("half_pixel_centers",), 3),
    ("RESIZE_NEAREST_NEIGHBOR", "int8", ("align_corners",), 3),
    ("RESIZE_BILINEAR", "int16", ("half_pixel_centers",), 4),
    ("PAD", "int8", ("rank_above_4",), 4),
    ("TRANSPOSE", "int16", ("rank_above_4", "rank_above_5"), 6),
    ("STRIDED_SLICE", "int8", ("rank_above_4",), 4),
    ("STRIDED_SLICE", "int8", ("offset",), 4),
    ("QUANTIZE", "int8", ("int16_output",), 2),
    ("ADD", "int8", ("grouped", "rank_above_4"), 2),
]


@pytest.mark.parametrize("name", PLAIN)
def test_versions_by_dtype(name):
    spec = OPERATORS[name]
    written = [
        version_of(spec, dtype) if dtype in spec.dtypes else 0
        for dtype in ("uint8", "int8", "int16")
    ]
    assert tuple(written) == PLAIN[name]


@pytest.mark.parametrize(
    ("name", "dtype", "features", "version"),
    RAISED,
    ids=[f"{name}-{dtype}-{'+'.join(features)}" for name, dtype, features, _ in RAISED],
)
def test_features_raise_versions(name, dtype, features, version):
    assert version_of(OPERATORS[name], dtype, features) == version


def test_dtype_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="SPACE_TO_DEPTH has no int16 kernel; it has uint8, int8"):
        version_of(OPERATORS["SPACE_TO_DEPTH"], "int16")


def test_unknown_feature_is_refused():
    with pytest.raises(ValueError, match="unknown feature dilatedd"):
        version_of(OPERATORS["DEPTHWISE_CONV_2D"], "int8", ("dilatedd",))


@pytest.mark.parametrize(
    ("name", "version", "release"),
    [
        ("CONV_2D", 1, "1.5.0"),
        ("CONV_2D", 3, "1.14.0"),
        ("CONV_2D", 8, "2.15.0"),
        ("BROADCAST_TO", 1, None),
        ("BROADCAST_TO", 2, "2.5.0"),
        ("TILE", 2, "2.2.0"),
        ("CONV_2D", 0, None),
        ("CONV_2D", 99, None),
        ("TFLite_Detection_PostProcess", 1, None),
    ],
)
def test_releases(name, version, release):
    assert runtime_of(name, version) == release


@pytest.mark.parametrize(
    ("operators", "release"),
    [
        ([("CONV_2D", 1), ("ADD", 2)], "1.14.0"),
        ([("CONV_2D", 1), ("PRELU", 1)], "1.8.0"),
        ([("RESHAPE", 1), ("MEAN", 3), ("FULLY_CONNECTED", 11)], "2.15.0"),
        ([("TILE", 1), ("NEG", 1)], "1.10.1"),
        ([("TFLite_Detection_PostProcess", 1), ("RESHAPE", 1)], "1.5.0"),
        ([("TFLite_Detection_PostProcess", 1)], None),
        ([], None),
    ],
    ids=["minor", "one-digit", "two-digits", "patch", "custom-ignored", "only-custom", "empty"],
)
def test_minimum_compares_numbers_not_text(operators, release):
    assert min_runtime_version(operators) == release


def test_releases_are_numbers():
    for releases in RELEASES.values():
        assert releases[-1] is not None
        for release in releases:
            assert release is None or [int(part) >= 0 for part in release.split(".")] == [True] * 3
