"""Coverage reports against exhaustion: what they call reached is in the files, what they call
unreachable is reached by no input at all."""

import itertools
import json

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.golden.goals import GOALS, Judge
from tflite_requant.golden.plan import Plan
from tflite_requant.golden.request import Request
from tflite_requant.golden.rescale import rescales_of
from tflite_requant.golden.rounder import rounder_of
from tflite_requant.golden.sums import Sums
from tflite_requant.golden.taps import taps_of
from tflite_requant.golden.unit import unit_of
from tflite_requant.testing import TensorSpec, one_operator_model

PROFILES = ("litert-reference", "tflm", "single-rounding", "litert-optimized", "litert-xnnpack")
SHIFTS = ("shift-half-up", "shift-half-even", "shift-half-away", "shift-truncate")


def conv(weights, bias, s_in, s_w, s_out, zeros=(0, 0), activation="NONE", pixels=40):
    """1x1 CONV_2D on int8; weights (C, K)."""
    weights = np.array(weights, np.int8)
    count, depth = weights.shape
    data = TensorSpec("int8", (1, 1, pixels, depth), s_in, zeros[0])
    filters = TensorSpec("int8", scale=s_w, data=weights.reshape(count, 1, 1, depth))
    biases = TensorSpec("int32", scale=np.array(s_w) * s_in, data=bias)
    output = TensorSpec("int8", (1, 1, pixels, count), s_out, zeros[1])
    options = {"padding": "VALID", "stride_w": 1, "stride_h": 1,
               "fused_activation_function": activation}  # fmt: skip
    return one_operator_model("CONV_2D", [data, filters, biases], [output], options)


SMALL = {
    "two-taps": conv([[3, -5], [7, 0], [0, 0], [4, 6]], [10, -900, 77, 0], 0.5, 0.011, 0.09),
    "even": conv([[2, 4], [-8, 16]], [1, 0], 0.25, 0.03125, 0.5),
    "zeros": conv([[1, 1], [-3, 2]], [5, -5], 0.05, 0.02, 0.06, zeros=(-7, 11)),
    "relu6": conv([[9, -4], [1, 0]], [100, 3], 0.125, 0.0625, 0.0625, (0, 0), "RELU6"),
    "one-tap": conv([[1], [-1], [127], [3]], [0, 1, -64, 2], 0.5, 0.25, 0.5),
    "po2": conv([[13, 1], [64, 32]], [0, 8], 0.25, 2**-6, 0.5),
    "left-shift": conv([[1, 1], [2, 0]], [0, 3], 1.0, 2.0, 0.5),
}

# A shift computes only what has powers of two for multipliers.
COMPUTABLE = [
    (name, profile)
    for name in SMALL
    for profile in (*PROFILES, *SHIFTS)
    if not tr.Interpreter(SMALL[name], profile).unsupported
]


def unit(model, profile):
    return unit_of(model, model.main.operators[0], profile)


def every_input(one) -> np.ndarray:
    depth = one.tensor(0).shape[-1]
    axes = [np.arange(-128, 128)] * depth
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(1, 1, -1, depth).astype(np.int8)


