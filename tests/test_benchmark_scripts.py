"""The benchmark scripts: their counting by hand-computed values, their result files on a tiny input; never speed."""

import json

import pytest

from benchmarks import common, extraction_quality, reading, worker
from benchmarks.formula_cases import CASES, LATEX, RENDERED
from benchmarks.formula_counting import bare_characters, formula_fate, kind_of_markup, normal_latex, normal_text


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        (r"so $x^2 + \alpha = \frac{a}{b}$ holds", "once"),  # spacing, delimiters and one-character braces do not count
        (
            r"so \(x^{2}+\alpha=\frac{a}{b}\) and later \(x^{2}+\alpha=\frac{a}{b}\)",
            "once",
        ),  # twice, but not side by side
        (r"so x2+α=ab x^{2}+\alpha=\frac{a}{b} holds", "doubled"),  # characters, then the source
        (r"so $x^{2}+\alpha=\frac{a}{b}$ $x^{2}+\alpha=\frac{a}{b}$", "doubled"),
        (r"so {\displaystyle x^{2}+\alpha=\frac{a}{b}} x2+α=ab", "doubled"),
        (r"so x2+α=ab holds", "lost"),  # characters alone are no formula
        ("", "lost"),
    ],
)
def test_the_fate_of_a_formula(text, fate):
    assert formula_fate(normal_latex(LATEX), normal_text(text)) == fate


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\mathbf{H}", r"matrix H $\mathbf{H}$"),  # a single letter stands there by chance
        (r"\mathbf{H}", r"$\mathbf{H}$ | $\mathbf{H}_k = 1$".replace(" | ", "\t")),  # the next formula begins like it
        ("f(x)", "$f(x)$ $f(x)$"),  # no sign of TeX, no relation
    ],
)
def test_what_stands_beside_a_formula_by_chance_is_no_second_copy(latex, text):
    assert formula_fate(latex, normal_text(text)) == "once"


def test_normal_latex_drops_delimiters_style_and_outer_braces_only():
    assert normal_latex(r"\[ {\displaystyle x_{1} &lt; \frac{a}{bc} } \]") == r"x_1<\frac{a}{bc}"
    assert normal_latex(r"{a}+{b}") == "{a}+{b}"


def test_bare_characters_gives_up_on_unknown_commands():
    assert bare_characters(normal_latex(LATEX)) == RENDERED
    assert bare_characters(r"\left(x\right)\leq\infty") == "(x)≤∞"
    assert bare_characters(r"\mystery{x}") is None


@pytest.mark.parametrize(
    ("markup", "kind"),
    [
        ('<mjx-container jax="CHTML"><math></math></mjx-container>', "MathJax 3 or 4, rendered"),
        ('<span class="mwe-math-element"><math></math></span>', "Wikipedia, MathML and image"),
        ('<p class="notation">a <math display="block"></math></p>', "MathML"),
        ('<span class="arithmatex">$x$</span>', "TeX in marked elements"),
        ('<p class="text">$x$</p>', "TeX in plain text"),
    ],
)
def test_pages_are_grouped_by_the_most_telling_sign(markup, kind):
    assert kind_of_markup(markup) == kind


def test_every_case_holds_the_formula_and_no_two_cases_are_the_same():
    assert len({case.html for case in CASES}) == len({case.name for case in CASES}) == len(CASES) == 21
    assert all("x" in case.markup and case.html.count(case.markup) == 1 for case in CASES)


def test_segments_are_compared_with_single_spaces():
    assert extraction_quality.num_within(["two  words", "two\nwords ", "not there"], "here are two words") == 2


def test_speeds_are_amounts_over_the_median_of_cpu_seconds():
    rounds = [{"cpu_seconds": seconds} for seconds in (2.0, 4.0, 10.0)]
    found = common.speeds(rounds, {"pages": 100, "megabytes": 8})
    assert found["pages_per_cpu_second"] == 25.0  # 100 / 4
    assert found["pages_per_cpu_second_lowest"] == 10.0  # 100 / 10
    assert found["pages_per_cpu_second_highest"] == 50.0  # 100 / 2
    assert found["megabytes_per_cpu_second"] == 2.0  # 8 / 4


def test_ratios_are_medians_of_paired_rounds():
    measured = {"peer": {"cpu_seconds": [4.0, 9.0, 10.0]}, "ours": {"cpu_seconds": [2.0, 3.0, 10.0]}}
    assert common.ratios(measured, "ours") == {"peer": 2.0}  # of 2, 3 and 1


def test_a_formula_table_sums_up_to_a_hundred_per_cent():
    fates = {"once": 6, "doubled": 1, "lost": 1}
    part = {"pages": 2, "formulas": 8, "fates": {"peer": fates}}
    results = {"pages": 2, "by_kind": {"MathML": part}, "of_any_length": {"peer": {"found": 7, "formulas": 8}}}
    table = extraction_quality.formula_table(results).splitlines()
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == ["MathML", "2", "8", "75.0 / 12.5 / 12.5"]
    assert [cell.strip() for cell in table[3].split("|")[1:-1]] == ["all", "2", "8", "75.0 / 12.5 / 12.5"]


def test_a_new_part_leaves_the_other_parts_of_a_result_file(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "environment", lambda: {"date": "today"})
    common.write_result(tmp_path, "name", {"one": {"figure": 1}})
    path = common.write_result(tmp_path, "name", {"two": {"figure": 2}})
    assert json.loads(path.read_text()) == {
        "one": {"figure": 1, "environment": {"date": "today"}},
        "two": {"figure": 2, "environment": {"date": "today"}},
    }


def test_cpu_time_counts_living_children():
    import subprocess
    import sys

    before = worker.cpu_seconds()
    spin = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin and child.stdout
    child.stdout.readline()
    living = worker.cpu_seconds() - before
    child.communicate("\n")
    reaped = worker.cpu_seconds() - before
    assert living >= 0.28  # ticks of 10 ms
    assert living <= reaped + 0.02  # a child is never counted twice


@pytest.mark.slow
def test_reading_writes_its_result_file(tmp_path, capsys):
    reading.main(["--quick", "--generated", "--out", str(tmp_path)])
    part = json.loads((tmp_path / "reading.json").read_text())["reading"]
    assert set(part["measured"]) == {"warcio", "FastWARC", "ours"}
    assert part["measured"]["ours"]["documents"] == 60
    assert all(len(row["cpu_seconds"]) == 2 for row in part["measured"].values())
    assert set(part["cpu_time_relative_to_ours"]) == {"warcio", "FastWARC"}
    assert part["environment"]["versions"]["fastwarc"]
    assert "| ours " in capsys.readouterr().out
