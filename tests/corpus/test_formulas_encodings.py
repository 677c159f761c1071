"""The same LaTeX in every notation that pages use comes out once, equal, and told apart as inline or display."""

import html
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline.corpus.extract import extract
from dsmath_pipeline.corpus.formulas import FoundFormulas, element_formula
from dsmath_pipeline.corpus.html_tree import parse_fragment
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Document, Page

ALL_TEXT = ExtractSettings(main_content=False)
MATHJAX = "<script src='https://cdn.example/MathJax.js?config=TeX-AMS'></script>"
DISPLAY_STYLE = r"{\displaystyle %s}"
VISIBLE = "<mi>q</mi><mo>=</mo><mi>w</mi>"
"""What stands beside the source: it must never be read when the source is there."""


def document(body: str, head: str = "") -> Document:
    page = f"<html><head>{head}</head><body>{body}</body></html>"
    found = extract(Page("https://example.org/", page.encode(), "a.html"), ALL_TEXT)
    assert isinstance(found, Document)
    return found


def mathml(tex: str, attributes: str = "", encoding: str = "application/x-tex") -> str:
    return (
        f"<math xmlns='http://www.w3.org/1998/Math/MathML' {attributes}><semantics><mrow>{VISIBLE}</mrow>"
        f"<annotation encoding='text/plain'>words</annotation>"
        f"<annotation encoding='{encoding}'>{html.escape(tex)}</annotation></semantics></math>"
    )