def judged(one, stages) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Goal -> which channels meet it anywhere, and show it."""
    rounder = rounder_of(one)
    judge = Judge(rounder, *taps_of(one).extremes())
    rows = stages["accumulator"].reshape(-1, stages["accumulator"].shape[-1]).astype(np.int64)
    met = judge.met(rows, judge.goals)
    return {goal: (a.any(axis=0), b.any(axis=0)) for goal, (a, b) in met.items()}


def covered(one, request=None):
    plan = Plan(one, request or Request())
    found = []
    for case in plan.cases():
        stages = one.stages(case.stimuli)
        plan.learn(case, stages)
        found.append((case, stages))
    return plan.coverage(), found


@pytest.mark.parametrize("name, profile", COMPUTABLE)
def test_letters_are_true(name, profile):
    model = SMALL[name]
    one = unit(model, profile)
    coverage, cases = covered(one, Request(directed=64))
    everything = judged(one, one.stages({0: every_input(one)}))
    written = [judged(one, stages) for _, stages in cases]
    for goal, told in coverage["goals"].items():
        for channel, letter in enumerate(told["channels"]):
            reachable, visible = (a[channel] for a in everything[goal])
            what = f"{goal} of channel {channel} is {letter}"
            assert (letter in "Rr") == any(w[goal][0][channel] for w in written), what
            if letter in "ige":
                assert not reachable, what
            if letter == "-":
                pytest.fail(f"{what}, and an input {'exists' if reachable else 'does not exist'}")
            if letter == "r":
                assert not any(w[goal][1][channel] for w in written), what
            if letter == "r" and goal.startswith("last"):
                assert not visible, f"{what}, but there is an input that shows it"
        assert told["reached"] + told["unreachable"] == coverage["channels"]


@pytest.mark.parametrize("name, profile", COMPUTABLE)
def test_constants_rescale_as_the_kernel_does(name, profile):
    model = SMALL[name]
    one = unit(model, profile)
    stages = one.stages({0: every_input(one)})
    (rescale,) = rescales_of(one)
    rescaled = rescale.apply(stages["accumulator"])
    np.testing.assert_array_equal(rescaled, stages["rescaled"])
    rounder = rounder_of(one)
    np.testing.assert_array_equal(rounder.shown(rescaled), stages["output"])


def slow_goals(a: int, multiplier: int, shift: int, zero: int, low: int, high: int) -> set[str]:
    """Goals of one accumulator of the doubly rounded law, with Python's integers."""
    product = a * multiplier
    first = (product + (1 << 30)) >> 31
    bits = -shift
    half = 1 << (bits - 1)
    second = (abs(first) + half) >> bits
    value = second if first >= 0 else -second
    once = (product + (1 << (30 - shift))) >> (31 - shift)
    floor = product >> (31 - shift)

    def shown(v):
        return min(max(v + zero, low), high)

    found = set()
    sign = "positive" if a > 0 else "negative"
    if product % (1 << 31) == 1 << 30 and a:
        found.add(f"first_tie_{sign}")
    if first % (1 << bits) == half and a:
        found.add(f"last_tie_{sign}")
    if shown(value) != shown(once):
        found.add("double_rounding")
    if shown(value) != shown(floor):
        found.add("truncation")
    names = {low - 1: "below_min", low: "at_min", low + 1: "above_min"}
    names |= {high - 1: "below_max", high: "at_max", high + 1: "above_max"}
    if value + zero in names:
        found.add(names[value + zero])
    return found


@pytest.mark.parametrize("name", ["two-taps", "zeros", "relu6", "po2"])
def test_goals_by_a_scalar_loop(name):
    one = unit(SMALL[name], "litert-reference")
    rounder = rounder_of(one)
    least, greatest = taps_of(one).extremes()
    judge = Judge(rounder, least, greatest)
    goals = [g for g in judge.goals if not g.startswith("accumulator")]
    a = np.arange(int(least.min()), int(greatest.max()) + 1)
    met = judge.met(np.stack([a] * least.size, -1), goals)
    multiplier = np.broadcast_to(rounder.rescale.multiplier, least.shape)
    shift = np.broadcast_to(rounder.rescale.shift, least.shape)
    for row in range(0, a.size, 3):
        expected = slow_goals(
            int(a[row]), int(multiplier[0]), int(shift[0]), rounder.zero_point,
            rounder.low, rounder.high,
        )  # fmt: skip
        found = {g for g in goals if met[g][0][row, 0]}
        assert found == expected, int(a[row])


