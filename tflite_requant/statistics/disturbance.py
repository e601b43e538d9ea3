"""What a coarser grid on one tensor costs at the outputs, measured: one tensor at a time.

Rounding errors are no independent noise: in smooth images neighbours are off alike, and what a pool
or a wide filter then adds is many times what independent noise would be. So the model is run, on a
few examples, with QUANTIZE operators that put one tensor on the grid in question and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tflite_requant.errors import RequantError, SampleError
from tflite_requant.extract import cut_at
from tflite_requant.interpreter import Interpreter, arithmetic_to_run
from tflite_requant.memory import DEFAULT_ARITHMETIC
from tflite_requant.model import Edit, Model, QArray, Record, TensorType, new_operator
from tflite_requant.model.dtypes import RANGES
from tflite_requant.statistics.synthetic import SyntheticImages

EXAMPLES = 2
MADE_UP = 5  # images: one of each kind
# What follows the tensors that are judged: curves and orders that hide how much has changed.
FINAL = {
    "ARG_MAX", "CAST", "CUSTOM", "DEQUANTIZE", "EXPAND_DIMS", "LOGISTIC", "LOG_SOFTMAX", "QUANTIZE",
    "RESHAPE", "SOFTMAX", "SQUEEZE", "TANH",
}  # fmt: skip
QUANTIZE_OPTIONS = Record("QuantizeOptions", {})


def disturbance(
    model: Model, grids: Mapping[int, TensorType], examples: Iterable[Any] = ()
) -> dict[int, float]:
    """Tensor of the main subgraph -> mean square by which putting it on that grid moves the judged
    tensors, in units of their variances.

    examples: inputs as the interpreter takes them; made up where there are none. Empty where the
    interpreter cannot compute the model.
    """
    judged = cut_at(model, 0, judged_tensors(model))
    feeds = list(examples) or list(_made_up(model))
    try:
        # A profile that only shifts has no QUANTIZE to most grids.
        own = arithmetic_to_run(model) if Interpreter(judged).unsupported else DEFAULT_ARITHMETIC
        base = _outputs(judged, feeds, own)
        return {
            tensor: _distance(base, _outputs(on_grids(judged, {tensor: grid}), feeds, own))
            for tensor, grid in grids.items()
        }
    except RequantError:
        return {}


def judged_tensors(model: Model) -> tuple[int, ...]:
    """The quantized tensors nearest to the graph outputs, behind no curve or order."""
    main, producers = model.main, model.main.producers()
    found: dict[int, None] = {}
    stack = list(reversed(main.outputs))
    while stack:
        index = stack.pop()
        op = producers.get(index)
        quantized = main.tensors[index].is_quantized_activation
        if op is not None and (op.opcode in FINAL or not quantized):
            stack += [t for t in reversed(op.inputs) if t >= 0 and not main.tensors[t].is_constant]
        elif quantized:
            found[index] = None
    return tuple(found) or tuple(main.outputs)


def on_grids(model: Model, grids: Mapping[int, TensorType]) -> Model:
    """The model in which every reader of these computed tensors sees them rounded to other grids,
    by a QUANTIZE to that grid and one back. Constants and graph inputs stay as they are."""
    edit = Edit(model)
    main, one = model.main, edit.subgraphs[0]
    producers, consumers = main.producers(), main.consumers()
    for tensor, grid in grids.items():
        if tensor not in producers:
            continue
        own = main.tensors[tensor]
        other = one.add_tensor(f"{own.name}/other", own.shape, grid)
        back = one.add_tensor(f"{own.name}/back", own.shape, own.type)
        for start, end in ((tensor, other), (other, back)):
            step = new_operator("QUANTIZE", 1, (start,), (end,), QUANTIZE_OPTIONS)
            one.insert_after(producers[tensor].index, step)
        for op, position in consumers.get(tensor, ()):
            one.replace_input(op.index, position, back)
    return edit.commit()


def _outputs(model: Model, feeds: list, arithmetic: str) -> list[np.ndarray]:
    """Real values of every output over all feeds, float64."""
    interpreter = Interpreter(model, arithmetic)
    runs = [list(_values(interpreter.run(feed))) for feed in feeds]
    return [
        np.stack([QArray(run[i], tensor.qparams).real() for run in runs])
        for i, tensor in enumerate(model.outputs)
    ]


def _values(run: Any) -> Iterable[np.ndarray]:
    return run.values() if isinstance(run, Mapping) else run


def _distance(base: list[np.ndarray], other: list[np.ndarray]) -> float:
    parts = [
        float(((a - b) ** 2).mean()) / max(float(a.var()), np.finfo(np.float64).tiny)
        for a, b in zip(base, other, strict=True)
    ]
    # Decides an order: the last bits of sums must not.
    return float(np.float32(sum(parts)))


def _made_up(model: Model) -> Iterator[list[np.ndarray]]:
    """Images where the model takes one, else random integers."""
    try:
        for image in SyntheticImages(model, MADE_UP):
            yield [image]
        return
    except SampleError:
        pass
    for index in range(EXAMPLES):
        rng = np.random.default_rng([EXAMPLES, index])
        yield [_random(rng, t) for t in model.inputs]


def _random(rng: np.random.Generator, tensor) -> np.ndarray:
    if tensor.dtype not in RANGES:
        return rng.normal(size=tensor.shape).astype(tensor.dtype)
    low, high = RANGES[tensor.dtype]
    return rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype)
