"""Images that show LaTeX: the source in their address (WordPress, CodeCogs, mimeTeX, ...) or in their `alt`.

Not in the paper: section 2.1 builds on OpenWebMath, which reads the same two places.
"""

import html
import re
from urllib.parse import unquote, unquote_plus

from .formula_list import FoundFormulas
from .formula_mathml import add_escaped_math
from .html_tree import Element
from .tex_plausibility import TEX_SIGN, is_prose, is_short_expression

_SOURCE_PARTS = ("tex", "math", "cht=tx", "codecogs", "equation")
"""An address without any of them, in any case, is no formula's: tested before the regular expression."""
_SOURCE = re.compile(
    r"(?:latex\.php\?(?:[^?]*?&)?(?:latex|tex|eq)=|/latex\.(?:php|cgi|action)\?(?:[^?]*?&)?(?:latex|tex|formula)=|"
    r"codecogs\.com/(?:\w+\.(?:latex|image|download|json)\?|\w+/)|\.latex\?|(?:mimetex|mathtex|mathtran|gladtex)(?:\.cgi|\.exe|\.php)?(?:/\w+)?\?|"
    r"/equation\?tex=|/math\?(?:[^?]*?&)?(?:formula|tex|from)=|chart\?(?:[^?]*?&)?cht=tx&(?:[^?]*?&)?chl=|"
    r"/math/render/\w+\?(?:[^?]*?&)?tex=|/(?:tex|latex|eqn?|formula)/?\?(?:[^?]*?&)?(?:tex|latex|formula|eq|q|math|from)=|/tex\?)(.*)$",
    re.I | re.S,
)
_OTHER_PARAMETERS = re.compile(r"&(?:amp;)?(?:bg|fg|s|c|chs|chf|chco|zoom|size|font|color|dpi|id|preview|svg|ver|w|h)=")
_PREFIX = re.compile(
    r"^(?:\\(?:inline|dpi\s*\{\d+\}|(?:bg|fg|fn)_\w+|(?:tiny|small|normal|normalsize|footnotesize|large|LARGE|Large|huge)"
    r"(?![A-Za-z])|(?:bg|fg|fn|color)\{[^}]*\}(?=\s*\\)|usepackage\{[^}]*\})\s*|\{\d+\}|&space;|\s)+"
)
_CODECOGS_PREFIX = "\\inline"
_TEX_CLASSES = frozenset(
    """
    latex tex mathtex math math-inline math-block math-display inline-formula display-formula mathimage texrender
    mwe-math-fallback-image-inline mwe-math-fallback-image-display latexcenter ql-img-inline-formula
    ql-img-displayed-equation formulainl formuladsp mathml eqn equation_image
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_DISPLAY_CLASS = re.compile(r"display|block|formuladsp|latexcenter", re.I)
_ADDRESSES = ("src", "data-src", "data-lazy-src", "data-original", "data-orig-src")
_DELIMITED = (("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("{\\displaystyle", "}"), ("\\begin{", "}"))
_BLOCKS = frozenset(("p", "div", "center", "dd", "blockquote", "figure"))


def image_formula(image: Element, attributes: dict[str, str], found: FoundFormulas) -> str | None:
    """The formula that an image shows; None for any other image."""
    alt = attributes.get("alt", "").strip()
    classes = attributes.get("class", "")
    if "data-mathml" in attributes:
        formula = add_escaped_math(attributes["data-mathml"], found, "image_mathml")
        if formula:
            return formula
    latex = _latex_in_address(attributes)
    if latex is not None:
        use_alt = not latex.strip() or (
            TEX_SIGN.search(alt) is not None and len(alt) >= len(latex) and not is_prose(alt)
        )
        source = html.unescape(alt) if use_alt else latex
        is_inline = _CODECOGS_PREFIX in source[:12]
        is_display = not is_inline and (_is_display(classes) or _stands_alone(image))
        return found.add(_PREFIX.sub("", source), is_display, "image_source")
    if not alt or alt.startswith("MathType@"):
        return None
    if attributes.get("eeimg"):
        return found.add(alt, attributes["eeimg"] == "2" or alt.endswith("\\\\"), "image_alt")
    if not _shows_tex(alt, classes):
        return None
    alt = html.unescape(alt)
    is_display = alt.startswith(("$$", "\\[", "\\begin{")) or _is_display(classes)
    return found.add(alt, is_display or _stands_alone(image), "image_alt")


def _latex_in_address(attributes: dict[str, str]) -> str | None:
    for name in _ADDRESSES:
        address = attributes.get(name, "")
        if "?" not in address and "codecogs" not in address:
            continue
        lower = address.lower()
        if lower.startswith("data:") or not any(part in lower for part in _SOURCE_PARTS):
            continue
        if match := _SOURCE.search(html.unescape(address)):
            query = _OTHER_PARAMETERS.split(match[1], maxsplit=1)[0]
            # A raw backslash or space shows that the query was never encoded: then "+" is a plus.
            latex = unquote(query) if "\\" in query or " " in query else unquote_plus(query)
            return latex.replace("&space;", " ").replace("\\space ", " ").replace("&plus;", "+")
    return None


def _shows_tex(alt: str, classes: str) -> bool:
    """Does the alternative text hold LaTeX: between delimiters, or on an image with a formula's class?"""
    if len(alt) > 2 and any(
        alt.startswith(opening) and alt.endswith(closing) and len(alt) > len(opening) + len(closing)
        for opening, closing in _DELIMITED
    ):
        return alt[0] != "$" or TEX_SIGN.search(alt) is not None or is_short_expression(alt.strip("$ "))
    if not classes or _TEX_CLASSES.isdisjoint(classes.lower().split()):
        return False
    return TEX_SIGN.search(alt) is not None or is_short_expression(alt) or (not is_prose(alt) and "=" in alt)


def _is_display(classes: str) -> bool:
    return bool(classes) and _DISPLAY_CLASS.search(classes) is not None


def _stands_alone(image: Element) -> bool:
    """Is the image all that its paragraph holds?"""
    parent = image.parent()
    if parent is None or parent.tag not in _BLOCKS:
        return False
    for sibling in image.following():
        if sibling.strip() if isinstance(sibling, str) else sibling.tag != "br":
            return False
    # It is the last child; the text of the parent is looked at once for each paragraph.
    return sum(child.tag != "br" for child in parent.children()) == 1 and not parent.text().strip()
