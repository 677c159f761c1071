"""Held-out accuracy of every model: greedy, Maj@K and Pass@K."""

from typing import Any

import dagster as dg

from assets.show import bars
from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import MODELS, Run
from dsmath_pipeline.storage import Manifest

FIGURES = ("greedy", "maj_at_k", "pass_at_k")


def evaluation_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """One asset for each trained model."""
    return [
        stage_asset(
            recipe, f"evaluation/{model}", stage="evaluation", arguments=(model,), group="evaluation",
            kinds={"parquet"}, deps=[f"models/{model}", "word_problems"], sections=("evaluation",), in_child=True,
            show=_accuracy, owner="team:training",
            description=f"Accuracy of the {model} model on the held-out problems, with every completion and grade.",
        )
        for model in MODELS
    ]  # fmt: skip


def _accuracy(run: Run, manifest: Manifest) -> dict[str, Any]:
    return {"picture": bars(FIGURES, [manifest.counts[name] for name in FIGURES])}
