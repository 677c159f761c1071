"""Named recipes: `paper` (the paper's numbers), `one_gpu` (an afternoon on one GPU), `small_crawl` (the corpus loop on
thousands of pages), `demo` (minutes on two cores).

dsmath demo                                     # the demo preset, about 8 minutes on 2 cores
dsmath corpus --crawl ... --seed ...            # the small_crawl preset, minutes on 2 cores
dsmath corpus --preset one_gpu --crawl ... --set ranking.token_budget=2000000000
"""

import json
from typing import Any

from pydantic import ValidationError

from .schema import Recipe


class RecipeError(ValueError):
    """A preset or an override that does not exist or does not fit; the message names it."""


# A model of 230,000 weights, half a minute on a core for a training: it tells corpora apart by perplexity and is far
# too small for any benchmark.
_SMALL_VALIDATION: dict[str, Any] = {
    "vocab_size": 2048, "hidden_size": 64, "intermediate_size": 176, "num_layers": 2, "num_heads": 4,
    "num_tokens": 393_216, "batch_tokens": 4096, "context_tokens": 256, "peak_learning_rate": 5e-3,
    "warmup_steps": 10, "micro_batch_sequences": 16, "num_seeds": 3, "held_out_share": 0.2,
    "held_out_tokens": 40_000, "benchmarks": (),
}  # fmt: skip

_DEMO_STEP = r"[;.。]+"
"""Equations of the word problems are steps, and so is the sentence with the answer."""

_DEMO: dict[str, dict[str, Any]] = {
    "seeds": {"num_positives": 5_000, "num_negatives": 1_500, "joined_pages": "all"},
    "classifier": {"dim": 64, "num_buckets": 200_000},
    "ranking": {"token_budget": 2_000_000},
    "volume": {"token_budgets": (250_000, 500_000, 750_000, 1_000_000)},
    "tokenizer": {"vocab_size": 1024, "max_training_bytes": 5_000_000},
    "model": {"hidden_size": 64, "intermediate_size": 160, "num_layers": 2, "num_heads": 4,
              "initializer_range": 0.1, "max_positions": 512},
    "pretrain": {"num_tokens": 6_144_000, "batch_tokens": 1024, "context_tokens": 128, "peak_learning_rate": 3e-3,
                 "warmup_steps": 20, "held_out_share": 0.02, "held_out_steps": 1500, "micro_batch_sequences": 8,
                 "save_steps": 500},
    "validation": _SMALL_VALIDATION,
    "sft": {"num_steps": 60, "batch_sequences": 14, "max_examples": 400, "context_tokens": 160,
            "learning_rate": 5e-4, "weight_decay": 0.0, "micro_batch_sequences": 14, "save_steps": 50},
    "reward_model": {"learning_rate": 1e-3, "num_questions": 200, "samples_per_question": 4, "batch_examples": 64,
                     "num_epochs": 3, "max_completion_tokens": 56, "step_pattern": _DEMO_STEP,
                     "completions_per_step": 4, "micro_batch_examples": 64},
    "rl": {"learning_rate": 2e-4, "decay_from": 0.3, "group_size": 8, "batch_completions": 256,
           "max_completion_tokens": 56, "num_steps": 200, "step_pattern": _DEMO_STEP, "value_learning_rate": 1e-3,
           "reward_learning_rate": 1e-3, "reward_batch_examples": 64, "micro_batch_completions": 32, "save_steps": 20,
           "max_kl": 4e-3},
    "evaluation": {"num_samples": 8, "max_completion_tokens": 56, "max_problems": 500, "max_sampled_problems": 200},
}  # fmt: skip

# A crawl of thousands of pages and a seed of the same size. Every page is a training text of its own classifier, so
# four of them take turns (num_folds); negatives that are cleaned after iteration 1 bear more epochs.
_SMALL_CRAWL: dict[str, dict[str, Any]] = {
    "seeds": {"num_positives": 20_000, "num_negatives": 20_000, "num_folds": 4},
    "classifier": {"dim": 32, "later_epochs": 10, "num_buckets": 200_000},
    "ranking": {"token_budget": 100_000_000},
    "volume": {"token_budgets": (1_000_000, 2_000_000, 3_000_000, 4_000_000)},
    "validation": _SMALL_VALIDATION,
}

_ONE_GPU: dict[str, dict[str, Any]] = {
    "seeds": {"num_positives": 50_000, "num_negatives": 50_000},
    "ranking": {"token_budget": 1_000_000_000},
    "volume": {"token_budgets": (500_000_000, 1_000_000_000, 1_500_000_000, 2_000_000_000)},
    "tokenizer": {"vocab_size": 32_000},
    "model": {"hidden_size": 768, "intermediate_size": 2048, "num_layers": 12, "num_heads": 12},
    "pretrain": {"num_tokens": 1_000_000_000, "batch_tokens": 262_144, "warmup_steps": 200},
    "validation": {
        "vocab_size": 32_000,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_layers": 12,
        "num_heads": 12,
        "num_tokens": 1_000_000_000,
        "batch_tokens": 262_144,
        "warmup_steps": 200,
    },
    "sft": {"batch_sequences": 16, "max_examples": 50_000},
    "reward_model": {"num_questions": 7_000, "batch_examples": 64},
    "rl": {"group_size": 16, "batch_completions": 256, "max_completion_tokens": 512},
    "evaluation": {"num_samples": 16, "max_completion_tokens": 512, "max_sampled_problems": 500},
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "demo": _DEMO,
    "small_crawl": _SMALL_CRAWL,
    "one_gpu": _ONE_GPU,
    "paper": {},
}


def load_recipe(preset: str = "paper", overrides: list[str] | None = None, seed: int = 0) -> Recipe:
    """The recipe of a preset with `section.field=value` overrides.

    Values are parsed by the field's type ("0.2", "true", "[1, 2]"). Raises RecipeError for an unknown preset, section
    or field and for a value that does not fit.
    """
    if preset not in PRESETS:
        raise RecipeError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    values: dict[str, Any] = {name: dict(section) for name, section in PRESETS[preset].items()}
    values |= {"preset": preset, "seed": seed}
    for override in overrides or []:
        _apply(values, override)
    try:
        return Recipe.model_validate(values, strict=False)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise RecipeError(f"{where}: {problem['msg']} (got {problem.get('input')!r})") from error


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, value = override.partition("=")
    section, dot, field = name.strip().partition(".")
    if not equals:
        raise RecipeError(f"--set {override!r}: write section.field=value")
    if not dot:
        if section != "seed":
            raise RecipeError(f"--set {override!r}: write section.field=value")
        values["seed"] = value
        return
    sections = Recipe.model_fields
    if section not in sections or section in ("preset", "seed"):
        known = ", ".join(s for s in sections if s not in ("preset", "seed"))
        raise RecipeError(f"--set {override!r}: no section {section!r}; sections are {known}")
    fields = sections[section].annotation.model_fields  # type: ignore[union-attr]
    if field not in fields:
        raise RecipeError(
            f"--set {override!r}: section {section} has no field {field!r}; fields are {', '.join(fields)}"
        )
    values.setdefault(section, {})[field] = _list(override, value) if value.lstrip().startswith("[") else value


def _list(override: str, value: str) -> list[Any]:
    try:
        return json.loads(value)
    except ValueError as error:
        raise RecipeError(f"--set {override!r}: not a list such as [1, 2] ({error})") from error
