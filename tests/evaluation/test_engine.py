import os
from pathlib import Path

import pytest

from dsmath_pipeline.evaluation.benchmarks.registry import BENCHMARKS
from dsmath_pipeline.evaluation.engine import ModelEngine
from dsmath_pipeline.evaluation.harness import evaluate_model
from dsmath_pipeline.grading.sandbox import available_walls
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.storage import read_table
from tests.tiny_model import build_model_artifact

REAL_DATA = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
NAMES = [name for name, b in BENCHMARKS.items() if b.num_problems and not b.is_formal]
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


def test_prompts_of_one_call_have_their_own_limits(tmp_path):
    engine = ModelEngine(build_model_artifact(tmp_path), device="cpu")
    engine.end_id = -1  # never: every completion is as long as it may be
    asked = {"temperature": 0.0, "num_samples": 1, "seed": 0}
    found = engine.complete(["1+1=", "2+2=", "3+3="], max_new_tokens=[3, 7, 5], **asked)
    assert [len(completion.token_ids) for (completion,) in found] == [3, 7, 5]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")
@pytest.mark.parametrize("method", ["cot", "pot", "tool"])
def test_a_tiny_model_runs_eight_problems_of_every_benchmark(tmp_path, method):
    walls = available_walls()
    if method != "cot" and not (walls["bubblewrap"] and walls["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {walls}")
    model = build_model_artifact(tmp_path)
    settings = EvaluationSettings(num_samples=2, max_completion_tokens=16, max_problems=8, max_sampled_problems=2)
    manifest = evaluate_model(model, NAMES, REAL_DATA, tmp_path / "out", settings, method, device="cpu")
    figures = manifest.counts["by_benchmark"]
    assert {name: f["num_problems"] for name, f in figures.items()} == dict.fromkeys(NAMES, 8)
    rows = read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert len(rows) == len(NAMES) * (8 + 2 * 2) and {row["method"] for row in rows} == {method}
    assert all(row["program_status"] for row in rows) if method == "pot" else True  # every text is run as a program
    assert manifest.counts["num_sandbox_failures"] == 0
    assert all(figures[name]["greedy"] <= 0.75 for name in NAMES)  # it has learnt nothing
