"""`compare A`: our interpreter against LiteRT, profile by profile."""

import pytest
from chains import X, chain

import tflite_requant as tr
from tflite_requant.compare import litert_version, profiles_with_runtime
from tflite_requant.compare.litert import RUNTIMES
from tflite_requant.errors import UsageError
from tflite_requant.runtime import litert_available

needs_litert = pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")


@needs_litert
@pytest.mark.parametrize("profile", profiles_with_runtime())
def test_demo_model_in_litert(demo_model, profile):
    found = tr.compare(demo_model, None, "random:2", arithmetic=profile)
    assert found.against == RUNTIMES[profile].title
    assert found.equal, found.first
    model = tr.load(demo_model)
    count = len(model.main.operators) if RUNTIMES[profile].every_tensor else 1
    assert len(found.tensors) == count
    assert found.same_top1 == 2
    assert litert_version()


@needs_litert
def test_a_difference_from_litert_is_found_where_it_is(monkeypatch):
    """A kernel that is wrong by one step in one place."""
    from tflite_requant import kernels

    right = kernels.load

    def load(name):
        def wrong(operands, attributes, law):
            for stage, array in right(name)(operands, attributes, law):
                if stage == "output" and name == "RELU":
                    array = array.copy()
                    array[0, 1] += 1
                yield stage, array

        return wrong

    monkeypatch.setattr(kernels, "load", load)
    found = tr.compare(chain(), None, X)
    assert [(t.name, t.differing) for t in found.tensors] == [("p", 0), ("q", 0), ("y", 2)]
    assert found.first.operator == "op 2 RELU y"
    assert found.first.histogram[-1] == 2


@needs_litert
def test_samples_in_several_children(monkeypatch):
    from sys import modules

    monkeypatch.setattr(modules["tflite_requant.compare.litert"], "CHUNK_BYTES", 1)
    found = tr.compare(chain(), None, X)
    assert (found.samples, found.equal) == (2, True)


@pytest.mark.parametrize(
    "arithmetic, words",
    [
        pytest.param("litert-imaginary", "unknown arithmetic", id="unknown"),
        pytest.param("", "unknown arithmetic", id="empty"),
    ],
)
def test_profiles_that_litert_does_not_have(arithmetic, words):
    with pytest.raises(UsageError, match=words):
        tr.compare(chain(), None, X, arithmetic=arithmetic)


def test_a_profile_of_another_runtime(monkeypatch):
    from tflite_requant.catalog.arithmetic import PROFILES

    monkeypatch.setitem(PROFILES, "mine", ())
    with pytest.raises(UsageError, match="'mine' is not LiteRT's.*need one of litert-reference"):
        tr.compare(chain(), None, X, arithmetic="mine")


def test_without_litert(monkeypatch):
    from sys import modules

    monkeypatch.setattr(modules["tflite_requant.compare.litert"], "litert_available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install '\.\[runtime\]'"):
        tr.compare(chain(), None, X)
