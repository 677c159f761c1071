"""One small page for every way in which pages carry a formula: the same formula each time, between the same sentences.

Each page holds the formula once, as a reader sees it, though its markup may hold it two or three times over (a source,
a rendering, a copy for screen readers). A perfect extractor gives its LaTeX exactly once.
"""

import urllib.parse
from dataclasses import dataclass
from html import escape

LATEX = r"x^{2}+\alpha=\frac{a}{b}"
"""What is to be found."""
RENDERED = "x2+α=ab"
"""What the formula's characters look like when only they are kept."""

_ALIGNED = rf"\begin{{align}} {LATEX} \end{{align}}"
_MATHML = (
    "<mrow><msup><mi>x</mi><mn>2</mn></msup><mo>+</mo><mi>α</mi><mo>=</mo><mfrac><mi>a</mi><mi>b</mi></mfrac></mrow>"
)
_NAMESPACE = 'xmlns="http://www.w3.org/1998/Math/MathML"'
_SEMANTICS = f'<semantics>{_MATHML}<annotation encoding="application/x-tex">{escape(LATEX)}</annotation></semantics>'
_KATEX_HTML = (
    '<span class="katex-html" aria-hidden="true"><span class="base"><span class="strut" style="height:0.8em"></span>'
    '<span class="mord"><span class="mord mathnormal">x</span><span class="msupsub"><span class="vlist-t">'
    '<span class="vlist-r"><span class="vlist" style="height:0.8em"><span style="top:-3.06em;margin-right:0.05em">'
    '<span class="pstrut" style="height:2.7em"></span><span class="sizing reset-size6 size3 mtight">'
    '<span class="mord mtight"><span class="mord mtight">2</span></span></span></span></span></span></span></span>'
    '</span><span class="mbin">+</span></span><span class="base"><span class="mord mathnormal">α</span>'
    '<span class="mrel">=</span></span><span class="base"><span class="mord"><span class="mopen nulldelimiter"></span>'
    '<span class="mfrac"><span class="vlist-t vlist-t2"><span class="vlist-r"><span class="vlist" style="height:0.7em">'
    '<span style="top:-2.655em"><span class="pstrut" style="height:3em"></span>'
    '<span class="sizing reset-size6 size3 mtight"><span class="mord mtight"><span class="mord mathnormal mtight">b'
    '</span></span></span></span><span style="top:-3.23em"><span class="pstrut" style="height:3em"></span>'
    '<span class="frac-line" style="border-bottom-width:0.04em"></span></span><span style="top:-3.394em">'
    '<span class="pstrut" style="height:3em"></span><span class="sizing reset-size6 size3 mtight">'
    '<span class="mord mtight"><span class="mord mathnormal mtight">a</span></span></span></span></span></span></span>'
    '</span><span class="mclose nulldelimiter"></span></span></span></span>'
)
_CHTML = (
    '<mjx-math class="MJX-TEX" aria-hidden="true"><mjx-msup><mjx-mi class="mjx-i"><mjx-c class="mjx-c1D465 TEX-I">'
    '</mjx-c></mjx-mi><mjx-script><mjx-mn class="mjx-n" size="s"><mjx-c class="mjx-c32"></mjx-c></mjx-mn></mjx-script>'
    '</mjx-msup><mjx-mo class="mjx-n"><mjx-c class="mjx-c2B"></mjx-c></mjx-mo></mjx-math>'
)
_RENDERED_SPANS = (
    '<span class="mi">x</span><span class="mn">2</span><span class="mo">+</span><span class="mi">α</span>'
    '<span class="mo">=</span><span class="mi">a</span><span class="mi">b</span>'
)
_SCRIPT = f'<script type="math/tex" id="MathJax-Element-1">{LATEX}</script>'
_MATHJAX = '<script src="https://cdn.example.org/mathjax/MathJax.js?config=TeX-AMS_CHTML"></script>'
_KATEX = '<link rel="stylesheet" href="https://cdn.example.org/katex.min.css">'


@dataclass(frozen=True)
class Case:
    """A way to carry a formula: its name, the markup, and what the page's head holds."""

    name: str
    markup: str
    head: str = ""

    @property
    def html(self) -> str:
        """The whole page."""
        return (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A worked example</title>{self.head}'
            '</head><body><nav><ul><li><a href="/">Home</a></li><li><a href="/all">All lessons</a></li></ul></nav>'
            "<main><article><h1>A worked example</h1>"
            "<p>We begin with two positive numbers and ask how they are related when the first of them grows. The "
            "answer is simple enough to be written in one line, and it will be used again in the next lesson.</p>"
            f"<p>It follows from the definition that {self.markup} holds for every pair of numbers that we have "
            "allowed above, which is what we wanted to show in this section of the lesson.</p>"
            "<p>The reader may check the claim by hand for a few small values. None of the steps needs more than what "
            "was proved before, and the same argument works for negative numbers as well.</p></article></main>"
            '<footer><a href="/about">About</a> <a href="/terms">Terms</a></footer></body></html>'
        )


