"""Parts of a model run one after the other give what the whole model gives."""

from dataclasses import replace

import numpy as np
import pytest
from engine_models import images
from search_models import branches, residual

from tflite_requant.flatbuffer import read
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QParams
from tflite_requant.search.runner import LITERT, Runner
from tflite_requant.search.segments import segments

MODELS = {"residual": residual, "branches": branches}


def with_scale(model, tensor, scale):
    """The model with another scale on one tensor."""
    main = model.main
    old = main.tensors[tensor]
    new = replace(old, qparams=QParams((scale,), old.qparams.zero_points))
    tensors = tuple(new if t is old else t for t in main.tensors)
    return model.changed(subgraphs=(replace(main, tensors=tensors),))


def feeds(model, count=3):
    return [list(f.values()) for f in images(model, count)]


@pytest.mark.parametrize("name", MODELS)
def test_parts_make_the_whole(name):
    model = MODELS[name]()
    wanted = model.main.outputs
    parts = segments(model, wanted)
    assert [op.outputs for p in parts for op in p.model.main.operators] == [
        op.outputs for op in model.main.operators
    ]
    for before, after in zip(parts, parts[1:], strict=False):
        assert before.outputs == after.inputs
    assert set(parts[-1].outputs) == set(wanted)
    runner = Runner(model, feeds(model), wanted)
    variant = runner.variant(model)
    plain = Interpreter(model, LITERT, fast=False)
    for sample in range(len(runner)):
        found = runner.outputs(variant, sample)
        expected = plain.run(runner.samples[sample])
        for tensor, array in zip(wanted, expected, strict=True):
            assert (found[tensor] == array).all()


def test_only_parts_around_a_change_change():
    model = residual()
    tensors = [op.outputs[0] for op in model.main.operators]
    keys = [p.key for p in segments(model, model.main.outputs)]
    assert len(keys) > 3
    for place, tensor in enumerate(tensors):
        scale = model.main.tensors[tensor].qparams.scale
        other = [p.key for p in segments(with_scale(model, tensor, 2 * scale), model.main.outputs)]
        changed = [i for i, (a, b) in enumerate(zip(keys, other, strict=True)) if a != b]
        assert changed, place
        assert len(changed) <= 3
    assert keys == [p.key for p in segments(read(model.to_bytes()), model.main.outputs)]


def test_variants_start_where_they_part():
    """Whatever checkpoints were kept before, a variant gives what it would give alone."""
    model = residual()
    wanted = model.main.outputs
    tensors = [op.outputs[0] for op in model.main.operators][::2]
    variants = [model] + [
        with_scale(model, t, model.main.tensors[t].qparams.scale * 1.5) for t in tensors
    ]
    runner = Runner(model, feeds(model, 2), wanted)
    base = runner.variant(model)
    for upto in (0, 2, 1, len(base.parts), 3):
        runner.keep(base, upto)
        for new in variants:
            variant = runner.variant(new)
            plain = Interpreter(new, LITERT, fast=False)
            for sample in range(len(runner)):
                expected = plain.run(runner.samples[sample])
                found = runner.outputs(variant, sample)
                assert (found[wanted[0]] == expected[0]).all()


def test_what_came_before_a_checkpoint_is_not_run_again(monkeypatch):
    model = residual()
    runner = Runner(model, feeds(model, 1), model.main.outputs)
    base = runner.variant(model)
    runner.keep(base, 2)
    ran = []
    plain = Runner._run
    monkeypatch.setattr(
        Runner, "_run", lambda self, part, *rest: ran.append(part.key) or plain(self, part, *rest)
    )
    runner.outputs(base, 0)
    assert ran == [p.key for p in base.parts[2:]]


def test_a_model_with_state_is_one_part():
    model = residual()
    main = model.main
    tensors = tuple(
        replace(t, is_variable=True) if t.index == main.operators[2].outputs[0] else t
        for t in main.tensors
    )
    stateful = model.changed(subgraphs=(replace(main, tensors=tensors),))
    assert len(segments(stateful, main.outputs)) == 1


def test_inputs_are_put_on_the_variants_grid():
    model = residual()
    (x,) = model.inputs
    coarse = with_scale(model, x.index, 2 * x.qparams.scale)
    sample = np.arange(192, dtype=np.uint8).reshape(x.shape)
    runner = Runner(model, [sample], model.main.outputs)
    real = (sample.astype(float) - x.qparams.zero_point) * x.qparams.scale
    expected = Interpreter(coarse, LITERT, fast=False).run([real])
    found = runner.outputs(runner.variant(coarse), 0)
    assert (found[model.main.outputs[0]] == expected[0]).all()


def test_each_arithmetic_has_its_own_numbers():
    model = residual()
    runner = Runner(model, feeds(model), model.main.outputs)
    for profile in (LITERT, "litert-reference", LITERT):
        plain = Interpreter(model, profile, fast=False)
        variant = runner.variant(model, profile)
        for sample in range(len(runner)):
            (expected,) = plain.run(runner.samples[sample])
            found = runner.outputs(variant, sample)
            assert (found[model.main.outputs[0]] == expected).all()
        runner.keep(variant, 2)
