"""From a model to a program: every operator is bound to memory, tile by tile.

An operator that no fast form was proven for calls its plain kernel inside the program.
"""

from __future__ import annotations

import numpy as np

from tflite_requant import kernels
from tflite_requant.catalog.delegation import node_arithmetic
from tflite_requant.engine import softmax, tables
from tflite_requant.engine.addition import Addition
from tflite_requant.engine.buffers import Scratch, placed
from tflite_requant.engine.forms import Call, Flat, Grid, Image, Raw, Sections
from tflite_requant.engine.graph import (
    Constants,
    UnreadableConstant,
    needed,
    output_types,
    preparable,
    readers,
)
from tflite_requant.engine.joining import Joined
from tflite_requant.engine.law import byte_shift
from tflite_requant.engine.outputs import Output
from tflite_requant.engine.prepare import Fast, prepared
from tflite_requant.engine.program import Program, ShapeMismatch
from tflite_requant.engine.stages import Depthwise, Product, depthwise_rows
from tflite_requant.engine.weighted import Weighted, exact_type
from tflite_requant.kernels import Operands
from tflite_requant.kernels._session import Session
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Operator
from tflite_requant.model.qparams import QArray

LONGER = 1.3  # of a tile's rows: what may be added to it rather than left for a small last tile


def plan(model: Model, profile: str = "litert-reference", keep_all: bool = False) -> Program | None:
    """A program that computes the model's outputs, or None where nothing would be faster.

    keep_all: also give the value of every tensor that the outputs need; for comparisons.
    """
    if not preparable(model):
        return None
    try:
        planner = _Planner(model, profile, keep_all)
        return planner.program(keep_all) if planner.fast else None
    except UnreadableConstant:  # the plain interpreter says which
        return None


