"""Operators with weights: their constants, and what these make of bias, sums and shifts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog import OpSpec
from tflite_requant.check import rescale
from tflite_requant.errors import Finding
from tflite_requant.fixedpoint.accumulator import extremes, signed_bits
from tflite_requant.model import Operator, Subgraph
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.grid import is_power_of_two
from tflite_requant.schemes import POWER_OF_TWO, Scheme

BIAS_SCALE_TOLERANCE = 1e-5
CHECKED_BIAS_SCALE = 0.02  # of an output step: what uint8 kernels accept
MULTIPLIER_LIMIT = 256.0
COARSER = "a larger weights scale"
SATURATING = "where inputs reach that far, sums saturate and results differ; " + COARSER
FUSED_BOUNDS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


class Weighted:
    """One operator under its law. stored: integers [O, K]; scales: float64 [O]."""

    def __init__(self, subgraph: Subgraph, op: Operator, spec: OpSpec, law: Scheme) -> None:
        roles = {o.role: i for i, o in enumerate(spec.inputs)}
        tensors = subgraph.tensors
        self.op, self.law, self.where = op, law, subgraph.label(op)
        self.x, self.y = tensors[op.input(roles["activation"])], tensors[op.outputs[0]]
        self.weights = tensors[op.input(roles["weights"])]
        b_index = op.input(roles["bias"])
        self.bias = tensors[b_index] if b_index >= 0 else None
        axis = spec.inputs[roles["weights"]].axis
        rows = np.moveaxis(self.weights.array(), axis, 0)
        self.stored = rows.reshape(self.weights.shape[axis], -1).astype(np.int64)
        self.scales = np.broadcast_to(np.array(self.weights.qparams.scales), (len(self.stored),))
        self.producer = subgraph.producers().get(self.x.index)

    def findings(self) -> Iterator[Finding]:
        yield from self._weights()
        if self.stored.size:
            yield from self._sums()
        yield from self._multipliers()
        if self.bias is not None:
            yield from self._bias_scales()
            yield from self._bias_values()
        if self.stored.size:
            yield from self._accumulator()

    def _error(self, law: str, found: str, need: str, hint: str = "") -> Finding:
        return Finding("error", self.where, law, found, need, hint)

    def _weights(self) -> Iterator[Finding]:
        law, qparams = self.law.weights, self.weights.qparams
        zeros = sorted(set(qparams.zero_points))
        if self.weights.dtype != law.dtype:
            yield self._error("weights-dtype", self.weights.dtype, law.dtype)
        elif law.zero_point != "any" and zeros != [law.zero_point]:
            found = f"zero point {zeros[0] if zeros[0] != law.zero_point else zeros[-1]}"
            yield self._error("weights-zero-point", found, str(law.zero_point))
        if law.granularity == "per-tensor" and qparams.per_axis:
            yield self._error("weights-granularity", f"{len(qparams.scales)} scales", "one scale")
        if law.scale == POWER_OF_TWO:
            bad = [s for s in qparams.scales if not is_power_of_two(s)]
            if bad:
                count = f"{len(bad)} of {len(qparams.scales)} scales are not"
                found = f"{count}, for instance {bad[0]:.9g}"
                yield self._error("weights-scale", found, "powers of two")
        if self.weights.dtype == law.dtype and self.stored.size:
            low, high = int(self.stored.min()), int(self.stored.max())
            if low < law.range[0] or high > law.range[1]:
                need = f"from {law.range[0]} to {law.range[1]}"
                yield self._error("weights-range", f"values from {low} to {high}", need)

    @property
    def centred(self) -> np.ndarray:
        return self.stored - self.weights.qparams.zero_points[0]

    def _sums(self) -> Iterator[Finding]:
        limit = self.law.weights.sum
        if limit is None:
            return
        sums = np.abs(self.centred).sum(axis=1)
        worst = int(sums.argmax())
        if sums[worst] > limit:
            found = f"channel {worst}: |weights| add up to {sums[worst]}"
            yield self._error("weights-sum", found, f"at most {limit}", COARSER)

    def _multipliers(self) -> Iterator[Finding]:
        real = self.x.qparams.scale * self.scales / self.y.qparams.scale
        worst = int(real.argmax())
        if real[worst] >= MULTIPLIER_LIMIT and self.x.dtype != "int16":
            found = f"channel {worst} multiplies by {real[worst]:.4g}"
            yield self._error("multiplier-limit", found, f"below {MULTIPLIER_LIMIT:g}")
        one = bool((real == real[0]).all())
        real, what = (real[:1], "every channel") if one else (real, "channel")
        yield from rescale.multipliers(self.where, real, what, self.law, self.law.rescale.shift)

    def _bias_scales(self) -> Iterator[Finding]:
        if self.bias.qparams is None:
            return
        expected = self.x.qparams.scale * self.scales
        own = np.array(self.bias.qparams.scales)
        off = float(np.max(np.abs(own - expected) / expected))
        if off > BIAS_SCALE_TOLERANCE:
            steps = float(np.max(np.abs(own - expected))) / self.y.qparams.scale
            checked = self.x.dtype == "uint8" and steps > CHECKED_BIAS_SCALE
            found = f"bias scales differ from input x weights scale by up to {100 * off:.3g} %"
            severity = "error" if checked else "warning"
            yield Finding(severity, self.where, "bias-scale", found, "equal scales")
        if any(self.bias.qparams.zero_points):
            yield self._error("bias-zero-point", f"zero point {self.bias.qparams.zero_points[0]}",
                              "0")  # fmt: skip

    def _bias_integers(self) -> np.ndarray | None:
        known = self.bias is not None and self.bias.is_constant and self.bias.dtype != "float32"
        return self.bias.array().reshape(-1).astype(np.int64) if known else None

    def _bias_values(self) -> Iterator[Finding]:
        values, law = self._bias_integers(), self.law.bias
        if values is None or not values.size:
            return
        sizes = np.abs(values.astype(np.float64))
        worst = int(sizes.argmax())
        position = law.position(abs(int(values[worst])))
        if position is None:
            held = f"{law.bits} bits"
            if law.own_scale:
                held += f" at positions up to 2**{law.shift[1]}"
            found = f"channel {worst}: |bias| is {abs(int(values[worst]))}"
            yield self._error("bias-width", found, f"at most {law.limit} ({held})", COARSER)
        elif law.own_scale:
            left = np.flatnonzero(values & ((1 << position) - 1))
            if left.size:
                found = f"channel {left[0]}: bias {values[left[0]]}"
                need = f"a multiple of 2**{position}, the position that the largest bias asks for"
                yield self._error("bias-position", found, need, "requantize to this scheme")

    def _input_range(self) -> tuple[int, int]:
        """The input's stored integers, zero point removed, as far as its producer clamps them."""
        least, greatest = RANGES[self.x.dtype]
        scale, zero = self.x.qparams.scale, self.x.qparams.zero_point
        fused = None
        if self.producer is not None:
            fused = self.producer.option("fused_activation_function", "NONE")
        low, high = FUSED_BOUNDS.get(fused, (-np.inf, np.inf))
        bounds = [least - zero, greatest - zero]
        if np.isfinite(low):
            bounds[0] = max(bounds[0], round(low / scale))
        if np.isfinite(high):
            bounds[1] = min(bounds[1], round(high / scale) + 1)
        return min(bounds[0], 0), max(bounds[1], 0)

    def _extremes(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._input_range()
        return extremes(self.centred, low, high, self._bias_integers())

    @property
    def sum_bits(self) -> int:
        """Bits that hold every sum, which is what `accumulator-width` is judged by."""
        least, greatest = self._extremes()
        return signed_bits(least.min(initial=0), greatest.max(initial=0))

    @property
    def bias_bits(self) -> int:
        """Bits that hold every bias."""
        bias = self._bias_integers()
        held = 0 if bias is None else int(np.abs(bias).max(initial=0))
        return signed_bits(-held, held)

    def _accumulator(self) -> Iterator[Finding]:
        least, greatest = self._extremes()
        wide = self.bias is not None and self.bias.dtype == "int64"
        law = self.law.accumulator
        bits = max(law.bits, 64 if wide else 0)
        needed = [signed_bits(a, b) for a, b in zip(least, greatest, strict=True)]
        worst = max(range(len(needed)), key=needed.__getitem__)
        if needed[worst] > bits:
            found = (
                f"channel {worst} may reach {least[worst]} to {greatest[worst]}: "
                f"{needed[worst]} bits"
            )
            severity = "warning" if law.saturates else "error"
            hint = SATURATING if law.saturates else COARSER
            yield Finding(severity, self.where, "accumulator-width", found, f"{bits} bits", hint)
