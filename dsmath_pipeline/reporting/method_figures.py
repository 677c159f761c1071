"""Figures 5 and 6 of the paper from the comparison of methods (rl/method_runs.py): accuracy on held-out questions by
exploration stage, one line for each method."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ..rl.method_runs import ITERATED, RUNS, method_curve
from ..storage import MANIFEST, Folder
from .figures import BLUE, GREEN, GREY, ORANGE, RED, svg_bars

FIGURE_5 = ("rft", "online_rft", "grpo_outcome", "grpo_process")
FIGURE_6 = ("grpo_outcome", ITERATED)
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, "-"), (GREY, ":"))
Curve = Sequence[tuple[int, float]]


def method_curves(curves: Mapping[str, Curve], title: str) -> str:
    """`curves` maps a method to (stages done, share of questions solved, 0-1); an SVG element."""
    with rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": title}):
        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        axes = figure.subplots()
        for n, (name, points) in enumerate(curves.items()):
            colour, dash = _LINES[n % len(_LINES)]
            axes.plot([x for x, _ in points], [100 * y for _, y in points], dash, color=colour, label=name)
        axes.set_xlabel("exploration stages")
        axes.set_ylabel("held-out questions solved, %")
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        if curves:
            axes.legend(fontsize=8)
        sink = io.StringIO()
        FigureCanvasSVG(figure).print_svg(sink, metadata={"Date": None, "Creator": None})
    text = sink.getvalue()
    return text[text.index("<svg") :].strip()


def run_curves(root: Folder, names: Sequence[str] = RUNS) -> dict[str, Curve]:
    """The curves of a run's finished policies, in the order of `names`."""
    folders = {name: root / "methods" / name for name in names}
    return {name: method_curve(path) for name, path in folders.items() if (path / MANIFEST).exists()}


def method_picture(rows: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy on held-out questions after training as bars, small enough for the Dagster UI. `rows` of
    method_runs.method_rows."""
    return svg_bars([row["method"] for row in rows], [row["held_out_last"] for row in rows])
