"""The things that are compared. Each function prepares one and returns what is timed: a function that gives counts.

Preparation (loading pages into memory) is not timed. This file runs in two interpreters, so it imports packages inside
functions. Input of the extractors is a Parquet file with the columns url, html (bytes as crawled), content_type and
text (the same HTML, decoded); extractors that take decoded HTML get `text`, ours gets the bytes and decodes them.
"""

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Timed = Callable[[], dict[str, Any]]


def versions(packages: list[str]) -> Timed:
    """The versions of packages in this interpreter."""
    from benchmarks.common import versions

    return lambda: {"versions": versions(packages)}


# --- reading: bodies of HTML pages out of a WARC file, content and transfer encoding undone


def read_warcio(files: list[str]) -> Timed:
    """warcio's ArchiveIterator."""
    from warcio.archiveiterator import ArchiveIterator

    def pages() -> Iterator[bytes]:
        for file in files:
            with open(file, "rb") as stream:
                for record in ArchiveIterator(stream):
                    http = record.http_headers
                    if record.rec_type == "response" and http and http.get_statuscode() == "200":
                        record.rec_headers.get_header("WARC-Target-URI")
                        yield record.content_stream().read()

    return lambda: _count(pages())


def read_fastwarc(files: list[str]) -> Timed:
    """FastWARC's ArchiveIterator, HTTP parsed and bodies decoded by FastWARC."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    def pages() -> Iterator[bytes]:
        for file in files:
            with open(file, "rb") as stream:
                for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all"):
                    if record.http_headers is not None and record.http_headers.status_code == 200:
                        record.headers.get("WARC-Target-URI")
                        yield record.reader.read()

    return lambda: _count(pages())


def read_ours(files: list[str]) -> Timed:
    """corpus.warc.read_pages."""
    from benchmarks.common import read

    return lambda: _count(page.html for file in files for page in read(Path(file)))


def _count(bodies: Iterator[bytes]) -> dict[str, Any]:
    pages = size = 0
    for body in bodies:
        pages += 1
        size += len(body)
    return {"documents": pages, "bytes": size}


# --- extraction alone: HTML in memory to text


def resiliparse_text(pages: str, limit: int = 0, save: str = "") -> Timed:
    """Resiliparse, main content."""
    from resiliparse.extract.html2text import extract_plain_text

    return _extract(pages, limit, save, lambda row: {"text": extract_plain_text(row["text"], main_content=True)})


def trafilatura_text(pages: str, limit: int = 0, save: str = "", **options: Any) -> Timed:
    """trafilatura.extract with `options`."""
    from trafilatura import extract

    return _extract(pages, limit, save, lambda row: {"text": extract(row["text"], **options) or ""})


def datatrove_text(pages: str, limit: int = 0, save: str = "") -> Timed:
    """datatrove's Trafilatura block, called directly: no process around it, no time limit."""
    from datatrove.pipeline.extractors import Trafilatura

    block = Trafilatura()
    return _extract(pages, limit, save, lambda row: {"text": block.extract(row["text"]) or ""})


def our_text(pages: str, limit: int = 0, save: str = "") -> Timed:
    """corpus.extract.extract, decoding, title, language and list of formulas included."""
    from dsmath_pipeline.corpus.extract import Dropped, extract
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.records import Page

    settings = ExtractSettings()

    def text(row: dict[str, Any]) -> dict[str, Any]:
        document = extract(Page(row["url"], row["html"], "", 0, "", row["content_type"]), settings)
        if isinstance(document, Dropped):
            return {"text": "", "formulas": []}
        return {"text": document.text, "formulas": list(document.formulas)}

    return _extract(pages, limit, save, text)


