"""What the catalog says of versions and types, asked of LiteRT itself.

Every model has one operator and runs in a child process, under the reference resolver and under the
default one.
"""

from __future__ import annotations

from importlib import metadata

import pytest

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")

from feature_variants import VARIANTS
from litert_runs import BOTH, DEFAULT, REFERENCE, run_named
from one_op_models import build, lowest_version

from tflite_requant.catalog import OPERATORS, version_of
from tflite_requant.model.dtypes import ACTIVATION_DTYPES

MEASURED = "2.3.0"
TYPED = [(name, dtype) for name, spec in OPERATORS.items() for dtype in spec.dtypes]
UNTYPED = [
    (name, dtype)
    for name, spec in OPERATORS.items()
    for dtype in ACTIVATION_DTYPES
    if dtype not in spec.dtypes
]
VARIED = [(variant, dtype) for variant in VARIANTS for dtype in variant.dtypes]


def names(cases):
    return ["-".join(case) for case in cases]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every operator and type, at the version that would be written."""
    models = {
        (name, dtype): build(OPERATORS[name], dtype, version_of(OPERATORS[name], dtype))
        for name, dtype in TYPED
    }
    return run_named(models, tmp_path_factory.mktemp("written"))


@pytest.mark.parametrize("resolver", BOTH)
@pytest.mark.parametrize(("name", "dtype"), TYPED, ids=names(TYPED))
def test_written_version_runs(written, name, dtype, resolver):
    missing = resolver == REFERENCE and "reference-missing" in OPERATORS[name].laws
    error = written[resolver, (name, dtype)].error
    assert ("Didn't find op" in (error or "")) if missing else (error is None), error


@pytest.fixture(scope="module")
def untyped(tmp_path_factory):
    models = {(n, d): build(OPERATORS[n], d, lowest_version(OPERATORS[n])) for n, d in UNTYPED}
    return run_named(models, tmp_path_factory.mktemp("untyped"))


@pytest.mark.parametrize(("name", "dtype"), UNTYPED, ids=names(UNTYPED))
def test_other_types_are_refused(untyped, name, dtype):
    assert not all(untyped[resolver, (name, dtype)].ran for resolver in BOTH)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    models = {
        (variant.label, dtype): build(
            OPERATORS[variant.op],
            dtype,
            version_of(OPERATORS[variant.op], dtype, variant.features),
            case=variant.case,
            activation=variant.activation,
            input_dtype=variant.input_dtype,
            output_dtype=variant.output_dtype,
        )
        for variant, dtype in VARIED
    }
    return run_named(models, tmp_path_factory.mktemp("varied"))


@pytest.mark.parametrize("resolver", BOTH)
@pytest.mark.parametrize(
    ("variant", "dtype"), VARIED, ids=[f"{variant.label}-{dtype}" for variant, dtype in VARIED]
)
def test_features_run_at_their_version(varied, variant, dtype, resolver):
    outcome = varied[resolver, (variant.label, dtype)]
    assert outcome.ran, outcome.error


def test_variants_cover_every_feature():
    tried = {(variant.op, feature) for variant in VARIANTS for feature in variant.features}
    stated = {(n, feature.what) for n, spec in OPERATORS.items() for feature in spec.features}
    assert tried == stated


@pytest.fixture(scope="module")
def capped(tmp_path_factory):
    models = {
        (name, version): build(spec, spec.dtypes[0], version)
        for name, spec in OPERATORS.items()
        for version in (spec.max_version, spec.max_version + 1)
    }
    return run_named(models, tmp_path_factory.mktemp("capped"))


@pytest.mark.parametrize("spec", OPERATORS.values(), ids=OPERATORS.keys())
def test_highest_version_is_accepted(capped, spec):
    resolvers = (DEFAULT,) if "reference-missing" in spec.laws else BOTH
    assert all(capped[resolver, (spec.name, spec.max_version)].ran for resolver in resolvers)


@pytest.mark.skipif(
    metadata.version("ai-edge-litert") != MEASURED, reason=f"measured with LiteRT {MEASURED}"
)
@pytest.mark.parametrize("spec", OPERATORS.values(), ids=OPERATORS.keys())
def test_next_version_is_not_accepted(capped, spec):
    if spec.family == "custom":
        assert spec.max_version == 1
    assert not all(capped[resolver, (spec.name, spec.max_version + 1)].ran for resolver in BOTH)
