"""Text of web pages as HTML for annotators: everything escaped, formulas as MathML.

Page text is hostile until escaped. Formulas go through latex2mathml, whose own serialiser does not escape text; so only
its element tree is used, and written here: known MathML elements and attributes, harmless values, escaped text. A
formula that cannot be converted is shown as its LaTeX source.
"""

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from markupsafe import Markup, escape

MAX_FORMULA_CHARS = 400
_ELEMENTS = frozenset(
    """
    math mrow mi mn mo mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable mtr mtd mstyle
    mpadded mphantom mmultiscripts mprescripts
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_ATTRIBUTES = frozenset(
    """
    display displaystyle scriptlevel mathvariant stretchy fence form largeop movablelimits symmetric lspace rspace
    minsize maxsize width height depth linethickness accent accentunder columnalign
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_VALUE = re.compile(r"-?[\w. ]{1,20}")
_DEFINES = re.compile(r"\\(?:(?:re)?newcommand|providecommand|def|let|DeclareMathOperator)")
_TITLE_FORMULA = re.compile(r"\$(?![\s$])([^$\n]{1,200})(?<![\s\\])\$(?!\d)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAK = re.compile(r"\s*\n\s*")
_HEADING_MARK = re.compile(r"^#{1,6} ", re.M)


def body_html(text: str, formulas: Sequence[str]) -> Markup:
    """The beginning of a page's text; `formulas` are those of the page in order, as extraction found them.

    Only what extraction took for a formula is shown as one, so prices stay prices. A formula cut off at the end of the
    text is left out.
    """
    parts: list[Markup] = []
    start = 0
    for latex in formulas:
        inline, display = text.find(f"${latex}$", start), text.find(f"$${latex}$$", start)
        is_display = display != -1 and display <= inline
        position = display if is_display else inline
        if position == -1:
            return Markup("").join([*parts, _prose(_without_cut_formula(text[start:], latex))])
        parts += [_prose(text[start:position]), formula_html(latex, is_display)]
        start = position + len(latex) + (4 if is_display else 2)
    return Markup("").join([*parts, _prose(text[start:])])


def without_heading(text: str, title: str) -> str:
    """The text without a first line that only repeats the title (unless it holds a formula)."""
    first, _, rest = text.lstrip().partition("\n")
    heading = _HEADING_MARK.sub("", first).strip()
    return rest if title.startswith(heading) and "$" not in heading else text


def _prose(text: str) -> Markup:
    """Escaped text; paragraphs follow each other without empty lines, so that a glance takes in more."""
    return plain_html(_BREAK.sub("\n", _HEADING_MARK.sub("", text)))


def title_html(title: str) -> Markup:
    """A page title. Titles carry no list of formulas: `$...$` without blanks at its ends counts as one."""
    parts = _TITLE_FORMULA.split(title)
    return Markup("").join(formula_html(part) if i % 2 else plain_html(part) for i, part in enumerate(parts))


def plain_html(text: str) -> Markup:
    """Escaped text without control characters."""
    return escape(_CONTROL.sub("", text))


def web_link(url: str) -> str | None:
    """The URL when it may be a link, that is http or https with a host; None for everything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc and not _CONTROL.search(url) else None


@lru_cache(maxsize=20_000)
def formula_html(latex: str, is_display: bool = False) -> Markup:
    """One formula as MathML, or as its source when it is too long, defines macros, or cannot be converted."""
    element = None
    if len(latex) <= MAX_FORMULA_CHARS and not _DEFINES.search(latex):
        element = _mathml(latex, "block" if is_display else "inline")
    if element is None:
        return Markup('<code class="tex">{}</code>').format(plain_html(latex))
    return _write(element)


def _mathml(latex: str, display: str) -> Element | None:
    from latex2mathml.converter import Converter

    try:
        return Converter(display=display).convert_to_element(latex)
    except (
        Exception
    ):  # not TeX, or TeX it does not know: it raises whatever its parser ran into, and the source is shown
        return None


def _write(element: Element) -> Markup:
    name = element.tag if element.tag in _ELEMENTS else "mrow"
    attributes = Markup("").join(
        Markup(' {}="{}"').format(key, value)
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and _VALUE.fullmatch(value)
    )
    # The converter writes some symbols as entities and leaves them for a serialiser that does not escape.
    inside = escape(_CONTROL.sub("", html.unescape(element.text or "")))
    for child in element:
        inside += _write(child)
    return Markup("<{0}{1}>{2}</{0}>").format(name, attributes, inside)


def _without_cut_formula(text: str, latex: str) -> str:
    """The text without a beginning of `$latex$` at its very end."""
    position = text.rfind("$")
    if position >= 0 and latex.startswith(text[position:].lstrip("$")):
        return text[:position].rstrip("$")
    return text
