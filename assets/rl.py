"""Section 4 as assets: reward model and GRPO policy."""

import dagster as dg

from assets import show
from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe

OWNER = "team:training"


def rl_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """From the SFT model to the RL model."""
    return [
        stage_asset(
            recipe, "models/reward", stage="reward_model", group="reinforcement_learning", kinds={"pytorch"},
            deps=["models/base", "models/sft", "word_problems"], sections=("reward_model",),
            show=show.metric_curve("loss"), in_child=True, owner=OWNER,
            description="Outcome reward model: the base model with a scalar head, trained on graded solutions that "
            "the SFT model sampled.",
        ),
        stage_asset(
            recipe, "models/rl", stage="rl_model", group="reinforcement_learning", kinds={"pytorch", "huggingface"},
            deps=["models/sft", "models/reward", "word_problems"], sections=("rl",), show=show.metric_curve("reward"),
            in_child=True, owner=OWNER,
            description="RL model: GRPO with outcome supervision, clipped ratio and unbiased KL to the frozen SFT "
            "model.",
        ),
    ]  # fmt: skip
