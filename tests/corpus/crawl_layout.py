"""A generated crawl in Common Crawl's layout: WARC files, their lists, and the columnar index of what is in them."""

import functools
import gzip
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from dsmath_pipeline.corpus.framing import Gap
from dsmath_pipeline.corpus.record_reader import read_records
from dsmath_pipeline.demo.mini_web import write_mini_web
from dsmath_pipeline.recipe.schema import FetchSettings, MiniWebSettings

CRAWL = "CC-MAIN-2024-10"
SEGMENT = f"crawl-data/{CRAWL}/segments/1707947473347.0/warc"
TABLE = f"cc-index/table/cc-main/warc/crawl={CRAWL}"
INDEX_SCHEMA = pa.schema(
    [
        ("url_surtkey", pa.string()),
        ("url", pa.string()),
        ("url_host_name", pa.string()),
        ("url_host_registered_domain", pa.string()),
        ("url_path", pa.string()),
        ("fetch_status", pa.int16()),
        ("content_mime_type", pa.string()),
        ("content_mime_detected", pa.string()),
        ("content_languages", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
        ("warc_segment", pa.string()),
    ]
)


@functools.cache
def generated_layout() -> dict[str, bytes]:
    """The mini web as one crawl of three files, by path; not to be changed."""
    with tempfile.TemporaryDirectory() as folder:
        web = Path(folder) / "web"
        write_mini_web(web, MiniWebSettings(num_pages=120, num_domains=20, num_warc_files=3), 0)
        paths = {f"{SEGMENT}/{file.name}": file.read_bytes() for file in sorted(web.rglob("*.warc.gz"))}
    crawls = [
        {"id": "CC-MAIN-2023-50", "name": "December 2023", "from": "2023-11-28T08:18", "to": "2023-12-12T01:46"},
        {"id": CRAWL, "name": "February 2024 Index", "from": "2024-02-20T21:10:47", "to": "2024-03-05T18:33:42"},
        {"id": "CC-MAIN-2012", "name": "2012 ARC Archives Index"},
    ]  # fmt: skip
    index = index_files(paths)
    listed = [f"{TABLE}/subset=crawldiagnostics/part-00000.c000.gz.parquet", *index]
    return {
        "collinfo.json": json.dumps(crawls).encode(),
        f"crawl-data/{CRAWL}/warc.paths.gz": gzip.compress("\n".join([*paths, ""]).encode(), mtime=0),
        f"crawl-data/{CRAWL}/cc-index-table.paths.gz": gzip.compress("\n".join([*listed, ""]).encode(), mtime=0),
        **paths,
        **index,
    }


def index_rows(paths: Mapping[str, bytes]) -> list[dict]:
    """One row for each response of the WARC files, sorted as Common Crawl sorts them."""
    rows = []
    for path, data in paths.items():
        records = list(read_records(io.BytesIO(data), len(data), 10_000_000))
        ends = [found.start if isinstance(found, Gap) else found.offset for found in records[1:]] + [len(data)]
        for record, end in zip(records, ends, strict=True):
            if isinstance(record, Gap) or record.headers.get("warc-type") != "response":
                continue
            url, block = record.headers["warc-target-uri"], record.block_from(0)
            host = urlsplit(url).hostname
            head = block.partition(b"\r\n\r\n")[0].decode("latin-1")
            is_html = "text/html" in head.lower()
            rows.append({
                "url_surtkey": surt(url), "url": url, "url_host_name": host,
                "url_host_registered_domain": ".".join(host.split(".")[-2:]), "url_path": urlsplit(url).path,
                "fetch_status": int(head.split()[1]), "content_mime_type": "text/html",
                "content_mime_detected": "text/html" if is_html else "application/pdf",
                "content_languages": "zho,eng" if host.endswith("cn") else "eng", "warc_filename": path,
                "warc_record_offset": record.offset, "warc_record_length": end - record.offset,
                "warc_segment": "1707947473347.0",
            })  # fmt: skip
    return sorted(rows, key=lambda row: row["url_surtkey"])


def surt(url: str) -> str:
    parts = urlsplit(url.lower())
    labels = parts.hostname.removeprefix("www.").split(".")
    return ",".join(reversed(labels)) + ")" + parts.path + ("?" + parts.query if parts.query else "")


def index_files(paths: Mapping[str, bytes]) -> dict[str, bytes]:
    """Two Parquet files of the subset `warc`, by path."""
    rows = index_rows(paths)
    half = len(rows) // 2
    return {
        f"{TABLE}/subset=warc/part-0000{n}-c000.gz.parquet": parquet_bytes(part)
        for n, part in enumerate((rows[:half], rows[half:]))
    }


def parquet_bytes(rows: list[dict], schema: pa.Schema = INDEX_SCHEMA, rows_in_a_group: int = 16) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="gzip", row_group_size=rows_in_a_group)
    return sink.getvalue()


def write_mirror(layout: Mapping[str, bytes], folder: Path) -> None:
    for name, data in layout.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def fetch_settings(address: str, **changed) -> FetchSettings:
    """Fast and impatient settings for a server on loopback."""
    plain = {"requests_per_second": 1000, "timeout_seconds": 5, "max_wait_seconds": 0.02, "give_up_seconds": 60}
    return FetchSettings(base_url=address, index_url=address, **{**plain, **changed})
