"""Noise from integer sums is the noise of the real values."""

import numpy as np
import pytest
from graphs import Net
from search_models import branches

from tflite_requant.errors import UsageError
from tflite_requant.model import QParams
from tflite_requant.search.noise import Meaning, Reference, measured_tensors
from tflite_requant.testing import GraphBuilder, TensorSpec

SCALES = {0: (0.11, 60), 3: (0.25, 0)}


def outputs(seed, dtype):
    rng = np.random.default_rng(seed)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return {
        0: rng.integers(low, high + 1, (1, 40)).astype(dtype),
        3: rng.integers(low, high + 1, (1, 2, 3)).astype(dtype),
    }


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_against_real_arithmetic(dtype, logits):
    sources = [outputs(s, np.uint8) for s in range(3)]
    qparams = {t: QParams((s,), (z,)) for t, (s, z) in SCALES.items()}
    offset = 0.0 if logits else 0.7
    meanings = {0: Meaning(0.017, 5, offset), 3: Meaning(0.031, -4, 0.0)}
    reference = Reference(sources, qparams, logits)

    def real(values, scale, zero, offset=0.0):
        x = (values.reshape(-1).astype(float) - zero) * scale - offset
        return x - x.mean() if logits else x

    for sample, source in enumerate(sources):
        found = outputs(9 + sample, dtype)
        expected = 0.0
        for t, (scale, zero) in SCALES.items():
            power = sum((real(s[t], scale, zero) ** 2).sum() for s in sources)
            m = meanings[t]
            new = real(found[t], m.scale, m.zero_point, m.offset)
            expected += ((new - real(source[t], scale, zero)) ** 2).sum() / power
        assert reference.noise(sample, found, meanings) == pytest.approx(expected, rel=1e-9)


def test_no_noise_where_nothing_differs():
    sources = [outputs(1, np.uint8)]
    reference = Reference(sources, {t: QParams((s,), (z,)) for t, (s, z) in SCALES.items()}, True)
    meanings = {t: Meaning(s, z) for t, (s, z) in SCALES.items()}
    assert reference.noise(0, sources[0], meanings) == pytest.approx(0, abs=1e-12)


class TestMeasured:
    def test_a_classifier_by_its_logits(self, demo_model):
        from tflite_requant.flatbuffer import read

        model = read(demo_model.read_bytes())
        tensors, logits = measured_tensors(model)
        softmax = next(op for op in model.main.operators if op.opcode == "SOFTMAX")
        assert tensors == softmax.inputs
        assert logits

    def test_another_model_by_its_outputs(self):
        net = Net()
        x, y, z = net.act("x"), net.act("y"), net.act("z")
        net.conv(x, y)
        net.conv(y, z)
        assert measured_tensors(net.build((x,), (z, y))) == ((z, y), False)

    def test_what_retypes_and_chooses_is_looked_through(self):
        net = Net()
        x, y = net.act("x"), net.act("y")
        f = net.tensor(TensorSpec("float32", (1, 4, 4, 2), name="f"))
        axis = net.tensor(TensorSpec("int32", data=np.array([3])))
        best = net.tensor(TensorSpec("int64", (1, 4, 4), name="best"))
        net.conv(x, y)
        net.operator("DEQUANTIZE", (y,), (f,))
        net.operator("ARG_MAX", (y, axis), (best,))
        assert measured_tensors(net.build((x,), (f, best))) == ((y,), False)

    def test_nothing_to_measure(self):
        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("float32", (1, 2), name="x"))
        y = graph.tensor(TensorSpec("float32", (1, 2), name="y"))
        graph.operator("TANH", (x,), (y,))
        with pytest.raises(UsageError, match="--search: no output"):
            measured_tensors(graph.build((x,), (y,)))

    def test_a_softmax_beside_other_outputs(self):
        tensors, logits = measured_tensors(branches())
        assert logits
        assert len(tensors) == 1
