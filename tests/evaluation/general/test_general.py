"""General ability with stand-ins for the model; `test_harness_lm` asks through the real lm-evaluation-harness."""

import os
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.general import harness_lm, stage
from dsmath_pipeline.evaluation.general.items import GeneralItem, load_items
from dsmath_pipeline.evaluation.general.judge import judge
from dsmath_pipeline.evaluation.harness import RESULT_SCHEMA
from dsmath_pipeline.grading.sandbox import Limits
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.storage import read_table

REAL_DATA = Path(__file__).parents[3] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
needs_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")


def grades(items, responses, sandbox=None):
    limits = Limits(cpu_seconds=20, wall_seconds=60.0)  # a reference of MBPP needs 5 seconds on an idle machine
    return [j.is_correct for j in judge(items, responses, sandbox, limits)]


@needs_data
@pytest.mark.parametrize(
    ("name", "num_items", "num_subjects"), [("mmlu", 3018, 18), ("bbh", 6511 - 27 * 3, 27), ("mbpp", 500, 1)]
)
def test_real_questions_are_read_whole_with_their_examples(name, num_items, num_subjects):
    items = load_items(name, REAL_DATA)
    assert (len(items), len({item.subject for item in items})) == (num_items, num_subjects)
    assert len({item.id for item in items}) == num_items
    assert all(item.prompt.strip() and item.answer.strip() for item in items)
    assert all(item.answer in item.letters and len(item.letters) == 4 for item in items if name == "mmlu")
    # Questions that stand in the prompt as examples are not asked.
    shown = {"bbh": 4, "mmlu": 5, "mbpp": 4}[name]
    assert Counter(item.prompt.count("# Task: " if name == "mbpp" else "\nAnswer:") for item in items) == {
        shown: num_items
    }


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_every_reference_program_passes_and_no_other_does(jail, name):
    items = load_items(name, REAL_DATA)
    assert all(grades(items, [item.answer for item in items], jail))
    some = items[:40]
    shifted = [item.answer for item in [*some[1:], some[0]]]
    assert not any(grades(some, shifted, jail))


HOSTILE = [
    "", "    pass\n", "    import sys; sys.exit(0)\n", "    import os; os._exit(0)\n", "    raise SystemExit\n",
    "    return 1\nimport os\nos._exit(0)\n", "    return 1\nraise SystemExit(0)\n", "    while True: pass\n",
    "    return 1\nprint('passed')\nquit()\n",
]  # fmt: skip
ITEM = GeneralItem("x", "", "    return n + 1", source="humaneval", prompt="def f(n):\n", opening="def f(n):\n",
                   test="assert f(1) == 2\nassert f(5) == 6\n", stops=("\ndef ",))  # fmt: skip


def test_a_program_that_never_reaches_the_end_of_its_tests_is_wrong(jail):
    judgements = judge([ITEM] * len(HOSTILE), HOSTILE, jail, Limits(cpu_seconds=1, wall_seconds=3.0))
    assert not any(j.is_correct for j in judgements)
    assert judgements[3].program_status == "ended_early" and judgements[7].program_status == "timeout"


def test_programs_are_read_up_to_a_stop_or_from_a_fence(jail):
    right = [
        "    return n + 1", "    return n + 1\n\ndef g():\n    not python",
        "Here it is:\n```python\ndef f(n):\n    return n + 1\n```\nThat is all.",
    ]  # fmt: skip
    assert grades([ITEM] * 3, right, jail) == [True] * 3
    assert grades([ITEM], ["    return n"], jail) == [False]
    with pytest.raises(ValueError, match="need a sandbox"):
        judge([ITEM], [""], None, Limits())


def test_words_and_letters_are_compared_without_their_dress():
    item = GeneralItem("x", "", "(B)", source="bbh", stops=("\n",))
    assert grades([item] * 5, [" (B)", " B.", " b\nQuestion: more (A)", " (A)", ""]) == [True] * 3 + [False] * 2
    word = GeneralItem("x", "", "] ] )", source="bbh", stops=("\n",))
    assert grades([word] * 2, ["] ] )\n", "] ]"]) == [True, False]


