"""Figures of the report page as SVG strings (matplotlib): scores, iterations, losses, RL curves, Maj@K and Pass@K.

Axes carry units; colours are safe for colour blindness and lines differ in dash too; text stays text. The same data
give the same bytes. Functions take plain columns and rows, never folders.
"""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, GREY, ORANGE, RED

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dsmath",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
}
_COLOURS = (BLUE, ORANGE, GREEN, RED)
_DASHES = ("-", "--", ":", "-.")


def score_histogram(collected: Sequence[float], others: Sequence[float], iteration: int) -> str:
    """How the classifier scored all documents (log-odds): collected ones apart from the others."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        axes = figure.subplots()
        values = [*collected, *others]
        low, high = min(values, default=0.0), max(values, default=1.0)
        edges = [low + (high - low or 1.0) * i / 50 for i in range(51)]
        axes.hist([list(others), list(collected)], bins=edges, stacked=True, color=[GREY, BLUE],
                  label=["not collected", "collected"])  # fmt: skip
        axes.set_yscale("log")
        axes.set_xlabel("log-odds of mathematics")
        axes.set_ylabel("documents (log scale)")
        axes.set_title(f"Scores of iteration {iteration}", loc="left")
        axes.legend()
        return _svg(figure, f"scores{iteration}")


def iterations_figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Pages of each iteration, and the shares: already collected, precision, recall. `rows` of `iterations_table`."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        numbers = [row["iteration"] for row in rows]
        bars = left.bar([str(n) for n in numbers], [row["num_pages"] for row in rows], color=BLUE, width=0.6)
        left.bar_label(bars, labels=[f"{row['num_pages']:,}" for row in rows], padding=2, fontsize=8)
        left.set_xlabel("iteration")
        left.set_ylabel("pages collected")
        left.margins(y=0.15)
        series = {
            "collected before": "already_collected_pages_share",
            "precision": "precision",
            "recall": "recall",
        }
        for i, (label, column) in enumerate(series.items()):
            points = [(row["iteration"], 100 * row[column]) for row in rows if row.get(column) is not None]
            if points:
                xs, ys = zip(*points, strict=True)
                right.plot(xs, ys, marker="o", color=_COLOURS[i], linestyle=_DASHES[i], label=label)
        right.set_xticks(numbers)
        right.set_ylim(0, 104)
        right.set_xlabel("iteration")
        right.set_ylabel("share of pages, %")
        if right.lines:
            right.legend(loc="lower right")
        return _svg(figure, "iterations")


def held_out_figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Recall and average precision on the held-out texts by iteration, a line for each set and language.

    `rows` of `held_out_table`; figures that are None are left out.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        panels = {"recall": "recall at score 0.5, %", "average_precision": "average precision, %"}
        series = list(dict.fromkeys((row["held_out"], row["language"]) for row in rows))
        for axes, (column, label) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for i, (name, language) in enumerate(series):
                points = [
                    (row["iteration"], 100 * row[column])
                    for row in rows
                    if (row["held_out"], row["language"]) == (name, language) and row[column] is not None
                ]
                if points:
                    xs, ys = zip(*points, strict=True)
                    axes.plot(xs, ys, marker="o", color=_COLOURS[i % 4], linestyle=_DASHES[i // 4 % 4],
                              label=f"{name}: {language}")  # fmt: skip
            axes.set_xticks(sorted({row["iteration"] for row in rows}))
            axes.set_ylim(0, 104)
            axes.set_xlabel("iteration")
            axes.set_ylabel(label)
            if axes.lines:
                axes.legend(loc="lower right", fontsize=7)
        return _svg(figure, "held_out")


def loss_curve(
    title: str, steps: Sequence[int], losses: Sequence[float], rates: Sequence[float] | None = None, unit: str = "token"
) -> str:
    """Training loss by optimizer step, with a running mean, and the learning rate on its own axis below.

    `unit` is what the loss is a mean over: a token or an example.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.0 if rates else 2.4), layout="constrained")
        if rates:
            top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
            bottom.plot(steps, rates, color=ORANGE, linewidth=1.2)
            bottom.set_ylabel("learning\nrate")
            bottom.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
            bottom.set_xlabel("optimizer step")
        else:
            top = figure.subplots()
            top.set_xlabel("optimizer step")
        _curve(top, steps, losses, BLUE)
        top.set_ylabel(f"loss, nats per {unit}")
        top.set_title(title, loc="left")
        return _svg(figure, f"loss-{title}")


