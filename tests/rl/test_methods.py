"""Every method through the trainer, against slow oracles and its own invariants."""

import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import RewardModelSettings, RlSettings
from dsmath_pipeline.records import Completion, Grade, Problem, Verdict
from dsmath_pipeline.rl.learner import Batch
from dsmath_pipeline.rl.methods.dpo import pairs_of_groups
from dsmath_pipeline.rl.methods.grpo import step_advantages
from dsmath_pipeline.rl.methods.registry import METHODS, method
from dsmath_pipeline.rl.methods.reinforce import baselined
from dsmath_pipeline.rl.reward_model import train_reward_model
from dsmath_pipeline.rl.rollout import Sequences, by_position, for_tokens
from dsmath_pipeline.rl.trainer import train_rl
from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_model_artifact

SETTINGS = RlSettings(
    learning_rate=5e-3, value_learning_rate=5e-3, group_size=4, batch_completions=16, max_completion_tokens=8,
    num_steps=2, micro_batch_completions=6, save_steps=1, step_pattern="[0-9]",
)  # fmt: skip


def no_digit(reference, solution):
    return Grade("", Verdict.WRONG if any(c.isdigit() for c in solution) else Verdict.CORRECT)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("methods"))


@pytest.fixture(scope="module")
def process_model(base):
    settings = RewardModelSettings(
        kind="process", learning_rate=1e-3, num_questions=6, samples_per_question=2, batch_examples=6,
        max_completion_tokens=8, step_pattern="[0-9]", completions_per_step=1, micro_batch_examples=6,
    )  # fmt: skip
    out = base.parent / "process"
    train_reward_model(base, base, base.parent / "problems", out, settings, 0, grade=no_digit, device="cpu")
    return out


def train(base, out, process=None, grade=no_digit, **changes):
    settings = SETTINGS.model_copy(update=changes)
    problems = base.parent / "problems"
    manifest = train_rl(base, process, problems, base.parent / out, settings, 0, grade=grade, device="cpu")
    return manifest, pq.read_table(base.parent / out / "metrics.parquet").to_pylist()


def same_weights(first, second):
    a, b = load_model(first, "cpu").state_dict(), load_model(second, "cpu").state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def batch_of(rewards, correct, texts=None, steps=None, ends=None, samples_from="policy"):
    """A batch of groups of completions of two tokens each."""
    rewards_BG = torch.tensor(rewards)
    texts = texts or [[f"{b}{g}" for g in range(len(row))] for b, row in enumerate(rewards)]
    groups = [[Completion(text, (1, 2), "stop", (0.0, 0.0)) for text in row] for row in texts]
    verdicts = [[Grade("", Verdict.CORRECT if y else Verdict.WRONG) for y in row] for row in correct]
    num = rewards_BG.numel()
    lengths = [end[-1] + 1 for end in ends] if ends else [2] * num
    return Batch(
        samples_from, [Problem("p", "?", "1")] * len(groups), Sequences([[0]] * num, [[1] * n for n in lengths]),
        groups, verdicts, rewards_BG, None, steps, ends, 0.0, 0.0,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"grpo_process"}))
def test_every_method_trains_and_a_killed_run_ends_alike(base, name):
    _, metrics = train(base, name, method=name)
    assert [row["step"] for row in metrics] == [1, 2]
    assert metrics[0]["kl"] == pytest.approx(0, abs=1e-9)  # the policy starts as the reference
    assert max(row["sampler_gap"] for row in metrics) < 1e-3  # compared with who sampled
    assert not same_weights(base, base.parent / name)

    def kill(step, row):
        if step == 2:
            raise KeyboardInterrupt

    settings = SETTINGS.model_copy(update={"method": name})
    problems, out = base.parent / "problems", base.parent / f"{name}-killed"
    with pytest.raises(KeyboardInterrupt):
        train_rl(base, None, problems, out, settings, 0, grade=no_digit, device="cpu", after_step=kill)
    train_rl(base, None, problems, out, settings, 0, grade=no_digit, device="cpu")
    assert same_weights(base.parent / name, out)


