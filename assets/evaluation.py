"""Held-out accuracy of every model: greedy, Maj@K and Pass@K."""

import dagster as dg

from assets import show
from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import MODELS


def evaluation_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """One asset for each trained model."""
    return [
        stage_asset(
            recipe, f"evaluation/{model}", stage="evaluation", arguments=(model,), group="evaluation",
            kinds={"parquet"}, deps=[f"models/{model}", "word_problems"], sections=("evaluation",), in_child=True,
            show=show.accuracy, owner="team:training",
            description=f"Accuracy of the {model} model on the held-out problems, with every completion and grade.",
        )
        for model in MODELS
    ]  # fmt: skip