CASES = (
    Case("TeX in text, $ ... $", f"${escape(LATEX)}$", _MATHJAX),
    Case(r"TeX in text, \( ... \)", rf"\({escape(LATEX)}\)", _MATHJAX),
    Case("TeX in text, $$ ... $$", f"$${escape(LATEX)}$$", _MATHJAX),
    Case(r"TeX in text, \[ ... \]", rf"\[{escape(LATEX)}\]", _MATHJAX),
    Case("bare align environment", escape(_ALIGNED), _MATHJAX),
    Case("[tex] ... [/tex]", f"[tex]{escape(LATEX)}[/tex]"),
    Case("StackExchange, .math-container", f'<span class="math-container">${escape(LATEX)}$</span>', _MATHJAX),
    Case("script math/tex", _SCRIPT, _MATHJAX),
    Case("script math/tex; mode=display", _SCRIPT.replace('math/tex"', 'math/tex; mode=display"'), _MATHJAX),
    Case(
        "MathJax 2, rendered, with preview and script",
        f'<span class="MathJax_Preview">{RENDERED}</span><span class="MathJax" id="MathJax-Element-1-Frame">'
        f'<nobr><span class="math">{_RENDERED_SPANS}</span></nobr><span class="MJX_Assistive_MathML" '
        f'role="presentation"><math {_NAMESPACE}>{_MATHML}</math></span></span>{_SCRIPT}',
        _MATHJAX,
    ),
    Case(
        "MathJax 3, rendered, assistive MathML only",
        f'<mjx-container class="MathJax CtxtMenu_Attached_0" jax="CHTML">{_CHTML}<mjx-assistive-mml unselectable="on" '
        f'display="inline"><math {_NAMESPACE}>{_MATHML}</math></mjx-assistive-mml></mjx-container>',
    ),
    Case(
        "MathJax 4, rendered, data-latex",
        f'<mjx-container class="MathJax" jax="CHTML"><mjx-math data-latex="{escape(LATEX)}" aria-hidden="true">'
        f"<mjx-mi></mjx-mi></mjx-math><mjx-assistive-mml><math {_NAMESPACE}>{_MATHML}</math></mjx-assistive-mml>"
        "</mjx-container>",
    ),
    Case(
        "KaTeX, rendered, with source",
        f'<span class="katex"><span class="katex-mathml"><math {_NAMESPACE}>{_SEMANTICS}</math></span>{_KATEX_HTML}'
        "</span>",
        _KATEX,
    ),
    Case("KaTeX, rendered, HTML only", f'<span class="katex">{_KATEX_HTML}</span>', _KATEX),
    Case("MathML with TeX annotation", f"<math {_NAMESPACE}>{_SEMANTICS}</math>"),
    Case("MathML with alttext", f'<math {_NAMESPACE} alttext="{escape(LATEX)}">{_MATHML}</math>'),
    Case("MathML without a source", f"<math {_NAMESPACE}>{_MATHML}</math>"),
    Case(
        "Wikipedia, MathML and image",
        '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" '
        'style="display: none;">'
        f'<math {_NAMESPACE} alttext="{{\\displaystyle {escape(LATEX)}}}"><semantics>{_MATHML}<annotation '
        f'encoding="application/x-tex">{{\\displaystyle {escape(LATEX)}}}</annotation></semantics></math></span>'
        f'<img src="https://example.org/media/math/render/svg/0f1e" class="mwe-math-fallback-image-inline" '
        f'aria-hidden="true" alt="{{\\displaystyle {escape(LATEX)}}}"></span>',
    ),
    Case(
        "image, TeX in alt",
        f'<img class="latex" src="https://example.org/latex.php?latex={urllib.parse.quote(LATEX)}&amp;bg=ffffff" '
        f'alt="{escape(LATEX)}">',
    ),
    Case(
        "image, TeX in the address only",
        f'<img src="https://latex.codecogs.com/gif.latex?{urllib.parse.quote(LATEX)}" alt="formula">',
    ),
    Case("element with data-expr", f'<span class="tex" data-expr="{escape(LATEX)}">{RENDERED}</span>'),
)
