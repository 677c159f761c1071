"""Tables and figures of evaluation folders: accuracy beside the paper's, curves by K, breakdowns by subject and level.

Reads manifests only. Accuracies are 0-1 in the rows, the paper's in percent as it prints them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import storage
from ..storage import Folder
from . import plots
from .paper_results import BENCHMARK_TITLES, published
from .parts import details, figure
from .tables import MODEL_NAMES, Row, html_table

_PAPER_MODELS = {"base": "paper: Base, %", "sft": "paper: Instruct, %", "rl": "paper: RL, %"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The manifest of one evaluated model under the name that tables give it."""

    name: str
    path: Folder
    counts: dict[str, Any]

    @property
    def method(self) -> str:
        return str(self.counts.get("method", "cot"))


def read_evaluations(folders: Sequence[Folder]) -> list[Evaluation]:
    """Evaluations in the order of the folders, named by the shortest ends of their paths that differ.

    Raises ArtifactError for a folder that holds no finished evaluation.
    """
    found = []
    for path, name in zip(folders, _names(folders), strict=True):
        manifest = storage.read_manifest(path)
        if "by_benchmark" not in manifest.counts:
            raise storage.ArtifactError(f"{path} holds {manifest.name}, no evaluation: name the --out of an evaluation")
        found.append(Evaluation(name, path, manifest.counts))
    return found


def _names(folders: Sequence[Folder]) -> list[str]:
    parts = [[part for part in str(path).rstrip("/").split("/") if part] for path in folders]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(some[-depth:]) for some in parts]
        if len(set(names)) == len(names):
            break
    return [MODEL_NAMES.get(name, name) for name in names]


def paper_table(evaluations: Sequence[Evaluation]) -> list[Row]:
    """One row for each evaluation and benchmark, with the paper's figures for the same benchmark and method."""
    rows: list[Row] = []
    for evaluation in evaluations:
        for benchmark, figures in evaluation.counts["by_benchmark"].items():
            accuracy = figures.get("greedy", figures.get("hammer"))
            is_sampled = figures.get("pass_at_k") is not None
            row: Row = {
                "model": evaluation.name, "benchmark": title(benchmark), "method": evaluation.method,
                "num_problems": figures["num_problems"], "greedy": accuracy, "maj_at_k": figures.get("maj_at_k"),
                "pass_at_k": figures.get("pass_at_k"), "k": figures.get("k") if is_sampled else None,
                "chance": figures.get("chance"),
            }  # fmt: skip
            paper = published(benchmark, evaluation.method)
            rows.append(row | {column: paper.get(model) for model, column in _PAPER_MODELS.items()})
    return rows


def title(benchmark: str) -> str:
    """The paper's name of a benchmark, else its own."""
    return BENCHMARK_TITLES.get(benchmark, benchmark.replace("_", " "))


def breakdown(evaluations: Sequence[Evaluation], group: str, benchmark: str) -> list[Row]:
    """Greedy accuracy by subject or level (`group` is `by_subject` or `by_level`), a column for each evaluation."""
    found = {e.name: e.counts.get(group, {}).get(benchmark, {}) for e in evaluations}
    values = sorted({value for figures in found.values() for value in figures})
    rows = []
    for value in values:
        sizes = [figures[value]["num_problems"] for figures in found.values() if value in figures]
        shares = {f"{name}_share": figures.get(value, {}).get("greedy") for name, figures in found.items()}
        rows.append({group.removeprefix("by_"): value.replace("_", " "), "num_problems": max(sizes), **shares})
    return rows


def breakdowns(evaluations: Sequence[Evaluation]) -> str:
    """All breakdown tables as folded HTML, "" when no benchmark has subjects or levels."""
    parts = []
    for benchmark in _benchmarks(evaluations):
        for group in ("by_subject", "by_level"):
            rows = breakdown(evaluations, group, benchmark)
            if rows:
                parts.append(
                    details(f"{title(benchmark)} {group.replace('_', ' ')}: greedy accuracy", html_table(rows))
                )
    return "".join(parts)


def curves(evaluations: Sequence[Evaluation]) -> str:
    """Figure 7 for every benchmark that was sampled, as HTML."""
    parts = []
    for benchmark in _benchmarks(evaluations):
        found = {e.name: e.counts.get("by_k", {}).get(benchmark) for e in evaluations}
        rows = {name: curve for name, curve in found.items() if curve}
        if rows:
            caption = f"{title(benchmark)}: share of sampled problems by K. Figure 7 of the paper has this form: RL "
            caption += "raises Maj@K there, not Pass@K."
            parts.append(figure(plots.k_curves(title(benchmark), rows), caption))
    return "".join(parts)


def _benchmarks(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(name for e in evaluations for name in e.counts["by_benchmark"]))
