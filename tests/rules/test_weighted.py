"""W1 to W8, each on its own, and the directions in which weights may go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tflite_requant.correction.moments import Moments
from tflite_requant.model import QArray, QParams, TensorType
from tflite_requant.rules import weighted
from tflite_requant.rules.weighted import Corrections, WeightedOperands
from tflite_requant.schemes import load_scheme

PLAIN = Corrections(fold=False, compensate=False)
CONV, DEPTHWISE = 0, 3


def grid(dtype, scale, zero=0):
    return TensorType(dtype, QParams.of(scale, zero))


def operands(
    stored, scale, zero=0, *, bias=None, bias_scale=None, axis=CONV, x=("uint8", 1 / 128, 128),
    new_x=None, y=("int8", 0.1, 0), **offsets,
):  # fmt: skip
    """Weights [O, ...] (or with channels on `axis`), and a bias that keeps the law by default."""
    weights = QArray(np.asarray(stored), QParams.of(scale, zero, axis))
    channels = weights.shape[axis]
    x = grid(*x)
    if bias is not None:
        law = x.qparams.scale * np.broadcast_to(np.array(weights.qparams.scales), (channels,))
        bias = QArray(np.array(bias), QParams.of(law if bias_scale is None else bias_scale))
    return WeightedOperands(
        weights, bias, axis, x, grid(*new_x) if new_x else x, grid(*y), **offsets
    )


def rewrite(
    given_operands, scheme="symmetric", dtype="uint8", corrections=PLAIN, moments=None, **k
):
    k.setdefault("bias_dtype", "int32")
    return weighted.rewrite(given_operands, dtype, load_scheme(scheme), moments, corrections, **k)


def rows(array, axis=CONV):
    return weighted.as_matrix(array.real(), axis)


class TestMatrix:
    @pytest.mark.parametrize(("shape", "axis"), [((4, 3, 3, 2), 0), ((1, 3, 3, 8), 3), ((5, 7), 0)])
    def test_round_trip(self, shape, axis):
        array = np.arange(np.prod(shape)).reshape(shape)
        matrix = weighted.as_matrix(array, axis)
        assert matrix.shape == (shape[axis], array.size // shape[axis])
        assert (weighted.from_matrix(matrix, shape, axis) == array).all()

    def test_a_depthwise_row_is_one_filter(self):
        array = np.arange(18).reshape(1, 3, 3, 2)
        assert weighted.as_matrix(array, 3)[1].tolist() == list(range(1, 18, 2))


class TestW1Weights:
    STORED = [[10, 120, 247], [0, 120, 130], [120, 120, 120]]

    def test_rows_that_fit_keep_scale_and_integers(self):
        new = rewrite(operands(self.STORED, 0.02, 120, bias=[1, 2, 3]))
        assert new.exact.tolist() == [True, True, True]
        assert new.weights.integers.tolist() == [[-110, 0, 127], [-120, 0, 10], [0, 0, 0]]
        assert new.weights.qparams == QParams.of(0.02)
        assert new.bias.integers.tolist() == [1, 2, 3]

    def test_a_row_that_does_not_fit_gets_its_own_scale(self):
        new = rewrite(operands([[10, 120, 255], [0, 120, 130]], 0.02, 120, bias=[1, 2]))
        assert new.exact.tolist() == [False, True]
        assert new.weights.qparams.per_axis
        assert new.weights.qparams.scales[1] == np.float32(0.02)
        assert new.weights.integers[1].tolist() == [-120, 0, 10]

    def test_per_tensor_keeps_the_grid_where_all_fit(self):
        new = rewrite(operands(self.STORED, 0.02, 120, bias=[1, 2, 3]), "symmetric-per-tensor")
        assert new.exact.all()
        assert new.weights.qparams == QParams.of(0.02)

    @pytest.mark.parametrize(
        ("scheme", "source", "dtype", "kind"),
        [
            pytest.param("int8-per-tensor", ([[1, -5], [100, 50]], [0.1, 0.3], 0), "int8", "one",
                         id="per-axis to per-tensor"),
            pytest.param("uint8", ([[-127, 0], [5, 127]], 0.1, 0), "int8", "shift",
                         id="int8 to uint8"),
            pytest.param("uint8", ([[-127, 0], [5, 127]], [0.1, 0.2], 0), "int8", "one",
                         id="int8 per-axis to uint8"),
            pytest.param("int8", ([[1, -5], [100, 50]], [0.1, 0.3], 0), "int8", "kept",
                         id="int16x8 to int8"),
            pytest.param("symmetric-po2", ([[1, -5], [100, 50]], [0.1, 0.3], 0), "int8", "po2",
                         id="to powers of two"),
        ],
    )  # fmt: skip
    def test_directions(self, scheme, source, dtype, kind):
        new = rewrite(operands(*source, bias=[5, -5]), scheme, dtype)
        old = QArray(np.array(source[0]), QParams.of(*source[1:])).real()
        step = np.array(new.weights.qparams.scales)
        if kind in ("shift", "kept"):
            assert new.exact.all()
            assert (new.weights.real() == old).all()
        if kind == "one":
            assert len(step) == 1
        if kind == "po2":
            assert (np.frexp(step)[0] == 0.5).all()
        if kind == "shift":
            assert new.weights.qparams.zero_points == (128,)
        assert (
            np.abs(new.weights.real() - old) <= 0.5001 * step.reshape(-1, 1) + 0.2 * abs(old)
        ).all()

    def test_minus_128_leaves_the_range(self):
        new = rewrite(operands([[-128, 3], [4, 127]], 0.1, bias=[0, 0]), "int8", "int8")
        assert new.exact.tolist() == [False, True]
        assert new.weights.integers.min() >= -127

    def test_depthwise_multiplier_rows_are_output_channels(self):
        stored = np.zeros((1, 2, 2, 4), int)
        stored[0, :, :, 2] = 200
        stored[0, 0, 0] += 5
        new = rewrite(operands(stored, 0.1, 0, axis=DEPTHWISE, bias=[0] * 4))
        assert new.exact.tolist() == [True, True, False, True]
        assert new.weights.shape == (1, 2, 2, 4)
        assert new.weights.qparams.axis == 3

    def test_legal_weights_are_not_touched_at_all(self):
        source = operands([[1, -5], [100, 50]], [0.1, 0.3], bias=[7, 8])
        new = rewrite(source, dtype="int8")
        assert new.weights.qparams == source.weights.qparams
        assert (new.weights.integers == source.weights.integers).all()
        assert new.bias.integers.tolist() == [7, 8]


class TestW2BiasScale:
    @pytest.mark.parametrize("scheme", ["int8", "symmetric-po2", "uint8", "int8-per-tensor"])
    def test_is_the_product_row_by_row(self, scheme):
        source = operands([[10, 120, 255], [0, 120, 130]], 0.02, 120, bias=[100, -200],
                          new_x=("int8", 0.011, 3))  # fmt: skip
        new = rewrite(source, scheme)
        law = np.float32(0.011) * np.array(new.weights.qparams.scales, np.float32)
        assert new.bias.qparams.scales == tuple(float(s) for s in law)
        assert set(new.bias.qparams.zero_points) == {0}

    @settings(max_examples=40, deadline=None)
    @given(st.integers(-(2**20), 2**20), st.floats(0.01, 2.0), st.floats(0.001, 0.1))
    def test_the_bias_moves_by_at_most_half_a_step(self, bias, w_scale, x_scale):
        source = operands([[200, 3]], w_scale, 0, bias=[bias], new_x=("int8", x_scale))
        new = rewrite(source, "symmetric")
        exact = bias * float(np.float32(1 / 128)) * float(np.float32(w_scale))
        step = float(np.float32(x_scale)) * new.weights.qparams.scales[0]
        # a float32 scale of the bias is off by 2^-24 at most, what it multiplies with it
        assert abs(new.bias.integers[0] * step - exact) <= step / 2 + abs(exact) * 2.0**-22

    def test_a_bias_that_breaks_the_law_is_read_by_its_own_scale(self):
        source = operands([[10, 20]], 0.02, 0, bias=[1000], bias_scale=[0.02 / 128 * 4])
        new = rewrite(source)
        assert new.bias_law_broken == pytest.approx(3.0, rel=1e-6)
        assert new.bias.integers.tolist() == [4000]

    def test_the_scale_of_a_bias_of_0_does_not_matter(self):
        scales = [0.02 / 128 * 4, 0.02 / 128]
        source = operands([[10, 20], [5, 6]], 0.02, 0, bias=[0, 70], bias_scale=scales)
        new = rewrite(source)
        assert new.bias_law_broken == 0
        assert new.bias.integers.tolist() == [0, 70]

    def test_float_noise_is_no_broken_law(self):
        source = operands([[10, 20]], 0.02, 0, bias=[1000], bias_scale=[0.02 / 128 * (1 + 5e-6)])
        new = rewrite(source)
        assert new.bias_law_broken == 0
        assert new.bias.integers.tolist() == [1000]

    def test_a_bias_without_a_scale_is_on_the_lawful_one(self):
        source = operands([[10, 20]], 0.02, 0, bias=[1000])
        bare = WeightedOperands(
            source.weights, QArray(source.bias.integers), CONV, source.input, source.new_input,
            source.new_output,
        )  # fmt: skip
        assert rewrite(bare).bias.integers.tolist() == [1000]

    def test_no_bias_stays_none_unless_it_is_needed(self):
        assert rewrite(operands([[10, 20]], 0.02)).bias is None
        assert rewrite(operands([[10, 20]], 0.02), needs_bias=True).bias.integers.tolist() == [0]

    def test_an_axis_on_the_bias_is_put_right(self):
        source = operands([[10, 20], [3, 4]], [0.02, 0.03], bias=[1, 2])
        odd = QArray(source.bias.integers, QParams.of(source.bias.qparams.scales, 0, axis=3))
        new = rewrite(WeightedOperands(
            source.weights, odd, CONV, source.input, source.new_input, source.new_output
        ))  # fmt: skip
        assert new.bias.qparams.axis == 0


class TestW3BiasWidth:
    def test_a_nearly_dead_channel_takes_a_larger_scale(self):
        """Its own scale would ask for an integer of 10^15."""
        source = operands([[1, 0], [100, -50]], [1e-15, 0.01], bias=[2**30, 5],
                          bias_scale=[0.01, 0.01 / 128])  # fmt: skip
        new = rewrite(source, dtype="int8", scheme="int8")
        assert new.clipped_bias == 0
        assert abs(new.bias.integers).max() < 2**31
        assert new.exact.tolist()[1]

    def test_an_offset_counts(self):
        """A dead channel's bias has to hold the folded zero point as well."""
        source = operands(
            [[1, 0], [100, -50]],
            [1e-15, 0.01],
            bias=[0, 5],
            x=("int8", 0.01),
            y=("int8", 0.02),
            output_offset=-128 * 0.02,
        )
        new = rewrite(source, dtype="int8")
        assert new.clipped_bias == 0
        real = new.bias.integers * 0.01 * np.array(new.weights.qparams.scales)
        assert real == pytest.approx([-2.56, -2.56 + 5 * 1e-4], rel=1e-5)

    def test_an_all_zero_channel_too(self):
        source = operands([[0, 0], [100, -50]], [1e-15, 0.01], bias=[2**30, 5],
                          bias_scale=[0.01, 0.01 / 128])  # fmt: skip
        new = rewrite(source, "symmetric-po2", dtype="int8")
        assert new.clipped_bias == 0
        assert new.bias.real()[0] == pytest.approx(2**30 * 0.01, rel=1e-6)

    def test_what_cannot_fit_is_counted(self):
        """The multiplier's limit of 256 keeps the scale small, so the bias saturates."""
        source = operands([[1, 0]], [1e-9], bias=[2**31 - 1], bias_scale=[1e6], y=("int8", 1e-9))
        new = rewrite(source, dtype="int8")
        assert new.clipped_bias == 1
        assert new.bias.integers[0] == 2**31 - 1

    def test_int64(self):
        source = operands([[1, 50]], [0.1], bias=[2**31 - 1], bias_scale=[1.0],
                          new_x=("int16", 1e-5), y=("int16", 1.0))  # fmt: skip
        new = rewrite(source, "int16x8", bias_dtype="int64")
        assert new.bias_dtype == "int64"
        assert new.clipped_bias == 0
        assert new.bias.real()[0] == pytest.approx(2**31 - 1, rel=1e-6)
        assert new.bias.integers[0] < 2**47


