"""Formulas of a page: one LaTeX source each, inline and display apart, no prices."""

import pytest

from dsmath_pipeline.corpus.extract import extract
from dsmath_pipeline.corpus.formulas import FoundFormulas, render, text_formulas
from dsmath_pipeline.corpus.tex_plausibility import is_plausible_inline
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Document, Page

ALL_TEXT = ExtractSettings(main_content=False)
MATHML = (
    "<math xmlns='http://www.w3.org/1998/Math/MathML'{0}><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>"
    "<annotation encoding='application/x-tex'>{1}</annotation></semantics></math>"
)


def document(body: str, head: str = "") -> Document:
    html = f"<html><head>{head}</head><body>{body}</body></html>"
    found = extract(Page("https://example.org/", html.encode(), "a.html"), ALL_TEXT)
    assert isinstance(found, Document)
    return found


CASES = {
    "mathjax_script": ("<p>a <script type='math/tex'>x^2</script> b</p>", "a $x^2$ b"),
    "display script": ("<p>a <script type='math/tex; mode=display'>x^2</script> b</p>", "a $$x^2$$ b"),
    "mathjax 2 with preview and rendering": (
        "<p>a <span class='MathJax_Preview'>x^2</span><span class='MathJax' data-mathml='&lt;math&gt;&lt;mi&gt;x"
        "&lt;/mi&gt;&lt;/math&gt;'><nobr>x2</nobr></span><script type='math/tex'>x^2</script> b</p>",
        "a $x^2$ b",
    ),
    "mathjax 2 without its script": (
        "<p>a <span class='MathJax_Preview'></span><span class='MathJax' data-mathml='&lt;math&gt;&lt;msup&gt;"
        "&lt;mi&gt;x&lt;/mi&gt;&lt;mn&gt;2&lt;/mn&gt;&lt;/msup&gt;&lt;/math&gt;'><nobr>x2</nobr>"
        "<span class='MJX_Assistive_MathML'><math><mi>x</mi></math></span></span> b</p>",
        "a $x^2$ b",
    ),
    "mathjax 4": (
        "<p>a <mjx-container display='true'><mjx-math data-latex='x^2'><mjx-mi data-latex='x'>x</mjx-mi></mjx-math>"
        "<mjx-assistive-mml><math data-latex='x^2'><mi>x</mi></math></mjx-assistive-mml></mjx-container> b</p>",
        "a $$x^2$$ b",
    ),
    "mathjax 3": (
        "<p>a <mjx-container><mjx-math>x2</mjx-math><mjx-assistive-mml><math><msup><mi>x</mi><mn>2</mn></msup></math>"
        "</mjx-assistive-mml></mjx-container> b</p>",
        "a $x^2$ b",
    ),
    "katex": (
        f"<p>a <span class='katex'><span class='katex-mathml'>{MATHML.format('', 'x^2')}</span>"
        "<span class='katex-html' aria-hidden='true'>x2</span></span> b</p>",
        "a $x^2$ b",
    ),
    "katex display": (
        f"<p>a <span class='katex-display'><span class='katex'><span class='katex-mathml'>{MATHML.format('', 'x^2')}"
        "</span><span class='katex-html'>x2</span></span></span> b</p>",
        "a $$x^2$$ b",
    ),
    "mathml annotation": (f"<p>a {MATHML.format('', 'x^2')} b</p>", "a $x^2$ b"),
    "mathml display": (f"<p>a {MATHML.format(' display=block', 'x^2')} b</p>", "a $$x^2$$ b"),
    "mathml alttext": ("<p>a <math alttext='x^2'><mi>x</mi></math> b</p>", "a $x^2$ b"),
    "mathml converted": ("<p>a <math><msup><mi>x</mi><mn>2</mn></msup></math> b</p>", "a $x^2$ b"),
    "wikipedia": (
        "<p>a <span class='mwe-math-element'><span class='mwe-math-mathml-inline' style='display: none;'>"
        + MATHML.format("", r"{\displaystyle x^2}")
        + r"</span><img class='mwe-math-fallback-image-inline' aria-hidden='true' alt='{\displaystyle x^2}'>"
        "</span> b</p>",
        "a $x^2$ b",
    ),
    "wordpress image": (
        "<p>a <img src='https://s0.wp.com/latex.php?latex=x%5E2&bg=ffffff' alt='x^2' class='latex'> b</p>",
        "a $x^2$ b",
    ),
    "codecogs image": (
        r"<p>a <img src='https://latex.codecogs.com/gif.latex?\inline&space;x^2' alt=''> b</p>",
        "a $x^2$ b",
    ),
    "image with TeX in alt": ("<p>a <img src='a.png' alt='$x^2$'> b</p>", "a $x^2$ b"),
    "math-container": ("<p>a <span class='math-container'>$x^2$</span> b</p>", "a $x^2$ b"),
    "dollars": ("<p>a $x^2$ b</p>", "a $x^2$ b"),
    "double dollars": ("<p>a $$x^2$$ b</p>", "a $$x^2$$ b"),
    "parentheses are inline": (r"<p>a \(x^2\) b</p>", "a $x^2$ b"),
    "brackets are display": (r"<p>a \[x^2\] b</p>", "a $$x^2$$ b"),
    "tex tag": ("<p>a [tex]x^2[/tex] b</p>", "a $x^2$ b"),
    "wordpress text": ("<p>a $latex x^2$ b</p>", "a $x^2$ b"),
    "display over line breaks": ("<p>a $$<br>x^2<br>$$ b</p>", "a $$x^2$$ b"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_notation_gives_the_formula_once(case: str) -> None:
    body, expected = CASES[case]
    found = document(body)
    assert found.text == expected
    assert found.formulas == ("x^2",)
    assert sum(found.rules.values()) == 1


@pytest.mark.parametrize("name", ["align", "align*", "equation", "gather", "eqnarray*"])
def test_environments_in_text_are_display_formulas_with_their_environment(name: str) -> None:
    found = document(rf"<p>so \begin{{{name}}} a &amp;= b \\ c &amp;= d \end{{{name}}} holds</p>")
    assert found.formulas == (rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}",)
    assert found.text.startswith("so $$\\begin{")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and the other one costs $10 today",
        "between $100-$200",
        "We raised $1,000 for charity, then $2,000 more and $3 in cash",
        "from US$ 5 to C$ 10",
        "pay $20 (or $30) now",
    ],
)
@pytest.mark.parametrize("head", ["", "<script src='https://cdn.org/MathJax.js'></script>"])
def test_prices_are_no_formulas(text: str, head: str) -> None:
    found = document(f"<p>{text}</p>", head)
    assert found.formulas == ()
    assert found.text == text


