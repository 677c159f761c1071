"""Elements whose tag, class or attribute says that they hold TeX, and Wikipedia's formulas.

Among them: `.math-container` (StackExchange), `.arithmatex` (MkDocs), `span.math` (Pandoc, Sphinx, Discourse, jsMath),
`.tex[data-expr]` (Khan Academy), `.ztext-math[data-tex]` (Zhihu), `math-renderer` (GitHub), `code.math` (GitLab),
`d-math` (Distill), `formula`.

Not in the paper: section 2.1 does not name an extractor.
"""

import re

from .formula_list import FoundFormulas
from .formula_mathml import add_escaped_math, add_math
from .html_tree import Element
from .tex_plausibility import TEX_SIGN, is_prose, is_short_expression

SOURCE_TAGS = frozenset(("d-math", "tex", "latex", "formula", "math-renderer", "tex-math", "math-inline", "math-block"))
TEX_ATTRIBUTES = (
    "data-latex", "data-tex", "data-katex", "data-formula", "data-math", "data-expr", "data-equation", "data-mathml",
    "data-tex-source", "data-latex-source",
)  # fmt: skip
_TEX_ATTRIBUTE_SET = frozenset(TEX_ATTRIBUTES)
_SURE_ATTRIBUTES = frozenset(("data-latex", "data-tex", "data-katex", "data-tex-source", "data-latex-source"))
_MATH_CLASSES = frozenset(
    """
    math math-container arithmatex tex latex math-inline math-display inline-math display-math mathjax_process
    formula equation math-tex mathinline mathdisplay katex-math wp-katex-eq language-math js-render-math kdmath
    katex-inline katex-block math-formula inline-formula mathjaxequ texerror math-node math-equation tex-math
    language-latex-math js-inline-math js-display-math mathjax-inline mathjax-block mathjax-display
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_AMBIGUOUS_CLASSES = frozenset(("formula", "equation", "latex", "tex"))
_UNDELIMITED_CLASSES = _MATH_CLASSES - {"formula", "equation", "mathjax_process"}
_MATH_ELEMENTS = frozenset(("span", "div", "p", "code", "td", "eqn", "eq", "math-renderer", "li", "pre", "section"))
_DELIMITED = (
    ("$$", "$$", True),
    ("\\[", "\\]", True),
    ("\\(", "\\)", False),
    ("$", "$", False),
    ("\\begin{", "}", True),
)
_INNER_TAGS = frozenset(("br", "wbr", "em", "i", "b", "strong", "a", "code", "span"))
_COMMAND = re.compile(r"\\[A-Za-z]+")
_OTHER_DELIMITER = re.compile(r"\\[(\[]|\$")
_MAX_CHARS = 6000


def wikipedia_formula(element: Element, found: FoundFormulas) -> str | None:
    """`.mwe-math-element`: MathML with an annotation, hidden beside an image of the same formula."""
    math = element.first("math")
    is_display = any("-display" in name for child in [element, *element.children()] for name in child.classes)
    if math is not None:
        return add_math(math, found, "wikipedia", is_display)
    image = element.first("img")
    return found.add(image.attributes.get("alt", ""), is_display, "wikipedia_image") if image is not None else None


def marked_formula(
    element: Element, attributes: dict[str, str], classes: list[str], found: FoundFormulas
) -> str | None:
    """The formula of an element that says it holds TeX; None when it does not after all."""
    display_names = " ".join(classes).lower()
    is_display = "display" in display_names or "block" in display_names or _is_display(attributes)
    for name, source in attributes.items():
        if name not in _TEX_ATTRIBUTE_SET or not source:
            continue
        if name == "data-mathml":
            if formula := add_escaped_math(source, found, "attribute_mathml", is_display):
                return formula
        elif (
            TEX_SIGN.search(source)
            or (name in _SURE_ATTRIBUTES and not is_prose(source))
            or (len(source) > 1 and is_short_expression(source))
        ):
            return found.add(source, is_display, "attribute")
    if element.tag in SOURCE_TAGS:
        return _source_element(element, is_display, found)
    names = {name.lower() for name in classes} & _MATH_CLASSES
    found.has_marks = found.has_marks or bool(names - _AMBIGUOUS_CLASSES)
    if not names or element.tag not in _MATH_ELEMENTS or any(c.tag not in _INNER_TAGS for c in element.children()):
        return None
    text = element.text().strip()
    if len(text) > _MAX_CHARS:
        return None
    return _delimited(text, found) or _undelimited(element, text, names, is_display, found)


def _source_element(element: Element, is_display: bool, found: FoundFormulas) -> str | None:
    """An element of a name made for TeX: its text is the source, unless it holds something rendered or prose."""
    text = element.text().strip()
    if not text:
        return ""
    if any(child.tag not in _INNER_TAGS for child in element.children()) or len(text) > _MAX_CHARS:
        return None
    if (
        TEX_SIGN.search(text)
        or is_short_expression(text.strip("$ "))
        or (element.tag == "d-math" and not is_prose(text))
    ):
        return found.add(text, is_display or element.tag == "math-block", "element")
    return None


def _is_display(attributes: dict[str, str]) -> bool:
    return (
        "block" in attributes
        or attributes.get("display") in ("true", "block")
        or attributes.get("data-math-style") == "display"
        or attributes.get("data-eeimg") == "2"
        or attributes.get("data-display") in ("true", "block", "1")
    )


def _delimited(text: str, found: FoundFormulas) -> str | None:
    """The formula when the text is one formula between delimiters, and not two with words between them."""
    for opening, closing, is_display in _DELIMITED:
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
            inner = text[len(opening) : -len(closing)]
            if opening != "\\begin{" and (opening in inner or closing in inner or ("$" in opening and "$" in inner)):
                return None
            if opening == "\\begin{" and _OTHER_DELIMITER.search(text.replace("\\\\[", "")):
                return None
            return found.add(text, is_display, "marked_element")
    return None


def _undelimited(element: Element, text: str, names: set[str], is_display: bool, found: FoundFormulas) -> str | None:
    """TeX without delimiters, as jsMath, Discourse and some Markdown renderers write it."""
    if element.children() or not text or _OTHER_DELIMITER.search(text) or is_prose(text):
        return None
    is_block = is_display or element.tag in ("div", "p", "pre", "section")
    if _COMMAND.search(text) and not (names & {"formula", "equation"} and is_block and " " in text and len(text) > 400):
        return found.add(text, is_block, "marked_element")
    if names & _UNDELIMITED_CLASSES and (TEX_SIGN.search(text) or is_short_expression(text)):
        return found.add(text, is_block, "marked_element")
    return None
