"""The page's figures, as SVG that takes the page's colours. Same data, same bytes."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tflite_requant.report.layout import at_most

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tflite_requant.study.outcome import Histogram, Study, TensorStudy, WeightsStudy

INK = "#010203"  # stands for the page's own text colour
SOURCE, RESULT = "#7b8794", "#d9691e"
STEP_COLOURS = {0: "#3f8f6b", 1: "#e0b33c", 2: "#dd7f35", 3: "#c2452f", "beyond": "#7d1f3f"}
BEST = 60.0  # dB that are drawn for what does not differ, or hardly
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tflite_requant",
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
}


def sqnr_figure(study: Study) -> str:
    """SQNR of every activation, in execution order."""
    shown = [t for t in study.tensors if t.sqnr is not None]
    with _figure(1, 2.4) as (figure, axes):
        values = [min(t.sqnr, BEST) if not math.isnan(t.sqnr) else 0.0 for t in shown]
        bars = axes[0].bar(range(len(shown)), values, width=0.8, color=RESULT)
        for bar, t in zip(bars, shown, strict=True):
            bar.set_gid(f"{t.operator}: {_decibel(t.sqnr)}")
        axes[0].set(ylabel="SQNR, dB", xlabel="activation, in order of execution")
        axes[0].xaxis.get_major_locator().set_params(integer=True)
        axes[0].margins(x=0.01)
        return _svg(figure)


def steps_figure(study: Study) -> str:
    """Share of elements that are 0, 1, 2, 3 and more steps away, by activation."""
    shown = [t for t in study.tensors if t.steps and t.elements]
    with _figure(1, 2.4) as (figure, axes):
        below = [0.0] * len(shown)
        for key, colour in STEP_COLOURS.items():
            parts = [100.0 * _away(t, key) / t.elements for t in shown]
            label = {0: "equal", 1: "1 step", "beyond": "more"}.get(key, f"{key} steps")
            axes[0].bar(range(len(shown)), parts, bottom=below, color=colour, label=label)
            below = [a + b for a, b in zip(below, parts, strict=True)]
        axes[0].set(ylabel="elements, %", xlabel="activation, in order of execution")
        axes[0].xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylim(0, 100)
        axes[0].margins(x=0.01)
        axes[0].legend(ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
        return _svg(figure)


def operator_figure(tensor: TensorStudy | None, weights: WeightsStudy | None) -> str:
    """Histograms of an operator's output and weights, and what its biases took; "" without any."""
    panels = []
    if tensor is not None and tensor.before and tensor.after:
        panels.append(lambda axes: _activations(axes, tensor))
    if weights is not None:
        panels.append(lambda axes: _weights(axes, weights))
        if any(weights.bias_change):
            panels.append(lambda axes: _biases(axes, weights.bias_change))
    if not panels:
        return ""
    with _figure(len(panels), 2.2, top=0.52) as (figure, axes):
        for draw, one in zip(panels, axes, strict=True):
            draw(one)
        return _svg(figure)


def scales_figure(named: Sequence[tuple[str, float]]) -> str:
    """Scales by name, on a logarithmic axis."""
    with _figure(1, 2.4) as (figure, axes):
        values = [scale for _, scale in named]
        low = min(values) / 2
        bars = axes[0].bar(range(len(named)), [v - low for v in values], bottom=low, color=RESULT)
        for bar, (name, scale) in zip(bars, named, strict=True):
            bar.set_gid(f"{name}: scale {scale:.6g}")
        axes[0].set(ylabel="scale", xlabel="activation, in order of execution")
        axes[0].xaxis.get_major_locator().set_params(integer=True)
        axes[0].margins(x=0.01)
        _logarithmic(axes[0], (1.0, 2.0, 5.0))
        return _svg(figure)


def single_figure(title: str, histogram: Histogram) -> str:
    """One histogram over the steps of its grid."""
    with _figure(1, 1.9) as (figure, axes):
        edges, shares = _bars(histogram, 1.0, 0.0)
        _steps(axes[0], edges, shares, SOURCE, histogram.dtype, fill=True)
        axes[0].set(title=title)
        _logarithmic(axes[0])
        return _svg(figure)


def _activations(axes, tensor: TensorStudy) -> None:
    before, after = tensor.before, tensor.after
    _steps(axes, *_density(before), SOURCE, f"source, {before.dtype}", fill=True)
    _steps(
        axes, *_density(after, tensor.gain, tensor.offset), RESULT, f"result, {after.dtype}"
    )  # fmt: skip
    _logarithmic(axes)
    _named(axes, "output, density over real values (log)")


