"""A parsed page as a list of text blocks: paragraphs, headings, list items, table rows, code.

One walk over the tree replaces formulas by placeholders (formulas.py), leaves out what is never text (scripts, forms,
hidden elements) and notes for each block what density.py needs to tell content from boilerplate: length, share of
links, and what the tags, classes and ids above it say. It decides nothing about content itself.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborNode

from .formulas import BACKSLASH, DOLLAR, FORMULA_CLASS, FORMULA_TAGS, FoundFormulas, element_formula, text_formulas

_NEVER_TEXT = frozenset(
    """
    style template iframe svg canvas object embed audio video select textarea input option datalist map head
    title meta link button dialog progress meter applet frame frameset noframes
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_BLOCK_TAGS = frozenset(
    """
    address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1
    h2 h3 h4 h5 h6 header hgroup hr html legend li main nav ol p pre section summary table tbody tfoot thead tr
    ul caption menu search noscript
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u3000]+")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]+")
"""Icon fonts; also the marks that formulas.py uses."""
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_MAX_DEPTH = 200
_NO_SUPERSCRIPT = frozenset(("th", "st", "nd", "rd", "er", "e", "ème", "TM", "SM", "®", "™", "a", "o"))

_LANDMARKS = frozenset(
    """
    nav footer aside header article main section form menu search table li ul ol dl blockquote pre figure
    figcaption details address noscript h1 h2 h3 h4 h5 h6 p tr dt dd
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
"""Tags that become path words, written `<nav>`."""
_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MIN_NOSCRIPT_CHARS = 200
NO_WORDS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Block:
    """A run of text that a browser shows as one block."""

    text: str
    tag: str
    """The innermost block element: p, h1 ... h6, li, tr, pre, div, ..."""
    num_chars: int
    link_chars: int
    num_links: int
    path: frozenset[str]
    """Tags around the block (`<nav>`), roles (`role=main`), words of classes and ids, `hidden`."""
    depth: int
    container: int
    """Number of the element that holds this block and its neighbours."""
    num_formulas: int = 0
    is_code: bool = False


class PageWalker:
    """Collects the blocks of one page; `walk` the body, then read `blocks`."""

    def __init__(self, found: FoundFormulas, vocabulary: frozenset[str] | None = None) -> None:
        """`vocabulary` holds the path words worth noting; None notes all."""
        self.found = found
        self._vocabulary = vocabulary
        self._paths: dict[tuple[frozenset[str], str], frozenset[str]] = {}
        self.blocks: list[Block] = []
        self._pieces: list[str] = []
        self._link_chars = self._num_links = 0
        self._tag, self._path, self._depth, self._container = "body", NO_WORDS, 0, 0
        self._has_code = self._placed = False
        self._num_containers = 0

    def walk(self, body: LexborNode) -> list[Block]:
        self._children(body, "body", NO_WORDS, 0, False, False, 0)
        self._flush()
        return self.blocks

    def _children(
        self,
        node: LexborNode,
        block_tag: str,
        path: frozenset[str],
        depth: int,
        in_link: bool,
        in_code: bool,
        container: int,
    ) -> None:
        child = node.first_child
        while child is not None:
            if child.is_text_node:
                self._text(child, block_tag, path, depth, in_link, in_code, container)
            elif child.is_element_node:
                self._element(child, block_tag, path, depth, in_link, in_code, container)
            child = child.next

    def _element(
        self,
        node: LexborNode,
        block_tag: str,
        path: frozenset[str],
        depth: int,
        in_link: bool,
        in_code: bool,
        container: int,
    ) -> None:
        tag = node.tag or ""
        if tag in _NEVER_TEXT:
            return
        attributes: dict[str, Any] = node.attributes
        classes = attributes.get("class") or ""
        if tag in FORMULA_TAGS or (classes and _may_be_formula(classes)) or "data-latex" in attributes:
            formula = element_formula(node, tag, attributes, self.found)
            if formula is not None:
                if formula:
                    self._place(block_tag, path, depth, container)
                    self._pieces.append(formula)
                return
        if tag == "br":
            self._pieces.append("\n")
            return
        if tag == "img":
            return
        if tag == "noscript" and len((node.text(deep=True) or "").strip()) < _MIN_NOSCRIPT_CHARS:
            return
        if depth > _MAX_DEPTH:
            self._place(block_tag, path, depth, container)
            self._pieces.append(_SPACES.sub(" ", node.text(deep=True) or ""))
            return
        if tag in ("sup", "sub"):
            self._script(node, tag, block_tag, path, depth, in_link, in_code, container)
            return
        if tag in ("td", "th"):
            self._pieces.append("\t")
        path = self._path_of(path, tag, classes, attributes)
        is_block = tag in _BLOCK_TAGS
        if is_block:
            self._flush()
            self._num_containers += 1
            inner, inside = (tag if tag not in ("span", "tbody") else block_tag), self._num_containers
            if block_tag == "li" and tag in ("p", "div"):
                inner = "li"
            if tag in ("p", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "pre", "blockquote"):
                inside = container
            self._children(node, inner, path, depth + 1, in_link, in_code or tag == "pre", inside)
            self._flush()
            return
        is_link = tag == "a" and "href" in attributes
        self._num_links += is_link
        self._children(
            node, block_tag, path, depth + 1, in_link or is_link,
            in_code or tag in ("code", "kbd", "samp", "tt"), container,
        )  # fmt: skip

    def _path_of(self, path: frozenset[str], tag: str, classes: str, attributes: dict[str, Any]) -> frozenset[str]:
        """The path words inside an element."""
        if not attributes and tag not in _LANDMARKS:
            return path
        role = attributes.get("role") or ""
        signature = f"{classes} {attributes.get('id') or ''}"
        is_hidden = _is_hidden(attributes)
        key = (path, f"{tag}|{role}|{is_hidden}|{signature}")
        known = self._paths.get(key)
        if known is None:
            words = set(_name_words(signature))
            words |= {f"<{tag}>"} if tag in _LANDMARKS else set()
            words |= {f"role={role}"} if role else set()
            words |= {"hidden"} if is_hidden else set()
            known = self._paths[key] = path | (words if self._vocabulary is None else words & self._vocabulary)
        return known

    def _script(self, node: LexborNode, tag: str, block_tag: str, path: frozenset[str], depth: int, *rest: Any) -> None:
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
            self._children(node, block_tag, path, depth + 1, *rest)

    def _text(
        self,
        node: LexborNode,
        block_tag: str,
        path: frozenset[str],
        depth: int,
        in_link: bool,
        in_code: bool,
        container: int,
    ) -> None:
        text = node.text_content or ""
        if block_tag == "pre":
            text = _PRIVATE_USE.sub("", text)
        else:
            text = " " if text.isspace() else _PRIVATE_USE.sub("", _SPACES.sub(" ", text))
            if text == " " and not self._pieces:
                return
        if not text:
            return
        if not text.isspace():
            self._place(block_tag, path, depth, container)
        if in_link:
            self._link_chars += len(text.strip())
        if in_code:
            text = text.replace("$", DOLLAR).replace("\\", BACKSLASH)
            self._has_code = True
        self._pieces.append(text)

    def _place(self, block_tag: str, path: frozenset[str], depth: int, container: int) -> None:
        """The first text of a block decides where the block stands."""
        if not self._placed:
            self._placed = True
            self._tag, self._path, self._depth, self._container = block_tag, path, depth, container

    def _add_block(self, text: str, num_formulas: int) -> None:
        self.blocks.append(
            Block(
                text, self._tag, len(text), min(self._link_chars, len(text)), self._num_links, self._path,
                self._depth, self._container, num_formulas, self._has_code,
            )
        )  # fmt: skip

    def _flush(self) -> None:
        if self._placed:
            text = "".join(self._pieces)
            text = text.strip("\n") if self._tag == "pre" else _tidy(text)
            if text.strip():
                before = len(self.found.sources)
                text = text_formulas(text, self.found)
                if text.strip():
                    self._add_block(text, max(text.count("\ue000"), len(self.found.sources) - before))
        self._pieces = []
        self._link_chars = self._num_links = 0
        self._has_code = self._placed = False


def _tidy(text: str) -> str:
    lines = [re.sub(r" *\t[ \t]*", "\t", line).strip(" ") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _is_hidden(attributes: dict[str, Any]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return style is not None and "none" in style and _HIDDEN_STYLE.search(style) is not None


@functools.lru_cache(maxsize=65536)
def _name_words(names: str) -> frozenset[str]:
    """Words of class and id names: "postContent main-nav" gives post, content, main, nav."""
    return frozenset(word.lower() for word in _NAME_WORD.findall(names[:300]) if 1 < len(word) < 20)


@functools.lru_cache(maxsize=65536)
def _may_be_formula(classes: str) -> bool:
    return FORMULA_CLASS.search(classes) is not None
