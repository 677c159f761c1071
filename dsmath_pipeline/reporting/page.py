"""The report: one HTML page that tells a run from the crawl to the last accuracy, from left to right.

Reads manifests and Parquet files of a run's folders and writes `report.html`, which needs no network: style and
figures are inside, text from data is escaped. A part whose artifact is missing is left out with a sentence. The page
computes nothing that decides anything; every number comes from an artifact.
"""

from collections.abc import Iterator
from importlib import resources
from typing import Any

from .. import storage
from ..progress import SILENT, Progress, track
from ..recipe.schema import Recipe, Section
from ..storage import Folder, Manifest
from .corpus_sections import corpus_section, dedup_section, iterations_section, reading_section
from .experiment_sections import experiment_artifacts, experiments_section
from .model_sections import PROBLEMS_PAGE, evaluation_section, run_evaluations, training_section
from .parts import details, escape, guarded, manifest_of, paragraph, section
from .problems_page import write_problems_page
from .tables import MODEL_NAMES, accuracy_table, format_cell, html_table, iterations

REPORT_VERSION = "3"
"""1 (2026-11): first version. 2 (2026-11): curves by K, breakdowns, the page of all problems. 3 (2026-11): the chapter
on experiments."""

_CHAPTERS = {
    "reading": "Reading",
    "dedup": "Repetitions",
    "iterations": "Iterations",
    "corpus": "Corpus",
    "training": "Training",
    "evaluation": "Evaluation",
    "experiments": "Experiments",
    "settings": "Settings",
}