def test_w4_a_floor_never_lifts_the_multiplier_to_256():
    source = operands([[1, 0]], [1e-12], bias=[2**31 - 1], bias_scale=[1e3], y=("int8", 1e-6))
    new = rewrite(source, dtype="int8")
    factor = source.new_input.qparams.scale * new.weights.qparams.scales[0] / 1e-6
    assert factor < 256


class TestW5Offsets:
    """b'' = b' + output offset - input offset * sum W'."""

    @settings(max_examples=40, deadline=None)
    @given(st.integers(-128, 127), st.integers(-128, 127))
    def test_against_the_formula(self, z_in, z_out):
        s_x, s_w, s_y = (float(np.float32(s)) for s in (0.02, 0.01, 0.05))
        stored = np.array([[3, -7, 100], [0, 50, -50]])
        source = operands(stored, s_w, bias=[10, -20], x=("int8", s_x), y=("int8", s_y),
                          input_offset=s_x * z_in, output_offset=s_y * z_out)  # fmt: skip
        new = rewrite(source, dtype="int8")
        step = s_x * s_w
        assert (new.weights.integers == stored).all()
        exact = np.array([10, -20]) + s_y * z_out / step - z_in * stored.sum(axis=1)
        assert (np.abs(new.bias.integers - exact) <= 0.5 + 1e-6).all()

    def test_the_consumers_side_is_exact(self):
        source = operands([[3, -7, 100]], 0.01, bias=[10], x=("int8", 0.02),
                          input_offset=float(np.float32(0.02)) * -128)  # fmt: skip
        assert rewrite(source, dtype="int8").bias.integers.tolist() == [10 + 128 * 96]

    def test_the_new_weights_count_not_the_old(self):
        source = operands([[255, 0]], 0.01, bias=[0], input_offset=1.0)
        new = rewrite(source, "symmetric")
        assert not new.exact[0]
        real = -float(weighted.as_matrix(new.weights.real(), CONV).sum())
        step = 1 / 128 * new.weights.qparams.scales[0]
        assert new.bias.integers[0] == round(real / step)

    def test_without_a_bias_one_appears(self):
        new = rewrite(operands([[3, -7]], 0.01, input_offset=1.0), dtype="int8")
        assert new.bias.integers.tolist() == [4 * 128]