def pretraining_figure(columns: Mapping[str, Sequence[Any]], held_out: Sequence[Mapping[str, Any]]) -> str:
    """Tokens a second, MFU where it is known, and held-out perplexity of each source, by optimizer step.

    `columns` of a pretraining's metrics.parquet, `held_out` rows of its held_out.parquet.
    """
    panels = {"tokens_per_second": ("tokens a second", 1.0), "mfu": ("MFU, %", 100.0)}
    known = {name: panel for name, panel in panels.items() if any(v is not None for v in columns.get(name, ()))}
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        *speeds, last = figure.subplots(1, len(known) + 1, squeeze=False)[0]
        for axes, (name, (label, factor)) in zip(speeds, known.items(), strict=True):
            values = [None if value is None else value * factor for value in columns[name]]
            _curve(axes, columns["step"], values, BLUE)
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        for i, source in enumerate(dict.fromkeys(row["source"] for row in held_out)):
            points = [(row["step"], row["perplexity"]) for row in held_out if row["source"] == source]
            xs, ys = zip(*points, strict=True)
            last.plot(xs, ys, marker="o", markersize=3, color=_COLOURS[i % 4], linestyle=_DASHES[i % 4],
                      label=source.replace("_", " "))  # fmt: skip
        last.set_ylabel("held-out perplexity")
        if last.lines:
            last.legend(fontsize=7)
        for axes in (*speeds, last):
            axes.set_xlabel("optimizer step")
        return _svg(figure, "pretraining")


_RL_PANELS = (
    ("reward", "reward, mean of the step", 1.0),
    ("correct_share", "correct completions, %", 100.0),
    ("kl", "KL to the reference,\nnats per token", 1.0),
    ("completion_tokens", "completion length, tokens", 1.0),
    ("entropy", "entropy, nats per token", 1.0),
    ("grad_norm", "gradient norm", 1.0),
    ("held_out_correct", "held-out questions solved, %", 100.0),
    ("truncated_share", "completions cut off, %", 100.0),
)


def rl_curves(columns: Mapping[str, Sequence[Any]]) -> str:
    """Reward, accuracy, KL, length and more by exploration stage. `columns` of the RL metrics; absent or empty ones are
    left out."""
    panels = [panel for panel in _RL_PANELS if any(value is not None for value in columns.get(panel[0], ()))]
    steps = columns["step"]
    with rc_context(_STYLE):
        num_rows = (len(panels) + 1) // 2
        figure = Figure(figsize=(7.2, 2.2 * max(num_rows, 1)), layout="constrained")
        grid = figure.subplots(max(num_rows, 1), 2, sharex=True, squeeze=False)
        for i, axes in enumerate(grid.flat):
            if i >= len(panels):
                axes.set_axis_off()
                continue
            name, label, factor = panels[i]
            _curve(axes, steps, [None if v is None else v * factor for v in columns[name]], _COLOURS[i % len(_COLOURS)])
            axes.set_ylabel(label)
            if i >= len(panels) - 2:
                axes.set_xlabel("exploration stage")
                axes.tick_params(labelbottom=True)
        return _svg(figure, "rl")


