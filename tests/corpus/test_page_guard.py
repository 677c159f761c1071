"""A page on which extraction dies or hangs costs that page of its file, nothing else (real worker processes)."""

from pathlib import Path
from typing import Any

import pytest

from dsmath_pipeline.compute import ItemGuard, map_guarded
from dsmath_pipeline.corpus import pages
from dsmath_pipeline.corpus.extract import Dropped
from dsmath_pipeline.recipe.schema import ExtractSettings, OptOutSettings
from dsmath_pipeline.records import Document, Page
from tests import deadly
from tests.corpus.crawl_files import members, response

TEXT = (
    "<html><body><main><p>Page %d: the sum of the first $n$ odd numbers is $n^2$, as one sees by induction, and this "
    "page shows the proof in full.</p></main></body></html>"
)
RECORDS = [response(i, (TEXT % i).encode()) for i in range(6)]


def extract_file(shard: str, guard: ItemGuard) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Runs in the worker: extract a file with an extractor that dies on the page at one offset."""
    how, offset, path = shard.split("|")
    real = pages.extract

    def extract(page: Page, settings: ExtractSettings, opt_out: OptOutSettings) -> Document | Dropped:
        if page.offset == int(offset):
            deadly.die(how)
        return real(page, settings, opt_out)

    pages.extract = extract
    try:
        table, counts = pages.extract_one_file(Path(path), ExtractSettings(page_seconds=1.0), guard)
    finally:
        pages.extract = real
    return table.to_pylist(), counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "reason"), [("abort", "page_crashed"), ("null", "page_crashed"), ("loop", "page_timeout")]
)
def test_one_deadly_page_costs_one_page(how: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(members(RECORDS))
    deadly_offset = len(members(RECORDS[:3]))
    whole, _ = pages.extract_one_file(path, ExtractSettings())
    [(rows, counts)] = map_guarded(extract_file, [f"{how}|{deadly_offset}|{path}"], workers=1)
    assert rows == [row for row in whole.to_pylist() if row["offset"] != deadly_offset]
    assert len(rows) == 5 and counts["dropped"] == {reason: 1}
    assert counts["num_pages"] == len(rows) + sum(counts["dropped"].values())
