"""Work in parts is the same work, wherever it runs and whoever dies on the way."""

import hashlib
import os
import pickle
import signal
import sys
import tempfile
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tflite_requant import errors, statistics
from tflite_requant.accuracy import measure
from tflite_requant.compare import compare
from tflite_requant.files import load
from tflite_requant.golden import write_golden_vectors
from tflite_requant.golden.folder import files_below
from tflite_requant.requantize import requantize
from tflite_requant.samples import array_samples, load_arrays
from tflite_requant.spread import AHEAD, WorkerLost, kept_by_thread, part_size, parts, spread

SAMPLES = 20


def test_parts():
    assert list(parts("abcde", 2)) == [(0, ["a", "b"]), (2, ["c", "d"]), (4, ["e"])]
    assert list(parts([], 3)) == []


@pytest.mark.parametrize(
    "items, size",
    [
        pytest.param(range(500), 8, id="many"),
        pytest.param(range(64), 8, id="just-enough"),
        pytest.param(range(20), 2, id="few"),
        pytest.param(range(3), 1, id="very-few"),
        pytest.param(range(0), 1, id="none"),
        pytest.param(iter(range(3)), 8, id="nobody-knows"),
    ],
)
def test_size_of_parts(items, size):
    assert part_size(items, 8) == size


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
    """(bytes of a calibrated result, table of accuracies, comparison, hash of golden vectors)."""
    return tuple(work(demo, executor) for work in WORKS.values())


def calibrated(demo, executor) -> bytes:
    source, calibration, _, _ = demo
    known = statistics.measure(source, calibration, executor=executor)
    return requantize(source, "symmetric-per-tensor", known).model.to_bytes()


def table(demo, executor):
    source, _, test, labels = demo
    result = requantize(source, "symmetric-per-tensor").model
    return measure(
        source, {"result": result}, test, labels, through="interpreter", executor=executor
    )


def compared(demo, executor):
    source, _, test, _ = demo
    return compare(source, requantize(source, "symmetric").model, test, executor=executor)


def golden(demo, executor) -> str:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "set")
        write_golden_vectors(demo[0], folder=target, directed=3, executor=executor)
        whole = hashlib.sha256()
        for path in files_below(target):
            whole.update(path.encode() + (target / path).read_bytes())
    return whole.hexdigest()


WORKS = {"calibration": calibrated, "accuracy": table, "comparison": compared, "golden": golden}


def test_processes(demo, alone):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert everything(demo, executor) == alone


@pytest.mark.parametrize("size", [1, 3, 20])
def test_any_part(demo, alone, size, monkeypatch):
    """Parts of any size, done in another order than they are counted."""
    monkeypatch.setattr("tflite_requant.spread.PARTS", 1)
    monkeypatch.setattr("tflite_requant.statistics.calibrated.PART", size)
    monkeypatch.setattr("tflite_requant.accuracy.table.PART", size)
    monkeypatch.setattr(sys.modules["tflite_requant.compare.models"], "PART", size)
    with ThreadPoolExecutor(3) as executor:
        assert everything(demo, executor) == alone


class Losing(Executor):
    """A cluster of which a worker dies as the second part of the work is handed out."""

    def __init__(self, client) -> None:
        self.client, self.inner, self.count = client, client.get_executor(), 0

    def submit(self, work, /, *arguments, **named):
        future = self.inner.submit(work, *arguments, **named)
        self.count += 1
        if self.count == 2:
            self.lost = min(self.client.run(os.getpid).values())
            os.kill(self.lost, signal.SIGKILL)
        return future


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_dask_cluster(demo, alone, cluster):
    assert everything(demo, cluster.get_executor()) == alone


@pytest.mark.parametrize("name", WORKS)
def test_a_dask_cluster_that_loses_a_worker(demo, alone, cluster, monkeypatch, name):
    for module in ("statistics.calibrated", "accuracy.table", "compare.models"):
        monkeypatch.setattr(sys.modules[f"tflite_requant.{module}"], "PART", 2)
    executor = Losing(cluster)
    assert WORKS[name](demo, executor) == alone[list(WORKS).index(name)]
    assert executor.count > 5
    assert executor.lost not in cluster.run(os.getpid).values()


def every_error(kind=errors.RequantError):
    return [kind, *(e for each in kind.__subclasses__() for e in every_error(each))]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_errors_come_back_from_workers(kind):
    findings = (errors.Finding("error", "op 1 ADD", "law", "found", "need", "hint"),)
    has_findings = issubclass(kind, (errors.FormatError, errors.RefusedError))
    raised = kind("what", findings) if has_findings else kind("what")
    back = pickle.loads(pickle.dumps(raised))
    assert (type(back), str(back)) == (kind, str(raised))
    assert getattr(back, "findings", None) == getattr(raised, "findings", None)


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
