"""Small graphs that planning has to think about, and what became of them."""

from __future__ import annotations

import numpy as np

from tflite_requant.model import Model
from tflite_requant.schemes import load_scheme
from tflite_requant.schemes.loader import parse_scheme, preset_text
from tflite_requant.testing import GraphBuilder, TensorSpec

VALID = {"padding": "VALID", "stride_w": 1, "stride_h": 1}
SAME = {"padding": "SAME", "stride_w": 1, "stride_h": 1}


def scheme(name: str, *changes: tuple[str, str]):
    """A preset, with pieces of its text replaced."""
    if not changes:
        return load_scheme(name)
    text = preset_text(name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_scheme(text, "changed")


def overridden(name: str, text: str):
    """A preset with an [[override]] behind it."""
    return parse_scheme(preset_text(name) + "\n[[override]]\n" + text, "overridden")


class Net(GraphBuilder):
    """A builder with a word for what the tests need most. All tensors are [1, 4, 4, channels]."""

    def __init__(self, dtype: str = "uint8", seed: int = 5) -> None:
        super().__init__()
        self.dtype, self.rng, self.specs = dtype, np.random.default_rng(seed), {}

    def act(self, name, scale=1 / 128, zero=128, channels=2, shape=None) -> int:
        shape = shape or (1, 4, 4, channels)
        zero = zero - 128 if self.dtype == "int8" else zero
        index = self.tensor(TensorSpec(self.dtype, shape, scale, zero, name=name))
        self.specs[index] = (shape, scale)
        return index

    def constant(self, name, values, scale=0.1, zero=3) -> int:
        return self.tensor(
            TensorSpec(self.dtype, scale=scale, zero_point=zero, data=values, name=name)
        )

    def conv(self, x, y, fused="NONE", taps=1, options=None, bias=True, w_scale=0.02) -> None:
        """CONV_2D with seeded weights and a bias that keeps the law."""
        (_, _, _, inputs), x_scale = self.specs[x]
        channels = self.specs[y][0][-1]
        low, zero = (0, 120) if self.dtype == "uint8" else (-127, 0)
        data = self.rng.integers(low, low + 255, (channels, taps, taps, inputs))
        w = self.tensor(
            TensorSpec(self.dtype, scale=w_scale, zero_point=zero, data=data, name=f"w{y}")
        )
        b = -1
        if bias:
            values = self.rng.integers(-3000, 3000, channels)
            b = self.tensor(TensorSpec("int32", scale=w_scale * x_scale, data=values, name=f"b{y}"))
        options = dict(options or VALID, fused_activation_function=fused)
        self.operator("CONV_2D", (x, w, b), (y,), options)


def kinds(model: Model) -> list[str]:
    """Operator names in order."""
    return [op.name for op in model.main.operators]


def grids(model: Model) -> dict[str, tuple[str, float, int]]:
    """Name -> (dtype, scale, zero point) of every computed quantized tensor."""
    return {
        t.name: (t.dtype, t.qparams.scale, t.qparams.zero_point)
        for t in model.main.tensors
        if t.is_quantized_activation and not t.is_constant
    }


def f32(value: float) -> float:
    return float(np.float32(value))


def inputs_for(model: Model, seed: int = 3) -> list[np.ndarray]:
    """Random stored integers for every graph input."""
    from tflite_requant.model.dtypes import RANGES

    rng = np.random.default_rng(seed)
    return [
        rng.integers(RANGES[t.dtype][0], RANGES[t.dtype][1] + 1, t.shape).astype(t.dtype)
        for t in model.inputs
    ]


def conv_then(opcode, options=None, after=True):
    """conv -> h -> opcode -> z (-> conv -> y)."""
    net = Net()
    x, h = net.act("x"), net.act("h", 0.02, 0)
    z = net.act("z", 0.02, 0, shape=(1, 2, 2, 8) if opcode == "SPACE_TO_DEPTH" else None)
    net.conv(x, h)
    net.operator(opcode, (h,), (z,), options or {})
    if not after:
        return net.build((x,), (z,))
    y = net.act("y", 0.3, 100, shape=(1, 2, 2, 2) if opcode == "SPACE_TO_DEPTH" else None)
    net.conv(z, y)
    return net.build((x,), (y,))
