"""One HTML page to one document: decode, parse, formulas to text, boilerplate out, structure, title, language.

It reads nothing but the page. Text is Markdown-like: headings with `#`, list items with `-`, table cells apart by
tabs, blocks by an empty line, formulas as `$...$` and `$$...$$`. Parser, walk and scores are compiled kernels over
the page's bytes; Python sees only the elements that may be formulas and the blocks that are kept.

Paper: section 2.1 says only that the corpus is text of Common Crawl pages; the extractor is not named.
"""

import html
import re
from dataclasses import dataclass

import numpy as np

from ..recipe.schema import ExtractSettings, OptOutSettings
from ..records import Document, Page
from .density import WALK_TABLES, content_blocks
from .encoding import decode_to_utf8
from .formulas import (
    FORMULA_CLASS_PARTS,
    TEX_ATTRIBUTES,
    FoundFormulas,
    element_formula,
    has_custom_signs,
    render,
    text_formulas,
)
from .html_tags import TAG_IDS
from .html_tree import Candidates, Element, HtmlPage, parse_html
from .language import detect_language
from .layout import Blocks, walk_page
from .layout_kernel import B_BITS, B_CHARS, B_FORMULAS, B_START, B_STOP, B_TAG, DROP
from .optout_signals import Signal, header_signal, html_signal
from .text_kernel import HOLDS_TEX_SIGN

EXTRACT_VERSION = "5"
"""Version of extraction as a whole (this file, html, formulas, mathml, layout, density, encoding, language).

1 (2026-11): first version. 2 (2026-11): compiled parser and walk; more forms of formulas. 3 (2026-11): pages that opt
out are dropped. 5 (2026-11): a page that begins with a very long attribute keeps its text whatever came before it.
Part of the key of every documents artifact.
"""

_CANDIDATES = Candidates(FORMULA_CLASS_PARTS, TEX_ATTRIBUTES)
_MARKS = {TAG_IDS[f"h{level}"]: b"#" * level + b" " for level in range(1, 7)} | {TAG_IDS["li"]: b"- "}
_CLOSE_TOGETHER = frozenset(TAG_IDS[name] for name in ("li", "tr", "dt", "dd"))
_SPACES = re.compile(r"\s+")
_MAX_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Dropped:
    """A page without a document. `reason`: `empty_page`, `too_large`, `no_text`, or `opt-out: ` and the signal."""

    url: str
    reason: str
    source: str = ""
    offset: int = 0
    tdm_policy: str = ""
    """Where the owner of a page that opts out says on which terms it may be used."""


def extract(page: Page, settings: ExtractSettings, opt_out: OptOutSettings | None = None) -> Document | Dropped:
    """The document in an HTML page, or why there is none. Never raises for bad HTML.

    `opt_out` says which of the page's own wishes are respected; None reads none of them.
    Not in the paper: the extractor; see density.py for the rule that separates content from boilerplate.
    """
    if len(page.html) > settings.max_html_bytes:
        return Dropped(page.url, "too_large", page.source, page.offset)
    asks = opt_out if opt_out is not None and opt_out.respect_page_signals else None
    if asks and (signal := header_signal(page.headers, asks)):
        return _opted_out(page, signal)
    data = decode_to_utf8(page.html, page.content_type)
    if not data.strip():
        return Dropped(page.url, "empty_page", page.source, page.offset)
    tree = parse_html(data, _CANDIDATES)
    if asks and (signal := html_signal(tree, page.headers, asks)):
        return _opted_out(page, signal)
    found = FoundFormulas(data)
    blocks = with_text_formulas(walk_page(tree, element_claims(tree, found), WALK_TABLES), found)
    kept = content_blocks(blocks) if settings.main_content else list(range(len(blocks)))
    body, formulas, rules = render(join_blocks(blocks, kept), found, settings.max_text_chars)
    if not body.strip():
        return Dropped(page.url, "no_text", page.source, page.offset)
    return Document(
        url=page.url, text=body, title=page_title(tree), language=detect_language(body), formulas=formulas,
        rules=rules, source=page.source, offset=page.offset, date=page.date,
    )  # fmt: skip


def _opted_out(page: Page, signal: Signal) -> Dropped:
    return Dropped(page.url, signal.reason, page.source, page.offset, signal.policy)


def warm_up() -> None:
    """Load the compiled kernels; where they were never compiled, compile and keep them (about a minute)."""
    extract(Page("", b"<p class=x>A sentence, to begin with.<p>x<sup>2</sup> &amp; $x$", ""), ExtractSettings())


def element_claims(tree: HtmlPage, found: FoundFormulas) -> np.ndarray:
    """Which elements are formulas (int32, one for each node): see layout_kernel.DROP."""
    claims = np.zeros(tree.num_nodes, np.int32)
    inside = 0
    for row in tree.candidates():
        if row < inside:
            continue
        element = Element(tree, row)
        formula = element_formula(element, found)
        if formula is not None:
            claims[row] = int(formula[1:-1]) + 1 if formula else DROP
            inside = element.end
    return claims


def with_text_formulas(blocks: Blocks, found: FoundFormulas) -> Blocks:
    """The blocks with TeX in their text replaced by placeholders; blocks of nothing but dropped TeX go."""
    rows = blocks.rows
    signs = rows[:, B_BITS] & HOLDS_TEX_SIGN
    if not signs.any():
        return blocks
    everywhere = has_custom_signs(found)
    added: list[bytes] = []
    end = size = len(blocks.text)
    for i in range(len(rows)) if everywhere else np.flatnonzero(signs).tolist():
        before, text = len(found.sources), blocks.text_of(i)
        replaced = text_formulas(text, found)
        if replaced == text:
            continue
        data = replaced.strip().encode("utf-8", "replace")
        num_formulas = max(replaced.count("\ue000"), len(found.sources) - before)
        rows[i, [B_START, B_STOP, B_CHARS, B_FORMULAS]] = end, end + len(data), len(replaced), num_formulas
        added.append(data)
        end += len(data)
    if end == size and not added:
        return blocks
    text = np.concatenate((blocks.text, np.frombuffer(b"".join(added), np.uint8)))
    filled = rows[:, B_STOP] > rows[:, B_START]
    return Blocks(text, rows[filled], blocks.weights[filled])


def join_blocks(blocks: Blocks, kept: list[int]) -> str:
    """The text of the blocks: headings and list items marked, items and table rows close together."""
    if not kept:
        return ""
    rows = blocks.rows[kept]
    text = blocks.text.data
    parts: list[bytes | memoryview] = []
    before = -1
    for start, stop, tag in rows[:, [B_START, B_STOP, B_TAG]].tolist():
        if parts:
            parts.append(b"\n" if tag == before and tag in _CLOSE_TOGETHER else b"\n\n")
        parts.append(_MARKS.get(tag, b""))
        parts.append(text[start:stop])
        before = tag
    return b"".join(parts).decode("utf-8", "replace")


def page_title(tree: HtmlPage) -> str:
    """The page's title: `<title>`, else `og:title`, else the first heading; one line."""
    title = tree.first("title")
    text = title.text() if title is not None else ""
    if not text.strip():
        text = next((m["content"] for m in _metas(tree) if m.get("property") == "og:title" and m.get("content")), "")
    if not text.strip():
        heading = tree.first("h1")
        text = heading.text() if heading is not None else ""
    return _SPACES.sub(" ", html.unescape(text)).strip()[:_MAX_TITLE_CHARS]


def _metas(tree: HtmlPage) -> list[dict[str, str]]:
    return [element.attributes for element in tree.elements("meta")]
