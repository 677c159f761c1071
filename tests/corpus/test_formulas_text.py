"""TeX in running text: the page's own delimiters, prices, environments, and what is left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.formula_list import clean_latex
from dsmath_pipeline.corpus.formulas import (
    FoundFormulas,
    has_custom_signs,
    has_latex_evidence,
    page_delimiters,
    render,
    text_formulas,
)
from dsmath_pipeline.corpus.tex_delimiters import Delimiters

MATHJAX_3 = "<script src='https://cdn.example/npm/mathjax@3/es5/tex-chtml.js'></script>"


def formulas(text: str, page: str = "", has_renderer: bool | None = None) -> tuple[str, ...]:
    found = FoundFormulas(page, has_renderer)
    has_custom_signs(found)  # the walker asks this first
    return render(text_formulas(text, found), found)[1]


CONFIGURATIONS = {
    "MathJax 2": (
        r"<script>MathJax.Hub.Config({tex2jax: {inlineMath: [['$','$'], ['\\(','\\)']], processEscapes: true}});",
        Delimiters(has_dollars=True, has_mathjax=True),
    ),
    "MathJax 2, default inline": (
        r"""MathJax.Hub.Config({"tex2jax": {"inlineMath": [["\\(","\\)"]], "displayMath": [["$$","$$"]]}});""",
        Delimiters(has_dollars=False, has_mathjax=True),
    ),
    "MathJax 3": (
        r"window.MathJax = { tex: { inlineMath: [ [ '##' , '##' ] ], processEscapes : false } };",
        Delimiters((("##", "##", False),), has_dollars=False, has_escapes=False, has_mathjax=True),
    ),
    "MathJax 4": (
        "MathJax = {tex: {inlineMath: {'[+]': [['$', '$']]}}}",
        Delimiters(has_dollars=True, has_mathjax=True),
    ),
    "one backslash too few": (
        r"MathJax = {tex: {inlineMath: [['\(', '\)']]}}",
        Delimiters(has_dollars=False, has_mathjax=True),
    ),
    "JSON in a JSON string": (
        r'"mathjax":{"s":"MathJax.Hub.Config({\"tex2jax\":{\"inlineMath\":[[\"$\",\"$\"],[\"\\\\(\",\"\\\\)\"]]}})"}',
        Delimiters(has_dollars=True, has_mathjax=True),
    ),
    "comment": (
        "MathJax.Hub.Config({tex2jax: {\n  // inlineMath: [['$','$']],\n"
        " inlineMath: [\n // ['$','$'],\n ['@@','@@']]}})",
        Delimiters((("@@", "@@", False),), has_dollars=False, has_mathjax=True),
    ),
    "push": ("MathJax x.inlineMath.push(['$', '$'])", Delimiters(has_dollars=True, has_mathjax=True)),
    "KaTeX": (
        "renderMathInElement(document.body, {delimiters: [{right: '$', left: '$', display: false},"
        "{left: '[math]', right: '[/math]', display: true}, {left: '\\\\(', display: !1, right: '\\\\)'}]})",
        Delimiters((("[math]", "[/math]", True),), has_dollars=True),
    ),
    "not TeX": ("new Vue({delimiters: ['${', '}']}) MathJax", Delimiters(has_mathjax=True)),
    "too plain": ("MathJax inlineMath: [['(', ')'], ['a', 'b']]", Delimiters(has_dollars=False, has_mathjax=True)),
    "cut off": ("MathJax = {tex: {inlineMath: [['$', '$'", Delimiters(has_dollars=True, has_mathjax=True)),
    "asciimath": ("MathJax.js?config=AM_CHTML", Delimiters(has_asciimath=True, has_mathjax=True)),
    "nothing": ("<p>inlineMath</p>", Delimiters()),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configured_delimiters_are_read_from_scripts(name: str) -> None:
    page, expected = CONFIGURATIONS[name]
    assert page_delimiters(page) == expected
    assert page_delimiters(page.encode()) == expected


@pytest.mark.parametrize(
    ("text", "page", "expected"),
    [
        ("if ##x^2## then", CONFIGURATIONS["MathJax 3"][0], ("x^2",)),
        ("if [math]x^2[/math] then", CONFIGURATIONS["KaTeX"][0], ("x^2",)),
        ("if `x/2` then", CONFIGURATIONS["asciimath"][0], (r"\frac{x}{2}",)),
        ("if `x/2` then", "", ()),
        ("if $ n $ then", CONFIGURATIONS["MathJax 2"][0], ("n",)),
        ("if $ n $ then", CONFIGURATIONS["MathJax 2, default inline"][0], ()),
        ("if $n$$m$ then $$k$$", MATHJAX_3, ("n", "m", "k")),
        (r"\$5 and $n$ and \$6", MATHJAX_3, ("n",)),
        ("设$x$为$y^2$的根，则$x=1$。", "", ("x", "y^2", "x=1")),
        (r"\[ a \\[2pt] b \]", MATHJAX_3, (r"a \\[2pt] b",)),
        (r"\( \text{if \(x\)} y_1 \)", MATHJAX_3, (r"\text{if \(x\)} y_1",)),
        (r"$\{x$ and $y\}$", MATHJAX_3, (r"\{x", r"y\}")),
        (r"\begin{align} a \begin{aligned} b \end{aligned} \end{align}", "", (
            r"\begin{align} a \begin{aligned} b \end{aligned} \end{align}",)),
        (r"\begin{array}{c} \begin{array}{c} b \end{array} \end{array} c", "", (
            r"\begin{array}{c} \begin{array}{c} b \end{array} \end{array}",)),
        (r"\begin{itemize} \item $x^2$ \end{itemize}", "", ("x^2",)),
        ("[TeX]x^2[/TEX]", "", ("x^2",)),
        ("the <math> tag and the </math> tag", "", ()),
        ("<math><msup><mi>x</mi><mn>2</mn></msup></math>", "", ("x^2",)),
        (r"grep '\(foo\).*\(bar\)' file", "", ()),
        (r"sed 's/\[[^]]*\]//'", "", ()),
        ("cost class: $$ - $$$", MATHJAX_3, ()),
        ("$$\n\nnew paragraph $$", MATHJAX_3, ()),
        ("$x\n\ny$", MATHJAX_3, ()),
        ("unclosed $x^2 and \\( y and \\[ z and \\begin{align} w", MATHJAX_3, ()),
    ],
)  # fmt: skip
def test_delimiters_in_text(text: str, page: str, expected: tuple[str, ...]) -> None:
    assert formulas(text, page) == expected


AMOUNTS = st.from_regex(r"\$[1-9][0-9]{0,2}(,[0-9]{3})?(\.[0-9]{2})?[kKMB]?", fullmatch=True)
BETWEEN = st.sampled_from([
    " and ", "-", " – ", ", ", " or ", " per unit, then ", "/month to ", " (was ", " to US", "; A",
    " million, up from ",
    ". We paid ", " for the set or CA", "，而另一个要", " bis ", "…", " each. The ", ") and (", " vs. ", "+tax, ",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(AMOUNTS, BETWEEN), min_size=2, max_size=6),
    st.sampled_from(["", MATHJAX_3, CONFIGURATIONS["MathJax 2"][0]]),
)
def test_prices_never_become_formulas(prices: list[tuple[str, str]], page: str) -> None:
    text = "It costs " + "".join(price + between for price, between in prices) + "all."
    found = FoundFormulas(page)
    assert text_formulas(text, found) == text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="$\\<[`\ue000\ue001", exclude_categories=["Cs", "Co"])),
        min_size=1,
        max_size=5,
    ),
)
def test_text_around_formulas_is_unchanged(pieces: list[str]) -> None:
    found = FoundFormulas(has_renderer=True)
    text = r" \(z_1\) ".join(pieces)
    rendered, latex, _ = render(text_formulas(text, found), found)
    assert rendered == " $z_1$ ".join(pieces)
    assert latex == ("z_1",) * (len(pieces) - 1)


@pytest.mark.parametrize(
    "text", ["$HOME and $PATH", "$foo = $bar;", "${name} or ${other}", "$1 = £0.8, €1 = $1.1", "A$ B$"]
)
def test_shell_and_template_variables_are_no_formulas_without_a_renderer(text: str) -> None:
    assert formulas(text) == ()


@pytest.mark.parametrize(
    ("latex", "cleaned"),
    [
        (r"{\displaystyle {\frac {1}{2}}}", r"{\frac {1}{2}}"),
        (r"{\displaystyle a}+{b}", r"{\displaystyle a}+{b}"),  # the braces are not one pair
        (r"{\textstyle x}", "x"),
        (r"$a$ and $b$", r"$a$ and $b$"),
        (r"$x$", "x"),
        ("x&lt;y &amp; z", "x<y & z"),
        ("\\int_0^1%\nf", r"\int_0^1f"),
        ("5\\%\n x", "5\\%\nx"),
        ("a\xa0\u200bb", "a b"),
    ],
)
def test_wrappers_and_left_overs_are_removed(latex: str, cleaned: str) -> None:
    assert clean_latex(latex, False) == (cleaned, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"the sum \frac{1}{2} is", True),
        (r"\begin{tabular} x \end{tabular}", True),
        ("[tex]x[/tex]", True),
        (r"so \(x\) is", True),
        ("x_{12}^{3}", True),
        ("about 10^{23} atoms", False),  # from <sup>
        (r"C:\beta\alpha\times.txt", False),
        ("plain words for $5 and $6", False),
        (r"a \n in code", False),
    ],
)
def test_left_over_latex_is_evidence(text: str, expected: bool) -> None:
    assert has_latex_evidence(text) is expected