class TestW8Lifts:
    """b''' = b'' + output lift - input lift * sum W'_k P(x_k > 0)."""

    STORED = np.array([[3, -7, 100], [0, 50, -50]])
    # Never, always, and for half of a rectified normal of mean 0 (E^2 / E2 = 1 / pi).
    MOMENTS = Moments(
        np.array([[0.0, 2.0, 1.0]]), np.diag([0.0, 0.0, np.pi - 1])[None], 100
    )  # fmt: skip

    @pytest.mark.parametrize("scheme", ["symmetric", "symmetric-per-tensor", "int8"])
    def test_against_the_formula(self, scheme):
        source = operands(self.STORED, 0.01, bias=[10, -20], x=("int8", 0.5),
                          input_lift=64.0, output_lift=0.3)  # fmt: skip
        new = rewrite(source, scheme, dtype="int8", moments=self.MOMENTS)
        assert (new.weights.integers == self.STORED).all()
        moved = 0.3 / (0.5 * 0.01) - 64.0 / 0.5 * self.STORED @ [0.0, 1.0, 0.5]
        assert new.bias.integers.tolist() == [round(n) for n in np.array([10, -20]) + moved]

    def test_the_new_weights_count_not_the_old(self):
        always = Moments(np.array([[2.0, 2.0]]), np.zeros((1, 2, 2)), 100)
        source = operands([[255, 0]], 0.01, bias=[0], input_lift=1.0)
        new = rewrite(source, "symmetric", moments=always)
        assert not new.exact[0]
        real = -float(weighted.as_matrix(new.weights.real(), CONV).sum())
        assert new.bias.integers[0] == round(real / (1 / 128 * new.weights.qparams.scales[0]))


