"""The benchmark's arithmetic and settings; the runs themselves take minutes."""

from argparse import Namespace

import pytest

from benchmarks.rl_methods import REWARD_MODELS, settings_of, summary
from dsmath_pipeline.rl.method_runs import ITERATED, RUNS

OPTIONS = Namespace(steps=100, completions=128, curve_problems=300)


def test_the_table_gives_mean_deviation_and_standard_error_of_the_seeds():
    runs = [{"method": "ppo", "accuracy": share} for share in (0.70, 0.73, 0.79)]
    sft, row, single = summary({"accuracy": 0.67}, [*runs, {"method": "dpo", "accuracy": 0.6}])
    assert sft == {"method": "sft", "seeds": 1, "accuracy": 67.0}
    # mean 74, squared differences 16 + 1 + 25 = 42, divided by 2: 21; root 4.583; divided by the root of 3: 2.646
    assert row == {
        "method": "ppo", "seeds": 3, "accuracy": 74.0, "deviation": 4.58, "standard_error": 2.65, "over_sft": 7.0
    }  # fmt: skip
    assert single == {"method": "dpo", "seeds": 1, "accuracy": 60.0, "over_sft": -7.0}  # one seed has no deviation


def test_the_settings_are_the_options_in_the_method_of_the_assets():
    settings = settings_of("online_rft", OPTIONS)
    assert (settings.method, settings.num_steps, settings.batch_completions) == ("online_rft", 100, 128)
    assert settings.held_out_questions == 300 and settings.learning_rate == pytest.approx(2e-4)


def test_iterated_grpo_has_as_many_stages_and_a_reward_model_to_retrain():
    settings = settings_of(ITERATED, OPTIONS)
    assert (settings.method, settings.num_iterations, settings.num_steps) == ("grpo_outcome", 2, 50)
    assert REWARD_MODELS[ITERATED]["kind"] == "outcome" and settings.model_reward_weight > 0


@pytest.mark.parametrize("name", RUNS)
def test_a_method_has_a_reward_model_if_it_gives_one_a_weight(name):
    assert (settings_of(name, OPTIONS).model_reward_weight > 0) == (name in REWARD_MODELS)
