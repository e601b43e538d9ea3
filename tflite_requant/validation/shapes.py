"""Declared shapes against what operators make of them, by the shape laws of `catalog.forms`.

    same        the first data operand's shape
    broadcast   the operands' shapes, broadcast
    elements    as many elements as the data operands have together
    part        no more elements than the data operand has
    window      a convolution; pool: a pooling window; transposed: TRANSPOSE_CONV
    product     FULLY_CONNECTED; matrices: BATCH_MATMUL
    padded      constant paddings around the operand; tiled: by constant multiples
    stated      the shape that a constant operand says; resized: its height and width
    gathered    indices in place of one axis

A tensor that is dynamic beyond its batch (-1 in its shape signature), or one without a known shape,
is judged by nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from tflite_requant.catalog.forms import FORMS, Form
from tflite_requant.errors import Finding
from tflite_requant.model.graph import Model, Operator, Subgraph, Tensor
from tflite_requant.validation.words import damaged

Shape = tuple[int, ...]


class _Contradiction(Exception):
    """Operands that no result fits; the text says which."""


class _Case:
    """An operator with the shapes that its file declares."""

    def __init__(self, subgraph: Subgraph, op: Operator, form: Form) -> None:
        self.op, self.form = op, form
        self.tensors = [subgraph.tensors[t] if t >= 0 else None for t in op.inputs]
        self.results = [subgraph.tensors[t] for t in op.outputs if t >= 0]
        last = len(form.inputs) - 1
        kinds = [form.inputs[min(i, last)].kind for i in range(len(self.tensors))]
        self.data = [t for t, k in zip(self.tensors, kinds, strict=True) if t and k in "xtaq"]
        self.whole = [t for t, k in zip(self.tensors, kinds, strict=True) if t and k == "n"]
        self.weights = next((t for t, k in zip(self.tensors, kinds, strict=True) if k == "w"), None)

    @property
    def is_known(self) -> bool:
        tensors = [*self.data, *self.results]
        return bool(self.data and self.results) and not any(map(_is_dynamic, tensors))

    @property
    def x(self) -> Shape:
        return self.data[0].shape

    def constant(self, position: int = 0) -> list | None:
        """A whole-number operand's values, nested as it is; None where it is computed."""
        if position >= len(self.whole) or not self.whole[position].is_constant:
            return None
        return self.whole[position].array().tolist()


def _is_dynamic(tensor: Tensor) -> bool:
    inner = (tensor.shape_signature or ())[1:]  # of a batch, the file states one sample
    return -1 in inner or (not tensor.shape and not tensor.is_constant)


def findings(model: Model) -> Iterator[Finding]:
    """Every operator whose results are declared otherwise than its operands make them."""
    for subgraph, op in model.operators():
        form = FORMS.get(op.name)
        if form is None or not form.shapes:
            continue
        case = _Case(subgraph, op, form)
        if not case.is_known:
            continue
        try:
            need = LAWS[form.shapes](case)
        except _Contradiction as contradiction:
            found = f"operands do not fit each other: {contradiction}"
            yield damaged(subgraph.label(op), "shape", found, "")
            continue
        if need:
            shapes = ", ".join(str(list(t.shape)) for t in case.results)
            yield damaged(subgraph.label(op), "shape", f"its output has shape {shapes}", need)


def _exactly(case: _Case, shape: Shape) -> str:
    return "" if case.results[0].shape == tuple(shape) else str(list(shape))


def _count(tensors: list[Tensor]) -> int:
    return sum(math.prod(t.shape) for t in tensors)


def _same(case: _Case) -> str:
    return _exactly(case, case.x)


def _broadcast(case: _Case) -> str:
    return _exactly(case, broadcast([t.shape for t in case.data]))


def broadcast(shapes: list[Shape]) -> Shape:
    """What shapes broadcast to. Raises _Contradiction."""
    rank = max(map(len, shapes))
    sizes = []
    for column in zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes), strict=True):
        wide = {n for n in column if n != 1}
        if len(wide) > 1:
            raise _Contradiction(f"shapes {' and '.join(str(list(s)) for s in shapes)}")
        sizes.append(wide.pop() if wide else 1)
    return tuple(sizes)


def _elements(case: _Case) -> str:
    have, need = _count(case.results), _count(case.data)
    return "" if have == need else f"{need:,} elements, as its operands have"


def _part(case: _Case) -> str:
    have, most = math.prod(case.results[0].shape), math.prod(case.x)
    return "" if have <= max(most, 1) else f"at most the {most:,} elements of its operand"


