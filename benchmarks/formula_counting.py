"""What became of a formula in a text: found once, doubled or lost; and what kind of markup a page carries.

Counting is the same for every extractor; see extraction_quality.py for the rules in words.
"""

import html
import re

KINDS = (
    ("MathJax 3 or 4, rendered", re.compile(r"<mjx-container", re.I)),
    ("Wikipedia, MathML and image", re.compile(r"mwe-math-element")),
    ("KaTeX, rendered", re.compile(r"""class=["']?katex\b""")),
    ("MathML", re.compile(r"<(?:\w+:)?math[\s>]", re.I)),
    ("MathJax scripts", re.compile(r"""type=["']?math/(?:tex|asciimath|mml)""", re.I)),
    (
        "formula images, [tex] tags",
        re.compile(
            r"latex\.php\?|codecogs\.com|mimetex|mathtex|/latex/|class=[\"']?(?:tex|latex)[\"' >]"
            r"|\[(?:tex|itex|math)\]",
            re.I,
        ),
    ),
    (
        "TeX in marked elements",
        re.compile(r"""class=["']?(?:[\w-]+ )*(?:arithmatex|math|math-container|math-inline)["' >]"""),
    ),
    ("TeX in plain text", re.compile("")),
)
"""Kinds of formula markup; a page belongs to the first whose sign it carries."""

_OUTER = re.compile(r"^\s*(?:\$\$?|\\\(|\\\[)|(?:\$\$?|\\\)|\\\])\s*$")
_IGNORED = re.compile(r"\\(?:displaystyle|textstyle)(?![A-Za-z])|[\s\u200b\u2060-\u2064\ufeff]+")
_DELIMITERS = re.compile(r"\\[()\[\]]|\$+")
_SINGLE_IN_BRACES = re.compile(r"(?<=[\^_])\{([^{}\\])\}")
_WORDS_OF_STYLE = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg|mathrm|mathbf|mathit|mathcal|mathbb|boldsymbol|text|operatorname|limits|frac|"
    r"dfrac|tfrac|quad|qquad)(?![A-Za-z])|\\[,;:!> ]"
)
_SYMBOL_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi varphi "
    "chi psi omega Gamma Delta Theta Lambda Pi Sigma Phi Psi Omega sum prod int infty le leq ge geq ne neq in times "
    "cdot cdots ldots dots to pm approx sim"
)
_SYMBOLS = {
    f"\\{name}": character
    for name, character in zip(
        _SYMBOL_NAMES.split(), "αβγδϵεζηθικλμνξπρστϕφχψωΓΔΘΛΠΣΦΨΩ∑∏∫∞≤≤≥≥≠≠∈×⋅⋯……→±≈∼", strict=True
    )
}
_TEX_OR_RELATION = re.compile(r"[\\^_=<>≤≥∈]")
"""A formula without any of these may stand beside its like by chance: f(x), f(x) = 1."""
_GOES_ON = frozenset("_^=")
"""After these the second copy is the beginning of another formula: F, F_k = 1."""
_MIN_BARE_CHARS = 3
"""Fewer characters than these stand beside a formula by chance."""
_COMMAND = re.compile(r"\\[A-Za-z]+")


def normal_latex(latex: str) -> str:
    """LaTeX without what does not count: outer delimiters, white space, style, braces of one-character scripts."""
    latex = _IGNORED.sub("", _OUTER.sub("", html.unescape(latex)))
    while _is_in_braces(latex):
        latex = latex[1:-1]
    return _SINGLE_IN_BRACES.sub(r"\1", latex)


def _is_in_braces(latex: str) -> bool:
    """Does one pair of braces hold all of it?"""
    if len(latex) < 3 or latex[0] != "{":
        return False
    depth = 0
    for at, character in enumerate(latex):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return at == len(latex) - 1
    return False


def normal_text(text: str) -> str:
    """Output text in the form in which `normal_latex` is looked for."""
    return _SINGLE_IN_BRACES.sub(r"\1", _IGNORED.sub("", text))


def bare_characters(latex: str) -> str | None:
    r"""What is left of normal LaTeX when only its visible characters are kept; None where that cannot be told.

    >>> bare_characters(r"x^2+\alpha=\frac{a}{b}")
    'x2+α=ab'
    """
    text = _WORDS_OF_STYLE.sub("", latex)
    text = _COMMAND.sub(lambda match: _SYMBOLS.get(match[0], match[0]), text)
    text = re.sub(r"[{}^_&~]", "", text)
    return None if "\\" in text else text


def formula_fate(latex: str, text: str) -> str:
    """`once`, `doubled` or `lost`: what became of a formula (normal_latex) in an output text (normal_text)."""
    if latex not in text:
        return "lost"
    if not _TEX_OR_RELATION.search(latex):
        return "once"
    plain = _DELIMITERS.sub("", text)
    bare = bare_characters(latex) or ""
    copies = {latex, bare if len(bare) >= _MIN_BARE_CHARS else latex}
    for copy in copies:
        for pair in (copy + latex, latex + copy, copy + "{" + latex, latex + "}" + copy):
            if any(plain[at + len(pair) : at + len(pair) + 1] not in _GOES_ON for at in _places(pair, plain)):
                return "doubled"
    return "once"


def _places(part: str, text: str) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(part), text)]


def kind_of_markup(page: str) -> str:
    """The kind of formula markup of a page (KINDS)."""
    return next(name for name, sign in KINDS if sign.search(page))
