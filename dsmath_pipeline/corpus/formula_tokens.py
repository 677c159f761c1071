"""Nodes of a formula's tree, and the LaTeX of those that hold characters: identifiers, operators, numbers, text.

Paper: not stated; section 2.1 only says that the text comes from Common Crawl HTML.
"""

import re
from dataclasses import dataclass, field

from .tex_symbols import FUNCTIONS, TEXT_VARIANTS, VARIANTS, escaped_text, latex_symbols, styled

_SPACES = re.compile(r"[ \t\r\n]+")
_BARS = {"∣": "|", "∥": r"\|"}
"""KaTeX writes a bar that is no relation as an identifier."""


@dataclass(slots=True)
class MathNode:
    """An element of a formula: tag without prefix, attributes, children, and the text of a leaf."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["MathNode"] = field(default_factory=list)
    text: str = ""


def token_text(node: MathNode) -> str:
    if node.children:
        return "".join(map(token_text, node.children))
    text = node.text
    return _SPACES.sub(" ", text).strip() if len(text) != 1 else text.strip()


def identifier(node: MathNode) -> str:
    text = token_text(node)
    variant = node.attributes.get("mathvariant") or ""
    if len(text) == 1:
        if variant == "normal" and not (text.isascii() and text.isalpha()):
            return _BARS.get(text) or latex_symbols(text)
        return _BARS.get(text) or styled(VARIANTS.get(variant, ""), latex_symbols(text))
    return _named(text) if variant in ("", "normal") else styled(VARIANTS.get(variant, ""), latex_symbols(text))


def operator(node: MathNode) -> str:
    text = token_text(node)
    return latex_symbols(text) if len(text) == 1 else _named(text)


def _named(text: str) -> str:
    """A name of more than one letter: `\\sin`, `\\operatorname{name}`; anything else symbol by symbol."""
    text = text.replace("\u2061", "")
    if text in FUNCTIONS:
        return f"\\{text} "
    if text == "mod":
        return r"\bmod "
    if len(text) > 1 and text.isascii() and text.replace(" ", "").isalpha():
        return f"\\operatorname{{{text.replace(' ', chr(92) + ',')}}}"
    return latex_symbols(text)


def number(node: MathNode) -> str:
    variant = node.attributes.get("mathvariant") or "normal"
    latex = latex_symbols(token_text(node))
    return latex if variant == "normal" else styled(VARIANTS.get(variant, ""), latex)


def math_text(node: MathNode) -> str:
    text = _SPACES.sub(" ", node.text.replace("\xa0", " ").replace("\u200b", ""))
    if not text.strip():
        return " " if text else ""
    if len(text.strip()) == 1 and not text.strip().isalnum():
        return latex_symbols(text.strip())
    return f"\\{TEXT_VARIANTS.get(node.attributes.get('mathvariant') or '', 'text')}{{{escaped_text(text)}}}"