@pytest.mark.parametrize(
    "weights, span",
    [
        pytest.param([3, 5], 7, id="coprime"),
        pytest.param([6, 10, 15], 3, id="pairwise"),
        pytest.param([4, 8, 12], 5, id="common-divisor"),
        pytest.param([1], 9, id="one"),
        pytest.param([127, 126, 125, 2], 6, id="large"),
    ],
)
def test_sums_against_enumeration(weights, span):
    reached = {
        sum(w * x for w, x in zip(weights, xs, strict=True))
        for xs in itertools.product(range(span + 1), repeat=len(weights))
    }
    sums = Sums(np.array(weights), span)
    assert sums.enumerable and set(sums.reached().tolist()) == reached
    for target in range(-2, sums.total + 3):
        x = sums.find(target)
        assert (x is not None) == (target in reached)
        if x is not None:
            assert int(x @ np.array(weights)) == target and 0 <= x.min() and x.max() <= span


def test_sums_of_many_weights():
    """Far more sums than can be enumerated: nearly every one is found by filling."""
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 128, 600)
    sums = Sums(weights, 255)
    assert not sums.enumerable
    for target in rng.integers(5000, sums.total - 5000, 200):
        x = sums.find(int(target))
        assert x is not None and int(x @ weights) == target


ADD = one_operator_model(
    "ADD",
    [TensorSpec("int8", (1, 8, 8, 4), 0.5, 3), TensorSpec("int8", (1, 8, 8, 4), 0.25, -9)],
    [TensorSpec("int8", (1, 8, 8, 4), 0.75, 5)],
    {"fused_activation_function": "NONE"},
)
MUL = one_operator_model(
    "MUL",
    [TensorSpec("int8", (1, 64), 0.5), TensorSpec("int8", (1, 64), 0.25)],
    [TensorSpec("int8", (1, 64), 8.0)],
    {"fused_activation_function": "NONE"},
)
QUANTIZE = one_operator_model(
    "QUANTIZE", [TensorSpec("int8", (1, 100), 0.5, 3)], [TensorSpec("int8", (1, 100), 0.8, 1)]
)


@pytest.mark.parametrize("model", [ADD, MUL, QUANTIZE], ids=["ADD", "MUL", "QUANTIZE"])
@pytest.mark.parametrize("profile", PROFILES[:3])
def test_elementwise_domains_leave_nothing_open(model, profile):
    one = unit(model, profile)
    coverage, cases = covered(one)
    assert sum(told["not_found"] for told in coverage["goals"].values()) == 0
    assert any(told["reached"] for told in coverage["goals"].values())
    shifts = [r for r in rescales_of(one) if r.source == "accumulator"]
    for case, stages in cases:
        for rescale in shifts:
            rescaled = rescale.apply(stages["accumulator"])
            np.testing.assert_array_equal(rescaled, stages["rescaled"], err_msg=case.name)


def test_sweeps_hold_every_value():
    one = unit(QUANTIZE, "litert-reference")
    _, cases = covered(one)
    swept = [case.stimuli[0] for case, _ in cases if "Sweep" in case.flags]
    assert set(np.concatenate([s.reshape(-1) for s in swept]).tolist()) == set(range(-128, 128))


def test_flags_of_corners_are_kept(demo_model, tmp_path):
    """A case that claims a flag holds an accumulator for it."""
    model = tr.load(demo_model)
    tr.write_golden_vectors(model, folder=tmp_path / "set", layers=(2, 4))
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text("utf-8"))
    for operator in manifest["operators"]:
        one = unit_of(model, model.main.operators[operator["index"]], "litert-reference")
        judge = Judge(rounder_of(one), *taps_of(one).extremes())
        any_corner = False
        for case in operator["cases"]:
            with np.load(tmp_path / "set" / case["arrays"][0]["files"]["npz"]) as archive:
                rows = archive["accumulator"].reshape(-1, judge.least.size).astype(np.int64)
            met = judge.met(rows, judge.goals)
            held = {GOALS[goal] for goal, (reached, _) in met.items() if reached.any()}
            if case["name"].startswith("corners"):
                any_corner = True
                assert set(case["flags"]) <= held
        assert any_corner
