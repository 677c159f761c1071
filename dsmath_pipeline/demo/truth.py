"""What is true about every page of the mini web: for measuring the pipeline, never read by it.

Writes truth.parquet (TRUTH_SCHEMA), one row for each record of the crawl, in a folder of its own. Not in the paper.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

TRUTH_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # name of the WARC file
        pa.field("offset", pa.int64(), nullable=False),  # byte offset of the record in it
        pa.field("kind", pa.string(), nullable=False),  # kind of site: `qa`, `news`, ...
        pa.field("language", pa.string(), nullable=False),  # ISO 639-1
        pa.field("is_math", pa.bool_(), nullable=False),
        pa.field("markup", pa.string(), nullable=False),  # formula markup on the page, empty without formulas
        pa.field("has_benchmark", pa.bool_(), nullable=False),  # holds copies of held-out problems
        pa.field("duplicate_of", pa.string(), nullable=False),  # URL of the original, empty for originals
        pa.field("duplicate_kind", pa.string(), nullable=False),  # one of pages.DUPLICATE_KINDS, empty for originals
        pa.field("record", pa.string(), nullable=False),  # `ok`, or what is wrong with it: one of RECORD_FAULTS
    ]
)

UNREADABLE = ("truncated", "garbage")
"""Records that no reader can read: the gzip member is cut off, or overwritten with random bytes."""
NO_PAGE = ("not_html", "not_found", "empty")
"""Readable records that hold no page: another media type, an HTTP 404, an empty body."""
RECORD_FAULTS = (*UNREADABLE, *NO_PAGE, "wrong_charset")
"""`wrong_charset`: the HTTP header names another encoding than the page has."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """One record of the crawl with what is true about it. `body` is the HTTP payload."""

    url: str
    body: bytes
    content_type: str
    kind: str
    language: str
    is_math: bool
    markup: str = ""
    has_benchmark: bool = False
    duplicate_of: str = ""
    duplicate_kind: str = ""
    record: str = "ok"


def truth_table(pages: Sequence[WebPage], places: Sequence[tuple[str, int]]) -> pa.Table:
    """Rows of TRUTH_SCHEMA; `places` are (WARC file name, byte offset) of the pages."""
    rows: list[dict[str, Any]] = []
    for page, (source, offset) in zip(pages, places, strict=True):
        values = {name: getattr(page, name) for name in TRUTH_SCHEMA.names if name not in ("source", "offset")}
        rows.append(values | {"source": source, "offset": offset})
    return pa.Table.from_pylist(rows, schema=TRUTH_SCHEMA)


def truth_counts(pages: Sequence[WebPage]) -> dict[str, Any]:
    """Totals and counts by kind, language, markup, duplicate kind and record fault."""
    return {
        "pages": len(pages),
        "math": sum(page.is_math for page in pages),
        "benchmark": sum(page.has_benchmark for page in pages),
        "kind": dict(sorted(Counter(page.kind for page in pages).items())),
        "language": dict(sorted(Counter(page.language for page in pages).items())),
        "markup": dict(sorted(Counter(page.markup or "none" for page in pages).items())),
        "duplicate": dict(sorted(Counter(page.duplicate_kind or "original" for page in pages).items())),
        "record": dict(sorted(Counter(page.record for page in pages).items())),
    }
