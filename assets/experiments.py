"""Partitioned experiments, a code location of their own: `dagster dev -w workspace.yaml -w deploy/experiments.yaml`.

They stay out of assets.definitions because a selection that mixes partitioned with plain assets can no longer be
materialized by one click or one command.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from assets.metadata import markdown_table, materialized
from assets.resources import Pipeline, pipeline_from_environment
from assets.stage_asset import child_command, is_forced, run_child
from dsmath_pipeline import records, stages, storage
from dsmath_pipeline.corpus.volume import budget_name, volume_rows
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.reporting.method_figures import method_picture
from dsmath_pipeline.reporting.validation_table import paper_corpora, validation_figure, validation_table
from dsmath_pipeline.rl.method_runs import RUNS, method_rows
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import Folder
from dsmath_pipeline.training.validation_run import corpus_names, seed_folders


@dg.definitions
def defs() -> dg.Definitions:
    """Experiments on the artifacts of the same run as the main code location."""
    pipeline = pipeline_from_environment()
    return dg.Definitions(
        assets=[volume_experiment(pipeline.recipe()), validation_experiment(pipeline.recipe()), method_experiment()],
        resources={"pipeline": pipeline}, executor=dg.in_process_executor,
    )  # fmt: skip


def volume_experiment(recipe: Recipe) -> dg.AssetsDefinition:
    """One partition for each token budget of the recipe."""
    budgets = {budget_name(tokens): tokens for tokens in recipe.volume.token_budgets}

    @dg.asset(
        key=["volume", "collected"], group_name="experiments", kinds={"parquet"}, owners=["team:corpus"],
        deps=[dg.AssetKey(["iteration_1", "scores"])],
        partitions_def=dg.StaticPartitionsDefinition(list(budgets)), backfill_policy=dg.BackfillPolicy.single_run(),
        description="The paper's volume experiment: the ranking of iteration 1 cut at several token budgets, one "
        "partition each.",
    )  # fmt: skip
    def collected(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        run = pipeline.run(context)
        manifests = [stages.volume(run, budgets[name]) for name in context.partition_keys]
        rows = volume_rows([(name, run.folder("volume", name)) for name in budgets])
        return materialized(manifests[-1], str(run.folder("volume")), records.SCORE_SCHEMA, table=rows)

    return collected


def validation_experiment(recipe: Recipe) -> dg.AssetsDefinition:
    """One partition for each corpus of the validation (table 1)."""
    names = corpus_names(recipe)

    def artifact(run: Run, name: str) -> Folder:
        return seed_folders(stages.validation_of(run), name)[-1] / "perplexity"

    def show(run: Run) -> dict[str, Any]:
        rows = validation_table(stages.validation_of(run), names)
        return {"picture": validation_figure(rows), "table": rows}

    return training_experiment(
        "validation/models", "validation", names, artifact, show,
        deps=["seed", "unique_documents", "math_corpus",
              *(f"iteration_{k}/collected" for k in range(1, recipe.iteration.max_iterations + 1))],
        extra={"paper's table 1": markdown_table(paper_corpora())},
        description="The paper's validation of the corpus: the same model trained for the same tokens on each corpus, "
        "one partition each, measured on held-out mathematics and, where the recipe names them, on benchmarks.",
    )  # fmt: skip


def method_experiment() -> dg.AssetsDefinition:
    """One partition for each method of the unified paradigm (figures 5 and 6)."""

    def show(run: Run) -> dict[str, Any]:
        rows = method_rows(run.root)
        return {"picture": method_picture(rows), "table": rows}

    return training_experiment(
        "methods/policies", "method_policy", RUNS, lambda run, name: run.folder("methods", name), show,
        deps=["models/base", "models/sft", "models/reward", "word_problems"],
        description="The paper's comparison of methods: the same SFT model trained by each, one partition each, "
        "measured on held-out questions while it learns.",
    )  # fmt: skip


def training_experiment(
    key: str, stage: str, names: Sequence[str], artifact: Callable[[Run, str], Folder],
    show: Callable[[Run], dict[str, Any]], *, deps: Sequence[str], description: str,
    extra: dict[str, dg.MetadataValue] | None = None,
) -> dg.AssetsDefinition:  # fmt: skip
    """The asset `key` with a partition for each of `names`, made by `stages.<stage>(run, name)`.

    Each partition trains in a child process of its own, one after the other, and goes on from its checkpoint when it
    is materialized again after a stop. `artifact(run, name)` is the folder of its manifest; `show(run)` gives picture
    and table of all partitions that are there, `extra` further metadata.
    """
    path = key.split("/")

    @dg.asset(
        key=path, group_name="experiments", kinds={"pytorch", "huggingface"}, owners=["team:training"],
        deps=[dg.AssetKey(dep.split("/")) for dep in deps], description=description,
        partitions_def=dg.StaticPartitionsDefinition(list(names)), backfill_policy=dg.BackfillPolicy.single_run(),
    )  # fmt: skip
    def trained(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        run = pipeline.run(context, force=is_forced(context))
        for name in context.partition_keys:
            run_child(context, run, child_command(stage, (name,), ""))
        manifest = storage.read_manifest(artifact(run, context.partition_keys[-1]))
        result = materialized(manifest, str(run.folder(path[0])), **show(run))
        return dg.MaterializeResult(
            metadata={**(result.metadata or {}), **(extra or {})}, data_version=result.data_version
        )

    return trained
