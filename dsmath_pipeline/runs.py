"""Stages in order: the corpus alone, and the whole demonstration.

Every stage skips itself when its artifact is current, so starting an interrupted run again goes on where it was.
"""

from collections.abc import Callable
from typing import Any

from . import stages, storage
from .stages import MODELS, Run
from .storage import Folder, Manifest

ITERATION_STAGES = (
    stages.seed_set, stages.classifier, stages.scores, stages.collected, stages.domains, stages.annotations,
    stages.contamination,
)  # fmt: skip


def corpus_steps(run: Run) -> list[tuple[str, Callable[[], Manifest]]]:
    """Named steps from the crawl to the corpus."""
    steps: list[tuple[str, Callable[[], Manifest]]] = []

    def add(name: str, function: Callable[..., Manifest], *arguments: Any) -> None:
        steps.append((name, lambda: function(run, *arguments)))

    if run.inputs.is_mini_web:
        add("mini web", stages.mini_web)
    add("seed", stages.seed)
    add("documents", stages.documents)
    add("unique documents", stages.unique_documents)
    add("near-duplicates", stages.near_duplicates)
    add("held-out set", stages.held_out)
    for k in run.iterations:
        for stage in ITERATION_STAGES:
            add(f"iteration {k}: {stage.__name__.replace('_', ' ')}", stage, k)
    add("mathematics corpus", stages.math_corpus)
    return steps


def training_steps(run: Run) -> list[tuple[str, Callable[[], Manifest]]]:
    """Named steps from the corpus to the report."""
    named: list[tuple[str, Callable[..., Manifest], tuple]] = [
        ("word problems", stages.word_problems, ()),
        ("natural language", stages.natural_language, ()),
        ("tokenizer", stages.tokenizer, ()),
        ("tokens", stages.tokens, ()),
        ("base model", stages.base_model, ()),
        ("SFT model", stages.sft_model, ()),
        ("reward model", stages.reward_model, ()),
        ("RL model", stages.rl_model, ()),
        *((f"evaluation of {model}", stages.evaluation, (model,)) for model in MODELS),
        ("report", stages.report, ()),
    ]
    return [(name, lambda f=function, a=arguments: f(run, *a)) for name, function, arguments in named]


def build_corpus(run: Run) -> dict[str, Any]:
    """Crawl to corpus. Writes `scores/` (last iteration, every document kept after dedup) and `report.json`.

    Returns the content of report.json: settings, inputs and the counts of every stage.
    """
    _walk(run, corpus_steps(run))
    scores = run.folder(f"iteration_{run.iterations[-1]}", "scores")
    _copy_scores(scores, run.folder("scores"))
    return _write_summary(run)


def run_demo(run: Run) -> Folder:
    """The whole pipeline on the mini web. Returns the path of the report page."""
    _walk(run, [*corpus_steps(run), *training_steps(run)])
    return run.folder("report", "report.html")


def _walk(run: Run, steps: list[tuple[str, Callable[[], Manifest]]]) -> None:
    for done, (name, step) in enumerate(steps):
        run.progress.log(f"{done + 1}/{len(steps)} {name}")
        run.progress.update("pipeline", done, len(steps), name)
        step()
    run.progress.update("pipeline", len(steps), len(steps), "done")


def _copy_scores(source: Folder, out: Folder) -> None:
    with storage.stage(out, "scores", "1", None, {"scores": source}) as stage:
        if stage.artifact:
            for file in storage.parquet_files(source):
                stage.artifact.write_table(file.name, storage.read_table(file))


def _write_summary(run: Run) -> dict[str, Any]:
    names = ["seed", "documents", "unique_documents", "near_duplicates", "held_out"]
    names += [f"iteration_{k}/{stage.__name__}" for k in run.iterations for stage in ITERATION_STAGES]
    names += ["math_corpus"]
    summary: dict[str, Any] = {"recipe": run.recipe.model_dump(mode="json"), "crawl": run.crawl, "seed": run.seed_file}
    for name in names:
        manifest = storage.read_manifest(run.folder(*name.split("/")))
        summary[name] = {"num_documents": manifest.num_rows, "seconds": manifest.elapsed_seconds, **manifest.counts}
    storage.write_json(run.folder("report.json"), summary)
    return summary