def _weights(axes, weights: WeightsStudy) -> None:
    for histogram, colour, name, fill in (
        (weights.before, SOURCE, "source", True),
        (weights.after, RESULT, "result", False),
    ):
        # Integers less their zero point: the steps of each grid.
        zero = 0 if histogram.zero_point is None else histogram.zero_point
        edges, shares = _bars(histogram, 1.0, 0.0)
        _steps(axes, edges, shares, colour, f"{name}, {_grid(histogram, zero)}", fill=fill)
    _logarithmic(axes)
    _named(axes, "weights, share of each step of their scale (log)")


def _biases(axes, change: Sequence[float]) -> None:
    edges = [i - 0.5 for i in range(len(change) + 1)]
    axes.stairs(change, edges, baseline=0, fill=True, color=RESULT)
    _named(axes, "bias change in output steps, zero points aside")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(x=0.01)


def _named(axes, title: str) -> None:
    """A title, and below it the legend: inside the axes it would lie on the data."""
    axes.set_title(title, loc="left", pad=27)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=7, borderaxespad=0.2,
                    borderpad=0, labelspacing=0.2)  # fmt: skip


def _logarithmic(axes, ticks: tuple[float, ...] = (1.0,)) -> None:
    """A logarithmic axis with plain labels: the usual ones are typeset, which takes long."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=ticks, numticks=5))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))


def _grid(histogram: Histogram, zero: int) -> str:
    if histogram.scale is None:
        return f"{histogram.dtype}, a scale per channel"
    return f"{histogram.dtype}, scale {histogram.scale:.4g}, zero point {zero}"


def _density(histogram: Histogram, gain: float = 1.0, offset: float = 0.0):
    """(edges, density over true real values) of a per-tensor grid."""
    scale = histogram.scale / gain
    edges, shares = _bars(histogram, scale, -histogram.zero_point * scale - offset)
    return edges, [share / (scale * histogram.width) for share in shares]


def _bars(histogram: Histogram, scale: float, offset: float) -> tuple[list[float], list[float]]:
    """(n + 1 edges, n shares); empty bars at both ends are left out."""
    counts = histogram.counts
    used = [i for i, count in enumerate(counts) if count] or [0]
    first, last = used[0], used[-1] + 1
    total = sum(counts) or 1
    edges = [
        (histogram.first + i * histogram.width - 0.5) * scale + offset
        for i in range(first, last + 1)
    ]
    return edges, [count / total for count in counts[first:last]]


def _steps(axes, edges, shares, colour, label, fill=False) -> None:
    axes.stairs(
        shares, edges, fill=fill, color=colour, alpha=0.55 if fill else 1, linewidth=0.9,
        label=label,
    )  # fmt: skip


def _away(tensor: TensorStudy, key: int | str) -> int:
    """Elements that many steps away, on either side."""
    if isinstance(key, str) or key == 0:
        return tensor.steps.get(key, 0)
    return tensor.steps.get(key, 0) + tensor.steps.get(-key, 0)


def _decibel(value: float) -> str:
    return "no difference" if math.isinf(value) and value > 0 else f"{at_most(value, 1)} dB"


class _figure:
    """A row of axes under the page's style, without any global state left behind."""

    def __init__(self, columns: int, height: float, top: float = 0.25) -> None:
        self.columns, self.height, self.top = columns, height, top  # inches

    def __enter__(self) -> tuple[Figure, Iterable]:
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context({**STYLE})
        self._context.__enter__()
        figure = Figure(figsize=(9.6, self.height))
        figure.subplots_adjust(0.06, 0.42 / self.height, 0.995, 1 - self.top / self.height, 0.16)
        return figure, list(figure.subplots(1, self.columns, squeeze=False)[0])

    def __exit__(self, *error) -> None:
        self._context.__exit__(*error)


def _svg(figure: Figure) -> str:
    """The figure as an <svg> element in the page's colours; what has a gid gets a tooltip."""
    out = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(
        r'<g id="([^"]*)">',
        lambda m: f"<g><title>{m[1]}</title>" if " " in m[1] else "<g>",
        text,
    )
    text = text.replace(INK, "currentColor").replace("<svg ", '<svg role="img" ', 1)
    text = re.sub(r' d="[^"]*"', lambda m: re.sub(r"\d+\.\d{3,}", _shorter, m[0]), text)
    return re.sub(r"\n\s*", "\n", text)


def _shorter(number: re.Match) -> str:
    """A coordinate to the hundredth of a point."""
    return f"{float(number[0]):.2f}"
