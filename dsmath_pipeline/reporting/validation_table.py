"""The validation of the corpora as one table and one figure, beside the paper's table 1. Reads manifests only."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..storage import MANIFEST, Folder, read_manifest
from ..training.validation_run import CRAWL, FINAL, NONE, SEED, Validation, seed_folders
from .evaluation_tables import title
from .figures import svg_bars
from .paper_results import CORPORA
from .tables import Row

_PAPER_NAMES = {NONE: "none", FINAL: "DeepSeekMath Corpus"}


def validation_table(validation: Validation, names: Sequence[str]) -> list[Row]:
    """One row for each corpus that was trained on, in the order of `names`.

    Documents and epochs; the perplexity on each held-out set and on `mathematics` (all sets), the geometric mean over
    seeds with their standard deviation (`*_perplexity_sd`, None for one seed); its ratio to the unfiltered crawl's; the
    greedy accuracy (0-1) on each benchmark, the mean over seeds; and the paper's in percent where table 1 has the row.
    """
    return _table({name: seed_folders(validation, name) for name in names})


def found_validation(root: Folder) -> list[Row]:
    """The same for every corpus below `<root>/validation` that was measured, without the run's recipe. An iteration
    that was carried forward has no folder and no row."""
    return _table(dict(found_corpora(root)))


def found_corpora(root: Folder) -> list[tuple[str, list[Folder]]]:
    """(corpus, folder of each training on it) below `<root>/validation`: the run's own in the order of the table, then
    the user's by name."""
    seeds: dict[str, list[Folder]] = {}
    for path in root.joinpath("validation").glob("*/seed_*"):
        seeds.setdefault(path.parent.name, []).append(path)
    return [(name, sorted(seeds[name], key=lambda path: path.name)) for name in sorted(seeds, key=_place)]


def _place(name: str) -> tuple[int, int, str]:
    head, _, number = name.rpartition("_")
    if head == "iteration" and number.isdigit():
        return 3, int(number), name
    return {NONE: 0, CRAWL: 1, SEED: 2, FINAL: 4}.get(name, 5), 0, name


def _table(folders: Mapping[str, Sequence[Folder]]) -> list[Row]:
    found = [(name, _measured(paths)) for name, paths in folders.items()]
    rows = [_row(name, folders[name][0].parent, runs) for name, runs in found if runs]
    crawl = next((row["mathematics_perplexity"] for row in rows if row["corpus"] == CRAWL), None)
    for row in rows:
        row["ratio_to_crawl"] = row["mathematics_perplexity"] / crawl if crawl else None
    benchmarks = list(dict.fromkeys(benchmark for _, runs in found for run in runs for benchmark in run["accuracy"]))
    for row, runs in zip(rows, (runs for _, runs in found if runs), strict=True):
        for benchmark in benchmarks:
            values = [run["accuracy"][benchmark] for run in runs if benchmark in run["accuracy"]]
            row[f"{title(benchmark)}_share"] = statistics.fmean(values) if values else None
            row[f"paper: {title(benchmark)}, %"] = _paper(row["corpus"]).get(title(benchmark))
    return rows


def validation_figure(rows: Sequence[Row]) -> str:
    """Held-out mathematics perplexity of every corpus as a small SVG, a bar each, lower is better."""
    return svg_bars([row["corpus"] for row in rows], [row["mathematics_perplexity"] for row in rows])


def paper_corpora() -> list[Row]:
    """The paper's table 1, to stand beside a run's own."""
    return [dict(row) for row in CORPORA.rows]


def _measured(folders: Sequence[Folder]) -> list[dict[str, Any]]:
    """What is there of each training: perplexity by held-out set, accuracy by benchmark."""
    found = []
    for path in folders:
        if (path / "perplexity" / MANIFEST).exists():
            run = {"perplexity": read_manifest(path / "perplexity").counts["perplexity"], "accuracy": {}}
            if (path / "evaluation" / MANIFEST).exists():
                figures = read_manifest(path / "evaluation").counts["by_benchmark"]
                run["accuracy"] = {name: value["greedy"] for name, value in figures.items()}
            run["epochs"] = _epochs(path)
            found.append(run)
    return found


def _epochs(path: Folder) -> float | None:
    tokens = path / "tokens"
    return read_manifest(tokens).counts["corpus"]["epochs"] if (tokens / MANIFEST).exists() else None


def _row(name: str, folder: Folder, runs: Sequence[dict[str, Any]]) -> Row:
    texts = folder / "texts"
    documents = read_manifest(texts).counts["num_kept"] if (texts / MANIFEST).exists() else None
    row: Row = {"corpus": name, "num_documents": documents, "epochs": runs[0]["epochs"], "num_seeds": len(runs)}
    for held_out in runs[0]["perplexity"]:
        values = [run["perplexity"][held_out] for run in runs]
        # the geometric mean: that of the losses
        row[f"{held_out}_perplexity"] = math.exp(statistics.fmean(math.log(value) for value in values))
        row[f"{held_out}_perplexity_sd"] = statistics.stdev(values) if len(values) > 1 else None
    return row


def _paper(corpus: str) -> dict[str, Any]:
    wanted = _PAPER_NAMES.get(corpus)
    return next((dict(row) for row in CORPORA.rows if row["corpus"] == wanted), {})
