import math
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.recipe.schema import RewardModelSettings
from dsmath_pipeline.records import Grade, Verdict
from dsmath_pipeline.rl.reward_measures import area_under_curve, first_wrong_step, pairwise_accuracy
from dsmath_pipeline.rl.reward_model import (
    IGNORED,
    is_process_model,
    load_reward_model,
    pairwise_loss,
    process_loss,
    score_sequences,
    score_steps,
    train_reward_model,
)
from dsmath_pipeline.rl.rollout import Sequences
from tests.tiny_model import build_model_artifact


def even_length(reference, solution):
    """A stand-in for the grader that a tiny model can satisfy by chance."""
    return Grade("", Verdict.CORRECT if len(solution) % 2 == 0 else Verdict.WRONG)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auc_equals_the_count_over_all_pairs(rows):
    scores, labels = [float(s) for s, _ in rows], [y for _, y in rows]
    pairs = [(a, b) for a, y in zip(scores, labels, strict=True) for b, z in zip(scores, labels, strict=True)
             if y and not z]  # fmt: skip
    expected = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs) if pairs else None
    assert area_under_curve(scores, labels) == (None if expected is None else pytest.approx(expected))


def test_the_reward_model_is_trained_measured_on_held_out_questions_and_loads(tmp_path):
    base = build_model_artifact(tmp_path)
    settings = RewardModelSettings(
        learning_rate=1e-3, num_questions=10, samples_per_question=4, batch_examples=8, num_epochs=2,
        max_completion_tokens=6, held_out_share=0.2, micro_batch_examples=4,
    )  # fmt: skip
    manifest = train_reward_model(
        base, base, tmp_path / "problems", tmp_path / "reward", settings, 0, grade=even_length, device="cpu"
    )
    solutions = pq.read_table(tmp_path / "reward" / "solutions.parquet").to_pylist()
    held_out = [row for row in solutions if row["held_out"]]
    # 10 questions of 4 samples; 20 % of the questions, not of the samples, are held out
    assert len(solutions) == 40 and len(held_out) == 8 == manifest.counts["held_out_solutions"]
    assert not {r["problem_id"] for r in held_out} & {r["problem_id"] for r in solutions if not r["held_out"]}
    assert all(row["is_correct"] == (len(row["solution"]) % 2 == 0) for row in solutions)
    # 32 solutions twice in batches of 8
    assert pq.read_table(tmp_path / "reward" / "metrics.parquet").num_rows == 8
    model = load_reward_model(tmp_path / "reward", "cpu")
    sequences = Sequences([r["prompt_ids"] for r in held_out], [r["completion_ids"] for r in held_out])
    scores = score_sequences(model, sequences)
    assert all(0 < score < 1 for score in scores)
    pairs = zip(sequences.prompts, sequences.completions, strict=True)
    alone = [score_sequences(model, Sequences([prompt], [completion]))[0] for prompt, completion in pairs]
    assert scores == pytest.approx(alone, abs=1e-5)  # padding and batch do not matter


def test_a_process_model_labels_steps_by_completions_and_scores_each_step(tmp_path):
    base = build_model_artifact(tmp_path)
    settings = RewardModelSettings(
        kind="process", learning_rate=1e-3, num_questions=6, samples_per_question=3, batch_examples=6, num_epochs=2,
        max_completion_tokens=12, held_out_share=0.3, micro_batch_examples=3, step_pattern=r"[0-9]",
        completions_per_step=2, step_labels="soft",
    )  # fmt: skip
    manifest = train_reward_model(
        base, base, tmp_path / "problems", tmp_path / "process", settings, 0, grade=even_length, device="cpu"
    )
    rows = pq.read_table(tmp_path / "process" / "solutions.parquet").to_pylist()
    assert any(len(row["step_ends"]) > 1 for row in rows)
    for row in rows:
        assert len(row["step_ends"]) == len(row["step_labels"])
        assert row["step_ends"] == sorted(set(row["step_ends"]))
        assert row["step_ends"][-1] == len(row["completion_ids"]) - 1
        assert row["step_labels"][-1] == float(row["is_correct"])  # the last step holds the answer
        assert all(label in (0.0, 0.5, 1.0) for label in row["step_labels"])  # shares of two completions
    assert manifest.counts["held_out_steps"] == sum(len(r["step_ends"]) for r in rows if r["held_out"])
    assert is_process_model(tmp_path / "process") and not is_process_model(base)
    model = load_reward_model(tmp_path / "process", "cpu")
    sequences = Sequences([r["prompt_ids"] for r in rows], [r["completion_ids"] for r in rows])
    scores = score_steps(model, sequences, [r["step_ends"] for r in rows])
    row, score = next((r, s) for r, s in zip(rows, scores, strict=True) if len(s) > 1)
    # oracle: the first step's score comes from the sequence cut behind the step, so it cannot see later steps
    cut = torch.tensor([row["prompt_ids"] + row["completion_ids"][: row["step_ends"][0] + 1]])
    with torch.no_grad():
        alone = torch.sigmoid(model(input_ids=cut).logits[0, -1, 0])
    assert score[0] == pytest.approx(float(alone), abs=1e-5)


