"""Partitioned experiments, a code location of their own: `dagster dev -w workspace.yaml -w deploy/experiments.yaml`.

They stay out of assets.definitions because a selection that mixes partitioned with plain assets can no longer be
materialized by one click or one command.
"""

import dagster as dg

from assets.metadata import markdown_table, materialized
from assets.resources import CHECKOUT, Pipeline, pipeline_from_environment
from assets.stage_asset import child_command
from dsmath_pipeline import records, stages, storage
from dsmath_pipeline.corpus.volume import budget_name, volume_rows
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.reporting.method_figures import method_picture
from dsmath_pipeline.reporting.validation_table import paper_corpora, validation_figure, validation_table
from dsmath_pipeline.rl.method_runs import RUNS, method_rows
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
    iterations = range(1, recipe.iteration.max_iterations + 1)
    deps = ["seed", "unique_documents", "math_corpus", *(f"iteration_{k}/collected" for k in iterations)]

    @dg.asset(
        key=["validation", "models"], group_name="experiments", kinds={"pytorch", "huggingface"},
        owners=["team:training"], deps=[dg.AssetKey(dep.split("/")) for dep in deps],
        partitions_def=dg.StaticPartitionsDefinition(names), backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=1),
        description="The paper's validation of the corpus: the same model trained for the same tokens on each corpus, "
        "one partition each, measured on held-out mathematics and, where the recipe names them, on benchmarks.",
    )  # fmt: skip
    def models(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        run = pipeline.run(context)
        for name in context.partition_keys:
            dg.PipesSubprocessClient(cwd=str(CHECKOUT)).run(
                context=context, extras=run.to_json(), command=child_command("validation", (name,), "")
            )
        asked = stages.validation_of(run)
        rows = validation_table(asked, names)
        manifest = storage.read_manifest(seed_folders(asked, context.partition_keys[-1])[-1] / "perplexity")
        result = materialized(manifest, str(asked.folder()), picture=validation_figure(rows), table=rows)
        assert result.metadata is not None
        paper = {"paper's table 1": markdown_table(paper_corpora())}
        return dg.MaterializeResult(metadata={**result.metadata, **paper}, data_version=result.data_version)

    return models


def method_experiment() -> dg.AssetsDefinition:
    """One partition for each method of the unified paradigm (figures 5 and 6)."""

    @dg.asset(
        key=["methods", "policies"], group_name="experiments", kinds={"pytorch", "huggingface"},
        owners=["team:training"],
        deps=[dg.AssetKey(dep.split("/")) for dep in ("models/base", "models/sft", "models/reward", "word_problems")],
        partitions_def=dg.StaticPartitionsDefinition(list(RUNS)), backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=1),
        description="The paper's comparison of methods: the same SFT model trained by each, one partition each, "
        "measured on held-out questions while it learns.",
    )  # fmt: skip
    def policies(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:
        from dsmath_pipeline.rl.experiment import train_method  # loads torch

        run = pipeline.run(context)
        manifests = [train_method(run.root, run.recipe, name, progress=run.progress) for name in context.partition_keys]
        rows = method_rows(run.root)
        return materialized(manifests[-1], str(run.folder("methods")), picture=method_picture(rows), table=rows)

    return policies
