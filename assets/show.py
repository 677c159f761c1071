"""What the page of each asset shows: a picture small enough for the UI to draw inline, or a short table.

Every function takes the run and the artifact's manifest and returns `picture` (SVG), `pictures` (by name) and/or
`table` (rows).
"""

from collections.abc import Callable
from typing import Any

from dsmath_pipeline import storage
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import Folder, Manifest

Shown = dict[str, Any]


def crawl_files(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The files that the run reads."""
    return {"table": [{"crawl": str(file)} for file in run.crawl]}


def some_problems(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Four word problems."""
    rows = storage.read_table(path).slice(0, 4).to_pylist()
    return {"table": [{name: row[name] for name in ("problem", "solution", "answer")} for row in rows]}


def some_urls(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Eight URLs."""
    return {"table": storage.read_table(path, ["url"]).slice(0, 8).to_pylist()}


def counts(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The figures of the manifest."""
    return {"table": [{"figure": name, "value": str(value)} for name, value in manifest.counts.items()]}


def languages(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Documents of the most frequent languages."""
    found = storage.read_table(path, ["language"])["language"].value_counts().to_pylist()
    top = sorted(found, key=lambda row: -row["counts"])[:6]
    return {"picture": _bars([row["values"] for row in top], [row["counts"] for row in top])}


def lengths(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Histogram of document lengths up to 3,000 tokens."""
    tokens = storage.read_table(path, ["num_tokens"])["num_tokens"].to_pylist()
    return {"picture": _histogram([min(n, 3000) for n in tokens])}


def contaminated_texts(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """How many of the collected pages and of the seed texts hold a benchmark text."""
    parts = {part: figures for part in ("collected", "seed") if (figures := manifest.counts.get(part))}
    return {
        "table": [
            {"texts": part, **{name: str(value) for name, value in figures.items()}} for part, figures in parts.items()
        ]
    }


def held_out_texts(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """How many texts are held out, by origin and language."""
    table = storage.read_table(path, ["origin", "language"]).group_by(["origin", "language"])
    return {"table": table.aggregate([([], "count_all")]).sort_by([("origin", "descending")]).to_pylist()}


def held_out_figures(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Average precision on the held-out set up to this iteration, and this iteration's figures by language."""
    from dsmath_pipeline.reporting.figures import svg_line

    number = int(path.parent.name.removeprefix("iteration_"))
    earlier = [path.parent.parent / f"iteration_{k}" / "classifier" for k in range(1, number)]
    before = [storage.read_manifest(folder).counts for folder in earlier]
    curve = [counts.get("held_out_average_precision") for counts in (*before, manifest.counts)]
    return {"picture": svg_line(curve), "table": manifest.counts["held_out"]}


def logits(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Histogram of the classifier's log-odds."""
    return {"picture": _histogram(storage.read_table(path, ["logit"])["logit"].to_pylist())}


def top_domains(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The mathematical domains with the most collected pages."""
    rows = [row for row in storage.read_table(path).to_pylist() if row["is_math"]]
    rows.sort(key=lambda row: (-row["num_collected"], row["domain"]))
    return {"table": [{n: row[n] for n in ("domain", "num_pages", "collected_share")} for row in rows[:10]]}


def prefixes(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The first labels."""
    rows = storage.read_table(path).slice(0, 10).to_pylist()
    return {"table": [{name: row[name] for name in ("url_prefix", "label", "annotator")} for row in rows]}


def domains_of_corpus(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The domains that give the corpus most documents."""
    found = storage.read_table(path, ["domain"])["domain"].value_counts().to_pylist()
    top = sorted(found, key=lambda row: (-row["counts"], row["values"]))[:10]
    return {"table": [{"domain": row["values"], "documents": row["counts"]} for row in top]}


def longest_tokens(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """The longest entries of the vocabulary: what the tokenizer learnt."""
    vocabulary = storage.read_json(path / "tokenizer.json")["model"]["vocab"]
    longest = sorted(vocabulary, key=lambda token: (-len(token), token))[:12]
    return {"table": [{"longest tokens": token} for token in longest]}


def metric_curve(column: str) -> Callable[[Run, Folder, Manifest], Shown]:
    """Shows one column of the artifact's metrics.parquet over the training steps."""

    def show(run: Run, path: Folder, manifest: Manifest) -> Shown:
        from dsmath_pipeline.reporting.figures import svg_line

        values = storage.read_table(path / "metrics.parquet", [column])[column].to_pylist()
        return {"picture": svg_line([value for value in values if value is not None])}

    return show


def training_figures(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Loss, learning rate, tokens a second, MFU and held-out perplexity over the steps, each as a picture; what was not
    measured is left out. The table holds the held-out measurements."""
    from dsmath_pipeline.reporting.figures import svg_line

    metrics = storage.read_table(path / "metrics.parquet").to_pydict()
    held_out = storage.read_table(path / "held_out.parquet").to_pylist()
    curves = {name: metrics[name] for name in ("loss", "learning_rate", "tokens_per_second", "mfu")}
    for row in held_out:
        curves.setdefault(f"held-out perplexity of {row['source']}", []).append(row["perplexity"])
    known = {name: [value for value in values if value is not None] for name, values in curves.items()}
    return {
        "pictures": {name: svg_line(values) for name, values in known.items() if len(values) > 1},
        "table": [{name: row[name] for name in ("step", "source", "num_targets", "perplexity")} for row in held_out],
    }


def accuracy(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """Greedy accuracy, Maj@K and Pass@K."""
    names = ["greedy", "maj_at_k", "pass_at_k"]
    return {"picture": _bars(names, [manifest.counts[name] for name in names])}


def accuracy_table(run: Run, path: Folder, manifest: Manifest) -> Shown:
    """All models side by side."""
    from dsmath_pipeline.reporting.tables import accuracy_table

    return {"table": accuracy_table(run.root)}


def _bars(labels: list[str], values: list[float]) -> str:
    from dsmath_pipeline.reporting.figures import svg_bars

    return svg_bars(labels, values)


def _histogram(values: list[float]) -> str:
    from dsmath_pipeline.reporting.figures import svg_histogram

    return svg_histogram(values, 20)
