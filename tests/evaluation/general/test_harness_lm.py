"""Ask through lm-evaluation-harness itself (extra `harness`)."""

import os
from pathlib import Path

import pytest

from dsmath_pipeline.evaluation.general.harness_lm import ask, open_lm
from dsmath_pipeline.evaluation.general.items import GeneralItem
from dsmath_pipeline.evaluation.general.stage import evaluate_general
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.storage import read_table
from tests.tiny_model import build_model_artifact

pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed (extra `harness`)")

REAL_DATA = Path(__file__).parents[3] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
needs_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")


def letters_item(number, options):
    return GeneralItem(f"m{number}", "", "A", source="mmlu", options=options, prompt=f"Question {number}\nAnswer:")


def written_item(number, stops):
    return GeneralItem(f"b{number}", "", "x", source="bbh", prompt=f"Write {number}:", stops=stops)


def model_class():
    from lm_eval.api.model import LM

    class Known(LM):
        """Likes the letter of the question's number best; writes the prompt's end and the stops it was given."""

        max_length = 100

        def loglikelihood(self, requests):
            found = []
            for context, continuation in (request.args for request in requests):
                wanted = "ABCD"[int(context.split()[1]) % 4]
                found.append((-1.0 if continuation.strip() == wanted else -2.0, False))
            return found

        def generate_until(self, requests):
            found = []
            for context, options in (request.args for request in requests):
                assert options["max_gen_toks"] == 50 and not options["do_sample"]  # half of the context
                found.append(f"{context[-2:]}{len(options['until'])}")
            return found

        def loglikelihood_rolling(self, requests):
            raise NotImplementedError

    return Known


def test_letters_by_likelihood_and_words_as_written_come_back_in_order():
    items = [
        written_item(1, ("\n",)), letters_item(6, ("a", "b", "c", "d")), written_item(2, ("\n", "END")),
        letters_item(1, ("a", "b", "c")), written_item(3, ("\n",)), letters_item(3, ("a", "b", "c", "d")),
    ]  # fmt: skip
    # 6 % 4 = 2: C; 1: B; 3: D. Stops differ in number: one, two, one.
    assert ask(model_class()(), items, 400) == ["1:1", "C", "2:2", "B", "3:1", "D"]


@needs_data
@pytest.mark.slow
def test_a_tiny_model_answers_every_general_benchmark(tmp_path):
    model = build_model_artifact(tmp_path)
    settings = EvaluationSettings(max_problems=8, max_completion_tokens=12)
    names = ["mmlu", "bbh", "humaneval", "mbpp"]
    manifest = evaluate_general(model, names, REAL_DATA, tmp_path / "out", settings, device="cpu")
    assert {name: f["num_problems"] for name, f in manifest.counts["by_benchmark"].items()} == dict.fromkeys(names, 8)
    rows = read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert all(row["answer"] in "ABCD" for row in rows if row["benchmark"] == "mmlu")
    assert all(row["program_status"] for row in rows if row["benchmark"] in ("humaneval", "mbpp"))
    again = evaluate_general(model, names, REAL_DATA, tmp_path / "again", settings, device="cpu")
    assert again.key == manifest.key and again.counts == manifest.counts


def test_engines_of_the_harness_have_names(tmp_path):
    with pytest.raises(ValueError, match="unknown engine 'sglang'"):
        open_lm("sglang", tmp_path)
