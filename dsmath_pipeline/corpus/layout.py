"""A parsed page as a list of text blocks: paragraphs, headings, list items, table rows, code.

One walk over the tree puts placeholders for formulas, leaves out what is never text (scripts, forms' fields, drawings)
and notes for each block what density.py needs to tell content from boilerplate: length, share of links, depth, and
the words of tags, classes and ids around it. It decides nothing about content itself. The walk is compiled
(layout_kernel.py); this file holds its tables and the readable view of its result.

White space is collapsed as a browser does, except in pre; cells of a table row stand apart by tabs, `<br>` is a line
end, sup and sub after a letter, a digit or a closing bracket become ^ and _, unless they look like a footnote mark or
an ordinal. In code "$" and "\\" are replaced by marks, so that no TeX is looked for there.
"""

import threading
from dataclasses import dataclass

import numpy as np

from . import layout_kernel as kernel
from .html_tags import (
    LISTED,
    REFERENCE_KEYS,
    REFERENCE_POINTS,
    REFERENCE_ROWS,
    TAG_FLAGS,
    TAG_NAMES,
    UNKNOWN,
    hash_table,
)
from .html_tree import HtmlPage
from .text_kernel import ALNUM, LETTER, LOWER, UPPER, WalkTables

_NEVER_MATHEMATICS = ("th", "st", "nd", "rd", "er", "e", "ème", "TM", "SM", "®", "™", "a", "o")
"""Ordinals and marks that pages raise."""


def _character_table() -> np.ndarray:
    table = np.zeros(65536, np.uint8)
    for number in range(65536):
        character = chr(number)
        table[number] = (
            ALNUM * character.isalnum()
            | LOWER * character.islower()
            | UPPER * character.isupper()
            | LETTER * character.isalpha()
        )
    return table


CHARACTERS = _character_table()


def walk_tables(word_weights: dict[str, float]) -> WalkTables:
    """Tables of the walk for path words and their weights.

    A path word is `<nav>` for a tag, `role=main` for a role, `hidden`, or a lower-case word of a class or id name.
    """
    words = sorted(word_weights)
    rows = {word: row for row, word in enumerate(words)}
    keys, values = hash_table({word.encode(): row for word, row in rows.items()})
    tag_words = np.full(UNKNOWN + 1, -1, np.int64)
    for number, name in enumerate(TAG_NAMES):
        if TAG_FLAGS[number] & LISTED:
            tag_words[number] = rows.get(f"<{name}>", -1)
    plain = [text.encode() for text in _NEVER_MATHEMATICS]
    return WalkTables(
        TAG_FLAGS, REFERENCE_KEYS, REFERENCE_ROWS, REFERENCE_POINTS, CHARACTERS, keys, values,
        np.array([word_weights[word] for word in words] or [0.0], np.float64), tag_words, rows.get("hidden", -1),
        np.frombuffer(b"".join(plain), np.uint8), np.cumsum([0, *map(len, plain)]).astype(np.int64),
    )  # fmt: skip


@dataclass(slots=True)
class Blocks:
    """The blocks of a page, in order. Block i is the UTF-8 text[rows[i, B_START] : rows[i, B_STOP]]."""

    text: np.ndarray
    """uint8; formulas are placeholders (formulas.py)"""
    rows: np.ndarray
    """int32, blocks x NUM_BLOCK_COLUMNS, see layout_kernel.py"""
    weights: np.ndarray
    """float64: summed weight of the path words around each block"""

    def __len__(self) -> int:
        return len(self.rows)

    def text_of(self, i: int) -> str:
        return self.text[self.rows[i, kernel.B_START] : self.rows[i, kernel.B_STOP]].tobytes().decode("utf-8")

    def tag_of(self, i: int) -> str:
        """The innermost block element: p, h1 ... h6, li, tr, pre, div, ..."""
        return TAG_NAMES[self.rows[i, kernel.B_TAG]]


_local = threading.local()


def walk_page(page: HtmlPage, claims: np.ndarray, tables: WalkTables) -> Blocks:
    """The blocks of a page. `claims` (int32, one for each node) say which elements are formulas (layout_kernel.DROP).

    The arrays are reused: the result is valid until this thread walks the next page.
    """
    size, rows = 2 * len(page.data) + 4096, page.num_nodes + 64
    out, blocks, weights = getattr(_local, "space", (None, None, None))
    data = np.frombuffer(page.data, np.uint8)
    while True:
        if out is None or blocks is None or weights is None or len(out) < size or len(blocks) < rows:
            out, blocks = np.empty(size, np.uint8), np.empty((rows, kernel.NUM_BLOCK_COLUMNS), np.int32)
            weights = np.empty(rows, np.float64)
            _local.space = (out, blocks, weights)
        found = kernel.walk(data, page.nodes, page.num_nodes, claims, tables, out, blocks, weights)
        if found >= 0:
            return Blocks(out, blocks[:found], weights[:found])
        size *= 2
