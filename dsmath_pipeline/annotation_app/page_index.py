"""The pages of mathematical domains, indexed by URL, so that the samples of a prefix are found in milliseconds.

Writes the artifact `annotation_pages` beside the label file: `pages.sqlite`, read only once it is written, with the
tables `pages` (one row per page) and `domains` (expected gain). It is made once for an iteration, from scores,
collected and documents, and reused while its inputs stay the same. Texts are streamed; in memory are only the scores of
the pages of mathematical domains.
"""

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from .. import storage
from ..corpus.iteration import iteration_folder
from ..corpus.urls import url_prefixes
from ..progress import SILENT, Progress
from ..storage import Folder

PAGE_INDEX_VERSION = "1"
TEXT_CHARS = 1200
"""Beginning of a page's text that is kept for annotators, characters."""
_FILE = "pages.sqlite"
_BATCH_ROWS = 4096

_TABLES = """
CREATE TABLE pages (
    url_prefix TEXT NOT NULL,  -- the longest one: host and all path segments
    is_collected INTEGER NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    score REAL NOT NULL,
    content BLOB NOT NULL      -- zlib of a JSON list: title, beginning of the text, LaTeX of the first formulas
) STRICT;
CREATE TABLE domains (name TEXT PRIMARY KEY, expected_gain REAL NOT NULL) STRICT;
"""
_INDEX = "CREATE INDEX pages_by_prefix ON pages (url_prefix, is_collected, id)"
_SCORED = """
    SELECT s.id, s.score, c.id IS NOT NULL AS is_collected, h.domain
    FROM scores s JOIN hosts h ON s.domain = h.host LEFT JOIN collected c ON s.id = c.id
"""
_EXPECTED = "SELECT domain, sum(score ORDER BY id) FROM scored WHERE NOT is_collected GROUP BY domain ORDER BY domain"
_BELOW = "(url_prefix = :prefix OR (url_prefix > :prefix || '/' AND url_prefix < :prefix || '0'))"  # "0" follows "/"
_SAMPLES = f"""
    SELECT id, url, content, score, is_collected FROM pages WHERE rowid IN (
        SELECT rowid FROM pages WHERE {_BELOW} AND is_collected = :is_collected
        ORDER BY id LIMIT :limit OFFSET :offset)
    ORDER BY id
"""
_COUNT = f"SELECT count(*), coalesce(sum(is_collected), 0) FROM pages WHERE {_BELOW}"


Scored = dict[str, tuple[float, bool]]
"""Page id -> score, and whether the page was collected."""


@dataclass(frozen=True, slots=True)
class SamplePage:
    """One page as an annotator sees it: from the web, so nothing in it can be trusted."""

    id: str
    url: str
    title: str
    text: str
    formulas: tuple[str, ...]
    score: float
    """Probability of being mathematics, by this iteration's classifier, 0-1."""
    is_collected: bool


class PageIndex:
    """Looks up pages of the artifact at `path`. Page ids are hashes, so the smallest ids are a fixed random sample."""

    def __init__(self, path: Path):
        storage.read_manifest(path)
        self._address = f"{(path / _FILE).resolve().as_uri()}?mode=ro&immutable=1"

    def samples(self, prefix: str, is_collected: bool, limit: int, offset: int = 0) -> list[SamplePage]:
        """Pages below a prefix."""
        values = {"prefix": prefix, "is_collected": int(is_collected), "limit": limit, "offset": offset}
        return [_sample(row) for row in self._query(_SAMPLES, values)]

    def count(self, prefix: str) -> tuple[int, int]:
        """Pages below a prefix, and how many of them were collected."""
        ((num_pages, num_collected),) = self._query(_COUNT, {"prefix": prefix})
        return num_pages, num_collected

    def expected_gain(self) -> dict[str, float]:
        """Domain -> sum of the scores of its pages that were not collected."""
        return dict(self._query("SELECT name, expected_gain FROM domains", {}))

    def _query(self, query: str, values: dict[str, Any]) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(self._address, uri=True)) as database:
            return database.execute(query, values).fetchall()


