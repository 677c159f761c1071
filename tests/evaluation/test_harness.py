import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsmath_pipeline.evaluation import harness
from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.benchmarks.registry import load_benchmark
from dsmath_pipeline.evaluation.chunks import choose_problems
from dsmath_pipeline.evaluation.harness import RESULT_SCHEMA, evaluate_model
from dsmath_pipeline.evaluation.metrics import vote_key
from dsmath_pipeline.evaluation.prompts import chat_prompt
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.records import Completion, Problem
from dsmath_pipeline.storage import ArtifactError, read_manifest, read_table
from tests.evaluation import killed_evaluation

REAL_DATA = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
needs_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")


class Solver:
    """A model that knows, for each prompt, what to say."""

    def __init__(self, say):
        self.say = say
        self.num_prompts = 0

    def complete(self, prompts, *, max_new_tokens, temperature, num_samples, seed, stop_texts=()):
        self.num_prompts += len(prompts)
        rng = random.Random(seed)
        return [[Completion(self.say(prompt, rng), (1,) * 5) for _ in range(num_samples)] for prompt in prompts]


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def data(tmp_path):
    rows = [{"id": f"p{n}", "problem": f"{n}+{n}?", "answer": 2 * n, "language": "zh" if n % 2 else "en"}
            for n in range(10)]  # fmt: skip
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def double(prompt, rng):
    """Right for every sum below 5, wrong by one above."""
    n = int(prompt.split("User: ")[1].split("+")[0])
    return f"\\boxed{{{2 * n + (n >= 5)}}}"


SETTINGS = EvaluationSettings(num_samples=2, max_problems=1000, max_sampled_problems=4)


def test_figures_and_rows_of_a_small_benchmark(model, data, tmp_path):
    manifest = evaluate_model(model, "jsonl:sums.jsonl", data, tmp_path / "out", SETTINGS, engine=Solver(double))
    counts = manifest.counts
    assert counts["greedy"] == 0.5  # 0 to 4 of 0 to 9
    assert (counts["k"], counts["num_problems"], counts["num_sampled_problems"]) == (2, 10, 4)
    assert counts["chance"] == 0.0 and counts["no_answer_share"] == 0.0
    # Odd numbers are Chinese: 1 and 3 of 1, 3, 5, 7, 9 are right; of the even ones 0, 2, 4 of five.
    assert counts["by_language"]["zh"]["greedy"] == 0.4 and counts["by_language"]["en"]["greedy"] == 0.6
    assert set(counts["by_benchmark"]) == {"jsonl:sums.jsonl"}
    table = read_table(tmp_path / "out" / "results.parquet")
    assert table.schema.equals(RESULT_SCHEMA) and table.num_rows == manifest.num_rows == 10 + 4 * 2
    rows = table.to_pylist()
    assert rows[7] | {"problem": "7+7?"} == rows[7]
    assert (rows[7]["reference"], rows[7]["answer"], rows[7]["verdict"], rows[7]["grade"]) == (
        "14",
        "15",
        "wrong",
        False,
    )
    sampled = {row["problem_id"] for row in rows if row["decoding"] == "sampled"}
    right = sum(int(name[1:]) < 5 for name in sampled)
    assert counts["maj_at_k"] == counts["pass_at_k"] == right / 4
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"results.parquet", "manifest.json"}


def test_a_finished_evaluation_is_not_repeated_and_other_settings_are_another_one(model, data, tmp_path):
    solver = Solver(double)
    first = evaluate_model(model, ["jsonl:sums.jsonl"], data, tmp_path / "out", SETTINGS, engine=solver)
    asked = solver.num_prompts
    again = evaluate_model(model, ["jsonl:sums.jsonl"], data, tmp_path / "out", SETTINGS, engine=solver)
    assert again == first and solver.num_prompts == asked == 10 + 4
    (model / "config.json").write_text('{"other": 1}')
    changed = evaluate_model(model, ["jsonl:sums.jsonl"], data, tmp_path / "out", SETTINGS, engine=solver)
    assert changed.key != first.key and solver.num_prompts == 2 * asked