def test_a_pairwise_model_is_trained_on_pairs_of_one_question(tmp_path):
    base = build_model_artifact(tmp_path)
    settings = RewardModelSettings(
        loss="pairwise", learning_rate=1e-2, num_questions=12, samples_per_question=6, batch_examples=8, num_epochs=2,
        max_completion_tokens=6, held_out_share=0.2, micro_batch_examples=4,
    )  # fmt: skip
    manifest = train_reward_model(
        base, base, tmp_path / "problems", tmp_path / "pairs", settings, 0, grade=even_length, device="cpu"
    )
    assert 0 <= manifest.counts["held_out_pairwise_accuracy"] <= 1
    rows = pq.read_table(tmp_path / "pairs" / "solutions.parquet").to_pylist()
    trained = [r for r in rows if not r["held_out"]]
    num_pairs = 0
    for problem in {row["problem_id"] for row in trained}:
        group = [row for row in trained if row["problem_id"] == problem]
        right, wrong = ({row["solution"] for row in group if row["is_correct"] == y} for y in (True, False))
        num_pairs += min(4, len(right) * len(wrong))
    assert pq.read_table(tmp_path / "pairs" / "metrics.parquet").num_rows == max(1, round(num_pairs * 2 / 8))


def test_losses_equal_their_formulas():
    # pairs: scores 1 over 0 and 0 over 2: -log sigmoid(1) - log sigmoid(-2), over 2 pairs
    outputs = SimpleNamespace(logits=torch.tensor([[1.0], [0.0], [0.0], [2.0]]))
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2
    assert float(pairwise_loss(outputs, torch.ones(2))) == pytest.approx(expected)
    # steps: logit 0 with label 1 costs log 2, logit 3 with label 0.25 by the formula; other tokens cost nothing
    outputs = SimpleNamespace(logits=torch.tensor([[[9.0], [0.0], [3.0]]]))
    chance = 1 / (1 + math.exp(-3))
    expected = (math.log(2) - 0.25 * math.log(chance) - 0.75 * math.log(1 - chance)) / 2
    assert float(process_loss(outputs, torch.tensor([[IGNORED, 1.0, 0.25]]))) == pytest.approx(expected)


def test_the_first_wrong_step_is_the_first_below_a_half():
    labels = [[1, 0, 0], [1, 1], [0, 1], [1, 0]]
    scores = [[0.9, 0.4, 0.1], [0.1, 0.2], [0.8, 0.6], [0.9, 0.7]]
    # the second solution has no wrong step; the third's lowest step is its second (miss), the fourth's too (hit)
    assert first_wrong_step(labels, scores) == (pytest.approx(2 / 3), pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3))
    assert first_wrong_step([[1, 1]], [[0.1, 0.2]]) == (None, None)


def test_pairwise_accuracy_compares_within_questions_only():
    rows = [{"problem_id": p, "is_correct": y} for p, y in (("a", True), ("a", False), ("b", True), ("b", False))]
    # a: 0.4 over 0.1 (won); b: 0.9 and 0.9 (half); a's right against b's wrong would be lost, and does not count
    assert pairwise_accuracy(rows, [0.4, 0.1, 0.9, 0.9]) == 0.75
    assert pairwise_accuracy(rows[:1], [0.4]) is None