def build_page_index(root: Folder, k: int, out: Path, *, progress: Progress = SILENT) -> PageIndex:
    """Write the artifact `annotation_pages` of iteration `k`, unless it is current, and open it.

    Raises ArtifactError when an artifact of the iteration is missing.
    """
    inputs: dict[str, Folder | str] = {
        name: iteration_folder(root, k, name) for name in ("scores", "collected", "domains")
    }
    inputs["unique_documents"] = root / "unique_documents"
    with storage.stage(out, "annotation_pages", PAGE_INDEX_VERSION, None, inputs) as run:
        if run.artifact:
            progress.log("reading the pages of mathematical domains")
            scored, expected = _scores(root, k)
            batches = _documents(root / "unique_documents", scored)
            run.artifact.num_rows = _write(out / _FILE, batches, scored, expected, progress)
    return PageIndex(out)


def _sample(row: tuple) -> SamplePage:
    ident, url, content, score, is_collected = row
    title, text, formulas = json.loads(zlib.decompress(content))
    return SamplePage(ident, url, title, text, tuple(formulas), score, bool(is_collected))


def _scores(root: Folder, k: int) -> tuple[Scored, list[tuple[str, float]]]:
    """Score and whether it was collected of every page of a mathematical domain, and each domain's expected gain."""
    with duckdb.connect() as database:
        database.register("scores", _dataset(iteration_folder(root, k, "scores")))
        database.register("collected", _dataset(iteration_folder(root, k, "collected")))
        database.register("hosts", _hosts(iteration_folder(root, k, "domains")))
        database.execute(f"CREATE TABLE scored AS {_SCORED}")
        rows = database.execute("SELECT id, score, is_collected FROM scored").fetchall()
        return {ident: (score, taken) for ident, score, taken in rows}, database.execute(_EXPECTED).fetchall()


def _documents(path: Folder, scored: Scored) -> Iterator[list[dict[str, Any]]]:
    """The documents that have a score, batch by batch."""
    columns = {
        "id": pads.field("id"), "url": pads.field("url"), "title": pads.field("title"),
        "text": pc.utf8_slice_codeunits(pads.field("text"), 0, TEXT_CHARS), "formulas": pads.field("formulas"),
    }  # fmt: skip
    batches = _dataset(path).to_batches(columns, batch_size=_BATCH_ROWS, batch_readahead=2, fragment_readahead=1)
    for batch in batches:
        wanted = [ident in scored for ident in batch["id"].to_pylist()]
        yield batch.filter(pa.array(wanted, pa.bool_())).to_pylist()


def _write(
    path: Path,
    batches: Iterable[list[dict[str, Any]]],
    scored: Scored,
    expected: list[tuple[str, float]],
    progress: Progress,
) -> int:
    """Write all rows into a new SQLite file; returns their number."""
    path.unlink(missing_ok=True)
    num_rows = 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
        database.execute("BEGIN")
        database.executemany("INSERT INTO domains VALUES (?, ?)", expected)
        for rows in batches:
            database.executemany("INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?)", (_row(row, scored) for row in rows))
            num_rows += len(rows)
            progress.update("pages", num_rows, len(scored))
        database.execute(_INDEX)
        database.execute("COMMIT")
    return num_rows


def _row(row: dict[str, Any], scored: Scored) -> tuple:
    score, is_collected = scored[row["id"]]
    content = [row["title"] or "", row["text"], _first_formulas(row["formulas"] or [])]
    packed = zlib.compress(json.dumps(content, ensure_ascii=False).encode(), 1)
    return url_prefixes(row["url"])[-1], int(is_collected), row["id"], row["url"], score, packed


def _first_formulas(formulas: list[str]) -> list[str]:
    """No more than the beginning of a text can hold."""
    room = TEXT_CHARS
    found = []
    for latex in formulas:
        found.append(latex)
        room -= len(latex) + 2
        if room < 0:
            break
    return found


def _hosts(domains: Folder) -> pa.Table:
    """Every host of the mathematical domains, and the domain it counts for."""
    prefixes = storage.read_table(domains / "prefixes", ["url_prefix", "domain", "depth"])
    roots = prefixes.filter(pads.field("depth") == 0)
    return pa.table({"host": roots["url_prefix"], "domain": roots["domain"]})


def _dataset(path: Folder) -> Any:
    """A folder's Parquet files as DuckDB streams them; works on object stores too."""
    files = [str(getattr(file, "path", file)) for file in storage.parquet_files(path)]
    return pads.dataset(files, format="parquet", filesystem=getattr(path, "fs", None))
