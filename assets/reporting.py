"""The report: one HTML page about the whole run."""

from typing import Any

import dagster as dg

from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import MODELS, Run
from dsmath_pipeline.storage import Manifest


def report_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The last asset of the graph."""
    return [
        stage_asset(
            recipe, "report", group="report", kinds={"html"},
            deps=["math_corpus", *(f"evaluation/{model}" for model in MODELS)], show=_accuracy_table,
            description="report.html: the run from the crawl to the accuracy table, beside the paper's numbers.",
        )
    ]  # fmt: skip


def _accuracy_table(run: Run, manifest: Manifest) -> dict[str, Any]:
    from dsmath_pipeline.reporting.tables import accuracy_table

    return {"table": accuracy_table(run.root)}
