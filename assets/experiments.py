"""Partitioned experiments, a code location of their own: `dagster dev -w workspace.yaml -w deploy/experiments.yaml`.

They stay out of assets.definitions because a selection that mixes partitioned with plain assets can no longer be
materialized by one click or one command.
"""

import dagster as dg

from assets.metadata import materialized
from assets.resources import Pipeline, pipeline_from_environment
from dsmath_pipeline import records, stages
from dsmath_pipeline.corpus.volume import budget_name, volume_rows
from dsmath_pipeline.recipe.schema import Recipe


@dg.definitions
def defs() -> dg.Definitions:
    """Experiments on the artifacts of the same run as the main code location."""
    pipeline = pipeline_from_environment()
    return dg.Definitions(
        assets=[volume_experiment(pipeline.recipe())], resources={"pipeline": pipeline}, executor=dg.in_process_executor
    )


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
