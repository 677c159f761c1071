import pytest

from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import RewardModelSettings, RlSettings
from dsmath_pipeline.reporting.method_figures import FIGURE_5, method_curves, run_curves
from dsmath_pipeline.rl import experiment
from dsmath_pipeline.rl.experiment import reward_of, train_method
from dsmath_pipeline.rl.method_runs import RUNS, method_rows, method_settings
from dsmath_pipeline.rl.methods.registry import METHODS
from tests.tiny_model import build_model_artifact


def test_runs_differ_in_the_method_alone():
    recipe = load_recipe("demo")
    plain = method_settings(recipe.rl, "grpo_outcome").model_dump()
    for name in RUNS:
        changed = {n for n, v in method_settings(recipe.rl, name).model_dump().items() if v != plain[n]}
        allowed = {"grpo_outcome": set(), "grpo_process": {"method", "model_reward_weight"}}
        allowed["grpo_iterated"] = {"num_iterations", "num_steps", "model_reward_weight"}
        allowed["trpo"] = {"method", "num_steps", "batch_completions"}
        assert changed == allowed.get(name, {"method"}), name
    iterated = method_settings(recipe.rl, "grpo_iterated")
    assert iterated.num_steps * iterated.num_iterations == recipe.rl.num_steps
    trpo = method_settings(recipe.rl, "trpo")
    assert trpo.num_steps * trpo.batch_completions == recipe.rl.num_steps * recipe.rl.batch_completions
    assert set(RUNS) == {*METHODS, "grpo_iterated"} and set(FIGURE_5) < set(RUNS)
    with pytest.raises(ValueError, match="unknown run"):
        method_settings(recipe.rl, "sarsa")


def test_process_supervision_is_given_a_process_model(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(experiment, "train_reward_model", lambda *paths, **_: asked.append(paths[3:5]))
    plain = load_recipe("demo")
    assert reward_of(tmp_path, plain) == tmp_path / "models" / "reward"
    process = load_recipe("demo", ["rl.method=grpo_process", "rl.model_reward_weight=1"])
    assert reward_of(tmp_path, process) == tmp_path / "methods" / "process_reward"
    ((out, settings),) = asked
    assert out == tmp_path / "methods" / "process_reward"
    assert settings == plain.reward_model.model_copy(update={"kind": "process"})
    own = load_recipe("demo", ["rl.method=grpo_process", "rl.model_reward_weight=1", "reward_model.kind=process"])
    assert reward_of(tmp_path, own) == tmp_path / "models" / "reward" and len(asked) == 1  # the run's own is one
    with pytest.raises(ValueError, match=r"rl\.model_reward_weight=0"):
        reward_of(tmp_path, load_recipe("demo", ["rl.method=grpo_process"]))


@pytest.mark.slow
def test_a_method_is_trained_measured_and_drawn(tmp_path):
    base = build_model_artifact(tmp_path)
    (tmp_path / "models").mkdir()
    base.rename(tmp_path / "models" / "base")
    (tmp_path / "models" / "sft").symlink_to(tmp_path / "models" / "base")
    (tmp_path / "problems").rename(tmp_path / "word_problems")
    recipe = load_recipe("demo").model_copy(
        update={
            "rl": RlSettings(
                group_size=4, batch_completions=8, num_steps=3, max_completion_tokens=8, held_out_questions=5,
                held_out_steps=2, step_pattern="[0-9]",
            ),
            "reward_model": RewardModelSettings(
                num_questions=6, samples_per_question=2, batch_examples=4, max_completion_tokens=8,
                completions_per_step=1, step_pattern="[0-9]", micro_batch_examples=4,
            ),
        }
    )  # fmt: skip
    train_method(tmp_path, recipe, "grpo_process", device="cpu")
    train_method(tmp_path, recipe, "rft", device="cpu")
    curves = run_curves(tmp_path)
    assert list(curves) == ["grpo_process", "rft"]
    # measured before steps 1 and 3, and after the last
    assert [x for x, _ in curves["rft"]] == [0, 2, 3] and all(0 <= y <= 1 for _, y in curves["rft"])
    assert curves["rft"][0] == curves["grpo_process"][0]  # the same model on the same questions
    assert [row["method"] for row in method_rows(tmp_path)] == ["grpo_process", "rft"]
    svg = method_curves(curves, "Figure 5")
    assert svg.startswith("<svg") and "grpo_process" in svg and "Figure 5" in svg
