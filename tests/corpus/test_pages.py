"""Files to the documents artifact: identity, counts that add up, resuming, inputs."""

import gzip
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.inputs import InputError
from dsmath_pipeline.corpus.pages import base_url, extract_files, extract_to_file, page_id
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA

SETTINGS = ExtractSettings()
PAGE = (
    "<html><head><title>T{0}</title></head><body><main><h1>Page {0}</h1><p>The sum of the first $n$ odd numbers is "
    "$n^2$, as one sees by induction; this page shows the proof number {0} in full.</p></main></body></html>"
)


def write_warc(path: Path, bodies: list[bytes], status: str = "200 OK") -> Path:
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for i, body in enumerate(bodies):
            http = StatusAndHeaders(status, [("Content-Type", "text/html")], protocol="HTTP/1.1")
            url = f"https://www.example.org/{path.name}/{i}"
            record = writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=http)
            writer.write_record(record)
    return path


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    folder = tmp_path / "crawl"
    folder.mkdir()
    write_warc(folder / "a.warc.gz", [PAGE.format(i).encode() for i in range(3)] + [b"<html><body></body></html>"])
    write_warc(folder / "b.warc.gz", [PAGE.format(9).encode()])
    write_warc(folder / "c.warc.gz", [PAGE.format(8).encode()], status="500 No")
    (folder / "d.html").write_text(
        PAGE.format(7).replace("<title>", "<link rel=canonical href='https://x.org/d'><title>")
    )
    (folder / "e.html.gz").write_bytes(gzip.compress(PAGE.format(6).encode()))
    (folder / "readme.txt").write_text("not a page")
    return folder


@pytest.mark.slow
def test_every_record_is_accounted_for(crawl: Path, tmp_path: Path) -> None:
    manifest = extract_files([crawl], tmp_path / "out", SETTINGS, workers=1)
    counts = manifest.counts
    # 4 + 1 + 1 WARC records and 2 HTML files; the 500 is skipped, the page without text dropped.
    assert (counts["num_records"], counts["num_pages"], manifest.num_rows) == (8, 7, 6)
    assert (counts["skipped"], counts["dropped"], counts["lost"]) == ({"status": 1}, {"no_text": 1}, 0)
    assert counts["num_records"] == counts["num_pages"] + sum(counts["skipped"].values()) + counts["lost"]
    assert counts["num_pages"] == manifest.num_rows + sum(counts["dropped"].values())
    assert counts["rules"] == {"text_dollar": 12} and counts["num_formulas"] == 12


@pytest.mark.slow
def test_rows_follow_the_document_schema(crawl: Path, tmp_path: Path) -> None:
    extract_files([crawl], tmp_path / "out", SETTINGS, workers=1)
    table = storage.read_table(tmp_path / "out")
    assert table.schema.equals(DOCUMENT_SCHEMA)
    rows = {row["url"]: row for row in table.to_pylist()}
    first = rows["https://www.example.org/a.warc.gz/0"]
    assert (first["domain"], first["source"], first["title"], first["language"]) == (
        "example.org",
        "a.warc.gz",
        "T0",
        "en",
    )
    assert first["id"] == page_id(first["url"], first["date"], "a.warc.gz", first["offset"])
    assert first["formulas"] == ["n", "n^2"] and first["rules"] == [("text_dollar", 2)]
    assert rows["https://x.org/d"]["source"] == "d.html" and rows["https://x.org/d"]["offset"] == 0
    assert rows["file:e.html.gz"]["domain"] == "file:"


