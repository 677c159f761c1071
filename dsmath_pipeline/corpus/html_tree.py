"""A parsed page: the node table of html_kernel.py and, for the formula rules, elements that one can read."""

import html
import re
import threading
from collections.abc import Iterator

import numpy as np

from .html_kernel import parse
from .html_nodes import BITS, END, IS_CANDIDATE_NODE, MAX_DEPTH, NAME, NUM_COLUMNS, PARENT, START, STOP, TAG
from .html_tags import RAW_TEXT, TAG_FLAGS, TAG_IDS, TAG_KEYS, TAG_NAMES, TAG_VALUES, TEXT, UNKNOWN, name_hash

_ATTRIBUTE = re.compile(r"([^\s/>=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]*)))?")
_MAX_NODES = 1 << 20
"""A page with more nodes is read up to there: memory stays bounded whatever a page holds."""
_FEWEST_ROWS = 4096


class Candidates:
    """Which elements the parser marks for a closer look: by parts of class values and names of attributes."""

    def __init__(self, class_parts: tuple[str, ...] = (), attributes: tuple[str, ...] = ()) -> None:
        self.parts = np.frombuffer("".join(class_parts).encode() + b"\0", np.uint8)
        self.part_starts = np.cumsum([0, *map(len, class_parts)]).astype(np.int64)
        self.part_firsts = np.zeros(256, np.bool_)
        for part in class_parts:
            self.part_firsts[[ord(part[0]), ord(part[0].upper())]] = True
        self.attribute_keys = np.array([name_hash(name.encode()) for name in attributes], np.uint64)


_ANY = Candidates()


class HtmlPage:
    """One parsed page. `nodes[:num_nodes]` are its nodes in document order (columns: html_nodes.py)."""

    __slots__ = ("cells", "data", "nodes", "num_nodes")

    def __init__(self, data: bytes, nodes: np.ndarray, num_nodes: int) -> None:
        self.data = data
        self.nodes = nodes
        self.num_nodes = num_nodes
        self.cells = nodes.data.cast("B").cast("i")

    def candidates(self) -> list[int]:
        """Rows of the elements that may be formulas, in document order."""
        bits = self.nodes[: self.num_nodes, BITS]
        return np.flatnonzero(bits & IS_CANDIDATE_NODE).tolist()

    def first(self, tag: str) -> "Element | None":
        """The first element of a (known) tag."""
        rows = np.flatnonzero(self.nodes[: self.num_nodes, TAG] == TAG_IDS[tag])
        return Element(self, int(rows[0])) if len(rows) else None

    def elements(self, tag: str) -> list["Element"]:
        """All elements of a (known) tag."""
        rows = np.flatnonzero(self.nodes[: self.num_nodes, TAG] == TAG_IDS[tag])
        return [Element(self, row) for row in rows.tolist()]


_local = threading.local()