def test_the_whole_mmlu_is_taken_where_the_hub_s_folder_lies(tmp_path):
    def rows(subject, count):
        return [{"question": f"{subject} {n}?", "choices": ["a", "b", "c", "d"], "answer": n % 4, "subject": subject}
                for n in range(count)]  # fmt: skip

    folder = tmp_path / "cais" / "mmlu" / "all"
    folder.mkdir(parents=True)
    for split, count in (("test", 6), ("dev", 7)):
        table = pa.Table.from_pylist(rows("law", count) + rows("logic", count))
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    items = load_items("mmlu", tmp_path)
    assert len(items) == 12 and items[1].answer == "B"
    assert items[7].prompt.count("logic") == 6 and "law" not in items[7].prompt  # five examples and the question
    assert items[7].prompt.endswith("Question: logic 1?\n(A) a (B) b (C) c (D) d\nAnswer:")


def test_absent_and_unknown_benchmarks_say_so(tmp_path):
    with pytest.raises(BenchmarkError, match="unknown general benchmark 'mmlu_pro'; choose one of mmlu, bbh"):
        load_items("mmlu_pro", tmp_path)
    with pytest.raises(BenchmarkError, match=r"no files .*bbh/TASK\.jsonl"):
        load_items("bbh", tmp_path)


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Evaluate real questions with a function from items to responses in the place of model and harness."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")

    def run(answer, names, folder, **settings):
        monkeypatch.setattr(stage, "ask", lambda lm, items, max_new_tokens: [answer(item) for item in items])
        return stage.evaluate_general(model, names, REAL_DATA, tmp_path / folder, EvaluationSettings(**settings), lm=1)

    return run


@needs_data
@pytest.mark.slow
def test_perfect_wrong_and_random_solvers_score_100_0_and_chance(jail, evaluate, tmp_path):
    names = ["mmlu", "bbh", "humaneval", "mbpp"]
    perfect = evaluate(lambda item: item.answer, names, "a", max_problems=164).counts
    assert {name: f["greedy"] for name, f in perfect["by_benchmark"].items()} == dict.fromkeys(names, 1.0)
    assert perfect["by_benchmark"]["bbh"]["num_subjects"] == 27
    wrong = {"mmlu": lambda item: next(c for c in "ABCD" if c != item.answer)}
    never = evaluate(lambda item: wrong.get(item.source, lambda _: " nothing")(item), names, "b", max_problems=164)
    assert never.counts["greedy"] == 0.0
    table = read_table(tmp_path / "a" / "results.parquet")
    assert table.schema.equals(RESULT_SCHEMA) and table.num_rows == 4 * 164

    rng = random.Random(0)
    guesses = evaluate(lambda item: rng.choice(item.letters), ["mmlu"], "c").counts
    assert guesses["chance"] == 0.25 and abs(guesses["greedy"] - 0.25) < 4 * (0.25 * 0.75 / 3018) ** 0.5
    items = [item for item in load_items("bbh", REAL_DATA) if item.options and item.answer.startswith("(")]
    letters = [f"({rng.choice('ABCDEFGHIJKLMNOPQR'[: len(item.options)])})" for item in items]
    expected, spread = sum(i.chance for i in items), sum(i.chance * (1 - i.chance) for i in items) ** 0.5
    assert abs(sum(grades(items, letters)) - expected) < 4 * spread


@needs_data
def test_the_mean_of_subjects_weighs_every_subject_the_same(evaluate):
    known = {"snarks", "navigate"}  # 178 - 3 and 250 - 3 questions
    counts = evaluate(lambda item: item.answer if item.subject in known else "?", ["bbh"], "out").counts
    assert counts["by_benchmark"]["bbh"]["mean_of_subjects"] == pytest.approx(2 / 27)
    assert counts["greedy"] == pytest.approx((175 + 247) / 6430)


def test_without_the_harness_the_error_says_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "lm_eval", None)  # import fails
    with pytest.raises(harness_lm.HarnessUnavailable, match=r"pip install --constraint .*\[harness\]"):
        harness_lm.open_lm("transformers", tmp_path)
