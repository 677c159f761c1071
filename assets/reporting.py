"""The report: one HTML page about the whole run."""

import dagster as dg

from assets import show
from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import MODELS


def report_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The last asset of the graph."""
    return [
        stage_asset(
            recipe, "report", group="report", kinds={"html"},
            deps=["math_corpus", *(f"evaluation/{model}" for model in MODELS)], show=show.accuracy_table,
            description="report.html: the run from the crawl to the accuracy table, beside the paper's numbers.",
        )
    ]  # fmt: skip
