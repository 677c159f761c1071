"""A parsed page as a list of text blocks: paragraphs, headings, list items, table rows, code.

One walk over the tree replaces formulas by placeholders (formulas.py), leaves out what is never text (scripts, forms,
hidden elements) and notes for each block what density.py needs to tell content from boilerplate: length, share of
links, and what the tags, classes and ids above it say. It decides nothing about content itself.
"""

import re
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborNode

from .formulas import BACKSLASH, DOLLAR, FORMULA_CLASS, FORMULA_TAGS, FoundFormulas, element_formula, text_formulas

_NEVER_TEXT = frozenset(
    "style noscript template iframe svg canvas object embed audio video select textarea input option datalist map "
    "head title meta link button dialog progress meter applet frame frameset noframes".split()
)
_BLOCK_TAGS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hgroup hr html legend li main nav ol p pre section summary table tbody tfoot thead tr ul caption "
    "menu search".split()
)
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u3000]+")
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_MAX_DEPTH = 200
_NO_SUPERSCRIPT = frozenset(("th", "st", "nd", "rd", "er", "e", "ème", "TM", "SM", "®", "™", "a", "o"))

NAVIGATION, BAD_HINT, GOOD_HINT, ARTICLE, HEADER, COMMENTS, FORM = 1, 2, 4, 8, 16, 32, 64
"""Bits of `Block.hints`: what the elements around a block say about it."""

_NAVIGATION_TAGS = frozenset(("nav", "footer", "aside", "menu", "search"))
_NAVIGATION_ROLES = frozenset(
    "navigation contentinfo complementary search dialog menu menubar toolbar alert alertdialog tablist banner".split()
)
_BAD_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav\w*|menu\w*|footer\w*|foot|side-?bar\w*|aside|bread-?crumbs?\w*|cookies?\w*|gdpr|consent\w*|"
    r"shar(?:e|ing)\w*|social\w*|related\w*|recommend\w*|promo\w*|advert\w*|ads?|banner\w*|sponsor\w*|newsletter\w*|"
    r"subscri\w*|pop-?up\w*|modal\w*|log-?in\w*|sign-?(?:in|up)\w*|tool-?bar\w*|pag(?:er|ination)\w*|paging|widget\w*|"
    r"skip\w*|toc|table-of-contents|tags?|tag-?cloud|rating\w*|copyright|disclaimer|byline|meta|post-?meta|"
    r"entry-?meta|author-?(?:box|bio|info)|printfriendly|jump|edit-?section|mw-editsection|noprint|catlinks|navbox\w*|"
    r"reflist|dropdown\w*|overlay|hidden|sr-only|visually-?hidden|screen-reader\w*|prev\w*|next\w*|more-?\w*|trending|"
    r"popular\w*|latest|outbrain|taboola|userinfo|user-?info|avatar\w*|signature\w*|quick-?\w*|utility|top-?bar|"
    r"site-?(?:header|title|info)|masthead|logo|search\w*|button\w*|btn\w*)(?=$|[\s_-])",
    re.I,
)
_GOOD_NAMES = re.compile(
    r"(?:^|[\s_-])(?:article\w*|content|main-?content|entry-?content|post-?(?:content|body|text)|body-?content|story\w*|"
    r"text|main|entry|post|blog-?post|mw-parser-output|markdown\w*|prose|page-?content|article-?body|question|answer\w*|"
    r"message\w*|description|summary|rst-content|document|theorem|proof|definition|lemma)(?=$|[\s_-])",
    re.I,
)
_COMMENT_NAMES = re.compile(r"(?:^|[\s_-])(?:comments?\w*|disqus\w*|respond|replies|reviews?)(?=$|[\s_-])", re.I)


@dataclass(slots=True)
class Block:
    """A run of text that a browser shows as one block."""

    text: str
    tag: str
    """The innermost block element: p, h1 ... h6, li, tr, pre, div, ..."""
    num_chars: int
    link_chars: int
    num_links: int
    hints: int
    depth: int
    container: int
    """Number of the element that holds this block and its neighbours."""
    num_formulas: int = 0
    is_code: bool = False