def test_a_killed_evaluation_keeps_its_finished_chunks(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "CHUNK_PROBLEMS", 4)
    settings = EvaluationSettings(num_samples=1, max_sampled_problems=1000)

    def die_at_seven(prompt, rng):
        if prompt.startswith("User: 7+7"):
            raise KeyboardInterrupt
        return double(prompt, rng)

    with pytest.raises(KeyboardInterrupt):
        evaluate_model(model, "jsonl:sums.jsonl", data, tmp_path / "out", settings, engine=Solver(die_at_seven))
    with pytest.raises(ArtifactError, match="was not finished"):
        read_manifest(tmp_path / "out")
    solver = Solver(double)
    manifest = evaluate_model(model, "jsonl:sums.jsonl", data, tmp_path / "out", settings, engine=solver)
    # Problems 0 to 3 were committed; 4 to 9 are asked once greedily and once sampled.
    assert solver.num_prompts == 12
    whole = evaluate_model(model, "jsonl:sums.jsonl", data, tmp_path / "whole", settings, engine=Solver(double))
    assert manifest.counts == whole.counts and manifest.key == whole.key
    assert read_table(tmp_path / "out" / "results.parquet").equals(read_table(tmp_path / "whole" / "results.parquet"))


@pytest.mark.slow
def test_an_evaluation_killed_by_the_system_goes_on_with_its_finished_problems_kept(model, data, tmp_path):
    command = [sys.executable, "-m", "tests.evaluation.killed_evaluation", str(tmp_path)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        shards = tmp_path / "out" / "_chunks" / "_shards"
        deadline = time.monotonic() + 60
        while len(list(shards.glob("*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.kill()  # SIGKILL: nothing in the process can clean up
        process.wait()
    finished = len(list(shards.glob("*.json")))
    assert 2 <= finished < 5
    with pytest.raises(ArtifactError, match="was not finished"):
        read_manifest(tmp_path / "out")
    (tmp_path / "asked.txt").write_text("")
    manifest = killed_evaluation.evaluate(tmp_path, "out", 0.0)
    # Two problems in a chunk, each asked greedily and once more for its samples; finished chunks are not asked again.
    asked = (tmp_path / "asked.txt").read_text().split()
    assert asked == [str(n) for first in range(2 * finished, 10, 2) for n in (first, first + 1) * 2]
    whole = killed_evaluation.evaluate(tmp_path, "whole", 0.0)
    assert (manifest.key, manifest.counts) == (whole.key, whole.counts) and manifest.counts["greedy"] == 1.0
    assert read_table(tmp_path / "out" / "results.parquet").equals(read_table(tmp_path / "whole" / "results.parquet"))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"results.parquet", "manifest.json"}


def test_problems_are_drawn_by_seed_and_stay_in_order():
    problems = [Problem(str(n), "", "") for n in range(100)]
    settings = EvaluationSettings(max_problems=20, max_sampled_problems=5)
    chosen = choose_problems(problems, settings, 1, "x")
    numbers = [int(problem.id) for problem, _ in chosen]
    assert len(numbers) == 20 and numbers == sorted(numbers) and sum(flag for _, flag in chosen) == 5
    assert chosen == choose_problems(problems, settings, 1, "x") != choose_problems(problems, settings, 2, "x")


def test_proofs_are_refused_because_comparing_answers_cannot_grade_them(model, data, tmp_path):
    with pytest.raises(BenchmarkError, match="proofs"):
        evaluate_model(model, "minif2f_test", data, tmp_path / "out", SETTINGS, engine=Solver(double))


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("name", ["sat", "mmlu_stem", "gaokao_mathqa", "jsonl:extra_math_eval/aqua.jsonl",
                                  "jsonl:extra_math_eval/mathqa_megamath_decont.jsonl"])  # fmt: skip
def test_perfect_wrong_and_random_solvers_score_100_0_and_chance(model, tmp_path, name):
    problems = load_benchmark(name, REAL_DATA)
    known = {chat_prompt(problem, "cot"): problem.answer for problem in problems}
    settings = EvaluationSettings(num_samples=1, max_sampled_problems=1)

    def wrong(prompt, rng):
        return f"The answer is ({next(c for c in 'ABCD' if c not in known[prompt])})."

    def score(say, folder):
        return evaluate_model(model, name, REAL_DATA, tmp_path / folder, settings, engine=Solver(say)).counts

    assert score(lambda prompt, rng: f"It is {known[prompt]}.\nThe answer is {known[prompt]}.", "a")["greedy"] == 1.0
    assert score(wrong, "b")["greedy"] == 0.0
    letters = "ABCDE"[: len(problems[0].options)]
    guessed = score(lambda prompt, rng: f"\\boxed{{{rng.choice(letters)}}}", "c")
    p = 1 / len(letters)
    assert guessed["chance"] == pytest.approx(p)
    # Four standard deviations of a coin with this p; questions with several right letters only lower the score.
    assert abs(guessed["greedy"] - p) < 4 * (p * (1 - p) / len(problems)) ** 0.5 + 7 / len(problems)


OPEN = ["gsm8k", "math", "ocw", "cmath", "gaokao_mathcloze", "mgsm_zh", "jsonl:gaokao/gaokao2023en.jsonl",
        "jsonl:extra_math_eval/amc23.jsonl", "jsonl:extra_math_eval/aime24.jsonl",
        "jsonl:extra_math_eval/college_math.jsonl", "jsonl:extra_math_eval/mawps.jsonl",
        "jsonl:extra_math_eval/gsm-hard.jsonl", "jsonl:cmath/qwen_test.jsonl",
        "jsonl:ocw/minerva_math_qwen.jsonl"]  # fmt: skip


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("name", OPEN)
def test_perfect_wrong_and_random_solvers_score_100_0_and_what_chance_gives_on_open_questions(model, tmp_path, name):
    problems = [p for p in load_benchmark(name, REAL_DATA) if p.answer.strip()]
    known = {chat_prompt(problem, "cot"): problem.answer for problem in problems}
    settings = EvaluationSettings(num_samples=1, max_sampled_problems=1, max_problems=150)
    said = {}

    def score(say, folder):
        counts = evaluate_model(model, name, REAL_DATA, tmp_path / folder, settings, engine=Solver(say)).counts
        return counts["greedy"] * counts["num_problems"], counts

    def another(prompt, rng):
        said[prompt] = rng.choice(problems).answer
        return f"\\boxed{{{said[prompt]}}}"

    right, counts = score(lambda prompt, rng: f"\\boxed{{{known.get(prompt, '0')}}}", "a")
    everyone = load_benchmark(name, REAL_DATA)
    blank = sum(not p.answer.strip() for p in everyone)
    asked_again = len(everyone) - len({chat_prompt(p, "cot") for p in everyone})  # with another answer, maybe
    assert round(right) >= counts["num_problems"] - blank - asked_again
    assert score(lambda prompt, rng: "The answer is -98765.", "b")[0] == 0
    silent = score(lambda prompt, rng: "I do not know", "c")[1]["no_answer_share"] * counts["num_problems"]
    assert round(silent) >= counts["num_problems"] - blank  # a problem without a reference has a verdict of its own
    # A random solver names the answer of a problem drawn at random: right only where both answers are one.
    right, counts = score(another, "d")
    equal = sum(vote_key(known.get(prompt, "")) == vote_key(answer) for prompt, answer in said.items())
    assert counts["chance"] == 0.0 and equal - 1 <= round(right) <= equal + 1
    assert right <= 0.2 * counts["num_problems"]


def test_importing_evaluation_does_not_import_torch():
    modules = ("harness", "metrics", "solve", "engine", "vllm_engine", "prompts", "benchmarks.registry",
               "general.stage")  # fmt: skip
    code = f"import sys; {'; '.join(f'import dsmath_pipeline.evaluation.{m}' for m in modules)}; "
    code += "print(sorted({'torch', 'transformers', 'sympy', 'math_verify'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
