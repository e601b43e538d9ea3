"""A source's QUANTIZE that would only copy in the result goes; nobody can tell from the outside."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from graphs import inputs_for, kinds, overridden

from tflite_requant.catalog import min_runtime_version
from tflite_requant.catalog.arithmetic import profile_names
from tflite_requant.check import check
from tflite_requant.compare.matching import match
from tflite_requant.flatbuffer import read
from tflite_requant.interpreter import Interpreter
from tflite_requant.memory import memory_of
from tflite_requant.model import Model
from tflite_requant.model.graph import Signature
from tflite_requant.report.as_json import report_value
from tflite_requant.report.text import summary_text
from tflite_requant.requantize import Options, requantize
from tflite_requant.runtime import RuntimeFailure, litert_available, litert_run_many
from tflite_requant.schemes import load_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec
from tflite_requant.validation import unsound

GRIDS = {"u": ("uint8", 136), "i": ("int8", 8), "o": ("int8", 5)}  # u and i are one real grid


def chain(*steps: str, outputs: tuple[int, ...] = (-1,), first: str = "u") -> Model:
    """Tensors t0, t1, ... in a row: a letter of GRIDS puts a QUANTIZE to that grid, "+" adds a
    tensor to itself on the grid that it is on, "f" halves it by a FULLY_CONNECTED."""
    graph, grid = GraphBuilder(), first
    tensors = [_on(graph, grid, 0)]
    for number, step in enumerate(steps, 1):
        grid = step if step in GRIDS else grid
        tensors.append(_on(graph, grid, number))
        before, after = tensors[-2:]
        if step == "+":
            graph.operator("ADD", (before, before), (after,))
        elif step == "f":
            w = graph.tensor(TensorSpec("int8", scale=0.25, data=2 * np.eye(4), name=f"w{number}"))
            graph.operator("FULLY_CONNECTED", (before, w, -1), (after,))
        else:
            graph.operator("QUANTIZE", (before,), (after,))
    return graph.build((tensors[0],), [tensors[i] for i in outputs])


def _on(graph: GraphBuilder, grid: str, number: int) -> int:
    dtype, zero = GRIDS[grid]
    return graph.tensor(TensorSpec(dtype, (1, 4), 0.5, zero, name=f"t{number}"))


def without_removal(monkeypatch, model: Model, *how) -> Model:
    with monkeypatch.context() as patch:
        pipeline = import_module("tflite_requant.requantize")  # the package has the function's name
        patch.setattr(pipeline, "without_idle", lambda _, new, *rest: new)
        return requantize(model, *how).model


CASES = [
    pytest.param(chain("i", "+"), ["ADD"], ["t0"], "t2", id="at-the-input"),
    pytest.param(chain("+", "u", first="i"), ["ADD"], ["t0"], "t2", id="at-the-output"),
    pytest.param(chain("i", "+", "u"), ["ADD"], ["t0"], "t3", id="at-both"),
    pytest.param(chain("+", "i", "+"), ["ADD", "ADD"], ["t0"], "t3", id="inside"),
    pytest.param(chain("i", "f"), ["FULLY_CONNECTED"], ["t0"], "t2", id="before-weights"),
    pytest.param(chain("f", "u", first="i"), ["FULLY_CONNECTED"], ["t0"], "t2", id="to-output"),
    pytest.param(chain("i"), ["QUANTIZE"], ["t0"], "t1", id="input-to-output"),
    pytest.param(chain("+", "i", outputs=(1, 2)), ["ADD", "QUANTIZE"], ["t0"], "t2",
                 id="both-are-outputs"),
    pytest.param(chain("+", "i", "+", outputs=(1, 3)), ["ADD", "ADD"], ["t0"], "t3",
                 id="reads-an-output"),
    pytest.param(chain("i", "+", "+", outputs=(1, 3)), ["QUANTIZE", "ADD", "ADD"], ["t0"], "t3",
                 id="input-that-is-an-output"),
    pytest.param(chain("o", "+", first="i"), ["QUANTIZE", "ADD"], ["t0"], "t2", id="other-grids"),
    pytest.param(chain("u", "+", "i"), ["QUANTIZE", "ADD"], ["t0"], "t3", id="a-copy-before"),
]  # fmt: skip


@pytest.mark.parametrize("model, left, inputs, last", CASES)
def test_what_is_left(model, left, inputs, last, monkeypatch):
    result = requantize(model, "int8")
    made = read(result.model.to_bytes())
    assert kinds(made) == left
    assert [t.name for t in made.inputs] == inputs and made.outputs[-1].name == last
    assert unsound(made) == () and [f for f in check(made, load_scheme("int8"))
                                    if f.severity == "error"] == []  # fmt: skip
    plain = without_removal(monkeypatch, model, "int8")
    gone = len(plain.main.operators) - len(left)
    assert len(result.report.removed) == gone
    feeds = inputs_for(made)
    for profile in profile_names():
        one, other = (Interpreter(m, profile) for m in (made, plain))
        if not (one.unsupported or other.unsupported):
            for a, b in zip(one.run(feeds), other.run(feeds), strict=True):
                assert np.array_equal(a, b)
    if gone and litert_available():
        for kernels in ("reference", "default"):
            runs = litert_run_many([(m.to_bytes(), [feeds]) for m in (made, plain)], kernels)
            assert not any(isinstance(run, RuntimeFailure) for run in runs)
            ((a,), (b,)) = runs
            for x, y in zip(a.outputs, b.outputs, strict=True):
                assert np.array_equal(x, y)


def test_what_keeps_its_type_keeps_its_quantize():
    made = requantize(chain("i", "+", "u"), "int8", options=Options(keep_io=True)).model
    assert kinds(made) == ["QUANTIZE", "ADD", "QUANTIZE"]


def test_what_a_signature_names_stays():
    model = chain("+", "i", "+")
    signature = Signature("s", 0, (("a", 0),), (("inner", 2), ("last", 3)))
    made = requantize(model.changed(signatures=(signature,)), "int8").model
    assert kinds(made) == ["ADD", "ADD"]
    assert made.main.producers()[2].opcode == "ADD"
    assert dict(made.signatures[0].outputs) == {"inner": 2, "last": 3}


@pytest.mark.parametrize(
    "tensor, left",
    [("t1", ["FULLY_CONNECTED", "QUANTIZE"]), ("t[12]", ["FULLY_CONNECTED"]),
     ("t2", ["FULLY_CONNECTED", "QUANTIZE"]), ("other", ["FULLY_CONNECTED"])],
)  # fmt: skip
def test_an_override_finds_its_operator(tensor, left):
    """By the name of what it writes, which would be another one."""
    scheme = overridden("int8", f'tensor = "^{tensor}$"\nweights.range = [-100, 100]')
    assert kinds(requantize(chain("f", "u", first="i"), scheme).model) == left


def test_it_is_told_and_remembered():
    model = chain("i", "+", "u")
    result = requantize(model, "int8")
    assert result.report.removed == (
        "QUANTIZE t1: the source's op 0, a copy in the result",
        "QUANTIZE t3: the source's op 2, a copy in the result",
    )
    assert [op.result_index for op in result.report.operators] == [None, 0, None]
    value = report_value(result.report)
    assert value["removed"] == list(result.report.removed)
    assert ["result_index" in op for op in value["operators"]] == [False, True, False]
    short, whole = (summary_text(result.report, "x", verbose=v) for v in (False, True))
    assert "removed      2 QUANTIZE that would only copy; -v says which\n" in short
    assert "\n  removed\n    QUANTIZE t1: the source's op 0" in whole
    assert memory_of(result.model)["merged"] == [
        {"into": 0, "subgraph": 0, "tensor": 1}, {"into": 3, "subgraph": 0, "tensor": 2},
    ]  # fmt: skip
    assert "merged" not in memory_of(requantize(chain("+"), "int8").model)


def test_a_comparison_finds_what_has_the_values():
    model = chain("+", "i", "+", "u")
    pairs = {p.a.name: p.b.name for p in match(model, requantize(model, "int8").model)}
    assert pairs == {"t1": "t1", "t2": "t1", "t3": "t4", "t4": "t4"}


def test_what_runs_it_is_asked_of_what_is_left():
    model = chain("i", "+")
    entry = (("min_runtime_version", len(model.buffers)),)
    told = replace(model.buffers[0], data=b"2.18.0".ljust(16, b"\0"))
    made = requantize(model.changed(metadata=entry, buffers=(*model.buffers, told)), "int8").model
    left = min_runtime_version([(op.opcode, op.version) for op in made.main.operators])
    assert kinds(made) == ["ADD"]
    assert left != min_runtime_version([("ADD", 1), ("QUANTIZE", 1)])
    assert made.metadata_bytes("min_runtime_version") == left.encode().ljust(16, b"\0")