INLINE = {
    "dollars": lambda t: f"${html.escape(t)}$",
    "parentheses": lambda t: rf"\({html.escape(t)}\)",
    "doubled parentheses": lambda t: rf"\\({html.escape(t)}\\)",
    "tex tag": lambda t: f"[tex]{html.escape(t)}[/tex]",
    "TEX tag": lambda t: f"[TEX]{html.escape(t)}[/TEX]",
    "itex tag": lambda t: f"[itex]{html.escape(t)}[/itex]",
    "wordpress text": lambda t: f"$latex {html.escape(t)}$",
    "mathjax script": lambda t: f"<script type='math/tex'>{t}</script>",
    "mathjax script with CDATA": lambda t: f"<script id=a type=\"math/tex\">% <![CDATA[\n{t} %]]></script>",
    "mathjax 2": lambda t: (
        "<span class='MathJax_Preview' style='color: inherit;'></span><span class='MathJax' id='E-1-Frame' "
        f"data-mathml='&lt;math&gt;{html.escape(VISIBLE)}&lt;/math&gt;'><nobr><span>q=w</span></nobr>"
        f"<span class='MJX_Assistive_MathML'><math>{VISIBLE}</math></span></span>"
        f"<script type='math/tex' id='E-1'>{t}</script>"
    ),
    "mathjax 2 SVG with text preview": lambda t: (
        f"<span class='MathJax_Preview'>{html.escape(t)}</span>\n<span class='MathJax_SVG'><svg><text>q</text></svg>"
        f"</span>\n<script type='math/tex'>{t}</script>"
    ),
    "mathjax 2 preview alone": lambda t: f"<span class='MathJax_Preview'>{html.escape(t)}</span>",
    "mathjax 4": lambda t: (
        f"<mjx-container class='MathJax' jax='CHTML' tabindex='0'><mjx-math data-latex='{html.escape(t)}' "
        f"class='MJX-TEX'><mjx-mi data-latex='q'><mjx-c class='mjx-c1D45E'></mjx-c></mjx-mi></mjx-math>"
        f"<mjx-assistive-mml unselectable='on'><math data-latex='{html.escape(t)}'>{VISIBLE}</math>"
        f"</mjx-assistive-mml></mjx-container>"
    ),
    "mathjax 4 SVG": lambda t: (
        f"<mjx-container jax='SVG'><svg><defs></defs><g stroke='currentColor'><g data-mml-node='math' "
        f"data-latex='{html.escape(t)}'><g data-mml-node='mi' data-latex='q'></g></g></g></svg></mjx-container>"
    ),
    "katex": lambda t: (
        f"<span class='katex'><span class='katex-mathml'>{mathml(t)}</span><span class='katex-html' "
        f"aria-hidden='true'><span class='base'><span class='mord mathnormal'>q</span></span></span></span>"
    ),
    "katex, HTML first, no wrapper of the MathML": lambda t: (
        f"<span class='foo katex'><span aria-hidden='true' class='katex-html'>q</span>{mathml(t)}</span>"
    ),
    "csdn katex": lambda t: (
        f"<span class='katex--inline'><span class='katex'><span class='katex-mathml'>{mathml(t)}</span>"
        f"<span class='katex-html'>q</span></span></span>"
    ),
    "mathml": mathml,
    "mathml, encoding TeX": lambda t: mathml(t, encoding="TeX"),
    "mathml with prefix": lambda t: (
        f"<m:math><m:semantics><m:mi>q</m:mi><m:annotation encoding='application/x-tex'>{html.escape(t)}"
        "</m:annotation></m:semantics></m:math>"
    ),
    "alttext": lambda t: f"<math class='ltx_Math' alttext='{html.escape(t)}' display='inline'>{VISIBLE}</math>",
    "escaped tag with TeX": lambda t: f"&lt;math&gt;{html.escape(html.escape(t))}&lt;/math&gt;",
    "wikipedia": lambda t: (
        f"<span class='mwe-math-element mwe-math-element-inline'><span class='mwe-math-mathml-inline' style='display: "
        f"none;'>{mathml(DISPLAY_STYLE % t)}</span><img src='https://wikimedia.org/api/rest_v1/media/math/"
        f"render/svg/abc' class='mwe-math-fallback-image-inline' alt='{{\\displaystyle {html.escape(t)}}}'></span>"
    ),
    "wikipedia image alone": lambda t: (
        f"<img alt='{{\\displaystyle {html.escape(t)}}}' class='mwe-math-fallback-image-inline' src='x.svg'>"
    ),
    "wordpress image": lambda t: f"<img class='latex' src='https://s0.wp.com/latex.php?latex={quote(t)}&bg=fff&s=0'>",
    "wordpress image, lazy": lambda t: (
        f"<img src='data:image/gif;base64,R0' data-src='//s0.wp.com/latex.php?zoom=2&latex={quote(t)}&bg=fff' alt=''>"
    ),
    "codecogs": lambda t: rf"<img src='https://latex.codecogs.com/svg.latex?\inline&amp;space;{quote(t)}'>",
    "codecogs svg.image": lambda t: f"<img src='https://latex.codecogs.com/svg.image?{quote(t)}'>",
    "mimetex": lambda t: f"<img src='/cgi-bin/mimetex.cgi?{quote(t)}' alt='formula'>",
    "zhihu image": lambda t: f"<img eeimg='1' alt='{html.escape(t)}' src='https://www.zhihu.com/equation?tex={quote(t)}'>",
    "image with class": lambda t: f"<img src='a.png' class='tex' alt='{html.escape(t)}'>",
    "image with dollars": lambda t: f"<img src='a.png' alt='${html.escape(t)}$'>",
    "math-container": lambda t: f"<span class='math-container'>${html.escape(t)}$</span>",
    "pandoc": lambda t: rf"<span class='math inline'>\({html.escape(t)}\)</span>",
    "undelimited span.math": lambda t: f"<span class='math'>{html.escape(t)}</span>",
    "arithmatex": lambda t: rf"<span class='arithmatex'>\({html.escape(t)}\)</span>",
    "khan": lambda t: f"<span class='tex' data-expr='{html.escape(t)}'><b>q</b></span>",
    "zhihu": lambda t: f"<span class='ztext-math' data-eeimg='1' data-tex='{html.escape(t)}'>q</span>",
    "github": lambda t: f"<math-renderer class='js-inline-math'>${html.escape(t)}$</math-renderer>",
    "gitlab": lambda t: f"<code class='code math js-render-math' data-math-style='inline'>{html.escape(t)}</code>",
    "distill": lambda t: f"<d-math>{html.escape(t)}</d-math>",
    "formula tag": lambda t: f"<formula class='mathJaxEqu'>{html.escape(t)}</formula>",
}  # fmt: skip
DISPLAY = {
    "double dollars": lambda t: f"$${html.escape(t)}$$",
    "brackets": lambda t: rf"\[{html.escape(t)}\]",
    "display script": lambda t: f"<script type='math/tex; mode=display'>{t}</script>",
    "display script, no space": lambda t: f"<script type=\"math/tex;mode=display\" id='x'>\n{t}\n</script>",
    "mathjax 2 display": lambda t: (
        "<div class='MathJax_Display' style='text-align: center;'><span class='MathJax'>q</span></div>"
        f"<script type='math/tex; mode=display'>{t}</script>"
    ),
    "mathjax 4": lambda t: (
        f"<mjx-container display='true'><mjx-math display='true' data-latex='{html.escape(t)}'></mjx-math>"
        "</mjx-container>"
    ),
    "katex display": lambda t: (
        f"<span class='katex-display'><span class='katex'><span class='katex-mathml'>{mathml(t, 'display=block')}"
        f"</span><span class='katex-html'>q</span></span></span>"
    ),
    "mathml block": lambda t: mathml(t, "display='block'"),
    "wikipedia display": lambda t: (
        f"<div class='mwe-math-element'><div class='mwe-math-mathml-display mwe-math-mathml-a11y'>"
        f"{mathml(DISPLAY_STYLE % t)}</div></div>"
    ),
    "gitlab display": lambda t: (
        f"<code class='code math js-render-math' data-math-style='display'>{html.escape(t)}</code>"
    ),
    "sphinx": lambda t: rf"<div class='math notranslate nohighlight'>\[{html.escape(t)}\]</div>",
    "distill block": lambda t: f"<d-math block>{html.escape(t)}</d-math>",
    "image alone": lambda t: f"</p><p><img src='https://latex.codecogs.com/gif.latex?{quote(t)}'></p><p>",
}  # fmt: skip
FORMULAS = [
    r"x^2",
    r"\frac{a}{b_{1}} + \sqrt{c}",
    r"a < b",
    r"\alpha",
    r"f(x)=\sum_{i=1}^{n} x_i",
    r"\left\{ y \right\}",
]


