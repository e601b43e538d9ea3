"""Small generated models for the engine: chains of convolutions as mobile networks have them."""

from __future__ import annotations

import numpy as np

from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Model
from tflite_requant.testing import GraphBuilder, TensorSpec

LOW = {"uint8": 0, "int8": -128}


class Chain:
    """Builds a model operator by operator; weights are drawn so that outputs spread out."""

    def __init__(self, dtype: str, height: int, width: int, channels: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype, self.per_axis = dtype, dtype == "int8"
        self.graph = GraphBuilder()
        self.input = self.last = self._activation((1, height, width, channels), 0.05, 128)
        self.shape = (1, height, width, channels)
        self.scale = 0.05

    def _activation(self, shape, scale: float, zero: int) -> int:
        spec = TensorSpec(self.dtype, shape, scale, zero + LOW[self.dtype])
        return self.graph.tensor(spec)

    def _weights(self, shape, taps: int, axis: int, spread: float = 40) -> tuple[int, np.ndarray]:
        count = shape[axis]
        scales = 0.5 / np.sqrt(taps) / 40 * np.exp(self.rng.normal(0, 0.3, count))
        if self.per_axis:
            data = np.clip(np.rint(self.rng.normal(0, spread, shape)), -127, 127)
            spec = TensorSpec("int8", scale=scales, axis=axis, data=data.astype(np.int8))
        else:
            scales = np.full(count, float(np.float32(scales[0])))
            data = np.clip(np.rint(self.rng.normal(120, spread, shape)), 0, 255)
            spec = TensorSpec("uint8", scale=scales[0], zero_point=120, data=data.astype(np.uint8))
        return self.graph.tensor(spec), scales.astype(np.float32).astype(np.float64)

    def _bias(self, scales: np.ndarray, spread: float) -> int:
        units = self.scale * scales
        data = np.rint(self.rng.normal(0, spread, len(scales)) / units).astype(np.int32)
        return self.graph.tensor(TensorSpec("int32", scale=units, data=data) if self.per_axis
                                 else TensorSpec("int32", scale=units[0], data=data))  # fmt: skip

    def _out(self, shape, relu: bool) -> None:
        self.scale = float(np.float32(6 / 255 if relu else 0.043))
        self.last = self._activation(shape, self.scale, 0 if relu else 121)
        self.shape = shape

    def conv(self, count: int, kernel=1, stride=1, relu=True, padding="SAME", dilation=1):
        _, h, w, c = self.shape
        source = self.last
        weights, scales = self._weights((count, kernel, kernel, c), kernel * kernel * c, 0)
        operands = (source, weights, self._bias(scales, 1.0))
        self._out((1, *_out(h, w, kernel, stride, padding, dilation), count), relu)
        self.graph.operator("CONV_2D", operands, (self.last,), {
            "padding": padding, "stride_h": stride, "stride_w": stride,
            "dilation_h_factor": dilation, "dilation_w_factor": dilation,
            "fused_activation_function": "RELU6" if relu else "NONE",
        })  # fmt: skip
        return self

    def depthwise(self, kernel=3, stride=1, relu=True, padding="SAME", dilation=1, spread=28,
                  multiplier=1):  # fmt: skip
        _, h, w, c = self.shape
        source = self.last
        weights, scales = self._weights((1, kernel, kernel, c), kernel * kernel, 3, spread)
        operands = (source, weights, self._bias(scales, 1.0))
        self._out((1, *_out(h, w, kernel, stride, padding, dilation), c), relu)
        self.graph.operator("DEPTHWISE_CONV_2D", operands, (self.last,), {
            "padding": padding, "stride_h": stride, "stride_w": stride,
            "depth_multiplier": multiplier,
            "dilation_h_factor": dilation, "dilation_w_factor": dilation,
            "fused_activation_function": "RELU6" if relu else "NONE",
        })  # fmt: skip
        return self

    def add(self, other: int):
        source = self.last
        self._out(self.shape, relu=False)
        self.graph.operator("ADD", (source, other), (self.last,))
        return self

    def pool(self, kernel: int, stride: int = 1):
        _, h, w, c = self.shape
        source, scale = self.last, self.scale
        self.shape = (1, *_out(h, w, kernel, stride, "VALID", 1), c)
        self.last = self._activation(self.shape, scale, 0)
        self.graph.operator("AVERAGE_POOL_2D", (source,), (self.last,), {
            "padding": "VALID", "stride_h": stride, "stride_w": stride,
            "filter_height": kernel, "filter_width": kernel,
        })  # fmt: skip
        return self

    def mean(self, keep: bool):
        source, axes = self.last, self.graph.tensor(TensorSpec("int32", data=np.array([1, 2])))
        self._out((1, 1, 1, self.shape[3]) if keep else (1, self.shape[3]), relu=False)
        self.graph.operator("MEAN", (source, axes), (self.last,), {"keep_dims": keep})
        return self

    def dense(self, count: int, bias=True):
        source, depth = self.last, int(np.prod(self.shape))
        weights, scales = self._weights((count, depth), depth, 0)
        operands = (source, weights, self._bias(scales, 1.0) if bias else -1)
        self._out((1, count), relu=False)
        self.graph.operator("FULLY_CONNECTED", operands, (self.last,))
        return self

    def build(self) -> Model:
        return self.graph.build((self.input,), (self.last,))


def _out(h: int, w: int, kernel: int, stride: int, padding: str, dilation: int) -> tuple[int, int]:
    reach = (kernel - 1) * dilation + 1
    if padding == "SAME":
        return -(-h // stride), -(-w // stride)
    return (h - reach) // stride + 1, (w - reach) // stride + 1


def images(model: Model, count: int, seed: int = 0) -> list[dict[int, np.ndarray]]:
    """Feeds by tensor index: both extremes, black and white noise, then uniform noise."""
    (tensor,) = model.inputs
    rng, low = np.random.default_rng(seed), LOW[tensor.dtype]
    made = [np.zeros(tensor.shape), np.full(tensor.shape, 255),
            rng.integers(0, 2, tensor.shape) * 255]  # fmt: skip
    made += [rng.integers(0, 256, tensor.shape) for _ in range(count - len(made))]
    return [{tensor.index: (image + low).astype(tensor.dtype)} for image in made[:count]]


def differences(
    model: Model, program, feeds: dict[int, np.ndarray], profile: str = "litert-reference"
) -> list[str]:
    """Tensors in which a program differs from the plain kernels of the profile, by name."""
    plain = Interpreter(model, profile, fast=False)
    expected = plain.run([feeds[i] for i in model.main.inputs], keep="all")
    found = program.run(feeds)
    assert found is not None and len(found) > 0
    return [
        f"{model.main.tensors[i].label()}: {int((array != expected[i]).sum())} of {array.size}"
        for i, array in found.items()
        if array.dtype != expected[i].dtype or not np.array_equal(array, expected[i])
    ]
