"""Rendered formulas without any source: the output of KaTeX and MathJax 3 read back. Markup as they write it."""

import pytest

from dsmath_pipeline.corpus.formula_asciimath import asciimath_to_latex
from dsmath_pipeline.corpus.formulas import FoundFormulas, element_formula
from dsmath_pipeline.corpus.html_tree import parse_fragment


def latex_of(markup: str) -> str:
    found = FoundFormulas()
    element = parse_fragment(markup).children()[0]
    assert element_formula(element, found)
    (source, _), *others = found.sources
    assert not others
    return source.replace(" ", "")


def level(top: float, strut: float, inside: str) -> str:
    return f"<span style='top:{top}em;'><span class='pstrut' style='height:{strut}em;'></span>{inside}</span>"


def vlist(*levels: str, below: bool = True) -> str:
    second = "<span class='vlist-r'><span class='vlist' style='height:0.3em;'><span></span></span></span>"
    return (
        f"<span class='vlist-t{' vlist-t2' * below}'><span class='vlist-r'><span class='vlist' style='height:0.8em;'>"
        f"{''.join(levels)}</span><span class='vlist-s'>\u200b</span></span>{second * below}</span>"
    )


def letter(name: str) -> str:
    return f"<span class='mord mathnormal mtight'>{name}</span>"


def small(inside: str) -> str:
    return f"<span class='sizing reset-size6 size3 mtight'><span class='mord mtight'>{inside}</span></span>"