def write_report(
    root: Folder,
    out: Folder,
    *,
    truth: Folder | None = None,
    title: str = "DeepSeekMath pipeline: report of a run",
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `report`: `report.html` about the run in `root`.

    `truth` is a Parquet file (or a folder that holds it) with url and is_math, by which precision and recall are
    measured; by default `truth` in or beside the run's folder, when there is one. Raises ArtifactError when `root`
    holds no finished artifact.
    """
    found = dict(_artifacts(root))
    if not found:
        raise storage.ArtifactError(f"{root} holds no finished artifact to report on: run the pipeline first")
    truth = truth if truth is not None and truth.exists() else find_truth(root)
    read = found | experiment_artifacts(root)
    inputs: dict[str, Folder | str] = {name: manifest.key for name, manifest in read.items()}
    if truth is not None:
        inputs["truth"] = storage.file_key(storage.parquet_files(truth))
    with storage.stage(out, "report", REPORT_VERSION, {"title": title}, inputs, force=force) as run:
        if run.artifact:
            page = render(root, found, truth, title, progress)
            storage.write_bytes(out / "report.html", page.encode("utf-8", "replace"))
            evaluations = run_evaluations(root)
            if evaluations:
                write_problems_page(evaluations, out / PROBLEMS_PAGE, f"{title}: problems")
            run.artifact.counts |= {"num_artifacts": len(found), "num_chars": len(page)}
    assert run.manifest is not None
    return run.manifest


def find_truth(root: Folder) -> Folder | None:
    """`truth` in the run's folder or beside it, when it holds a Parquet file."""
    for path in (root / "truth", root.parent / "truth"):
        if path.exists() and storage.parquet_files(path):
            return path
    return None


def _artifacts(root: Folder) -> Iterator[tuple[str, Manifest]]:
    """Name ("iteration_1/scores") and manifest of every finished artifact of the run, in the order of the pipeline."""
    names = [("word_problems",), ("seed",), ("documents",), ("unique_documents",), ("held_out",)]
    steps = ("seed_set", "classifier", "scores", "collected", "domains", "annotations")
    names += [(f"iteration_{number}", step) for number in iterations(root) for step in steps]
    names += [("math_corpus",), ("natural_language",), ("tokenizer",), ("tokens",)]
    names += [("models", model) for model in ("base", "sft", "reward", "rl")]
    names += [("evaluation", model) for model in MODEL_NAMES]
    for parts in names:
        manifest = manifest_of(root, *parts)
        if manifest is not None:
            yield "/".join(parts), manifest


def render(
    root: Folder, found: dict[str, Manifest], truth: Folder | None, title: str, progress: Progress = SILENT
) -> str:
    """The whole page as HTML."""
    makers = [
        ("The extraction", lambda: reading_section(root)),
        ("Deduplication", lambda: dedup_section(root)),
        ("The iterations", lambda: iterations_section(root, truth)),
        ("The corpus", lambda: corpus_section(root)),
        ("Training", lambda: training_section(root)),
        ("The evaluation", lambda: evaluation_section(root)),
        ("The experiments", lambda: experiments_section(root)),
        ("The settings", lambda: settings_section(found)),
    ]
    parts = [guarded(name, make) for name, make in track(makers, "report", progress)]
    style = (resources.files("dsmath_pipeline.reporting") / "report.css").read_text(encoding="utf-8")
    links = "".join(
        f'<a href="#{anchor}">{escape(name)}</a>'
        for anchor, name in _CHAPTERS.items()
        if any(f'<section id="{anchor}">' in part for part in parts)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body>\n"
        f"<header><div><h1>{escape(title)}</h1>"
        '<p class="soft">An open, runnable DeepSeekMath (arXiv 2402.03300): from a web crawl to a mathematics corpus, '
        f"and from the corpus to a model trained with GRPO.</p>{guarded('The overview', lambda: flow(root, found))}"
        f"<nav>{links}</nav></div></header>\n<main>\n{''.join(parts)}"
        "<footer>Made from the manifests and Parquet files of the run; times are wall-clock seconds.</footer>\n"
        "</main></body></html>\n"
    )


def flow(root: Folder, found: dict[str, Manifest]) -> str:
    """The run in one strip of boxes, from records to accuracy."""
    boxes: list[tuple[str, str]] = []
    if "documents" in found:
        counts = found["documents"].counts
        boxes.append((format_cell("", counts.get("num_records", 0)), "records read"))
        boxes.append((format_cell("", counts.get("num_pages", 0)), "web pages"))
    if "unique_documents" in found:
        boxes.append((format_cell("", found["unique_documents"].num_rows), "unique documents"))
    collected = [name for name in found if name.endswith("/collected")]
    if collected:
        number = collected[-1].split("/")[0].removeprefix("iteration_")
        boxes.append((format_cell("", found[collected[-1]].num_rows), f"collected in iteration {number}"))
    if "math_corpus" in found:
        corpus = found["math_corpus"]
        boxes.append((format_cell("", corpus.num_rows), "pages in the corpus"))
        boxes.append((_short(corpus.counts.get("num_tokens", 0)), "tokens in the corpus"))
    best: dict[str, Any] = {}
    for row in accuracy_table(root):
        best.setdefault(row["model"], row["greedy"])
    boxes += [(format_cell("greedy", greedy), f"{model} model, greedy") for model, greedy in best.items()]
    return (
        '<div class="flow">'
        + "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in boxes)
        + "</div>"
    )


def _short(number: int) -> str:
    for limit, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return str(number)


# Settings ----------------------------------------------------------------------------------------------------------

_SECTION_OF = {
    "documents": "extract", "unique_documents": "dedup", "held_out": "seeds", "seed_set": "seeds",
    "classifier": "classifier", "collected": "ranking", "domains": "domains", "annotations": "annotation",
    "tokenizer": "tokenizer", "models/base": "pretrain", "models/sft": "sft", "models/reward": "reward_model",
    "models/rl": "rl", "word_problems": "mini_web",
}  # fmt: skip


def settings_section(found: dict[str, Manifest]) -> str:
    """Every setting that is part of an artifact's identity, with its meaning and source, and the stage's time."""
    times = [
        {"artifact": name, "num_rows": manifest.num_rows, "megabytes": round(manifest.num_bytes / 1e6, 2),
         "seconds": round(manifest.elapsed_seconds, 1), "key": manifest.key[:12]}
        for name, manifest in found.items()
    ]  # fmt: skip
    parts = [
        paragraph(
            "Each number with the section of the paper it comes from, or the reason for it where the paper is silent."
        )
    ]
    for name, manifest in found.items():
        if manifest.settings and not (name.startswith("iteration_") and not name.startswith("iteration_1/")):
            parts.append(
                details(name.replace("iteration_1/", "every iteration: "), html_table(_settings(name, manifest)))
            )
    parts.append(details("All artifacts with sizes and times", html_table(times)))
    return section("settings", "Settings of the run", *parts)


def _settings(name: str, manifest: Manifest) -> list[dict[str, str]]:
    rows = []
    for path, value in _flat(manifest.settings):
        meaning, source = _described(name, path)
        rows.append({"setting": ".".join(path), "value": format_cell("", value), "meaning": meaning, "source": source})
    return rows


def _flat(settings: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*before, name))
        else:
            yield (*before, name), value


def _described(artifact: str, path: tuple[str, ...]) -> tuple[str, str]:
    """Description and source of a setting from the recipe; empty for what is no setting of the recipe."""
    step = artifact.split("/")[-1] if artifact.startswith("iteration_") else artifact
    candidates = [*path[:-1], _SECTION_OF.get(step, step), "evaluation" if artifact.startswith("evaluation/") else ""]
    for candidate in [*candidates, *Recipe.model_fields]:
        field = Recipe.model_fields.get(candidate)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, Section) and path[-1] in kind.model_fields:
            described = kind.model_fields[path[-1]]
            extra = described.json_schema_extra
            return described.description or "", str(extra.get("source", "")) if isinstance(extra, dict) else ""
    return ("seed of every random choice", "not in the paper: reproducibility") if path[-1] == "seed" else ("", "")
