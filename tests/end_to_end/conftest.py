"""One small run of the whole pipeline, made once through Dagster and read by every test of this folder."""

import dagster as dg
import pytest

from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.stages import Run

SMALL = [
    "mini_web.num_train_problems=400",
    "mini_web.num_test_problems=40",
    "pretrain.num_tokens=40960",
    "sft.num_steps=10",
    "sft.max_examples=100",
    "reward_model.num_questions=20",
    "rl.num_steps=2",
    "rl.batch_completions=64",
    "evaluation.max_problems=20",
    "evaluation.max_sampled_problems=10",
    "evaluation.num_samples=4",
]
"""The demo with its whole mini web but hardly any training: accuracies mean nothing here."""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Run:
    """The run as `dsmath demo --set ...` would describe it; nothing is materialized yet."""
    return Run(tmp_path_factory.mktemp("small") / "run", load_recipe("demo", SMALL), workers=2)


@pytest.fixture(scope="session")
def repository(small_run):
    """The code location, set up for the small run through its environment variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSMATH_ROOT", str(small_run.root))
        patch.setenv("DSMATH_PRESET", "demo")
        patch.setenv("DSMATH_SET", " ".join(SMALL))
        from assets.definitions import defs

        yield defs().get_repository_def()


@pytest.fixture(scope="session")
def materialized(repository):
    """Result of materializing every asset and check in one Dagster run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield repository.get_job("whole_pipeline").execute_in_process(instance=instance, raise_on_error=True)
