"""Benchmark texts are found where they stand, and nothing else is dropped."""

import functools
import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import runs_kernel
from dsmath_pipeline.corpus.benchmark_index import ALONE, ANYWHERE, LITERAL, NEVER, build_index, whole_match
from dsmath_pipeline.corpus.benchmark_texts import BenchmarkText, load_benchmark_texts
from dsmath_pipeline.corpus.decontaminate import candidates, decontaminate_column, decontaminate_text
from dsmath_pipeline.corpus.evidence import gram_facts, num_new
from dsmath_pipeline.corpus.grams import grams
from dsmath_pipeline.recipe.schema import DecontaminationSettings, ExtractSettings
from tests.corpus.slow_decontamination import SlowRule, new_grams

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
    assert "farmers market every day" in decontaminate_text(" ".join(grams(QUESTION)[:11]), INDEX)[1][0].matched


def test_a_short_text_is_matched_whole_only():
    assert decontaminate_text("What is 7 times 9?", INDEX)[1] == []
    assert decontaminate_text("what is 7 times", INDEX)[1] == []
    assert decontaminate_text("what is 7 times 8 plus 1", INDEX)[1][0].is_weak


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


@pytest.mark.parametrize(
    "row",
    [
        "table b & 1 & 2 & 3 & 4 & 5 & 6 & 7 & 8 & 9 & 10 & 11 & 12",
        "2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31",  # nothing but numbers
        "a & b & c \\\\ d & e & f \\\\ g & h & i \\\\ j & k & l",
        "$x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7$",
        "f(n) = f(n - 1) + f(n - 2) = f(n - 2) + f(n - 3)",
        "\\frac12 + \\frac13 + \\frac14 + \\frac15 + \\frac16",
    ],
)
def test_rows_of_which_each_gram_follows_from_those_before_it_are_no_evidence(row):
    text = f"Swans of Uppsala were counted: {row} and no more of them came"
    index = build_index([BenchmarkText("m:1", "question", text)], SETTINGS)
    assert decontaminate_text(row, index)[1] == []
    assert [hit.item for hit in decontaminate_text(text, index)[1]] == ["m:1"]


def test_a_match_goes_on_over_what_would_be_no_evidence_alone():
    lines = ["Add $x_1, x_2, x_3, x_4, x_5, x_6$", "and $x_7, x_8$", "when the swans of Uppsala are 19 birds today"]
    index = build_index([BenchmarkText("m:1", "question", " ".join(lines))], SETTINGS)
    assert decontaminate_text("\n".join(lines[:2]), index)[1] == []
    assert decontaminate_text("\n".join(["before", *lines, "after"]), index)[0] == "before\nafter"


def test_formulas_and_everyday_words_are_evidence_from_five_new_grams_on():
    formula = "$3x^2 - 7xy + 45y^2 = 19x - 62$"  # 3 x 2 7 x y 45 y 2 19 x 62; new: 3 x 7 45 19 62
    everyday = "Let $a$ be a real number such that the equation has exactly two solutions"
    chinese = "若方程的两个实数根分别为正数与负数"
    texts = [BenchmarkText(f"m:{i}", "question", text) for i, text in enumerate([formula, everyday, chinese])]
    index = build_index(texts, SETTINGS)
    found = [decontaminate_text(f"Now {text.text} holds.", index)[1] for text in texts]
    assert [[hit.item for hit in hits] for hits in found] == [["m:0"], ["m:1"], ["m:2"]]
    strict = build_index(texts[:1], SETTINGS.model_copy(update={"min_new_words": 7}))
    assert decontaminate_text("Now 7xy + 45y^2 = 19x - 62 + z holds.", strict)[1] == []


def test_new_grams_are_those_that_nothing_before_them_foretells():
    cases = {
        "1 2 3 4 5": 1, "5 4 3 2 1": 1, "1 3 5 7 9": 5, "a b c d": 1, "f x 2 f x 1": 3, "the k means the": 3,
        "10 11 9 x z": 3, "若 角 a b c": 3, "": 0, "z a": 2, "10 09": 1,
    }  # fmt: skip
    # 1 3 5: no neighbours; the k means: k is a letter like others; 10 11 9: one; x z: two apart; 09 is nine
    assert {text: num_new(text.split()) for text in cases} == cases


GRAMS = ["0", "1", "2", "3", "9", "10", "007", "a", "b", "c", "z", "set", "设", "α"]


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(GRAMS), max_size=14), max_size=4))
def test_the_kernel_counts_new_grams_as_plain_python_does(texts):
    names = sorted({gram for text in texts for gram in text})
    ids = np.array([names.index(gram) for text in texts for gram in text], np.int32)
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    found = runs_kernel.new_grams(ids, starts, 6, *gram_facts(names), 2).tolist()
    for text, start in zip(texts, starts.tolist(), strict=False):
        for at in range(len(text)):
            run = text[at : at + 6]
            counts = len(run) == 6 and sum(any(c.isalpha() for c in gram) for gram in run) >= 2
            assert found[start + at] == (new_grams(run) if counts else 0) == (num_new(run) if counts else 0)


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
    text = "Find $x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7$."  # new: find x 1
    index = build_index([BenchmarkText("m:1", "question", text)], SETTINGS)
    assert decontaminate_text(f"Now. {text} Answer below", index)[0] == ""
    part = text.removesuffix("7$.")
    assert decontaminate_text(part, index) == (part, [])


def test_a_long_text_of_boilerplate_is_compared_to_its_end():
    text = "find " + " ".join(f"x {number % 2}" for number in range(60)) + " and y"  # 123 grams, looked up by 63
    index = build_index([BenchmarkText("m:1", "question", text)], SETTINGS)
    assert decontaminate_text(text, index)[0] == ""
    assert decontaminate_text(text.removesuffix("y") + "z", index)[1] == []
    assert decontaminate_text(text.removesuffix(" y"), index)[1] == []


