import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import RlSettings
from dsmath_pipeline.records import Grade, Verdict
from dsmath_pipeline.rl.trainer import METRICS_SCHEMA, SAMPLE_SCHEMA, train_rl
from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_model_artifact

SETTINGS = RlSettings(
    learning_rate=5e-3, group_size=4, batch_completions=16, max_completion_tokens=8, num_steps=5,
    micro_batch_completions=8, save_steps=2,
)  # fmt: skip


def no_digit(reference, solution):
    return Grade("", Verdict.WRONG if any(c.isdigit() for c in solution) else Verdict.CORRECT)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("grpo"))


def train(base, out, settings=SETTINGS, **options):
    return train_rl(base, None, base.parent / "problems", base.parent / out, settings, 0, grade=no_digit,
                    device="cpu", **options)  # fmt: skip


@pytest.fixture(scope="module")
def plain(base):
    return train(base, "plain")


def weights(folder):
    return load_model(folder, "cpu").state_dict()


def same_weights(first, second, **tolerance):
    a, b = weights(first), weights(second)
    return all(torch.allclose(a[n], b[n], **tolerance) if tolerance else torch.equal(a[n], b[n]) for n in a)


def metrics_without_time(folder):
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    return [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in rows]


def sample_rows(folder):
    return storage.read_table(folder / "samples").to_pylist()


def test_metrics_and_samples_hold_every_step(base, plain):
    metrics = pq.read_table(base.parent / "plain" / "metrics.parquet")
    samples = storage.read_table(base.parent / "plain" / "samples")
    assert metrics.schema.equals(METRICS_SCHEMA) and samples.schema.equals(SAMPLE_SCHEMA)
    assert metrics["step"].to_pylist() == [1, 2, 3, 4, 5] and samples.num_rows == 5 * 16
    rows = samples.to_pylist()
    for row in metrics.to_pylist():
        rewards = [sample["reward"] for sample in rows if sample["step"] == row["step"]]
        assert row["reward"] == pytest.approx(sum(rewards) / 16)
        assert row["sampler_gap"] < 1e-3
    # the policy starts as the reference, so the first step has no divergence and nothing is clipped (mu = 1)
    assert metrics["kl"][0].as_py() == pytest.approx(0, abs=1e-9) and metrics["kl"][4].as_py() > 0
    assert set(metrics["clip_share"].to_pylist()) == {0.0}


def test_advantages_of_a_stored_group_add_up_to_zero(base, plain):
    rows = [row for row in sample_rows(base.parent / "plain") if row["step"] == 1]
    for first in range(0, 16, 4):
        group = rows[first : first + 4]
        assert len({row["problem_id"] for row in group}) == 1
        assert sum(row["advantage"] for row in group) == pytest.approx(0, abs=1e-5)


def test_a_killed_run_ends_like_one_that_was_never_killed(base, plain):
    def kill(step, metrics):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, "killed", after_step=kill)
    assert (base.parent / "killed" / "_checkpoint.pt").exists()
    steps = []
    train(base, "killed", after_step=lambda step, metrics: steps.append(step))
    assert steps == [3, 4, 5]  # the checkpoint of step 2 was the last
    assert same_weights(base.parent / "plain", base.parent / "killed")
    assert metrics_without_time(base.parent / "plain") == metrics_without_time(base.parent / "killed")
    assert sample_rows(base.parent / "plain") == sample_rows(base.parent / "killed")


def test_a_checkpoint_of_other_settings_is_not_continued(base, plain):
    def kill(step, metrics):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, "other", SETTINGS.model_copy(update={"kl_coefficient": 0.5}), after_step=kill)
    steps = []
    train(base, "other", after_step=lambda step, metrics: steps.append(step))
    assert steps == [1, 2, 3, 4, 5] and same_weights(base.parent / "plain", base.parent / "other")


def test_micro_batches_do_not_change_the_update(base, plain):
    # one step: later ones sample from weights that differ in the last bits
    one = SETTINGS.model_copy(update={"num_steps": 1})
    train(base, "split", one.model_copy(update={"micro_batch_completions": 3}))
    train(base, "whole", one.model_copy(update={"micro_batch_completions": 16}))
    assert same_weights(base.parent / "split", base.parent / "whole", atol=1e-4)


def test_without_any_reward_and_without_kl_the_policy_stays_the_reference(base):
    settings = SETTINGS.model_copy(update={"num_steps": 2, "rule_reward_weight": 0.0})
    train(base, "still", settings)
    assert same_weights(base, base.parent / "still")
    rows = pq.read_table(base.parent / "still" / "metrics.parquet").to_pylist()
    assert [row["no_spread_share"] for row in rows] == [1.0, 1.0]


def test_several_updates_of_one_exploration_move_the_ratio(base):
    train(base, "mu", SETTINGS.model_copy(update={"num_steps": 1, "updates_per_exploration": 3}))
    row = pq.read_table(base.parent / "mu" / "metrics.parquet").to_pylist()[0]
    assert row["kl"] > 0  # from the second update on the policy has left the reference


@pytest.mark.slow
def test_reward_rises_on_a_rule_that_a_tiny_model_can_learn(base):
    # begins with an equals sign or a space: an untrained model does so in about a tenth of its samples
    def starts_like_a_completion(reference, solution):
        return Grade("", Verdict.CORRECT if solution[:1] in ("=", " ") else Verdict.WRONG)

    settings = SETTINGS.model_copy(
        update={"num_steps": 12, "batch_completions": 64, "learning_rate": 3e-2, "kl_coefficient": 0.0}
    )
    train_rl(base, None, base.parent / "problems", base.parent / "rising", settings, 0,
             grade=starts_like_a_completion, device="cpu")  # fmt: skip
    shares = pq.read_table(base.parent / "rising" / "metrics.parquet")["correct_share"].to_pylist()
    assert sum(shares[-3:]) / 3 > sum(shares[:2]) / 2 + 0.1, shares


def test_a_batch_that_is_no_multiple_of_the_group_is_refused(base):
    with pytest.raises(ValueError, match="no multiple"):
        train(base, "bad", SETTINGS.model_copy(update={"batch_completions": 10}))
