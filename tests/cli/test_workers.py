"""`--jobs` and `--dask`: the same file whoever ran the samples, and what cannot be asked."""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tflite_requant.cli import main
from tflite_requant.cli.workers import executor_of
from tflite_requant.errors import Terminated, UsageError


@pytest.mark.parametrize("flags", [["--jobs", "2"]], ids=["jobs"])
def test_same_file(demo_model, folder, flags):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    words = [str(demo_model), "--calibration", samples, "-q"]
    assert main([*words, "-o", "alone.tflite"]) == 0
    assert main([*words, "-o", "shared.tflite", *flags]) == 0
    assert Path("alone.tflite").read_bytes() == Path("shared.tflite").read_bytes()


def manifest(folder: str) -> bytes:
    """It holds the hashes of all other files."""
    return Path(folder, "manifest.json").read_bytes()


def test_same_golden_vectors(demo_model, folder):
    words = ["golden", str(demo_model), "--layers", "0-3", "--directed", "2", "-q"]
    assert main([*words, "-o", "alone"]) == 0
    assert main([*words, "-o", "shared", "--jobs", "2"]) == 0
    assert manifest("alone") == manifest("shared")
    assert main(["golden", "--verify", "shared", "--jobs", "2", "-q"]) == 0


def running(group: int) -> list[str]:
    """Processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended in the meantime
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("jobs", [[], ["--jobs", "2"]], ids=["alone", "two-workers"])
@pytest.mark.parametrize(
    "numbers, codes, left",
    [
        (["SIGINT"], {130}, []),
        (["SIGTERM"], {143}, []),
        (["SIGINT", "SIGINT"], {130}, []),
        # Python handles what comes while it is busy in the order of numbers.
        (["SIGTERM", "SIGINT", "SIGTERM"], {143, 130}, []),
        (["SIGKILL"], {-9}, None),
    ],
    ids=["interrupt", "terminate", "interrupt-twice", "terminate-thrice", "kill"],
)
def test_an_interrupt_ends_all_processes_and_is_told_once(
    demo_model, folder, numbers, codes, left, jobs
):
    """In the middle of the work. A terminal interrupts the whole group, SIGTERM has one address;
    more of them do not disturb what takes files away."""
    words = ["golden", str(demo_model), "-o", "set", "--random", "100", *jobs]
    process = subprocess.Popen(
        [sys.executable, "-m", "tflite_requant", *words], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(folder.glob(".set.*.tmp/*/*.npz")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    for number in numbers:
        send = os.killpg if number == "SIGINT" else os.kill
        with suppress(ProcessLookupError):
            send(process.pid, getattr(signal, number))
        time.sleep(0.01)
    _, err = process.communicate(timeout=60)
    assert process.returncode in codes
    if left is not None:  # of a process that is killed, a temporary folder stays
        assert err == "tflite-requant: interrupted\n"
        assert os.listdir() == left
    while running(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


CAUGHT_AT_WORK = """
import io, zipfile
from tflite_requant import start
from tflite_requant.cli import processes
archive = zipfile.ZipFile(io.BytesIO(), "w")
file = archive.open("x.npy", "w")
try:
    {signal}
except BaseException as error:
    print(type(error).__name__)
del archive
file.__class__.close = lambda file: None
del file
"""


@pytest.mark.parametrize(
    "signal, complains",
    [
        ("start._interrupt()", False),
        ("start._terminate()", False),
        ("processes._guarded(processes._stop)", False),
        ("raise KeyboardInterrupt", True),
    ],
    ids=["interrupt", "terminate", "a-worker", "not-ours"],
)
def test_what_a_signal_caught_at_work_says_nothing(signal, complains):
    """An archive complains where it is deleted while something is being written into it."""
    done = subprocess.run(
        [sys.executable, "-c", CAUGHT_AT_WORK.format(signal=signal)], text=True,
        capture_output=True, check=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() in ("KeyboardInterrupt", "Terminated")
    assert ("ZipFile.__del__" in done.stderr) == complains


@pytest.mark.parametrize(
    "interrupt, code", [(KeyboardInterrupt, 130), (Terminated, 143)], ids=["interrupt", "terminate"]
)
@pytest.mark.parametrize("error", [ValueError, FileNotFoundError], ids=lambda e: e.__name__)
def test_an_error_in_an_interrupts_place(tiny, capsys, monkeypatch, interrupt, code, error):
    """What cleans up may fail on what the interrupt left: an archive that is being written into."""

    def run(args):
        try:
            raise interrupt
        finally:
            raise error("there is an open writing handle")

    monkeypatch.setattr("tflite_requant.cli.inspect.run", run)
    assert main(["inspect", "tiny.tflite"]) == code
    assert capsys.readouterr().err == "tflite-requant: interrupted\n"


def test_a_cluster_by_its_address(demo_model, folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        words = [str(demo_model), "--calibration", "synthetic:16", "-q"]
        assert main([*words, "-o", "alone.tflite"]) == 0
        dask = ["--dask", cluster.scheduler_address]
        assert main([*words, "-o", "shared.tflite", *dask]) == 0
        words = ["golden", str(demo_model), "--layers", "0-3", "--directed", "2", "-q"]
        assert main([*words, "-o", "shared", *dask]) == 0
        assert main(["golden", "--verify", "shared", "-q", *dask]) == 0
    assert main([*words, "-o", "alone"]) == 0
    assert manifest("alone") == manifest("shared")
    assert Path("alone.tflite").read_bytes() == Path("shared.tflite").read_bytes()


def test_what_cannot_be_asked(tiny, capsys, monkeypatch):
    assert main(["tiny.tflite", "--jobs", "0"]) == 2
    assert "--jobs 0: need at least 1" in capsys.readouterr().err
    pytest.importorskip("distributed")
    monkeypatch.setattr("tflite_requant.cli.workers.PATIENCE", 0.2)
    assert main(["tiny.tflite", "--dask", "tcp://127.0.0.1:9"]) == 2
    assert "no cluster answers" in " ".join(capsys.readouterr().err.split())


def test_alone_without_flags():
    with executor_of(argparse.Namespace(jobs=1, dask=None)) as executor:
        assert executor is None
    with pytest.raises(UsageError), executor_of(argparse.Namespace(jobs=-1, dask=None)):
        pass