def test_process_supervision_rewards_every_step(base, process_model):
    _, metrics = train(base, "ps", process_model, method="grpo_process", model_reward_weight=0.5)
    rows = storage.read_table(base.parent / "ps" / "samples").to_pylist()
    assert any(len(row["step_rewards"]) > 1 for row in rows)
    for row in rows:
        steps = row["step_rewards"]
        assert all(0 < reward < 1 for reward in steps)  # probabilities of the process model, the last one's too
        rule = float(row["verdict"] == "correct")
        assert row["reward"] == pytest.approx(0.5 * sum(steps) / len(steps) + rule, abs=1e-6)
    assert metrics[0]["model_reward"] is not None


def test_reward_model_and_method_must_fit(base, process_model):
    with pytest.raises(ValueError, match="kind outcome"):
        train(base, "bad", process_model, model_reward_weight=1.0)
    with pytest.raises(ValueError, match="give a reward model of kind process"):
        train(base, "bad", None, method="grpo_process")
    with pytest.raises(ValueError, match=r"unknown rl\.method"):
        method("sarsa")


# A group of two completions of 3 and 2 tokens. Step rewards {1, 0, 0}: mean 1/3, sample std sqrt(1/3), so a step is
# worth 2/sqrt(3) or -1/sqrt(3). Rule: right and wrong, worth 1/sqrt(2) and -1/sqrt(2) (mean 1/2, std sqrt(1/2)).
HIGH, LOW, RULE = 2 / 3**0.5, -1 / 3**0.5, 1 / 2**0.5
STEPS = {"steps": [[1.0, 0.0], [0.0]], "ends": [[1, 2], [1]]}
PROCESS = torch.tensor([[HIGH + LOW, HIGH + LOW, LOW], [LOW, LOW, 0.0]])


def advantages(correct=(True, False), batch=None, **changes):
    learner = type("L", (), {"settings": SETTINGS.model_copy(update={"std_epsilon": 0.0, **changes})})()
    return step_advantages(learner, batch or batch_of([[0.0, 0.0]], [list(correct)], **STEPS))


def test_without_rule_step_advantages_are_the_papers_process_supervision():
    found = advantages(rule_reward_weight=0.0, model_reward_weight=1.0)
    assert torch.allclose(found, PROCESS, atol=1e-6)


def test_the_rule_is_compared_among_completions_and_the_model_among_steps():
    outcome = torch.tensor([[RULE, RULE, RULE], [-RULE, -RULE, 0.0]])  # nothing behind the second one's last token
    assert torch.allclose(advantages(model_reward_weight=1.0), PROCESS + outcome, atol=1e-6)
    assert torch.allclose(advantages(model_reward_weight=0.25), 0.25 * PROCESS + outcome, atol=1e-6)
    assert torch.allclose(advantages(model_reward_weight=0.0), outcome, atol=1e-6)


def test_step_advantages_can_be_averaged():
    mean = PROCESS / torch.tensor([[2.0, 2.0, 1.0], [1.0, 1.0, 1.0]])  # over the steps still to come
    found = advantages(rule_reward_weight=0.0, model_reward_weight=1.0, average_steps=True)
    assert torch.allclose(found, mean, atol=1e-6)


def test_a_rule_that_tells_no_completions_apart_leaves_the_steps_as_they_are():
    for correct in ((True, True), (False, False)):
        assert torch.allclose(advantages(correct, model_reward_weight=1.0), PROCESS, atol=1e-6)


def test_right_answers_do_not_make_the_steps_before_the_last_look_worse():
    # all steps have the same probability and all answers are right: nothing to learn, however many steps there are
    batch = batch_of([[0.0, 0.0]], [[True, True]], steps=[[0.5, 0.5], [0.5]], ends=[[1, 2], [1]])
    assert (advantages(batch=batch, model_reward_weight=1.0) == 0).all()


def test_online_rft_samples_from_the_policy_and_rft_from_the_sft_model(base):
    first = storage_rows(base, "rft-samples", method="rft", learning_rate=0.05)
    second = storage_rows(base, "online-samples", method="online_rft", learning_rate=0.05)
    plain = storage_rows(base, "no-learning", method="rft", learning_rate=1e-12)
    texts = [[row["completion"] for row in rows if row["step"] == 2] for rows in (first, second, plain)]
    assert texts[0] == texts[2] and texts[1] != texts[2]
    assert all(row["advantage"] == float(row["verdict"] == "correct") for row in first)