@pytest.mark.slow
def test_a_killed_run_goes_on_file_by_file(crawl: Path, tmp_path: Path) -> None:
    clean = extract_files([crawl], tmp_path / "out", SETTINGS, workers=1)
    # What a run leaves that was killed in its second file: no manifest, the first file's shard, half of the second's.
    (tmp_path / "out" / "manifest.json").unlink()
    shards = {file.name.partition(".warc")[0]: file for file in (tmp_path / "out").glob("*.parquet")}
    before = shards["a"].stat()
    shards["b"].write_bytes(shards["b"].read_bytes()[:100])
    with pytest.raises(storage.ArtifactError):
        storage.read_manifest(tmp_path / "out")
    for note in (tmp_path / "out" / "_shards").glob("b.warc*.json"):
        note.unlink()
    resumed = extract_files([crawl], tmp_path / "out", SETTINGS, workers=1)
    assert (resumed.num_rows, resumed.counts, resumed.key) == (clean.num_rows, clean.counts, clean.key)
    assert shards["a"].stat().st_mtime_ns == before.st_mtime_ns and shards["a"].stat().st_ino == before.st_ino
    assert storage.read_table(tmp_path / "out").num_rows == clean.num_rows


@pytest.mark.slow
def test_a_finished_artifact_is_not_made_again_unless_something_changed(crawl: Path, tmp_path: Path) -> None:
    first = extract_files([crawl], tmp_path / "out", SETTINGS, workers=1)
    assert extract_files([crawl], tmp_path / "out", SETTINGS, workers=1) == first
    other = extract_files([crawl], tmp_path / "out", ExtractSettings(main_content=False), workers=1)
    assert other.key != first.key
    write_warc(crawl / "b.warc.gz", [PAGE.format(1).encode()] * 2)
    assert extract_files([crawl], tmp_path / "out", SETTINGS, workers=1).num_rows == first.num_rows + 1


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(crawl: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        extract_files([crawl], tmp_path / str(workers), SETTINGS, workers=workers)
    for file in storage.parquet_files(tmp_path / "1"):
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes()


@pytest.mark.slow
def test_extract_to_file_writes_one_parquet_file_and_nothing_else(crawl: Path, tmp_path: Path) -> None:
    out = tmp_path / "x" / "documents.parquet"
    counts = extract_to_file([crawl], out, SETTINGS, workers=1)
    assert counts["num_rows"] == 6 == pq.read_table(out).num_rows
    assert [p.name for p in out.parent.iterdir()] == ["documents.parquet"]


def test_inputs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        extract_files([tmp_path / "nowhere"], tmp_path / "out", SETTINGS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no"):
        extract_files([tmp_path / "empty"], tmp_path / "out", SETTINGS)
    (tmp_path / "notes.txt").write_text("plain")
    with pytest.raises(InputError, match="neither"):
        extract_files([tmp_path / "notes.txt"], tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match="no input"):
        extract_files([], tmp_path / "out", SETTINGS)


@pytest.mark.slow
def test_files_of_the_same_name_in_two_folders_keep_apart(tmp_path: Path) -> None:
    for i, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        write_warc(tmp_path / folder / "a.warc.gz", [PAGE.format(i).encode()])
    assert extract_files([tmp_path / "one", tmp_path / "two"], tmp_path / "out", SETTINGS, workers=1).num_rows == 2


@pytest.mark.slow
def test_damaged_html_gz_is_lost_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "a.html.gz").write_bytes(gzip.compress(PAGE.encode() * 50)[:60])
    (tmp_path / "b.html").write_text(PAGE)
    counts = extract_files([tmp_path], tmp_path / "out", SETTINGS, workers=1).counts
    assert (counts["lost"], counts["num_pages"]) == (1, 1)
    assert counts["lost_ranges"][0]["file"] == "a.html.gz"


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://WWW.Example.org:8080/a?b=http://c.d/", "example.org"),
        ("http://user:pw@math.stackexchange.com", "math.stackexchange.com"),
        ("https://www2.x.org/", "www2.x.org"),
        ("http://[::1]:80/x", "[::1]"),
        ("file:a.html", "file:"),
        ("", ""),
    ],
)
def test_base_url_is_the_host_without_www_and_port(url: str, domain: str) -> None:
    assert base_url(url) == domain


def test_page_id_depends_on_every_part() -> None:
    base = ("u", "d", "s", 1)
    ids = {
        page_id(*base),
        page_id("v", "d", "s", 1),
        page_id("u", "e", "s", 1),
        page_id("u", "d", "t", 1),
        page_id("u", "d", "s", 2),
    }
    assert len(ids) == 5 and all(len(i) == 32 and int(i, 16) >= 0 for i in ids)