def test_formulas_and_prices_in_one_sentence_are_told_apart() -> None:
    found = document(
        r"<p>At $5 each, $n$ of them cost $5n$ dollars, and $\frac{n}{2}$ cost $10 less.</p>",
        "<script src=mathjax.js></script>",
    )
    assert found.formulas == ("n", "5n", r"\frac{n}{2}")


def test_code_is_not_searched_for_tex() -> None:
    found = document("<pre>echo $HOME $x^2$</pre><p><code>$a_1$</code> and $b^2$</p>")
    assert found.formulas == ("b^2",)
    assert "echo $HOME $x^2$" in found.text and "$a_1$ and $b^2$" in found.text
    found = document(r"<p>write <code>[math]\frac{a}{b}[/math]</code> for [math]c^2[/math]</p>")
    assert found.formulas == ("c^2",)
    assert r"[math]\frac{a}{b}[/math]" in found.text


def test_formulas_come_in_order_of_appearance_and_rules_are_counted() -> None:
    found = document(
        r"<p>\(a^2\) <script type='math/tex'>b^2</script> $c^2$</p><p><img class=latex alt='d^2'> \(e^2\)</p>"
    )
    assert found.formulas == ("a^2", "b^2", "c^2", "d^2", "e^2")
    assert found.rules == {"image_alt": 1, "mathjax_script": 1, "text_dollar": 1, "text_paren": 2}


def test_dollars_inside_text_braces_do_not_end_a_formula() -> None:
    found = FoundFormulas(has_renderer=True)
    text, formulas, _ = render(text_formulas(r"if $x = \text{the $n$-th}$ then", found), found)
    assert formulas == (r"x = \text{the $n$-th}",)
    assert text == r"if $x = \text{the $n$-th}$ then"


def test_private_use_characters_of_icon_fonts_do_not_confuse_the_placeholders() -> None:
    found = document("<p>\ue0007\ue001 icon $x^2$ &#xe002;</p>")
    assert found.formulas == ("x^2",)
    assert found.text == "7 icon $x^2$"


@pytest.mark.parametrize(
    ("before", "latex", "after", "trusted", "plausible"),
    [
        (" ", "x", " ", False, True),
        (" ", "n+1", ".", False, True),
        ("", "\\alpha", "", False, True),
        ("", "5", "0", True, False),  # "$5$0": the second dollar opens another price
        ("", "HOME/bin and then ", "P", False, False),
        (" ", " x ", " ", True, True),
        (" ", " x ", " ", False, False),
        ("S", "5 or A", " ", True, False),  # "US$5 or A$ 7"
        ("中", "x", "是", False, True),
        ("2", "\\times", "3", True, True),
        ("价", "5元，而另一个", "", True, False),
        (" ", "foo = ", "b", True, False),  # "$foo = $bar"
        (" ", "a and ", "b", True, False),
        (" ", "k", "t", False, True),  # "$k$th"
    ],
)
def test_plausibility_of_single_dollar_pairs(
    before: str, latex: str, after: str, trusted: bool, plausible: bool
) -> None:
    assert is_plausible_inline(latex, before, after, trusted) is plausible
