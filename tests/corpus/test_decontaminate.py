"""Benchmark texts are found where they stand, and nothing else is dropped."""

import functools
import os
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.benchmark_texts import BenchmarkText, load_benchmark_texts
from dsmath_pipeline.corpus.decontaminate import (
    ALONE,
    ANYWHERE,
    NEVER,
    build_index,
    candidates,
    decontaminate_column,
    decontaminate_text,
    report_items,
    whole_match,
)
from dsmath_pipeline.corpus.grams import grams
from dsmath_pipeline.recipe.schema import DecontaminationSettings, ExtractSettings
from tests.corpus.slow_decontamination import SlowRule

SETTINGS = DecontaminationSettings()
QUESTION = (
    "Janet sells sixteen fresh eggs at the farmers market every day for two dollars each. How much does she make?"
)
ANSWER = "She sells 9 eggs and each egg brings two dollars so that she makes 18 dollars."
CHINESE = "妈咪买了3盒茶叶，一盒茶叶有6小包，一共买了多少小包茶叶？"
SHORT = "What is 7 times 8?"
TEX = "Simplify $\\left(\\dfrac{2}{3}x+1{,}000\\right)\\cdot\\sqrt{14y}$ when the ratio is $x^2\\le 9$."
TEXTS = [
    BenchmarkText("gsm8k/test:1", "question", QUESTION),
    BenchmarkText("gsm8k/test:1", "answer", ANSWER),
    BenchmarkText("cmath/test:1", "question", CHINESE),
    BenchmarkText("own/test:1", "question", SHORT),
    BenchmarkText("math/test:1", "question", TEX),
]
INDEX = build_index(TEXTS, SETTINGS)
CLEAN = "This paragraph is about something else entirely and stays where it is."


@pytest.mark.parametrize(
    ("segment", "item"),
    [
        (f"Example 3. {QUESTION} Solution below.", "gsm8k/test:1"),
        (f"So {ANSWER}", "gsm8k/test:1"),
        (f"例题：{CHINESE}", "cmath/test:1"),
        ("妈 咪 买了 ３ 盒茶叶,一盒茶叶有 ６ 小包", "cmath/test:1"),
        (f"Exercise: {SHORT}", "own/test:1"),
        (f"We asked them {SHORT.upper()} and nobody knew", "own/test:1"),
        ("JANET   sells, sixteen - fresh eggs ... at the (farmers) market EVERY day", "gsm8k/test:1"),
        (
            "Ｓｈｅ　ｓｅｌｌｓ　９　ｅｇｇｓ　ａｎｄ　ｅａｃｈ　ｅｇｇ　ｂｒｉｎｇｓ　ｔｗｏ　ｄｏｌｌａｒｓ",
            "gsm8k/test:1",
        ),
        (
            "**Janet** sells <b>sixteen</b> fresh&nbsp;eggs at \\textbf{the farmers} market<br/>every day",
            "gsm8k/test:1",
        ),
        ("Simplify \\( ( \\frac23 x + 1000 ) √{14 y} \\) when the ratio is x² ≤ 9", "math/test:1"),
        ("$$ \\Big( \\tfrac 2 3 x + 1,000 \\Big) \\times \\sqrt { 14 y } $$ when the ratio is", "math/test:1"),
    ],
)
def test_a_segment_with_a_benchmark_text_is_dropped_and_the_rest_is_kept(segment, item):
    kept, hits = decontaminate_text(f"{CLEAN}\n{segment}\n\n{CLEAN} Again.", INDEX)
    assert kept == f"{CLEAN}\n\n{CLEAN} Again."
    assert {hit.item for hit in hits} == {item}
    assert hits[0].segments == (1,)


def test_nine_words_of_a_question_are_not_enough_and_ten_are():
    ten = grams(QUESTION)[:10]
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
    first, second = grams(QUESTION)[:6], grams(QUESTION)[6:12]
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
    assert decontaminate_text("g & h & i \\\\ j & k & l \\end{pmatrix} is", index)[1] == []
    assert [hit.item for hit in decontaminate_text(numbers, index)[1]] == ["m:1"]


def test_phrases_of_problems_are_no_evidence_and_the_problem_behind_them_is():
    text = "Let $a, b, c$ be real numbers such that $a$ is less than $b$. The owl of Uppsala sleeps in an oak at noon."
    chinese = "如图，在平面直角坐标系中，一次函数的图象与反比例函数的图象交于两点，小狗追赶邮递员跑过街道拐角"
    texts = [BenchmarkText("m:1", "question", text), BenchmarkText("m:2", "question", chinese)]
    index = build_index(texts, SETTINGS)
    phrases = [
        "Let a, b, c be real numbers such that a is less than b",
        "如图,在平面直角坐标系中,一次函数的图象与反比例函数的图象交于两点",
    ]
    assert [decontaminate_text(phrase, index)[1] for phrase in phrases] == [[], []]
    assert decontaminate_text("b. The owl of Uppsala sleeps in an oak at noon", index)[1][0].item == "m:1"
    assert decontaminate_text("小狗追赶邮递员跑过街道", index)[1][0].item == "m:2"
    without = build_index(texts, SETTINGS.model_copy(update={"min_telling_words": 0}))
    assert all(decontaminate_text(phrase, without)[1] for phrase in phrases)