class PageWalker:
    """Collects the blocks of one page; `walk` the body, then read `blocks`."""

    def __init__(self, found: FoundFormulas) -> None:
        self.found = found
        self.blocks: list[Block] = []
        self._pieces: list[str] = []
        self._link_chars = self._num_links = 0
        self._tag, self._hints, self._depth, self._container = "body", 0, 0, 0
        self._has_code = False
        self._num_containers = 0

    def walk(self, body: LexborNode) -> list[Block]:
        self._children(body, "body", 0, 0, False, False, 0)
        self._flush()
        return self.blocks

    def _children(
        self, node: LexborNode, block_tag: str, hints: int, depth: int, in_link: bool, in_code: bool, container: int
    ) -> None:
        child = node.first_child
        while child is not None:
            if child.is_text_node:
                self._text(child, block_tag, hints, depth, in_link, in_code, container)
            elif child.is_element_node:
                self._element(child, block_tag, hints, depth, in_link, in_code, container)
            child = child.next

    def _element(
        self, node: LexborNode, block_tag: str, hints: int, depth: int, in_link: bool, in_code: bool, container: int
    ) -> None:
        tag = node.tag or ""
        if tag in _NEVER_TEXT:
            return
        attributes: dict[str, Any] = node.attributes
        classes = attributes.get("class") or ""
        if tag in FORMULA_TAGS or (classes and FORMULA_CLASS.search(classes)) or "data-latex" in attributes:
            formula = element_formula(node, tag, attributes, self.found)
            if formula is not None:
                self._place(block_tag, hints, depth, container)
                self._pieces.append(formula)
                return
        if tag == "br":
            self._pieces.append("\n")
            return
        if tag == "img" or _is_hidden(attributes):
            return
        if depth > _MAX_DEPTH:
            self._pieces.append(_SPACES.sub(" ", node.text(deep=True) or ""))
            return
        if tag in ("sup", "sub"):
            self._script(node, tag, block_tag, hints, depth, in_link, in_code, container)
            return
        if tag in ("td", "th"):
            self._pieces.append("\t")
        is_block = tag in _BLOCK_TAGS
        if is_block:
            self._flush()
            self._num_containers += 1
            hints = _hints(tag, classes, attributes, hints)
            inner, inside = (tag if tag not in ("span", "tbody") else block_tag), self._num_containers
            if block_tag == "li" and tag in ("p", "div"):
                inner = "li"
            if tag in ("p", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "pre", "blockquote"):
                inside = container
            self._children(node, inner, hints, depth + 1, in_link, in_code or tag == "pre", inside)
            self._flush()
            return
        is_link = tag == "a" and "href" in attributes
        self._num_links += is_link
        self._children(
            node, block_tag, hints, depth + 1, in_link or is_link,
            in_code or tag in ("code", "kbd", "samp", "tt"), container,
        )  # fmt: skip

    def _script(self, node: LexborNode, tag: str, block_tag: str, hints: int, depth: int, *rest: Any) -> None:
        """`x<sup>2</sup>` as x^2; footnote marks and ordinals stay text."""
        text = (node.text(deep=True) or "").strip()
        before = self._pieces[-1][-1:] if self._pieces and self._pieces[-1] else ""
        is_script = (
            0 < len(text) <= 12 and text not in _NO_SUPERSCRIPT and (before.isalnum() or before in ")]")
            and before != "" and node.css_first("a") is None
        )  # fmt: skip
        if is_script:
            mark = "^" if tag == "sup" else "_"
            self._pieces.append(f"{mark}{text}" if len(text) == 1 else f"{mark}{{{text}}}")
        else:
            self._children(node, block_tag, hints, depth + 1, *rest)

    def _text(
        self, node: LexborNode, block_tag: str, hints: int, depth: int, in_link: bool, in_code: bool, container: int
    ) -> None:
        text = node.text_content or ""
        if block_tag != "pre":
            text = _SPACES.sub(" ", text)
            if text == " " and not self._pieces:
                return
        if not text:
            return
        self._place(block_tag, hints, depth, container)
        if in_link:
            self._link_chars += len(text.strip())
        if in_code:
            text = text.replace("$", DOLLAR).replace("\\", BACKSLASH)
            self._has_code = True
        self._pieces.append(text)

    def _place(self, block_tag: str, hints: int, depth: int, container: int) -> None:
        """The first text of a block decides where the block stands."""
        if not any(piece.strip() for piece in self._pieces):
            self._tag, self._hints, self._depth, self._container = block_tag, hints, depth, container

    def _flush(self) -> None:
        if self._pieces:
            text = "".join(self._pieces)
            text = text.strip("\n") if self._tag == "pre" else _tidy(text)
            if text.strip():
                before = len(self.found.sources)
                text = text_formulas(text, self.found)
                num_formulas = text.count("\ue000")
                self.blocks.append(
                    Block(
                        text, self._tag, len(text), min(self._link_chars, len(text)), self._num_links, self._hints,
                        self._depth, self._container, max(num_formulas, len(self.found.sources) - before),
                        self._has_code,
                    )
                )  # fmt: skip
        self._pieces = []
        self._link_chars = self._num_links = 0
        self._has_code = False


def _tidy(text: str) -> str:
    lines = [re.sub(r" *\t[ \t]*", "\t", line).strip(" ") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _is_hidden(attributes: dict[str, Any]) -> bool:
    if "hidden" in attributes and attributes.get("hidden") != "until-found":
        return True
    style = attributes.get("style")
    return (style is not None and _HIDDEN_STYLE.search(style) is not None) or attributes.get("aria-hidden") == "true"


def _hints(tag: str, classes: str, attributes: dict[str, Any], inherited: int) -> int:
    hints = inherited
    if tag in _NAVIGATION_TAGS or attributes.get("role") in _NAVIGATION_ROLES:
        hints |= NAVIGATION
    elif tag in ("article", "main") or attributes.get("role") in ("main", "article"):
        hints |= ARTICLE
    elif tag == "header":
        hints |= HEADER
    elif tag == "form":
        hints |= FORM
    names = f"{classes} {attributes.get('id') or ''}"
    if len(names) > 1 and tag not in ("body", "html"):
        if _BAD_NAMES.search(names):
            hints |= BAD_HINT
        if _GOOD_NAMES.search(names):
            hints |= GOOD_HINT
        if _COMMENT_NAMES.search(names):
            hints |= COMMENTS
    return hints