def _span(case: _Case, size: int, kernel: int, axis: str) -> int:
    """Windows along an axis."""
    stride = case.op.option(f"stride_{axis}", 1)
    dilation = case.op.option(f"dilation_{axis}_factor", 1) or 1
    if case.op.option("padding") == "SAME":
        return -(-size // stride)
    out = (size + stride - (kernel - 1) * dilation - 1) // stride
    if out < 0 or kernel < 1:
        raise _Contradiction(f"a window of {kernel} in {size} positions")
    return out


def _window(case: _Case) -> str:
    n, height, width, channels = case.x
    first, kernel_h, kernel_w, last = case.weights.shape
    if not (kernel_h and kernel_w and first and last and channels):
        raise _Contradiction(f"weights {list(case.weights.shape)} on {list(case.x)}")
    depthwise = case.op.name == "DEPTHWISE_CONV_2D"
    count = last if depthwise else first
    fits = first == 1 and last % channels == 0 if depthwise else channels % last == 0
    if not fits or (not depthwise and count % (channels // last)):
        raise _Contradiction(f"weights {list(case.weights.shape)} on {channels} channels")
    _check_bias(case, count)
    rows, columns = _span(case, height, kernel_h, "h"), _span(case, width, kernel_w, "w")
    return _exactly(case, (n, rows, columns, count))


def _check_bias(case: _Case, count: int) -> None:
    kinds = [slot.kind for slot in case.form.inputs]
    position = kinds.index("b")
    bias = case.tensors[position] if position < len(case.tensors) else None
    if bias is not None and math.prod(bias.shape) != count:
        raise _Contradiction(f"a bias of shape {list(bias.shape)} for {count} channels")


def _pool(case: _Case) -> str:
    n, height, width, channels = case.x
    rows = _span(case, height, case.op.option("filter_height"), "h")
    columns = _span(case, width, case.op.option("filter_width"), "w")
    return _exactly(case, (n, rows, columns, channels))


def _transposed(case: _Case) -> str:
    count, kernel_h, kernel_w, depth = case.weights.shape
    if depth != case.x[3] or not (count and kernel_h and kernel_w):
        raise _Contradiction(f"weights {list(case.weights.shape)} on {case.x[3]} channels")
    _check_bias(case, count)
    n, height, width, channels = case.results[0].shape
    stated = case.constant()
    if stated is not None and tuple(stated) != case.results[0].shape:
        return str(stated)
    rows, columns = _span(case, height, kernel_h, "h"), _span(case, width, kernel_w, "w")
    if (n, rows, columns, channels) != (case.x[0], *case.x[1:3], count):
        raise _Contradiction(f"data {list(case.x)} for an output of {list(case.results[0].shape)}")
    return ""


def _product(case: _Case) -> str:
    count, depth = case.weights.shape
    total = math.prod(case.x)
    if not depth or total % depth:
        raise _Contradiction(f"weights {list(case.weights.shape)} on {total:,} elements")
    _check_bias(case, count)
    have, need = math.prod(case.results[0].shape), total // depth * count
    return "" if have == need else f"{need:,} elements"


def _matrices(case: _Case) -> str:
    a, b = case.data[0].shape, case.data[1].shape
    if min(len(a), len(b)) < 2:
        raise _Contradiction(f"shapes {list(a)} and {list(b)}")
    rows, inner = a[-2:][::-1] if case.op.option("adj_x") else a[-2:]
    other, columns = b[-2:][::-1] if case.op.option("adj_y") else b[-2:]
    if inner != other:
        raise _Contradiction(f"shapes {list(a)} and {list(b)}")
    return _exactly(case, (*broadcast([a[:-2], b[:-2]]), rows, columns))


def _padded(case: _Case) -> str:
    paddings = case.constant()
    if paddings is None:
        return ""
    if len(paddings) != len(case.x) or any(len(p) != 2 or min(p) < 0 for p in paddings):
        raise _Contradiction(f"paddings {paddings} around {list(case.x)}")
    return _exactly(case, tuple(n + sum(p) for n, p in zip(case.x, paddings, strict=True)))


def _tiled(case: _Case) -> str:
    multiples = case.constant()
    if multiples is None:
        return ""
    if len(multiples) != len(case.x) or min(multiples, default=0) < 0:
        raise _Contradiction(f"multiples {multiples} of {list(case.x)}")
    return _exactly(case, tuple(n * m for n, m in zip(case.x, multiples, strict=True)))


def _stated(case: _Case) -> str:
    shape = case.constant()
    return "" if shape is None else _exactly(case, tuple(shape))


def _resized(case: _Case) -> str:
    size = case.constant()
    if size is None:
        return ""
    if len(size) != 2 or min(size) < 1 or not all(case.x):
        raise _Contradiction(f"size {size} of {list(case.x)}")
    return _exactly(case, (case.x[0], *size, case.x[3]))


def _gathered(case: _Case) -> str:
    if case.op.option("batch_dims", 0) or not case.whole:
        return ""
    axis, indices = case.op.option("axis", 0), case.whole[0].shape
    if not -len(case.x) <= axis < len(case.x):
        raise _Contradiction(f"axis {axis} of shape {list(case.x)}")
    axis %= len(case.x)
    return _exactly(case, (*case.x[:axis], *indices, *case.x[axis + 1 :]))


LAWS: dict[str, Callable[[_Case], str]] = {
    "same": _same,
    "broadcast": _broadcast,
    "elements": _elements,
    "part": _part,
    "window": _window,
    "pool": _pool,
    "transposed": _transposed,
    "product": _product,
    "matrices": _matrices,
    "padded": _padded,
    "tiled": _tiled,
    "stated": _stated,
    "resized": _resized,
    "gathered": _gathered,
}