class TestFolding:
    MOMENTS = Moments(np.array([[1.0, 2.0]]), np.array([np.eye(2)]), 100)

    def test_the_bias_takes_the_mean_of_what_is_lost(self):
        source = operands([[255, 101]], 0.01, bias=[50])
        new = rewrite(
            source, "symmetric", corrections=Corrections(compensate=False), moments=self.MOMENTS
        )
        lost = (source.weights.real() - new.weights.real()) @ np.array([1.0, 2.0])
        assert new.moved == pytest.approx(lost, rel=1e-12, abs=1e-15)
        step = 1 / 128 * new.weights.qparams.scales[0]
        ideal = 50 * 0.01 / 128 + lost[0]
        assert abs(new.bias.integers[0] * step - ideal) <= step * 0.5001

    def test_it_can_be_switched_off(self):
        source = operands([[255, 101]], 0.01, bias=[50])
        assert rewrite(source, moments=self.MOMENTS).moved.tolist() == [0]

    def test_exact_rows_move_nothing(self):
        new = rewrite(
            operands([[127, 101]], 0.01, bias=[50]), corrections=Corrections(), moments=self.MOMENTS
        )
        assert new.moved.tolist() == [0]
        assert new.bias.integers.tolist() == [50]


@pytest.mark.parametrize(
    ("rows_seen", "corrections", "taken"),
    [
        pytest.param(0, Corrections(), True, id="estimated"),
        pytest.param(0, Corrections(compensate=False), False, id="switched off"),
        pytest.param(500, Corrections(), False, id="measured"),
    ],
)
def test_w7_weights_take_what_a_bias_of_few_bits_loses(rows_seen, corrections, taken):
    """Outputs' means against the source's; the bias alone can only be right to half of 128 sums."""
    rng = np.random.default_rng(2)
    stored = rng.integers(60, 196, (6, 24))
    source = operands(
        stored, 0.02, 128, bias=rng.integers(-9000, 9000, 6), new_x=("int8", 1 / 64, 0),
        y=("int8", 0.25, 0),
    )  # fmt: skip
    mean = rng.uniform(0.2, 0.9, 24)
    moments = Moments(mean[None], np.full((1, 24), 0.05), rows_seen)
    new = rewrite(source, "max78002", corrections=corrections, moments=moments)
    wanted = source.bias.real() + source.weights.real() @ mean
    off = np.abs(wanted - new.bias.real() - new.weights.real() @ mean)
    half = 64 * new.bias.qparams.scales[0]
    assert (off <= half * 1.001).all()
    assert (off.max() < 0.2 * half) == taken


@pytest.mark.parametrize(
    ("changes", "legal"),
    [
        pytest.param({}, True, id="as asked"),
        pytest.param({"dtype": "uint8"}, False, id="type"),
        pytest.param({"stored": [[-128, 1], [1, 1]]}, False, id="range"),
        pytest.param({"zero": 1}, False, id="zero point"),
        pytest.param({"axis": 1}, False, id="axis"),
        pytest.param({"scheme": "symmetric-per-tensor"}, False, id="granularity"),
        pytest.param({"scheme": "symmetric-po2"}, False, id="scale"),
        pytest.param({"scheme": "symmetric-po2", "scale": [0.5, 0.25]}, True, id="powers of two"),
    ],
)
def test_is_legal(changes, legal):
    facts = {"stored": [[1, 2], [3, 4]], "scale": [0.1, 0.2], "zero": 0, "axis": 0, "dtype": "int8",
             "scheme": "symmetric", **changes}  # fmt: skip
    array = QArray(
        np.array(facts["stored"]), QParams.of(facts["scale"], facts["zero"], facts["axis"])
    )
    law = load_scheme(facts["scheme"]).weights
    assert weighted.is_legal(array, facts["dtype"], law, 0) is legal