def test_where_short_texts_count():
    cases = [
        (("answer", "x = 2 y"), NEVER), (("answer", "\\frac{1}{2}"), NEVER), (("question", "1, 2, 3, 4"), LITERAL),
        (("option", "the root cap cell"), NEVER), (("answer", "it does not exist"), ALONE),
        (("question", "若 $a>b$, 则 ( )"), ALONE), (("answer", "eight pieces of each kind"), ANYWHERE),
        (("question", "Compute $\\dbinom{8}{4}$."), ANYWHERE), (("question", SHORT), ANYWHERE),
        (("question", "The k-means algorithm:"), ALONE), (("question", "$3x^2 - 7x + 45 = 0$"), ALONE),
        (("question", "$x^2 + y^2 = z^2$"), LITERAL), (("answer", "$3x^2 - 7x + 45 = 19y - 88$"), ALONE),
        (("answer", "$x^2 + y^2 + x^2 + y^2 + x^2$"), ALONE), (("answer", "$x^2 + y^2 + x^2 + y^2$"), NEVER),
    ]  # fmt: skip
    assert [whole_match(kind, grams(text), 10) for (kind, text), _ in cases] == [where for _, where in cases]


def test_a_weak_short_answer_counts_as_a_segment_of_its_own_and_a_weak_question_beside_two_grams():
    texts = [BenchmarkText("m:1", "answer", "It does not exist."), BenchmarkText("m:2", "question", "若 $a>b$, 则 ( )")]
    index = build_index(texts, SETTINGS)
    text = "The limit at 0: it does not exist.\nIt does NOT exist\n练习：若a>b，则\n练习：若a>b，则c"
    kept, hits = decontaminate_text(text, index)
    assert kept == "The limit at 0: it does not exist.\n练习：若a>b，则c"
    assert [(hit.item, hit.segments) for hit in hits] == [("m:1", (1,)), ("m:2", (2,))]


def test_a_question_of_numbers_counts_where_a_line_repeats_it_to_the_letter():
    texts = [BenchmarkText(f"m:{i}", "question", text) for i, text in enumerate(("8 + 8 ÷ 2 + 2 =", "$8-8\\div 2-2=$"))]
    index = build_index(texts, SETTINGS)
    lines = ["8 + 8 ÷ 2 + 2 = ?", "8 8 2 2", "8 - 8 \\div 2 - 2 =", "1) 8 + 8 ÷ 2 + 2 =", "８＋８÷２＋２＝"]
    kept, hits = decontaminate_text("\n".join(lines), index)
    assert kept.split("\n") == [lines[1], lines[3]]
    assert {(hit.item, hit.segments) for hit in hits} == {("m:0", (0,)), ("m:1", (2,)), ("m:0", (4,))}
    assert decontaminate_text("8 + 8\n÷ 2 + 2 =", index)[0] == ""  # over lines
    assert build_index([BenchmarkText("m:0", "option", "8 + 8 ÷ 2 + 2 =")], SETTINGS).literals == {}


def test_weak_matches_of_ignored_texts_are_left_alone_and_strong_ones_are_not():
    assert decontaminate_text(f"{SHORT}\n{QUESTION}", INDEX, ignored={3})[0] == SHORT
    twelve, thirteen = (" ".join(grams(QUESTION)[:size]) for size in (12, 13))
    assert decontaminate_text(f"{twelve}\nand so on\n{thirteen}", INDEX, ignored={0})[0] == f"{twelve}\nand so on"
    assert decontaminate_text(f"{twelve}\nand so on\n{thirteen}", INDEX)[0] == "and so on"


ATOMS = st.sampled_from(["add", "bag", "cow", "find", "7", "42", "设", "茶", "\\frac12", "e\u0301", "x", "\n"])


@hypothesis_settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["question", "answer", "option"]), st.lists(ATOMS, max_size=9)), max_size=5),
    st.lists(ATOMS, max_size=40),
    st.integers(0, 4),
    st.integers(1, 3),
)
def test_dropped_segments_are_those_of_the_plain_rule(benchmarks, document, min_new, max_items):
    changed = {"ngram_words": 5, "min_new_words": min_new, "max_gram_items": max_items}
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
@pytest.mark.parametrize(
    ("name", "least"), [("math/test", 0.88), ("gaokao/", 0.86), ("gsm8k/test", 0.95), ("cmath/", 0.97)]
)
def test_any_ten_grams_of_a_question_are_found(name, least):
    """Runs in which hardly a gram is new are left out on purpose; of formulas more than of words."""
    index, random_numbers = real_index(), random.Random(2)
    texts = [grams(t.text) for t in real_texts() if t.benchmark.startswith(name) and t.kind == "question"]
    runs = []
    for own in random_numbers.choices([own for own in texts if len(own) >= 10], k=400):
        first = random_numbers.randrange(len(own) - 9)
        runs.append(" ".join(own[first : first + 10]))
    found = sum(bool(decontaminate_text(f"A page.\n{run}\nThe end.", index)[1]) for run in runs)
    assert found >= least * len(runs)


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
        for row, kept, hits in decontaminate_column(table["text"], real_index()):
            assert len(kept) > 0.8 * len(table["text"][row].as_py())
            found += [(table["url"][row].as_py(), hit.item, hit.matched) for hit in hits]
    matched = "and there is at most one edge between any pair of"
    assert ("https://cp-algorithms.com/graph/min_cost_flow.html", "mmlu_stem/test:1719", matched) in found
    assert not [hit for hit in found if "phi-function" in hit[0] and hit[1] == "math/test:3362"]
    assert len(found) <= 15, found
