"""What both RTL benches share: vectors of the demo model, and the design's parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEMO = ROOT / "examples" / "demo" / "digits_qat_uint8.tflite"
BUILD = ROOT / "build" / "examples" / "rtl"
SOURCES = [HERE / "rescale.v", HERE / "conv.v"]
DIRECTED = "8"
LAYERS = {0: "3x3, stride 2, ReLU6", 1: "3x3 depthwise, ReLU6", 2: "1x1, no activation"}


def program(*words: str) -> None:
    """Run tflite_requant."""
    command = [sys.executable, "-m", "tflite_requant", *words, "--quiet"]
    subprocess.run(command, check=True, cwd=ROOT)


def make_vectors() -> tuple[Path, Path]:
    """(directed set, random set) of the demo model's first layers on int8, as many cases each."""
    BUILD.mkdir(parents=True, exist_ok=True)
    model = BUILD / "digits.int8.tflite"
    program(str(DEMO), "--scheme", "int8", "--output", str(model))
    directed, random = BUILD / "directed", BUILD / "random"
    layers = ",".join(map(str, LAYERS))
    write = ["golden", str(model), "--layers", layers, "--formats", "hex,npz"]
    program(*write, "--directed", DIRECTED, "--random", "0", "--output", str(directed))
    most = max(len(o["cases"]) for o in manifest(directed)["operators"])
    program(*write, "--directed", "0", "--random", str(most), "--output", str(random))
    return directed, random


def manifest(folder: Path) -> dict:
    """A set's manifest."""
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def parameters(operator: dict) -> dict[str, int]:
    """The design's parameters for an operator of the manifest."""
    shapes = {t["operand"]: t["shape"] for t in (*operator["inputs"], *operator["outputs"])}
    (_, height, width, channels), (_, out_height, out_width, out_channels) = (
        shapes["input"],
        shapes["output"],
    )
    _, tall, wide, _ = shapes["weights"]
    options = operator["attributes"]
    return {
        "HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "OUT_HEIGHT": out_height,
        "OUT_WIDTH": out_width, "OUT_CHANNELS": out_channels, "TALL": tall, "WIDE": wide,
        "STRIDE_H": options["stride_h"], "STRIDE_W": options["stride_w"],
        "PAD_TOP": operator["padding"]["top"], "PAD_LEFT": operator["padding"]["left"],
        "DEPTHWISE": int(operator["type"] == "DEPTHWISE_CONV_2D"),
        "SCALES": operator["rescale"][0]["channels"],
    }  # fmt: skip


def narrow(folder: Path, operator: dict) -> dict[str, int]:
    """Widths that are one bit too small for what the directed cases of an operator hold."""
    sums, values = [0], [0]
    with np.load(folder / operator["constants"][0]["files"]["npz"]) as archive:
        bias = archive["bias"].astype(np.int64)
    for case in operator["cases"]:
        with np.load(folder / case["arrays"][0]["files"]["npz"]) as archive:
            sums += _ends(archive["accumulator"].astype(np.int64) - bias)
            values += _ends(archive["rescaled"])
    return {"SUM_BITS": _bits(sums) - 1, "RESCALED_BITS": _bits(values) - 1}


def _ends(array: np.ndarray) -> list[int]:
    return [int(array.min()), int(array.max())]


def _bits(values: list[int]) -> int:
    """Of the narrowest two's complement that holds them all."""
    return 1 + max(max(v, -v - 1).bit_length() for v in values)
