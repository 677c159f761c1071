"""One HTML page to one document: decode, parse, formulas to text, boilerplate out, structure, title, language.

It reads nothing but the page. Text is Markdown-like: headings with `#`, list items with `-`, table cells apart by
tabs, blocks by an empty line, formulas as `$...$` and `$$...$$`. The parser is Lexbor through selectolax: a walk over
every node costs about 0.4 microseconds a node there, and a document about 3 milliseconds in all.

Paper: section 2.1 says only that the corpus is text of Common Crawl pages; the extractor is not named.
"""

import html
import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

from ..recipe.schema import ExtractSettings
from ..records import Document, Page
from .density import VOCABULARY, content_blocks
from .encoding import decode_html
from .formulas import FoundFormulas, has_tex_renderer, render
from .language import detect_language
from .layout import Block, PageWalker

EXTRACT_VERSION = "1"
"""Version of extraction as a whole (this file, formulas, mathml, layout, density, encoding, language).

1 (2026-11): first version. Part of the key of every documents artifact.
"""

_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_SPACES = re.compile(r"\s+")
_MAX_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Dropped:
    """A page without a document. `reason`: `empty_page`, `too_large`, `no_text` or `parser_error`."""

    url: str
    reason: str
    source: str = ""
    offset: int = 0


def extract(page: Page, settings: ExtractSettings) -> Document | Dropped:
    """The document in an HTML page, or why there is none. Never raises for bad HTML.

    Not in the paper: the extractor; see density.py for the rule that separates content from boilerplate.
    """
    if len(page.html) > settings.max_html_bytes:
        return Dropped(page.url, "too_large", page.source, page.offset)
    text = decode_html(page.html, page.content_type)
    if not text.strip():
        return Dropped(page.url, "empty_page", page.source, page.offset)
    try:
        tree = LexborHTMLParser(text.replace("\0", ""))
    except (ValueError, RuntimeError):
        return Dropped(page.url, "parser_error", page.source, page.offset)
    if tree.body is None:
        return Dropped(page.url, "no_text", page.source, page.offset)
    found = FoundFormulas(has_renderer=has_tex_renderer(page.html))
    blocks = PageWalker(found, VOCABULARY).walk(tree.body)
    if settings.main_content:
        blocks = content_blocks(blocks)
    body, formulas, rules = render(join_blocks(blocks), found, settings.max_text_chars)
    if not body.strip():
        return Dropped(page.url, "no_text", page.source, page.offset)
    return Document(
        url=page.url, text=body, title=page_title(tree), language=detect_language(body), formulas=formulas,
        rules=rules, source=page.source, offset=page.offset, date=page.date,
    )  # fmt: skip


def join_blocks(blocks: list[Block]) -> str:
    """The text of the blocks: headings and list items marked, items and table rows close together."""
    parts: list[str] = []
    before = ""
    for block in blocks:
        text = _HEADINGS.get(block.tag, "- " if block.tag == "li" else "") + block.text
        if parts:
            parts.append("\n" if block.tag == before and block.tag in ("li", "tr", "dt", "dd") else "\n\n")
        parts.append(text)
        before = block.tag
    return "".join(parts)


def page_title(tree: LexborHTMLParser) -> str:
    """The page's title: `<title>`, else `og:title`, else the first heading; one line."""
    for selector, attribute in (("title", ""), ("meta[property='og:title']", "content"), ("h1", "")):
        node = tree.css_first(selector)
        if node is not None:
            text = node.attributes.get(attribute) if attribute else node.text(deep=True)
            if text and text.strip():
                return _SPACES.sub(" ", html.unescape(text)).strip()[:_MAX_TITLE_CHARS]
    return ""