def k_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Greedy accuracy, Maj@K and Pass@K of each model side by side (figure 7). `rows` of one benchmark."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        axes = figure.subplots()
        k = next((row["k"] for row in rows if row.get("k")), "K")
        measures = {"greedy": "greedy", "maj_at_k": f"Maj@{k}", "pass_at_k": f"Pass@{k}"}
        for i, (column, label) in enumerate(measures.items()):
            heights = [100 * (row.get(column) or 0.0) for row in rows]
            places = [j + 0.27 * (i - 1) for j in range(len(rows))]
            bars = axes.bar(places, heights, 0.25, color=_COLOURS[i], label=label,
                            hatch=("", "//", "..")[i], edgecolor="white", linewidth=0.5)  # fmt: skip
            labels = ["–" if row.get(column) is None else f"{100 * row[column]:.1f}" for row in rows]
            axes.bar_label(bars, labels=labels, padding=2, fontsize=8)
        axes.set_xticks(range(len(rows)), [row["model"] for row in rows])
        axes.set_ylim(0, 112)
        axes.set_yticks(range(0, 101, 20))
        axes.set_ylabel("problems solved, %")
        axes.grid(axis="x", visible=False)
        axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.18))
        return _svg(figure, "k")


def k_curves(title: str, curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Maj@K (lines) and Pass@K (dashes) by the number of samples, a colour for each model (figure 7).

    `curves` maps a model's name to its rows {k, maj_at_k, pass_at_k}, shares 0-1.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        axes = figure.subplots()
        for i, (model, rows) in enumerate(curves.items()):
            ks = [row["k"] for row in rows]
            for column, label, dash, mark in (("maj_at_k", "Maj@K", "-", "o"), ("pass_at_k", "Pass@K", "--", "^")):
                axes.plot(ks, [100 * row[column] for row in rows], dash, marker=mark, markersize=4,
                          color=_COLOURS[i % 4], label=f"{model}, {label}")  # fmt: skip
        every_k = sorted({row["k"] for rows in curves.values() for row in rows})
        axes.set_xscale("log", base=2)
        axes.set_xticks(every_k, [str(k) for k in every_k])
        axes.minorticks_off()
        axes.set_ylim(0, 104)
        axes.set_xlabel("K, samples of a problem")
        axes.set_ylabel("problems solved, %")
        axes.set_title(title, loc="left")
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=4)
        return _svg(figure, f"k-curves-{title}")


def perplexity_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Perplexity of held-out mathematics by corpus; whiskers are the standard deviation over seeds. `rows` of
    `validation_table`."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.8 + 0.32 * len(rows)), layout="constrained")
        axes = figure.subplots()
        values = [row["mathematics_perplexity"] for row in rows]
        spreads = [row["mathematics_perplexity_sd"] or 0.0 for row in rows]
        bars = axes.barh([row["corpus"] for row in rows], values, 0.6, xerr=spreads, color=BLUE, ecolor=GREY)
        axes.bar_label(bars, labels=[f"{value:.4g}" for value in values], padding=4, fontsize=8)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("perplexity, lower is better")
        axes.grid(axis="y", visible=False)
        return _svg(figure, "perplexity")


def _curve(axes: Axes, steps: Sequence[int], values: Sequence[float | None], colour: str) -> None:
    """Points as they are in a light line, a running mean over 5 % of them in a strong one."""
    points = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
    if not points:
        return
    xs, ys = zip(*points, strict=True)
    xs, ys = _thinned(xs), _thinned(ys)
    axes.plot(xs, ys, color=colour, alpha=0.3, linewidth=0.8)
    axes.plot(xs, _running_mean(ys, max(1, len(ys) // 20)), color=colour, linewidth=1.6)


def _thinned(values: Sequence[float], most: int = 600) -> list[float]:
    """At most `most` values: means of neighbours, so that a long run does not make a page of megabytes."""
    if len(values) <= most:
        return list(values)
    edges = [round(i * len(values) / most) for i in range(most + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]


def _running_mean(values: Sequence[float], width: int) -> list[float]:
    means = []
    for i in range(len(values)):
        reach = min(width, i, len(values) - 1 - i)  # symmetric, or the ends would be bent
        near = values[i - reach : i + reach + 1]
        means.append(sum(near) / len(near))
    return means


def _svg(figure: Figure, salt: str) -> str:
    """The figure as an `<svg>` element without prolog and creation date; ids differ between figures of a page."""
    with rc_context({"svg.hashsalt": salt}):
        sink = io.StringIO()
        FigureCanvasSVG(figure).print_svg(sink, metadata={"Date": None, "Creator": None})
    text = sink.getvalue()
    return text[text.index("<svg") :].strip()