SUB, SUP = level(-2.55, 2.7, small(letter("i"))), level(-3.063, 2.7, small("<span class='mord mtight'>2</span>"))
FRACTION = (
    "<span class='mord'><span class='mopen nulldelimiter'></span><span class='mfrac'>"
    + vlist(
        level(-2.655, 3, small(letter("b"))),
        level(-3.23, 3, "<span class='frac-line' style='border-bottom-width:0.04em;'></span>"),
        level(-3.394, 3, small(letter("a"))),
    )
    + "</span><span class='mclose nulldelimiter'></span></span>"
)
COLUMN = "<span class='col-align-c'>{}</span>"
KATEX = {
    "sub and sup": (f"<span class='mord'>{letter('x')}<span class='msupsub'>{vlist(SUB, SUP)}</span></span>", "x_i^2"),
    "sub": (f"<span class='mord'>{letter('x')}<span class='msupsub'>{vlist(SUB)}</span></span>", "x_i"),
    "sup": (f"<span class='mord'>{letter('x')}<span class='msupsub'>{vlist(SUP, below=False)}</span></span>", "x^2"),
    "fraction": (FRACTION, r"\frac{a}{b}"),
    "fences": (
        f"<span class='minner'><span class='mopen delimcenter'><span class='delimsizing size1'>(</span></span>"
        f"{FRACTION}"
        "<span class='mclose delimcenter'><span class='delimsizing size1'>)</span></span></span>",
        r"\left(\frac{a}{b}\right)",
    ),
    "limits": (
        "<span class='mop op-limits'>"
        + vlist(
            level(-1.87, 3.05, small(letter("i"))),
            level(-3.05, 3.05, "<span><span class='mop op-symbol large-op'>∑</span></span>"),
            level(-4.3, 3.05, small(letter("n"))),
        )
        + f"</span>{letter('k')}",
        r"\sum_i^nk",
    ),
    "root": (
        "<span class='mord sqrt'>"
        + vlist(
            "<span class='svg-align' style='top:-3em;'><span class='pstrut' style='height:3em;'></span>"
            f"<span class='mord' style='padding-left:0.833em;'>{letter('x')}</span></span>",
            level(-2.76, 3, "<span class='hide-tail'><svg><path d='M95,702'/></svg></span>"),
        )
        + "</span>",
        r"\sqrt{x}",
    ),
    "matrix": (
        "<span class='minner'><span class='mopen'><span class='delimsizing size3'>(</span></span><span class='mord'>"
        "<span class='mtable'>"
        + "<span class='arraycolsep'></span>".join(
            COLUMN.format(vlist(level(-3.61, 3, letter(above)), level(-2.41, 3, letter(below))))
            for above, below in ("ac", "bd")
        )
        + "</span></span><span class='mclose'><span class='delimsizing size3'>)</span></span></span>",
        r"\begin{pmatrix}a&b\\c&d\end{pmatrix}",
    ),
    "accent": (
        "<span class='mord accent'>"
        + vlist(level(-3, 3, letter("x")), level(-3, 3, "<span class='accent-body'><span class='mord'>^</span></span>"))
        + "</span>",
        r"\hat{x}",
    ),
    "words": (
        "<span class='mop'>lo<span style='margin-right:0.01em;'>g</span></span><span class='mspace'></span>"
        "<span class='mord mathbb'>R</span><span class='mord text'><span class='mord'>if </span></span>",
        r"\log\mathbb{R}\text{if}",
    ),
    "negated": (
        "<span class='mrel'><span class='mrel'><span class='mord vbox'><span class='thinbox'><span class='rlap'>"
        "<span class='strut'></span><span class='inner'><span class='mord'><span class='mrel'>\ue020</span></span>"
        "</span>"
        "<span class='fix'></span></span></span></span></span><span class='mspace nobreak'></span>"
        "<span class='mrel'>=</span></span>",
        r"\ne",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KATEX)
def test_katex_html_alone_is_read_back(name: str) -> None:
    inside, expected = KATEX[name]
    base = f"<span class='base'><span class='strut'></span>{inside}</span>"
    html = f"<span class='katex-html' aria-hidden='true'>{base}</span>"
    assert latex_of(f"<span class='katex'>{html}</span>") == expected


def c(code: str, tag: str = "mi") -> str:
    return f"<mjx-{tag} class='mjx-i'><mjx-c class='mjx-c{code} TEX-I'></mjx-c></mjx-{tag}>"


X, I, N, TWO = c("1D465"), c("1D456"), c("1D45B"), c("32", "mn")
CHTML = {
    "sub and sup": (
        f"<mjx-msubsup>{X}<mjx-script style='vertical-align: -0.2em;'>{TWO}<mjx-spacer></mjx-spacer>{I}</mjx-script>"
        "</mjx-msubsup>",
        "x_i^2",
    ),
    "fraction": (
        f"<mjx-mfrac><mjx-frac><mjx-num><mjx-nstrut></mjx-nstrut>{X}</mjx-num><mjx-dbox><mjx-dtable><mjx-line></mjx-line>"
        f"<mjx-row><mjx-den><mjx-dstrut></mjx-dstrut>{TWO}</mjx-den></mjx-row></mjx-dtable></mjx-dbox></mjx-frac></mjx-mfrac>",
        r"\frac{x}{2}",
    ),
    "root": (
        f"<mjx-mroot><mjx-root>{TWO}</mjx-root><mjx-sqrt><mjx-surd>{c('221A', 'mo')}</mjx-surd><mjx-box>{X}{X}"
        "</mjx-box>"
        "</mjx-sqrt></mjx-mroot>",
        r"\sqrt[2]{xx}",
    ),
    "limits": (
        f"<mjx-munderover><mjx-over>{N}</mjx-over><mjx-box><mjx-munder><mjx-row><mjx-base>{c('2211', 'mo')}</mjx-base>"
        f"</mjx-row><mjx-row><mjx-under>{I}</mjx-under></mjx-row></mjx-munder></mjx-box></mjx-munderover>",
        r"\sum_i^n",
    ),
    "accent over an accent's like": (
        f"<mjx-mover><mjx-over><mjx-mo><mjx-stretchy-h class='mjx-c2013'><mjx-ext><mjx-c></mjx-c></mjx-ext>"
        f"</mjx-stretchy-h></mjx-mo></mjx-over><mjx-base>{X}</mjx-base></mjx-mover>",
        r"\overline{x}",
    ),
    "text": (
        "<mjx-mtext class='mjx-n'><mjx-c class='mjx-c69'></mjx-c><mjx-c class='mjx-c66'></mjx-c><mjx-utext>é"
        "</mjx-utext></mjx-mtext>",
        r"\text{ifé}",
    ),
    "matrix": (
        f"<mjx-mrow>{c('28', 'mo')}<mjx-mtable><mjx-table><mjx-itable><mjx-mtr><mjx-mtd>{X}"
        "<mjx-tstrut></mjx-tstrut></mjx-mtd>"
        f"<mjx-mtd>{I}</mjx-mtd></mjx-mtr></mjx-itable></mjx-table></mjx-mtable>{c('29', 'mo')}</mjx-mrow>",
        r"\begin{pmatrix}x&i\end{pmatrix}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHTML)
def test_mathjax_3_chtml_alone_is_read_back(name: str) -> None:
    inside, expected = CHTML[name]
    assert (
        latex_of(f"<mjx-container class='MathJax' jax='CHTML'><mjx-math>{inside}</mjx-math></mjx-container>")
        == expected
    )


def g(kind: str, inside: str, height: float = 0) -> str:
    return f"<g data-mml-node='{kind}' transform='translate(5,{height})'>{inside}</g>"


def u(code: str) -> str:
    return f"<use data-c='{code}' xlink:href='#MJX-1-TEX-I-{code}'></use>"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (g("msubsup", g("mi", u("1D465")) + g("mn", u("32"), 363) + g("mi", u("1D456"), -247)), "x_i^2"),
        (g("mfrac", g("mi", u("1D465"), 676) + g("mn", u("32"), -686) + "<rect width='9'></rect>"), r"\frac{x}{2}"),
        (g("mfrac", g("mi", u("1D465"), 676) + g("mn", u("32"), -686)), r"{x\atop2}"),
        (g("msqrt", "<g transform='translate(853,0)'>" + g("mi", u("1D465")) + "</g>" + g("mo", u("221A"))
           + "<rect></rect>"), r"\sqrt{x}"),
        (g("mi", u("6C") + u("69") + u("6D")) + g("mtext", "<text>é</text>"), r"\lim\text{é}"),
    ],
)  # fmt: skip
def test_mathjax_3_svg_alone_is_read_back(inside: str, expected: str) -> None:
    svg = f"<svg><defs></defs><g stroke='currentColor'><g data-mml-node='math'>{inside}</g></g></svg>"
    assert latex_of(f"<mjx-container class='MathJax' jax='SVG'>{svg}</mjx-container>") == expected


@pytest.mark.parametrize(
    ("asciimath", "latex"),
    [
        ("sum_(i=1)^n i^3=((n(n+1))/2)^2", r"\sum_{i=1}^ni^3=\left(\frac{n(n+1)}{2}\right)^2"),
        ("x/2", r"\frac{x}{2}"),
        ("(a+b)/(c)", r"\frac{a+b}{c}"),
        ("sqrt x + root(3)(y+1)", r"\sqrt{x}+\sqrt[3]{y+1}"),
        ("alpha xx beta <= oo", r"\alpha\times\beta\le\infty"),
        ("[[a,b],[c,d]]", r"\begin{bmatrix} a & b \\ c & d \end{bmatrix}"),
        ("f(x)={(x,if x>0),(0,x<=0):}", r"f(x)=\begin{cases} x & \text{if }x>0 \\ 0 & x\le0 \end{cases}"),
        ("|x-1|", r"\left|x-1\right|"),
        ('text(if) and "so" x in RR', r"\text{if}\text{ and }\text{so}x\in\mathbb{R}"),
        ("hat x + vec(ab)", r"\hat{x}+\vec{ab}"),
        ("abs(x)_1", r"\left|x\right|_1"),
        ("((", "(("),
        ("", ""),
    ],
)
def test_asciimath_becomes_latex(asciimath: str, latex: str) -> None:
    assert asciimath_to_latex(asciimath).replace(" ", "") == latex.replace(" ", "")


def test_an_asciimath_script_is_converted() -> None:
    found = FoundFormulas()
    script = parse_fragment("<script type='math/asciimath'>a/b</script>").children()[0]
    assert element_formula(script, found)
    assert found.sources == [(r"\frac{a}{b}", False)]
    assert found.rules == ["asciimath_script"]
