"""Work in parts is the same work, wherever it runs and whoever dies on the way."""

import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from tflite_requant import statistics
from tflite_requant.accuracy import measure
from tflite_requant.compare import compare
from tflite_requant.files import load
from tflite_requant.requantize import requantize
from tflite_requant.samples import array_samples, load_arrays
from tflite_requant.spread import AHEAD, WorkerLost, kept_by_thread, parts, spread

SAMPLES = 20


def test_parts():
    assert list(parts("abcde", 2)) == [(0, ["a", "b"]), (2, ["c", "d"]), (4, ["e"])]
    assert list(parts([], 3)) == []


def test_in_order_and_not_far_ahead():
    taken = []

    def tasks():
        for i in range(50):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(4) as executor:
        answers = spread(executor, lambda i: i * i, tasks())
        assert next(answers) == 0 and len(taken) <= AHEAD
        assert list(answers) == [i * i for i in range(1, 50)]


def test_what_work_raises_is_raised():
    with ThreadPoolExecutor(2) as executor, pytest.raises(ZeroDivisionError):
        list(spread(executor, lambda i: 1 // i, [1, 0, 1]))


def die(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_dead_process_is_told():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(WorkerLost, match="a worker died"),
    ):
        list(spread(executor, die, range(5)))


@pytest.fixture(scope="module")
def demo(demo_model):
    arrays = load_arrays(demo_model.parent / "digits_samples.npz")
    source = load(demo_model)
    return (
        source,
        array_samples(arrays["calibration"][:SAMPLES], source),
        array_samples(arrays["test"][:SAMPLES], source),
        arrays["test_labels"][:SAMPLES],
    )


@pytest.fixture(scope="module")
def alone(demo):
    return everything(demo, None)


def everything(demo, executor):
    """(bytes of a calibrated result, table of accuracies, comparison)."""
    source, calibration, test, labels = demo
    known = statistics.measure(source, calibration, executor=executor)
    result = requantize(source, "symmetric-per-tensor", known).model
    table = measure(
        source, {"result": result}, test, labels, through="interpreter", executor=executor
    )  # fmt: skip
    return result.to_bytes(), table, compare(source, result, test, executor=executor)


def test_processes(demo, alone):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert everything(demo, executor) == alone


@pytest.mark.parametrize("size", [1, 3, 20])
def test_any_part(demo, alone, size, monkeypatch):
    """Parts of any size, done in another order than they are counted."""
    monkeypatch.setattr("tflite_requant.statistics.calibrated.PART", size)
    monkeypatch.setattr("tflite_requant.accuracy.table.PART", size)
    monkeypatch.setattr(sys.modules["tflite_requant.compare.models"], "PART", size)
    with ThreadPoolExecutor(3) as executor:
        assert everything(demo, executor) == alone


def test_a_dask_cluster_that_loses_a_worker(demo, alone):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert everything(demo, client.get_executor()) == alone
        workers = list(client.run(os.getpid).values())
        with client.get_executor() as executor:
            answers = spread(executor, slowly, range(40))
            assert next(answers) == 0
            os.kill(workers[0], signal.SIGKILL)
            assert list(answers) == list(range(1, 40))
        assert workers[0] not in client.run(os.getpid).values()


def slowly(task: int) -> int:
    time.sleep(0.05)
    return task


def test_each_thread_keeps_its_own():
    made = []

    @kept_by_thread
    def make(word):
        made.append(word)
        return object()

    assert make("a") is make("a") and make("b") is not make("a")
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(make, "a").result() is not make("a")
    assert made == ["a", "b", "a", "a"]