def test_templates_of_many_items_are_no_evidence_and_what_is_put_in_them_is():
    template = "Each of the following paragraphs describes a row of birds upon a branch: {}"
    birds = ["owl quail robin", "heron wren stork", "finch raven swift", "crane eagle tit"]
    texts = [BenchmarkText(f"bbh:{i}", "question", template.format(names)) for i, names in enumerate(birds)]
    settings = SETTINGS.model_copy(update={"max_gram_items": 3})
    page = template.format("nobody knows them")
    assert decontaminate_text(page, build_index(texts[:3], settings))[0] == ""
    assert decontaminate_text(page, build_index(texts, settings)) == (page, [])
    assert decontaminate_text(template.format(birds[3]), build_index(texts, settings))[1][-1].item == "bbh:3"


def test_a_question_of_boilerplate_alone_is_matched_whole():
    text = "Let $f(x) = 2x + 3$ for all real $x$. Find the value of $f(f(1))$."  # no word beyond the everyday ones
    index = build_index([BenchmarkText("m:1", "question", text)], SETTINGS)
    assert decontaminate_text(f"Now. {text} Answer below", index)[0] == ""
    part = text.removesuffix("(1))$.")
    assert decontaminate_text(part, index) == (part, [])


def test_a_long_text_of_boilerplate_is_compared_to_its_end():
    text = "find " + " ".join(f"x {number % 10}" for number in range(60)) + " and y"  # 123 grams, looked up by 63
    index = build_index([BenchmarkText("m:1", "question", text)], SETTINGS)
    assert decontaminate_text(text, index)[0] == ""
    assert decontaminate_text(text.removesuffix("y") + "z", index)[1] == []
    assert decontaminate_text(text.removesuffix(" y"), index)[1] == []


def test_where_short_texts_count():
    cases = [
        (("answer", "x = 2 y"), NEVER), (("answer", "\\frac{1}{2}"), NEVER), (("question", "1, 2, 3, 4"), NEVER),
        (("option", "the root cap cell"), NEVER), (("answer", "it does not exist"), ALONE),
        (("question", "若 $a>b$, 则 ( )"), ALONE), (("answer", "eight pieces of each kind"), ANYWHERE),
        (("question", "Compute $\\dbinom{8}{4}$."), ANYWHERE), (("question", SHORT), ANYWHERE),
    ]  # fmt: skip
    assert [whole_match(kind, grams(text), 10) for (kind, text), _ in cases] == [where for _, where in cases]


def test_a_weak_short_answer_counts_as_a_segment_of_its_own_and_a_weak_question_beside_two_grams():
    texts = [BenchmarkText("m:1", "answer", "It does not exist."), BenchmarkText("m:2", "question", "若 $a>b$, 则 ( )")]
    index = build_index(texts, SETTINGS)
    text = "The limit at 0: it does not exist.\nIt does NOT exist\n练习：若a>b，则\n练习：若a>b，则c"
    kept, hits = decontaminate_text(text, index)
    assert kept == "The limit at 0: it does not exist.\n练习：若a>b，则c"
    assert [(hit.item, hit.segments) for hit in hits] == [("m:1", (1,)), ("m:2", (2,))]


def test_ignored_short_texts_are_left_alone():
    text = f"{SHORT}\n{QUESTION}"
    assert decontaminate_text(text, INDEX, ignored={3})[0] == SHORT


def test_the_report_counts_pages_and_quotes_the_match():
    hits = {i: decontaminate_text(text, INDEX)[1] for i, text in enumerate([QUESTION, QUESTION + "\n" + SHORT])}
    items = report_items(hits, INDEX, ignored=[3], names=[("a", "https://a"), ("b", "https://b")])
    assert [(item["item"], item["num_pages"]) for item in items] == [("gsm8k/test:1", 2)]
    assert [place["url"] for place in items[0]["found"]] == ["https://a", "https://b"]
    assert "sixteen fresh eggs" in items[0]["found"][0]["matched"]


ATOMS = st.sampled_from(["add", "bag", "cow", "find", "7", "42", "设", "茶", "\\frac12", "e\u0301", "x", "\n"])


