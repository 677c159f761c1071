import pytest

from dsmath_pipeline.evaluation.engine import ModelEngine
from dsmath_pipeline.evaluation.harness import evaluate_model
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.storage import read_table
from tests.tiny_model import build_model_artifact

SETTINGS = EvaluationSettings(num_samples=2, max_completion_tokens=12, max_sampled_problems=4)


@pytest.mark.slow
def test_a_real_model_is_evaluated_the_same_way_twice(tmp_path):
    model = build_model_artifact(tmp_path)
    runs = [
        evaluate_model(model, "word_problems", tmp_path / "problems", tmp_path / name, SETTINGS, device="cpu")
        for name in ("first", "second")
    ]
    assert runs[0].key == runs[1].key and runs[0].counts == runs[1].counts
    assert runs[0].counts["num_problems"] == 10 and set(runs[0].counts["by_language"]) <= {"en", "zh"}
    first, second = (read_table(tmp_path / name / "results.parquet") for name in ("first", "second"))
    assert first.equals(second) and first.num_rows == 10 + 4 * 2
    assert all(0 < tokens <= 12 for tokens in first["num_tokens"].to_pylist())


def test_prompts_beyond_the_context_are_cut_off_and_not_an_error(tmp_path):
    engine = ModelEngine(build_model_artifact(tmp_path), device="cpu")
    long, short = engine.complete(
        ["word " * 3000, "1+1="], max_new_tokens=3, temperature=0.0, num_samples=1, seed=0
    )  # fmt: skip
    assert (long[0].text, long[0].finish) == ("", "length")
    assert len(short[0].token_ids) in (1, 2, 3)
