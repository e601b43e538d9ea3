"""Numbers as people say them."""

import pytest

from tflite_requant.describe import _lost_clamp
from tflite_requant.outcome import OperatorOutcome
from tflite_requant.wording import plural, share


@pytest.mark.parametrize(
    "count, said", [(0, "0 notes"), (1, "1 note"), (2, "2 notes"), (2000, "2,000 notes")]
)
def test_plural(count, said):
    assert plural(count, "note") == said


@pytest.mark.parametrize(
    "part, said",
    [
        pytest.param(0.0, "none", id="none"),
        pytest.param(1e-9, "<0.001%", id="hardly-any"),
        pytest.param(0.9e-5, "<0.001%", id="just-below"),
        pytest.param(1e-5, "0.001%", id="least"),
        pytest.param(0.054688, "5.469%", id="some"),
        pytest.param(1.0, "100.000%", id="all"),
    ],
)
def test_share(part, said):
    assert share(part) == said


LOST = {
    "one-side": ((58.0, 0.0), (0.05469, 0.9), "goes 58 steps lower; 5.469% of"),
    "other-side": ((0.0, 4.0), (0.9, 0.00008), "goes 4 steps higher; 0.008% of"),
    "one-step": ((1.2, 0.0), (0.5, 0.0), "goes 1 step lower; 50.000% of"),
    "both": ((10.0, 4.0), (8e-5, 0.0), "lower and 4 steps higher; 0.008% and none of"),
    "hardly-any": ((10.0, 0.0), (1e-7, 0.5), "10 steps lower; <0.001% of"),
    "none": ((10.0, 0.0), (0.0, 0.5), "10 steps lower; none of the samples' values"),
    "none-both": ((10.0, 4.0), (0.0, 0.0), "steps higher; none of the samples' values"),
    "no-samples": ((10.0, 0.0), None, "the source clipped here; the result goes 10 steps lower"),
    "endless": ((float("inf"), 0.0), None, "the result goes inf steps lower"),
}
SHOWN = {
    "one-side": "-58 (5.469%)",
    "other-side": "+4 (0.008%)",
    "one-step": "-1 (50.000%)",
    "both": "-10 (0.008%) +4 (none)",
    "hardly-any": "-10 (<0.001%)",
    "none": "-10 (none)",
    "none-both": "-10 (none) +4 (none)",
    "no-samples": "-10",
    "endless": "",
}


def outcome(lost, hits) -> OperatorOutcome:
    return OperatorOutcome(
        0, 3, "ADD", "op 3 ADD a", "approximated", clamp_lost=lost, clamp_hits=hits
    )


@pytest.mark.parametrize("lost, hits, said", LOST.values(), ids=LOST)
def test_a_lost_clamp_tells_of_its_own_side(lost, hits, said):
    (note,) = _lost_clamp(outcome(lost, hits), {(0, 3): "hint"})
    assert said in note.found
    assert ("at the old clamp" in note.found) == (hits is not None)


@pytest.mark.parametrize("name", LOST)
def test_the_page_tells_the_same(name):
    from tflite_requant.report.html.page import _clamp

    lost, hits, _ = LOST[name]
    assert _clamp(outcome(lost, hits)) == SHOWN[name]