class _Planner:
    """Decides at construction, binds in `program`.

    forms: tensor -> forms that fast operators read, by their parameters.
    """

    def __init__(self, model: Model, profile: str, keep_all: bool) -> None:
        self.model, self.main, self.profile = model, model.main, profile
        self.session = Session(model)
        self.operators = needed(self.main, self.main.outputs)
        self.readers = readers(self.operators)
        self.constants = Constants(self.main)
        self.scratch = Scratch()
        self.forms: dict[int, dict[tuple, object]] = {}
        self.outputs: dict[int, Output] = {}
        self.stages: dict[int, Product | Depthwise | Addition] = {}
        self.values: dict[int, np.ndarray] = {}
        self.kept = self.main.outputs
        if keep_all:
            self.kept = tuple(t for op in self.operators for t in op.outputs if t >= 0)
        fast = {op.index: self._prepared(op) for op in self.operators}
        found = {index: f for index, f in fast.items() if f is not None}
        self.fast = Joined(found, self.readers, self.main.outputs).fast

    def _prepared(self, op: Operator) -> Fast | None:
        attributes = self.session.attributes(op)
        return prepared(self.main, op, self.constants, attributes, self.profile)

    def program(self, keep_all: bool) -> Program:
        for fast in self.fast.values():
            self.stages[fast.op.index] = self._bound(fast)
        self._want_raw()
        self._give_memory()
        demanded = {id(f) for fast in self.fast.values() for f in (fast.leader, fast.streamed)}
        calls = [c for t in self.main.inputs for c in self._staged(t)]
        for op in self.operators:
            fast = self.fast.get(op.index)
            if fast is None:
                calls.append(self._plain(op))
                calls += [c for t in op.outputs for c in self._staged(t)]
            elif id(fast) not in demanded:
                whole = fast.leader or fast
                calls += self._upto(whole, self.stages[whole.op.index].grid.rows)
                if keep_all and whole.streamed:  # rows that no window reads
                    unread = whole.streamed
                    calls += self._upto(unread, self.stages[unread.op.index].grid.rows)
        inputs = {t.index: (t.shape, np.dtype(NUMPY[t.dtype])) for t in self.model.inputs}
        return Program(calls, self.values, inputs, self.kept)

    def _upto(self, fast: Fast, rows: int) -> list[Call]:
        """Calls that make an operator's output rows below `rows`, with what they need before."""
        stage, calls = self.stages[fast.op.index], []
        while stage.done < rows:
            last = min(stage.done + stage.tile_rows, rows)
            if rows - stage.done < stage.tile_rows * LONGER:
                last = rows
            if fast.streamed is not None:
                calls += stage.advance(stage.done, last)
                calls += self._upto(fast.streamed, stage.needs(last))
            calls += stage.calls(stage.done, last)
            stage.done = last
        return calls

    def _form(self, tensor: int, key: tuple, make):
        forms = self.forms.setdefault(tensor, {})
        if key not in forms:
            forms[key] = make()
        return forms[key]

    def _grid(self, tensor: int) -> Grid:
        return Grid.of(self.main.tensors[tensor].shape)

    def _flat(self, tensor: int, dtype) -> Flat:
        """Numbers less their zero point, in the byte domain both."""
        declared = self.main.tensors[tensor]
        centre = int(declared.qparams.zero_points[0]) + byte_shift(NUMPY[declared.dtype])
        key = "flat", np.dtype(dtype).str
        return self._form(tensor, key, lambda: Flat(self._grid(tensor), dtype, centre))

    def _sections(self, fast: Fast, dtype) -> Sections:
        tensor, weighted, rows = fast.op.inputs[0], fast.weighted, None
        if fast.streamed is not None:  # nobody else reads them
            y, made = weighted.y, self._grid(fast.op.outputs[0])
            most = int(depthwise_rows(weighted, made) * LONGER)
            rows = (most - 1) * y.stride + (y.kernel - 1) * y.dilation + 1
        parts = weighted if fast.columns is None else fast.columns
        key = weighted.y, weighted.x, weighted.fill, np.dtype(dtype), parts.weights.shape[-1], rows
        return self._form(
            tensor, ("sections", *key), lambda: Sections(self._grid(tensor), *key, self.scratch)
        )  # fmt: skip

    def _image(self, tensor: int, weighted: Weighted, dtype) -> Image:
        key = weighted.y, weighted.x, weighted.fill, np.dtype(dtype)
        return self._form(tensor, ("image", *key), lambda: Image(self._grid(tensor), *key))

    def _output(self, fast: Fast) -> Output:
        return self.outputs.setdefault(fast.op.outputs[0], Output(self.scratch))

    def _bound(self, fast: Fast) -> Product | Depthwise | Addition:
        grid, output = self._grid(fast.op.outputs[0]), self._output(fast)
        source, weighted = fast.op.inputs[0], fast.weighted
        if weighted is None:
            first, second = (self._flat(t, np.float32) for t in fast.op.inputs)
            return Addition(fast.affine2, grid, self.scratch, output, first, second)
        dtype = exact_type(weighted)
        if weighted.weights.ndim == 3:
            sections = self._sections(fast, dtype if fast.columns is None else np.int16)
            return Depthwise(
                weighted, fast.rescaling, grid, self.scratch, output, sections, fast.columns
            )
        stage = Product(weighted, fast.rescaling, dtype, grid, self.scratch, output)
        if fast.leader is not None:
            self._output(fast.leader).follower = stage
        elif weighted.is_pointwise:
            stage.source = self._flat(source, dtype)
        else:
            stage.source = self._image(source, weighted, dtype)
        return stage

    def _want_raw(self) -> None:
        """Values in the tensor's own dtype where a plain kernel or the caller reads them."""
        for fast in self.fast.values():
            tensor = self.main.tensors[fast.op.outputs[0]]
            forms = list(self.forms.get(tensor.index, {}).values())
            plain = any(op.index not in self.fast for op in self.readers.get(tensor.index, []))
            if plain or tensor.index in self.kept:
                where = self._grid(tensor.index), tensor.shape, NUMPY[tensor.dtype]
                raw = Raw(*where, fast.order, fast.fixed)
                self.values[tensor.index] = raw.array
                forms.append(raw)
            self._output(fast).forms = forms

    def _give_memory(self) -> None:
        """Memory for matrices, which later ones use again once they have been read."""
        step = {op.index: number for number, op in enumerate(self.operators)}
        for fast in self.fast.values():  # what is joined is run when the last of it is
            for joined in (fast.leader, fast.leader and fast.leader.streamed, fast.streamed):
                if joined:
                    step[joined.op.index] = max(step[joined.op.index], step[fast.op.index])
        made = {t: step[op.index] for op in self.operators for t in op.outputs}
        flat, needs = [], []
        for tensor, forms in self.forms.items():
            last = max(step[op.index] for op in self.readers[tensor])
            for form in forms.values():
                if isinstance(form, Flat):
                    flat.append(form)
                    needs.append((form.nbytes, made.get(tensor, -1), last))
        for form, memory in zip(flat, placed(needs), strict=True):
            form.give(memory)

    def _staged(self, tensor: int) -> list[Call]:
        """Calls that bring a plain value to the forms that its readers want."""
        forms = self.forms.get(tensor)
        if not forms:
            return []
        declared, values = self.main.tensors[tensor], self.values
        grid, wanted = self._grid(tensor), np.dtype(NUMPY[declared.dtype])
        staged = self.scratch.take("staged", (grid.positions, grid.channels), np.uint8)
        flip = np.uint8(byte_shift(wanted))

        def load() -> None:
            value = values[tensor]
            if value.shape != declared.shape or value.dtype != wanted:
                raise ShapeMismatch
            value = np.ascontiguousarray(value).reshape(staged.shape)
            np.bitwise_xor(value.view(np.uint8), flip, staged)

        return [load, *(c for form in forms.values() for c in form.stores(staged, 0, grid.rows))]

    def _plain(self, op: Operator) -> Call:
        kernel, values = kernels.load(op.name), self.values
        attributes, law = self.session.attributes(op), node_arithmetic(self.profile, self.main, op)
        types = output_types(self.main, op.outputs)
        inner = output_types(self.main, op.rest.get("intermediates") or ())
        constants = [self.constants.get(t) for t in op.inputs]
        qparams = [self.main.tensors[t].qparams if t >= 0 else None for t in op.inputs]
        declared = self.constants.declared(op)
        read = tables.reader(op.name, declared, attributes, law)
        read = read or softmax.reader(op.name, declared, attributes, law)
        if all(c is not None or t < 0 for t, c in zip(op.inputs[1:], constants[1:], strict=True)):
            read = read or tables.reshaper(op.name, declared, attributes, law)
        if read is not None and declared.inputs[0] is not constants[0]:
            return lambda: values.update({op.outputs[0]: read(values[op.inputs[0]])})
        pairs = tables.pair_table(op.name, declared, attributes, law)
        if pairs is not None:
            return self._paired(op, pairs, [None if c is None else c.integers for c in constants])
        names = [kernels.output_name(i) for i in range(len(op.outputs))]

        def call() -> None:
            inputs = tuple(
                QArray(values[t], q) if c is None and t >= 0 else c
                for t, c, q in zip(op.inputs, constants, qparams, strict=True)
            )
            found = dict(kernel(Operands(inputs, types, inner), attributes, law))
            values.update((t, found[n]) for t, n in zip(op.outputs, names, strict=True))

        return call

    def _paired(self, op: Operator, entries: np.ndarray, constants: list) -> Call:
        values, (first, second), (output,) = self.values, op.inputs, op.outputs
        declared = self.main.tensors
        read = tables.pair_lookup(entries, np.dtype(NUMPY[declared[output].dtype]))

        def call() -> None:
            left, right = (
                values[t] if c is None else c
                for t, c in zip((first, second), constants, strict=True)
            )
            values[output] = read(left, right)

        return call