@pytest.mark.parametrize("tex", FORMULAS)
@pytest.mark.parametrize("notation", INLINE)
def test_each_inline_notation_gives_the_formula_once(notation: str, tex: str) -> None:
    if "<" in tex and notation == "undelimited span.math":
        pytest.skip("no sign of TeX in it")
    if "<" in tex and notation == "escaped tag with TeX":
        pytest.skip("the text would be MathML")
    found = document(f"<p>before {INLINE[notation](tex)} after</p>", MATHJAX)
    assert found.formulas == (tex,)
    assert found.text == f"before ${tex}$ after"
    assert sum(found.rules.values()) == 1


@pytest.mark.parametrize("tex", FORMULAS)
@pytest.mark.parametrize("notation", DISPLAY)
def test_each_display_notation_gives_a_display_formula_once(notation: str, tex: str) -> None:
    found = document(f"<p>before {DISPLAY[notation](tex)} after</p>", MATHJAX)
    assert found.formulas == (tex,)
    assert f"$${tex}$$" in found.text and found.text.startswith("before") and found.text.endswith("after")


LETTERS = st.sampled_from("abcxyzNP")
ATOMS = st.one_of(
    LETTERS,
    st.integers(0, 999).map(str),
    st.sampled_from([r"\alpha", r"\beta ", r"\mathbb{R}", r"\infty", r"\{", r"\}"]),
)
TEX = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"\\frac{{{p[0]}}}{{{p[1]}}}"),
        st.tuples(LETTERS, inner).map(lambda p: f"{p[0]}_{{{p[1]}}}"),
        st.tuples(LETTERS, inner).map(lambda p: f"{p[0]}^{{{p[1]}}}"),
        inner.map(lambda p: f"\\sqrt{{{p}}}"),
        inner.map(lambda p: f"\\text{{if }} {p}"),
        st.tuples(inner, st.sampled_from("+-=<>"), inner).map(" ".join),
    ),
    max_leaves=8,
).map(lambda tex: f"g_{{0}} = {' '.join(tex.split())}")


@settings(max_examples=60, deadline=None)
@given(TEX, st.sampled_from(sorted(set(INLINE) - {"undelimited span.math", "escaped tag with TeX"})))
def test_any_formula_comes_out_equal_from_any_notation(tex: str, notation: str) -> None:
    found = document(f"<p>before {INLINE[notation](tex)} after</p>", MATHJAX)
    assert found.formulas == (tex,)
    assert found.text == f"before ${tex}$ after"


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='photo.jpg' alt='A $5 bill and a $10 bill'>",
        "<img src='photo.jpg' alt='texture' class='math-teacher'>",
        "<img class='latex' alt='latex gloves for sale' src='gloves.jpg'>",
        "<img src='/img/texas.png?tex=1' alt='Texas'>",
        "<div class='mathematics'>Mathematics</div>",
        "<div class='equation'>Our equation for success</div>",
        "<div class='math'>Math and Physics</div>",
        "<body class='MathJax-enabled katex-theme'><p>words</p></body>",
        "<div class='katex'><p>All about KaTeX</p><p>more</p></div>",
        "<formula>words of a made up element</formula>",
        "<span data-math='maths'>maths</span>",
    ],
)
def test_other_elements_are_no_formulas(markup: str) -> None:
    found = FoundFormulas(has_renderer=True)
    answers = [element_formula(element, found) for element in parse_fragment(markup).children()]
    assert set(answers) <= {None}
    assert found.sources == []


def test_a_page_class_that_names_mathjax_does_not_drop_the_page() -> None:
    found = document("<div class='MathJax_enabled mathjax-page'><p>words with $x^2$</p></div>")
    assert found.text == "words with $x^2$"


def test_macro_definitions_alone_leave_nothing_and_formulas_with_them_stay_whole() -> None:
    found = document(
        r"<p>a \(\newcommand{\R}{\mathbb{R}} \def\x#1{y_{#1}} % note"
        "\n"
        r"\) b \(\def\x{y} \x^2\) c</p>",
        MATHJAX,
    )
    assert found.formulas == (r"\def\x{y} \x^2",)


def test_an_alternative_text_in_words_gives_way_to_the_mathml() -> None:
    found = document("<p><math alttext='x squared'><msup><mi>x</mi><mn>2</mn></msup></math></p>")
    assert found.formulas == ("x^2",)
    assert found.rules == {"mathml_converted": 1}