@hypothesis_settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["question", "answer", "option"]), st.lists(ATOMS, max_size=9)), max_size=5),
    st.lists(ATOMS, max_size=40),
    st.integers(0, 2),
    st.integers(1, 3),
)
def test_dropped_segments_are_those_of_the_plain_rule(benchmarks, document, min_telling, max_items):
    changed = {"ngram_words": 5, "min_distinct_words": 2, "min_telling_words": min_telling, "max_gram_items": max_items}
    settings = SETTINGS.model_copy(update=changed)
    texts = [BenchmarkText(f"b:{i // 2}", kind, " ".join(some)) for i, (kind, some) in enumerate(benchmarks)]
    document = " ".join([*document, *(benchmarks[0][1] if benchmarks else []), "\n", *document[:7]])
    index = build_index(texts, settings)
    kept, hits = decontaminate_text(document, index)
    slow = SlowRule(texts, settings)
    assert {number for hit in hits for number in hit.segments} == slow.dropped(document)
    assert kept == slow.decontaminate(document)
    # the scan of a column may name too many rows, never too few
    assert len(candidates(pa.array([document]), index)) or not hits


def test_a_column_gives_what_its_texts_give():
    texts = [CLEAN, f"{CLEAN}\n{QUESTION}", None, "", f"{SHORT}\u0301 e\u0301\n{CHINESE}", CLEAN * 50, ANSWER]
    column = pa.chunked_array([pa.array(["skipped", *texts[:3]])[1:], pa.array(texts[3:])])
    found = list(decontaminate_column(column, INDEX, ignored={3}))
    expected = [(row, *decontaminate_text(text or "", INDEX, {3})) for row, text in enumerate(texts)]
    assert found == [entry for entry in expected if entry[2]]
    assert [row for row, _, _ in found] == [1, 4, 6]
    assert list(decontaminate_column(pa.array([], pa.string()), INDEX)) == []


def test_an_index_without_texts_finds_nothing():
    index = build_index([], SETTINGS)
    assert decontaminate_text(QUESTION, index) == (QUESTION, [])
    assert list(decontaminate_column(pa.array([QUESTION]), index)) == []


def real_data():
    path = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
    if not (path / "benchmarks").exists():
        pytest.skip("no real data: set DSMATH_REAL_DATA to a folder with benchmarks/ and crawl/")
    return path


@functools.cache
def real_texts():
    return load_benchmark_texts(storage.folder(real_data() / "benchmarks")).texts


@functools.cache
def real_index():
    return build_index(real_texts(), SETTINGS)


@functools.cache
def real_pages():
    """(url, text) of the pages of the real crawl's first files."""
    from dsmath_pipeline.corpus.pages import extract_one_file

    files = sorted((real_data() / "crawl").glob("*.warc.gz"))[:2]
    tables = [extract_one_file(storage.folder(file), ExtractSettings())[0] for file in files]
    return [(row["url"], row["text"]) for table in tables for row in table.select(["url", "text"]).to_pylist()]


@pytest.mark.slow
def test_every_question_of_the_real_benchmarks_is_found_in_a_page():
    """All of ten grams or more; of the shorter ones all but formulas without a word."""
    index, random_numbers = real_index(), random.Random(0)
    questions = random_numbers.sample([text for text in real_texts() if text.kind == "question"], 2000)
    long = [text for text in questions if len(grams(text.text)) >= 10]
    short = [text for text in questions if 3 <= len(grams(text.text)) < 10 and text.benchmark[:4] != "bbh/"]
    for texts, allowed in ((long, 0), (short, 0.05 * len(short))):
        missed = [text.text for text in texts if not decontaminate_text(f"before {text.text} after", index)[1]]
        assert len(missed) <= allowed, missed[:5]


@pytest.mark.slow
def test_real_pages_with_planted_texts_are_cut_as_the_plain_rule_cuts_them():
    random_numbers = random.Random(1)
    texts = random_numbers.sample(real_texts(), 3000)
    index, slow = build_index(texts, SETTINGS), SlowRule(texts, SETTINGS)
    pages = random_numbers.sample(real_pages(), 80)
    documents = []
    for _, text in pages:
        lines = text.split("\n")
        for planted in random_numbers.sample(texts, 2):
            lines.insert(random_numbers.randrange(len(lines) + 1), planted.text)
        documents += [text, "\n".join(lines)]
    found = {row: kept for row, kept, _ in decontaminate_column(pa.array(documents), index)}
    assert len(found) >= 64
    for row, document in enumerate(documents):
        assert found.get(row, document) == slow.decontaminate(document), pages[row // 2][0]


@pytest.mark.slow
def test_the_known_overlap_of_the_real_crawl_is_found_and_its_boilerplate_is_not():
    """The crawl repeats one run of ten words of MMLU; its other overlaps are rows of numbers and of letters."""
    from dsmath_pipeline.corpus.pages import extract_one_file

    files = sorted((real_data() / "crawl").glob("*.warc.gz"))
    found = []
    for file in files:
        table, _ = extract_one_file(storage.folder(file), ExtractSettings())
        for row, _, hits in decontaminate_column(table["text"], real_index()):
            found += [(table["url"][row].as_py(), hit.item, hit.matched) for hit in hits]
    matched = "and there is at most one edge between any pair of"
    assert ("https://cp-algorithms.com/graph/min_cost_flow.html", "mmlu_stem/test:1719", matched) in found
    assert not [hit for hit in found if "phi-function" in hit[0] and hit[1] == "math/test:3362"]
    assert len(found) <= 10, found
