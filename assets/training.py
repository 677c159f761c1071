"""Sections 2.3 and 3 as assets: tokenizer, packed tokens, base model, SFT model."""

import dagster as dg

from assets import show
from assets.stage_asset import stage_asset
from dsmath_pipeline.recipe.schema import Recipe

OWNER = "team:training"


def training_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """From the corpus to the SFT model."""
    return [
        stage_asset(
            recipe, "tokenizer", group="training", kinds={"huggingface"}, deps=["math_corpus", "word_problems"],
            sections=("tokenizer",), show=show.longest_tokens, owner=OWNER,
            description="Byte-level BPE tokenizer trained on the corpus, one token a digit.",
        ),
        stage_asset(
            recipe, "tokens", group="training", kinds={"numpy"}, deps=["tokenizer", "math_corpus", "natural_language"],
            sections=("mixture",), show=show.counts, owner=OWNER,
            description="Memory-mapped token shards, packed to the context length in the mixture's shares.",
        ),
        stage_asset(
            recipe, "models/base", stage="base_model", group="training", kinds={"pytorch", "huggingface"},
            deps=["tokens"], sections=("model", "pretrain"), show=show.training_figures, in_child=True, can_share=True,
            owner=OWNER,
            description="Base model: a Llama trained on the mixture with the paper's multi-step schedule.",
        ),
        stage_asset(
            recipe, "models/sft", stage="sft_model", group="training", kinds={"pytorch", "huggingface"},
            deps=["models/base", "word_problems"], sections=("sft",), show=show.metric_curve("loss"), in_child=True,
            owner=OWNER,
            description="Instruct model: supervised fine-tuning on solutions, loss on what the model writes.",
        ),
    ]  # fmt: skip