def parse_html(data: bytes, candidates: Candidates = _ANY) -> HtmlPage:
    """Parse UTF-8 bytes. The node table is reused: the page is valid until this thread parses the next one."""
    nodes = getattr(_local, "nodes", None)
    if nodes is None or len(nodes) < len(data) // 8:
        nodes = _local.nodes = _new_table(max(len(data) // 8, _FEWEST_ROWS))
    num_nodes = _parse(data, nodes, candidates)
    if num_nodes < 0 and len(nodes) < _MAX_NODES:
        nodes = _local.nodes = _new_table(data.count(b"<") * 2 + _FEWEST_ROWS)
        num_nodes = _parse(data, nodes, candidates)
    return HtmlPage(data, nodes, abs(num_nodes))


def _new_table(rows: int) -> np.ndarray:
    return np.empty((min(rows, _MAX_NODES), NUM_COLUMNS), np.int32)


def _parse(data: bytes, nodes: np.ndarray, candidates: Candidates) -> int:
    stack = np.empty((MAX_DEPTH + 2, 3), np.int64)
    return parse(
        np.frombuffer(data, np.uint8), nodes, TAG_FLAGS, TAG_KEYS, TAG_VALUES, candidates.parts,
        candidates.part_starts, candidates.part_firsts, candidates.attribute_keys, stack,
    )  # fmt: skip


def parse_fragment(text: str) -> "Element":
    """An HTML text that stood inside an attribute or a script, as an element without tag around its content."""
    data = text.encode("utf-8", "replace")
    nodes = _new_table(data.count(b"<") * 2 + 8)
    return Element(HtmlPage(data, nodes, abs(_parse(data, nodes, _ANY))), -1)


class Element:
    """One element of a parsed page. Cheap to make; two objects may stand for the same element."""

    __slots__ = ("_page", "row")

    def __init__(self, page: HtmlPage, row: int) -> None:
        self._page = page
        self.row = row
        """Place in the page's node table; -1 for the whole of a fragment."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and self.row == other.row and self._page is other._page

    def __hash__(self) -> int:
        return self.row

    @property
    def tag(self) -> str:
        """Lower-case name, with its prefix if it has one ("m:math")."""
        if self.row < 0:
            return ""
        page, at = self._page, self.row * NUM_COLUMNS
        number = page.cells[at]
        if number < UNKNOWN:
            return TAG_NAMES[number]
        return page.data[page.cells[at + NAME] : page.cells[at + START]].decode("utf-8", "replace").lower()

    @property
    def attributes(self) -> dict[str, str]:
        """Lower-case names to decoded values; "" for an attribute without a value. The first of a name counts."""
        if self.row < 0:
            return {}
        page, at = self._page, self.row * NUM_COLUMNS
        start, stop = page.cells[at + START], page.cells[at + STOP]
        text = page.data[start:stop].decode("utf-8", "replace")
        found: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(text):
            found.setdefault(name.lower(), double or single or bare)
        if "&" in text:
            return {name: html.unescape(value) for name, value in found.items()}
        return found

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def end(self) -> int:
        """Row behind the last node below."""
        return self._page.num_nodes if self.row < 0 else self._page.cells[self.row * NUM_COLUMNS + END]

    def text(self) -> str:
        """All text below, character references decoded, white space as it stands."""
        page = self._page
        cells = page.cells
        parts = [self._text_of(row) for row in range(self.row + 1, self.end) if cells[row * NUM_COLUMNS] == TEXT]
        return parts[0] if len(parts) == 1 else "".join(parts)

    def _text_of(self, row: int) -> str:
        page, at = self._page, row * NUM_COLUMNS
        start, stop, parent = (
            page.cells[at + START],
            page.cells[at + STOP],
            page.cells[at + PARENT],
        )
        text = page.data[start:stop].decode("utf-8", "replace")
        if "&" in text and not (parent >= 0 and TAG_FLAGS[page.cells[parent * NUM_COLUMNS]] & RAW_TEXT):
            return html.unescape(text)
        return text

    def children(self) -> list["Element"]:
        """The element children."""
        found = []
        cells, row, end = self._page.cells, self.row + 1, self.end
        while row < end:
            if cells[row * NUM_COLUMNS] != TEXT:
                found.append(Element(self._page, row))
            row = cells[row * NUM_COLUMNS + END]
        return found

    def descendants(self, tag: str = "") -> Iterator["Element"]:
        """All elements below in document order; those named `tag` where it is given."""
        cells = self._page.cells
        wanted = TAG_IDS.get(tag, UNKNOWN)
        for row in range(self.row + 1, self.end):
            number = cells[row * NUM_COLUMNS]
            if number != TEXT and (not tag or number == wanted):
                element = Element(self._page, row)
                if number != UNKNOWN or not tag or element.tag == tag:
                    yield element

    def first(self, tag: str = "", class_name: str = "", attribute: str = "") -> "Element | None":
        """The first element below that has the tag, the class and the attribute (as far as given)."""
        for element in self.descendants(tag):
            if (not class_name or class_name in element.classes) and (not attribute or attribute in element.attributes):
                return element
        return None

    def parent(self) -> "Element | None":
        """The element around this one; None at the top."""
        row = -1 if self.row < 0 else self._page.cells[self.row * NUM_COLUMNS + PARENT]
        return Element(self._page, row) if row >= 0 else None

    def following(self) -> Iterator["Element | str"]:
        """The next siblings in order: elements, and texts as decoded strings."""
        if self.row < 0:
            return
        cells = self._page.cells
        parent = cells[self.row * NUM_COLUMNS + PARENT]
        stop = cells[parent * NUM_COLUMNS + END] if parent >= 0 else self._page.num_nodes
        row = self.end
        while row < stop:
            yield self._text_of(row) if cells[row * NUM_COLUMNS] == TEXT else Element(self._page, row)
            row = cells[row * NUM_COLUMNS + END]