def storage_rows(base, out, **changes):
    train(base, out, **changes)
    return storage.read_table(base.parent / out / "samples").to_pylist()


def test_rft_learns_nothing_from_wrong_completions(base):
    train(base, "all-wrong", grade=lambda reference, solution: Grade("", Verdict.WRONG), method="online_rft")
    assert same_weights(base, base.parent / "all-wrong")


def test_baselines():
    rewards = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert baselined(rewards, "none").tolist() == rewards.tolist()
    assert baselined(rewards, "batch").tolist() == [[0.5, -0.5, -0.5], [0.5, 0.5, -0.5]]
    assert baselined(rewards, "leave_one_out").tolist() == [[1.0, -0.5, -0.5], [0.5, 0.5, -1.0]]
    with pytest.raises(ValueError, match="unknown baseline"):
        baselined(rewards, "median")


def test_pairs_join_right_and_wrong_of_one_group_and_no_text_twice():
    batch = batch_of(
        [[0.0] * 4] * 3,
        [[True, True, False, False], [True] * 4, [False, True, False, False]],
        [["x", "x", "y", "z"], ["a", "b", "c", "d"], ["u", "v", "u", "w"]],
    )
    # group 0: x over y and z (the second x is the same text); group 1: all right; group 2: v over u and w
    assert sorted(pairs_of_groups(batch, 9, 0)) == [(0, 2), (0, 3), (9, 8), (9, 11)]
    assert len(pairs_of_groups(batch, 1, 0)) == 2


def test_ppo_fits_its_value_model(base):
    _, metrics = train(
        base, "values", grade=lambda reference, solution: Grade("", Verdict.CORRECT), method="ppo", num_steps=6,
        value_learning_rate=3e-2, kl_coefficient=0.0,
    )  # fmt: skip
    losses = [row["value_loss"] for row in metrics]
    assert losses[-1] < losses[0] / 4, losses  # every return is 1


def test_trpo_keeps_its_trust_region(base):
    _, metrics = train(base, "trust", method="trpo", max_kl=0.003)
    assert all(0 < row["step_kl"] <= 0.003 for row in metrics)


def test_the_trust_region_shrinks_towards_the_end(base):
    _, metrics = train(base, "shrinks", method="trpo", max_kl=0.003, decay_from=0.0, num_steps=4)
    for done, row in enumerate(metrics):
        assert 0 < row["step_kl"] <= 0.003 * (1 - done / 4) ** 2 * 1.001


def test_a_group_without_spread_can_be_skipped(base):
    # every completion right: no group has spread, so nothing is learned although the KL term would count
    train(base, "skip", grade=lambda reference, solution: Grade("", Verdict.CORRECT), skip_without_spread=True,
          updates_per_exploration=2)  # fmt: skip
    assert same_weights(base, base.parent / "skip")


def test_truncated_completions_can_be_masked(base):
    # completions of one token are all cut off but for those that are the end token alone, so Online RFT of right ones
    # learns from them unless they are masked
    changes = {"method": "online_rft", "max_completion_tokens": 1, "num_steps": 1}
    train(base, "masked", mask_truncated=True, grade=cut_off_is_right, **changes)
    train(base, "unmasked", grade=cut_off_is_right, **changes)
    assert same_weights(base, base.parent / "masked")
    assert not same_weights(base, base.parent / "unmasked")


def cut_off_is_right(reference, solution):
    return Grade("", Verdict.CORRECT if solution else Verdict.WRONG)


def test_values_by_position_come_back_to_their_tokens():
    mask = torch.tensor([[0.0, 1, 1, 0, 1], [1, 1, 0, 0, 0]])
    values = torch.arange(10.0).view(2, 5)
    front = by_position(values, mask, 4)
    assert front.tolist() == [[1, 2, 4, 0], [5, 6, 0, 0]]
    assert torch.equal(for_tokens(front, [0, 1], mask), values * mask)
