import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.recipe.schema import RewardModelSettings
from dsmath_pipeline.records import Grade, Verdict
from dsmath_pipeline.rl.reward_model import area_under_curve, load_reward_model, score_sequences, train_reward_model
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