def _extract(pages: str, limit: int, save: str, extract: Callable[[dict[str, Any]], dict[str, Any]]) -> Timed:
    """Texts of the first `limit` pages (0: all); written to the Parquet file `save` where one is named.

    A page on which the extractor raises counts as a failure and has no text.
    """
    rows = _load(pages)[: limit or None]

    def run() -> dict[str, Any]:
        texts, failures = [], 0
        for row in rows:
            try:
                texts.append(extract(row))
            except Exception:
                failures += 1
                texts.append({"text": ""})
        if save:
            _save(rows, texts, save)
        kept = [found["text"] for found in texts if found["text"]]
        return {"documents": len(kept), "characters": sum(map(len, kept)), "failures": failures}

    return run


@functools.cache
def _load(pages: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(pages).to_pylist()


def _save(rows: list[dict[str, Any]], texts: list[dict[str, Any]], file: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = [{"url": row["url"], "text": t["text"], "formulas": t.get("formulas")} for row, t in zip(rows, texts)]  # noqa: B905
    schema = pa.schema([("url", pa.string()), ("text", pa.large_string()), ("formulas", pa.list_(pa.string()))])
    pq.write_table(pa.Table.from_pylist(table, schema=schema), file)


# --- the whole way: WARC files to Parquet files


def whole_datatrove(files: list[str], out: str, in_process: bool) -> Timed:
    """datatrove: WarcReader, Trafilatura, ParquetWriter, one task.

    As users run it (LocalPipelineExecutor, where the extractor works in a process of its own with a limit of a second
    a page), or `in_process`: the blocks called directly without that process.
    """
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.readers import WarcReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.logging import logger

    def blocks(part: Path, file: Path) -> list[Any]:
        return [WarcReader(str(file.parent), glob_pattern=file.name), Trafilatura(), ParquetWriter(str(part))]

    def direct(part: Path, file: Path) -> None:
        reader, extractor, writer = blocks(part, file)
        with writer:
            for document in reader.run():
                try:
                    document.text = extractor.extract(document.text)
                except Exception:
                    continue
                if document.text:
                    writer.write(document)

    def run() -> dict[str, Any]:
        logger.remove()
        shutil.rmtree(out, ignore_errors=True)
        for number, file in enumerate(files):
            part = Path(out) / str(number)
            if in_process:
                direct(part, Path(file))
            else:
                logs = str(Path(out) / f"logs-{number}")
                LocalPipelineExecutor(blocks(part, Path(file)), tasks=1, workers=1, logging_dir=logs).run()
        return _written(out)

    return run


def whole_resiliparse(files: list[str], out: str) -> Timed:
    """FastWARC, Resiliparse's encoding detection and main content, Parquet by pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    def rows(file: str) -> Iterator[dict[str, Any]]:
        with open(file, "rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all"):
                if record.http_headers is None or record.http_headers.status_code != 200:
                    continue
                body = record.reader.read()
                text = extract_plain_text(bytes_to_str(body, detect_encoding(body) or "utf-8"), main_content=True)
                if text:
                    yield {
                        "id": record.record_id, "url": record.headers.get("WARC-Target-URI"),
                        "date": record.headers.get("WARC-Date"), "text": text,
                    }  # fmt: skip

    def run() -> dict[str, Any]:
        shutil.rmtree(out, ignore_errors=True)
        Path(out).mkdir(parents=True)
        for number, file in enumerate(files):
            pq.write_table(pa.Table.from_pylist(list(rows(file))), f"{out}/{number}.parquet", compression="zstd")
        return _written(out)

    return run


def whole_ours(files: list[str], out: str) -> Timed:
    """corpus.pages.extract_one_file and storage.commit_shard, file by file."""
    from dsmath_pipeline import storage
    from dsmath_pipeline.corpus.pages import extract_one_file
    from dsmath_pipeline.recipe.schema import ExtractSettings

    settings = ExtractSettings()

    def run() -> dict[str, Any]:
        shutil.rmtree(out, ignore_errors=True)
        for number, file in enumerate(files):
            table, counts = extract_one_file(storage.folder(file), settings)
            storage.commit_shard(storage.folder(out), f"{number}", "benchmark", table, counts)
        return _written(out)

    return run


def _written(out: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    return {"documents": sum(pq.read_metadata(file).num_rows for file in Path(out).rglob("*.parquet"))}
