"""`--jobs` and `--dask`: the same file whoever ran the samples, and what cannot be asked."""

import argparse
from pathlib import Path

import pytest

from tflite_requant.cli import main
from tflite_requant.cli.workers import executor_of
from tflite_requant.errors import UsageError


@pytest.mark.parametrize("flags", [["--jobs", "2"]], ids=["jobs"])
def test_same_file(demo_model, folder, flags):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    words = [str(demo_model), "--calibration", samples, "-q"]
    assert main([*words, "-o", "alone.tflite"]) == 0
    assert main([*words, "-o", "shared.tflite", *flags]) == 0
    assert Path("alone.tflite").read_bytes() == Path("shared.tflite").read_bytes()


def test_a_cluster_by_its_address(demo_model, folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        words = [str(demo_model), "--calibration", "synthetic:16", "-q"]
        assert main([*words, "-o", "alone.tflite"]) == 0
        assert main([*words, "-o", "shared.tflite", "--dask", cluster.scheduler_address]) == 0
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
