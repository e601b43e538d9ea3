"""A whole network: what a set of it costs, and that it is the same when written again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_requant.golden import verify_golden_vectors

ROOT = Path(__file__).resolve().parents[2]
MODEL = "coral/mobilenet_v2_1.0_224_quant.tflite"
SECONDS, MEGABYTES = 60, 300
CHILD = """
import json, sys, time
from pathlib import Path
from tflite_requant.cli import main
start = time.process_time()
code = main(sys.argv[1:])
# Not ru_maxrss: it remembers that of the process that started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps([code, time.process_time() - start, peak]))
"""


def run(*words: str) -> list[float]:
    """[exit code, seconds of CPU, megabytes at most] of a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_mobilenet_v2(models, tmp_path):
    source = models / MODEL
    if not source.is_file():
        pytest.skip(f"{MODEL} is not among the models")
    model, golden = tmp_path / "m.tflite", tmp_path / "golden"
    assert run(str(source), "-s", "symmetric-po2", "-o", str(model), "-q")[0] == 0
    code, seconds, megabytes = run("golden", str(model), "-o", str(golden), "--directed", "4", "-q")
    assert code == 0
    assert seconds < SECONDS and megabytes < MEGABYTES
    manifest = json.loads((golden / "manifest.json").read_text("utf-8"))
    assert [len(o["cases"]) for o in manifest["operators"]] == [5] * 66
    weighted = [o for o in manifest["operators"] if "CONV" in o["type"]]
    assert all(o["rescale"][0]["kind"] == "shift" for o in weighted)
    assert verify_golden_vectors(golden).passed
