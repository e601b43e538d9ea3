"""`inspect`: what is in a model."""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import Any

from tflite_requant.cli import places
from tflite_requant.errors import UsageError
from tflite_requant.report.as_json import document, plain
from tflite_requant.report.layout import fields, number, plural, shorten, table, wrap

SUMMARY = "Show what is in a model: operators, quantization and what is unusual about it."
USAGE = "MODEL [flags]"
QUIET = "no table of operators; what else is asked for is printed all the same"
SHORT_DTYPES = {
    "uint8": "u8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "float32": "f32",
    "float16": "f16",
}  # fmt: skip
OPERATOR_WIDTH, TENSOR_WIDTH, NAME_WIDTH = 24, 34, 40
SHOWN_PLACES = 3
TRUE = "true value = scale x (q - zero point) - offset"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the .tflite file")
    parser.add_argument(
        "--plot", metavar="FILE.html", help="also write a page with its scales and weights drawn"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(args: argparse.Namespace) -> tuple[int, str]:
    from pathlib import Path

    from tflite_requant import files
    from tflite_requant.cli.inspection import inspection

    if args.plot:
        _check_plot(args, Path(args.plot))
    model = files.load(args.model, sound=False)  # what is wrong with it is told
    facts = inspection(model, len(model.to_bytes()))
    if args.plot:
        _plot(Path(args.plot), Path(args.model), model, facts)
    if args.json:
        return 0, document("inspect", model=args.model, written=args.plot, **plain(facts))
    return 0, "\n".join(_text(args, Path(args.model).name, facts))


def _check_plot(args: argparse.Namespace, path) -> None:
    """Raise UsageError for a page that cannot be made, before any work."""
    from tflite_requant.report.html import require_packages

    if path.suffix != ".html":
        raise UsageError(f"--plot {path}: need a name that ends in .html")
    places.check_files(args, [path])
    require_packages()


def _plot(path, source, model, facts: dict[str, Any]) -> None:
    """Write the page. Raises FormatError for a model too damaged to be drawn."""
    from tflite_requant import files
    from tflite_requant.report.html.inspection import inspection_page
    from tflite_requant.study.single import single_weights

    files.load(source)  # refuses what is unsound
    page = inspection_page(source.name, plain(facts), _overview(facts), single_weights(model))
    files.write_all({path: page.encode("utf-8", "backslashreplace")})


def _text(args: argparse.Namespace, name: str, facts: dict[str, Any]) -> list[str]:
    written = [("written", args.plot)] if args.plot else []
    lines = [name, *fields([*_overview(facts), *written])]
    if facts["oddities"]:
        lines += ["", "  oddities", *_oddities(facts["oddities"], args.verbose)]
    for i, subgraph in enumerate(facts["subgraphs"]):
        if args.quiet:
            continue
        which = (
            f" of subgraph {i} {subgraph['name']}".rstrip() if len(facts["subgraphs"]) > 1 else ""
        )
        lines += ["", f"  operators{which}", *_operator_table(subgraph)]
        if args.verbose:
            lines += ["", f"  tensors{which}", *_tensor_table(subgraph)]
            true = [e for e in facts["relabelled"] if e["subgraph"] == i]
            if true:
                lines += ["", f"  relabelled{which}: {TRUE}", *_true_table(subgraph, true)]
    return lines


def _overview(facts: dict[str, Any]) -> list[tuple[str, str]]:
    main = facts["subgraphs"][0]
    counts = facts["operator_counts"]
    tensors = [t for s in facts["subgraphs"] for t in s["tensors"]]
    pairs = [("file", f"{facts['bytes']:,} bytes, schema version {facts['schema_version']}")]
    if facts["description"]:
        pairs.append(("description", facts["description"]))
    pairs += list((facts["made"] or {}).items())
    for side in ("inputs", "outputs"):
        pairs += [(side[:-1], _full(main["tensors"][i])) for i in main[side]]
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    pairs.append(("operators", f"{sum(counts.values())}: {told}"))
    pairs.append(
        ("tensors", f"{len(tensors)}, {facts['per_axis_tensors']} of them quantized per axis")
    )
    if facts["mixed"]:
        pairs.append(("runtime", "none of TFLite's takes it: operators have int8 beside uint8"))
    elif facts["min_runtime_version"]:
        pairs.append(("runtime", f"{facts['min_runtime_version']} or later"))
    if facts["metadata"]:
        entries = (f"{m['name']} ({plural(m['bytes'], 'byte')})" for m in facts["metadata"])
        pairs.append(("metadata", ", ".join(entries)))
    for s in facts["signatures"]:
        arguments = f"{', '.join(s['inputs'])} -> {', '.join(s['outputs'])}"
        pairs.append(("signature", f"{s['key']}: {arguments}"))
    if facts["trailing"]["bytes"]:
        names = ", ".join(facts["trailing"]["files"]) or "not a ZIP"
        pairs.append(("appended", f"{facts['trailing']['bytes']:,} bytes: {names}"))
    return pairs


def _oddities(found: list[dict[str, str]], verbose: bool) -> list[str]:
    """A line a law, with the places it was met; -v shows them all."""
    lines = []
    for law, group in groupby(sorted(found, key=lambda f: f["law"]), key=lambda f: f["law"]):
        findings = list(group)
        shown = findings if verbose else findings[:SHOWN_PLACES]
        lines += wrap(f"[{law}] {plural(len(findings), 'place')}", "    ")
        for f in shown:
            lines.append(f"      {shorten(f['where'], 72)}")
            lines += wrap(f["found"], "        ")
            if f.get("need"):
                lines += wrap(f["need"], "          need  ")
            if f.get("hint"):
                lines += wrap(f["hint"], "          hint  ")
        if len(shown) < len(findings):
            lines.append(f"      and {len(findings) - len(shown)} more; -v shows all")
    return lines


def _operator_table(subgraph: dict[str, Any]) -> list[str]:
    tensors = subgraph["tensors"]

    def cell(index: int | None) -> str:
        return "" if index is None or index < 0 else brief(tensors[index], 3)

    rows = []
    for op in subgraph["operators"]:
        first = next((i for i in op["inputs"] if i >= 0 and i != op["weights"]
                      and not tensors[i]["constant"]), None)  # fmt: skip
        fused = "" if op["activation"] == "NONE" else f"+{op['activation']}"
        name = shorten(f"{op['name']}{fused}", OPERATOR_WIDTH)
        output = op["outputs"][0] if op["outputs"] else None
        cells = (cell(first), cell(op["weights"]), cell(output))
        rows.append((str(op["index"]), name, str(op["version"]), *cells))
    return table(("op", "name", "v", "input", "weights", "output"), rows, "><><<<", cut=1)


def _tensor_table(subgraph: dict[str, Any]) -> list[str]:
    rows = [
        (
            str(t["index"]),
            shorten(t["name"], TENSOR_WIDTH),
            "const" if t["constant"] else "var" if t["variable"] else "",
            "x".join(str(n) for n in t["shape"]),
            brief(t, 7),
        )
        for t in subgraph["tensors"]
    ]
    return table(("no", "name", "kind", "shape", "type"), rows, "><<<<", cut=1)


def _true_table(subgraph: dict[str, Any], entries: list[dict[str, Any]]) -> list[str]:
    """Relabelled tensors: what the file says, and what is meant."""
    rows = []
    for e in entries:
        t = subgraph["tensors"][e["tensor"]]
        numbers = (number(e["scale"]), number(e["offset"]))
        rows.append((str(t["index"]), shorten(t["name"], TENSOR_WIDTH), brief(t, 7), *numbers))
    return table(("no", "name", "in the file", "scale", "offset"), rows, "><<>>", cut=1)


def brief(tensor: dict[str, Any], digits: int) -> str:
    """Type, scale and zero point in a few columns: "u8 0.0235 128", "i8 32 scales"."""
    dtype = SHORT_DTYPES.get(tensor["dtype"], tensor["dtype"])
    scales = tensor["scales"]
    if tensor["block_size"]:
        return f"{dtype} blocks of {tensor['block_size']}"
    if not scales:
        return dtype
    if len(scales) > 1:
        return f"{dtype} {len(scales)} scales"
    return f"{dtype} {scales[0]:.{digits}g} {tensor['zero_points'][0]}"


def _full(tensor: dict[str, Any]) -> str:
    shape = "x".join(str(n) for n in tensor["shape"])
    text = f"{shorten(tensor['name'], NAME_WIDTH)} {tensor['dtype']} {shape}".strip()
    if len(tensor["scales"]) == 1:
        text += f" scale {tensor['scales'][0]:.9g} zero point {tensor['zero_points'][0]}"
    elif tensor["scales"]:
        text += f" {len(tensor['scales'])} scales on axis {tensor['axis']}"
    return text
