"""Runs models in LiteRT and says of each whether it ran: `litert_child.py FOLDER RESOLVER FIRST`.

Started as a process of its own, since a model can kill the runtime. Reads FOLDER/0000.tflite and
so on, from number FIRST, and prints a line of JSON for each: its number, an error or null, and the
outputs' integers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert import interpreter as litert


def run(path: Path, resolver) -> list[list[float]]:
    """The outputs of one model for seeded random inputs."""
    runtime = litert.Interpreter(
        model_content=path.read_bytes(), experimental_op_resolver_type=resolver, num_threads=1
    )
    runtime.allocate_tensors()
    rng = np.random.default_rng(7)
    for entry in runtime.get_input_details():
        dtype = entry["dtype"]
        if np.issubdtype(dtype, np.floating):
            value = rng.normal(size=entry["shape"]).astype(dtype)
        else:
            info = np.iinfo(dtype)
            value = rng.integers(info.min, info.max + 1, entry["shape"]).astype(dtype)
            if entry["name"].startswith("positive"):
                value = np.maximum(value, dtype(entry["quantization"][1] + 1))
        runtime.set_tensor(entry["index"], value)
    runtime.invoke()
    return [
        runtime.get_tensor(entry["index"]).reshape(-1).astype(float).tolist()
        for entry in runtime.get_output_details()
    ]


def main() -> None:
    folder, resolver = Path(sys.argv[1]), litert.OpResolverType[sys.argv[2]]
    for path in sorted(folder.glob("*.tflite"))[int(sys.argv[3]) :]:
        try:
            outcome = {"error": None, "outputs": run(path, resolver)}
        except (RuntimeError, ValueError) as error:
            outcome = {"error": str(error) or type(error).__name__, "outputs": []}
        print(json.dumps({"number": int(path.stem), **outcome}), flush=True)


if __name__ == "__main__":
    main()
