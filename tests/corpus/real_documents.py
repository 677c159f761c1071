"""The texts of the real crawl, extracted once in a test process (a minute)."""

import functools
import os
from pathlib import Path

import pytest

from dsmath_pipeline.corpus.extract import extract
from dsmath_pipeline.corpus.warc import ReadReport, read_pages
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Document

CRAWL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "crawl"
needs_crawl = pytest.mark.skipif(not CRAWL.exists(), reason=f"no real crawl in {CRAWL}: set DSMATH_REAL_DATA")


@functools.cache
def real_texts() -> list[str]:
    """Texts of all pages that have one."""
    settings = ExtractSettings()
    found = []
    for file in sorted(CRAWL.glob("*.warc.gz")):
        documents = (extract(page, settings) for page in read_pages(file, settings, ReadReport()))
        found += [document.text for document in documents if isinstance(document, Document)]
    return found
