"""Hostile text becomes harmless HTML; formulas become MathML."""

import re
from html.parser import HTMLParser

import pytest
from annotation_run import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.annotation_app.page_text import (
    body_html,
    formula_html,
    plain_html,
    title_html,
    web_link,
    without_heading,
)


class Reader(HTMLParser):
    """Elements, attributes and text of a piece of HTML, as a browser would take it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.names, self.text = set(), set(), ""
        self.feed(str(text))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


MATHML = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot",
          "mover", "munder", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "mmultiscripts",
          "mprescripts"}  # fmt: skip


@pytest.mark.parametrize("render", [plain_html, title_html, lambda text: body_html(text, []), formula_html])
def test_markup_in_a_text_is_shown_not_obeyed(render):
    assert Reader(render(HOSTILE)).tags <= MATHML | {"code"}


def test_text_is_kept_letter_for_letter():
    assert Reader(plain_html(HOSTILE)).text == HOSTILE
    assert plain_html("a\x00b\x1b[31mc\u0085") == "ab[31mc"


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}", r"\mathrm{<img src=x onerror=alert(1)>}", r"\text{&lt;script&gt;}",
        r"\href{javascript:alert(1)}{x}", r"\style{position:fixed;top:0}{x}", r"\class{me}{x}", r"\unicode{x3c}",
        r"\text{\&\#60;b\&\#62;}", r"<b>x</b>", r"\color{red;background:url(//evil)}{x}", r"\hspace{9em}\kern{1px}",
    ],
)  # fmt: skip
def test_a_formula_cannot_smuggle_markup(latex):
    found = Reader(formula_html(latex))
    assert found.tags <= MATHML | {"code"}
    assert not found.names & {"style", "href", "class", "id", "src"} - ({"class"} if "code" in found.tags else set())


TEX = [*r"{}^_&<>'$#%ab1 ", '"', "\\", r"\frac", r"\text{", r"\left(", r"\sqrt", "&#60;", "&lt;"]


@given(st.lists(st.sampled_from(TEX), max_size=40).map("".join))
def test_no_formula_at_all_can_break_out(latex):
    html = str(formula_html(latex))
    assert Reader(html).tags <= MATHML | {"code"}
    assert all(re.fullmatch(r'</?[a-z]+( [a-z]+="[^"<>]*")*>', tag) for tag in re.findall(r"<[^>]*>?", html))


def test_formulas_become_mathml():
    assert "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>" in formula_html(r"\frac{a}{b}")
    assert "<mo>≤</mo>" in formula_html(r"x \le 1")
    assert formula_html("x", True).startswith('<math display="block">')


@pytest.mark.parametrize("latex", ["x" * 401, r"\def\a{\a}\a", r"\newcommand{\a}{b}\a", r"\left( a", "x_a_b"])
def test_what_cannot_be_converted_is_shown_as_latex(latex):
    found = Reader(formula_html(latex))
    assert found.tags == {"code"} and found.text == latex


def test_only_what_extraction_found_is_a_formula():
    html = str(body_html("It costs $5, not $6. Let $x$ and $$y$$ be <given>.", ["x", "y"]))
    assert html.startswith("It costs $5, not $6. Let <math") and html.endswith("be &lt;given&gt;.")
    assert html.count("<math") == 2 and html.count('display="block"') == 1


def test_a_formula_cut_off_at_the_end_is_left_out():
    assert str(body_html("Then $a$ and $\\frac{a", ["a", "\\frac{a}{b}"])).endswith("</math> and ")
    assert str(body_html("Then $$\\frac{a", ["\\frac{a}{b}"])) == "Then "
    assert str(body_html("It costs $5", ["x"])) == "It costs $5"


def test_titles_tell_formulas_from_prices():
    assert title_html("Residues modulo $p$").count("<math") == 1
    assert "<math" not in title_html("From $5 to $6 and $ 7 $")


def test_paragraphs_follow_closely_and_the_title_is_not_repeated():
    assert str(body_html("# One\n\n\n## Two\n \nthree", [])) == "One\nTwo\nthree"
    assert without_heading("# One\n\ntext", "One - Site").strip() == "text"
    assert without_heading("# On $p$\n\ntext", "On $p$").startswith("# On")  # its formula is in the list
    assert without_heading("text alone", "Title") == "text alone"


@pytest.mark.parametrize("url", ["http://a.org/x", "https://a.org/?a=<b>"])
def test_web_addresses_are_links(url):
    assert web_link(url) == url


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//a.org", "https:", "http://[", "java\nscript:x",
     "https://a.org/\x00"],
)  # fmt: skip
def test_other_addresses_are_not(url):
    assert web_link(url) is None
