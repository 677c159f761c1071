"""Benchmark texts are found where they stand, and nothing else is dropped."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.benchmark_texts import BenchmarkText, load_benchmark_texts
from dsmath_pipeline.corpus.decontaminate import build_index, decontaminate_text, is_telling_short, report_items
from dsmath_pipeline.recipe.schema import DecontaminationSettings
from dsmath_pipeline.text import words

SETTINGS = DecontaminationSettings()
QUESTION = (
    "Janet sells sixteen fresh eggs at the farmers market every day for two dollars each. How much does she make?"
)
ANSWER = "She sells 9 eggs and each egg brings two dollars so that she makes 18 dollars."
CHINESE = "妈咪买了3盒茶叶，一盒茶叶有6小包，一共买了多少小包茶叶？"
SHORT = "What is 7 times 8?"
TEXTS = [
    BenchmarkText("gsm8k/test:1", "question", QUESTION),
    BenchmarkText("gsm8k/test:1", "answer", ANSWER),
    BenchmarkText("cmath/test:1", "question", CHINESE),
    BenchmarkText("own/test:1", "question", SHORT),
]
INDEX = build_index(TEXTS, SETTINGS)
CLEAN = "This paragraph is about something else entirely and stays where it is."


@pytest.mark.parametrize(
    ("segment", "item"),
    [
        (f"Example 3. {QUESTION} Solution below.", "gsm8k/test:1"),
        (f"So {ANSWER}", "gsm8k/test:1"),
        (f"例题：{CHINESE}", "cmath/test:1"),
        (f"Exercise: {SHORT}", "own/test:1"),
        ("JANET   sells, sixteen - fresh eggs ... at the (farmers) market EVERY day", "gsm8k/test:1"),
    ],
)
def test_a_segment_with_a_benchmark_text_is_dropped_and_the_rest_is_kept(segment, item):
    kept, hits = decontaminate_text(f"{CLEAN}\n{segment}\n\n{CLEAN} Again.", INDEX)
    assert kept == f"{CLEAN}\n\n{CLEAN} Again."
    assert {hit.item for hit in hits} == {item}
    assert hits[0].segments == (1,)


def test_nine_words_of_a_question_are_not_enough_and_ten_are():
    ten = words(QUESTION)[:10]
    assert decontaminate_text(" ".join(ten[:9]) + " cheese", INDEX) == (" ".join(ten[:9]) + " cheese", [])
    kept, hits = decontaminate_text(" ".join(ten), INDEX)
    assert kept == ""
    assert hits[0].matched == "janet sells sixteen fresh eggs at the farmers market every"


def test_a_short_text_is_matched_whole_only():
    assert decontaminate_text("What is 7 times 9?", INDEX)[1] == []
    assert decontaminate_text("what is 7 times", INDEX)[1] == []
    assert decontaminate_text("what is 7 times 8 plus 1", INDEX)[1][0].is_short


def test_a_question_broken_over_lines_is_found_and_every_line_of_it_is_dropped():
    lines = ["Janet sells sixteen fresh", "eggs at the farmers market", "every day for two dollars each."]
    kept, hits = decontaminate_text("\n".join(["before", *lines, "after"]), INDEX)
    assert kept == "before\nafter"
    assert hits[0].segments == (1, 2, 3)


def test_lines_that_meet_when_the_match_between_them_goes_are_checked_again():
    first, second = words(QUESTION)[:6], words(QUESTION)[6:12]
    text = "\n".join([" ".join(first), ANSWER, " ".join(second), "the end"])
    kept, hits = decontaminate_text(text, INDEX)
    assert kept == "the end"
    assert [hit.segments for hit in hits] == [(1,), (0, 2)]


def test_an_empty_line_between_the_parts_of_a_match_stays():
    kept, _ = decontaminate_text("Janet sells sixteen fresh eggs\n\nat the farmers market every day. End\nlast", INDEX)
    assert kept == "\nlast"


def test_punctuation_alone_and_an_empty_text_do_not_end_the_check():
    assert decontaminate_text("", INDEX) == ("", [])
    assert decontaminate_text("... !!! ---", INDEX) == ("... !!! ---", [])
    kept, hits = decontaminate_text(f"!!! ... ???\n---\n{QUESTION}\n***", INDEX)
    assert kept == "!!! ... ???\n---\n***"
    assert len(hits) == 1
    index = build_index([BenchmarkText("x:1", "question", "... !!!"), *TEXTS], SETTINGS)
    assert decontaminate_text(QUESTION, index)[0] == ""


def test_rows_of_numbers_and_of_letters_are_no_evidence():
    numbers = "The inverses: b & 1 & 2 & 3 & 4 & 5 & 6 & 7 & 8 & 9 & 10 & 11 & 12 and no more"
    letters = "The matrix \\begin{pmatrix} a & b & c \\\\ d & e & f \\\\ g & h & i \\\\ j & k & l \\end{pmatrix} is"
    index = build_index([BenchmarkText("m:1", "question", numbers), BenchmarkText("m:2", "answer", letters)], SETTINGS)
    assert decontaminate_text("table b & 1 & 2 & 3 & 4 & 5 & 6 & 7 & 8 & 9 & 10 & 11 & 12", index)[1] == []
    assert decontaminate_text("a & b & c \\\\ d & e & f \\\\ g & h & i \\\\ j & k & l", index)[1] == []
    assert decontaminate_text("e & f \\\\ g & h & i \\\\ j & k & l \\end{pmatrix} is", index)[1] != []


def test_short_answers_that_are_formulas_are_not_matched_and_short_options_never():
    assert not is_telling_short("answer", words("x = 2 y"))
    assert not is_telling_short("answer", words("\\frac{1}{2}"))
    assert not is_telling_short("question", words("1, 2, 3, 4"))
    assert not is_telling_short("option", words("the root cap cell"))
    assert is_telling_short("answer", words("eight pieces of each kind"))
    assert is_telling_short("question", words("Compute $\\dbinom{8}{4}$."))


def test_ignored_short_texts_are_left_alone():
    text = f"{SHORT}\n{QUESTION}"
    assert decontaminate_text(text, INDEX, ignored={3})[0] == SHORT


def test_the_report_counts_pages_and_quotes_the_match():
    hits = {i: decontaminate_text(text, INDEX)[1] for i, text in enumerate([QUESTION, QUESTION + "\n" + SHORT])}
    items = report_items(hits, INDEX, ignored=[3], names=[("a", "https://a"), ("b", "https://b")])
    assert [(item["item"], item["num_pages"]) for item in items] == [("gsm8k/test:1", 2)]
    assert [place["url"] for place in items[0]["found"]] == ["https://a", "https://b"]
    assert "sixteen fresh eggs" in items[0]["found"][0]["matched"]


def oracle(text, texts, settings):
    """Segments to drop, by comparing every run of words with every run of every benchmark text."""
    lines = text.split("\n")
    document = [(word, number) for number, line in enumerate(lines) for word in words(line)]
    dropped = set()
    for benchmark in texts:
        tokens = words(benchmark.text)
        n = settings.ngram_words
        runs = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
        if settings.min_short_words <= len(tokens) < n and is_telling_short(benchmark.kind, tokens):
            runs = [tokens]
        elif len(tokens) >= n:
            runs = [run for run in runs if len({w for w in run if not w.isdigit()}) >= settings.min_distinct_words]
        for run, i in itertools.product(runs, range(len(document))):
            if [word for word, _ in document[i : i + len(run)]] == run:
                dropped |= {number for _, number in document[i : i + len(run)]}
    kept = "\n".join(line for number, line in enumerate(lines) if number not in dropped)
    return oracle(kept, texts, settings) if dropped else kept


WORD = st.sampled_from(["add", "bag", "cow", "7", "设"])


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(WORD, max_size=9), max_size=4),
    st.lists(st.sampled_from(["add", "bag", "cow", "7", "设", "\n"]), max_size=30),
)
def test_dropped_segments_are_those_of_a_plain_search(benchmarks, document):
    settings = SETTINGS.model_copy(update={"ngram_words": 5, "min_distinct_words": 2})
    texts = [BenchmarkText(f"b:{i}", "question", " ".join(tokens)) for i, tokens in enumerate(benchmarks)]
    text = " ".join(document)
    assert decontaminate_text(text, build_index(texts, settings))[0] == oracle(text, texts, settings)


def real_data():
    path = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
    if not path.exists():
        pytest.skip("no real data: set DSMATH_REAL_DATA to a folder with benchmarks/")
    return path


@pytest.mark.slow
def test_every_long_question_of_the_real_benchmarks_is_found_in_a_page():
    texts = [t for t in load_benchmark_texts(real_data()).texts if t.kind == "question"]
    index = build_index(texts, SETTINGS)
    missed = [t for t in texts[::50] if not decontaminate_text(f"before\n{t.text}\nafter", index)[1]]
    tried = len(texts[::50])
    # what is missed has under 3 words, or only numbers and single letters
    assert len(missed) <= 0.02 * tried, [t.text for t in missed[:5]]
