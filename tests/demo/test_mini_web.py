"""The mini web as a whole: files, bytes, truth, seed and benchmark."""

import gzip
import io
import json
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from dsmath_pipeline.demo.formula_markup import MARKUPS
from dsmath_pipeline.demo.math_sites import MATH_KINDS
from dsmath_pipeline.demo.mini_web import write_mini_web
from dsmath_pipeline.demo.mini_web_pages import DUPLICATE_KINDS
from dsmath_pipeline.demo.other_sites import OTHER_KINDS
from dsmath_pipeline.demo.truth import RECORD_FAULTS, TRUTH_SCHEMA, UNREADABLE
from dsmath_pipeline.recipe.schema import MiniWebSettings
from dsmath_pipeline.storage import ArtifactError, read_manifest
from tests.plain_text import num_han

SMALL = MiniWebSettings(
    num_pages=300, num_domains=30, num_warc_files=2, num_seed_texts=40, num_test_problems=60, num_train_problems=10
)
MARKS = {
    "dollars": b"$", "brackets": b"\\(", "katex": b'class="katex"', "mathml": b"mwe-math-element",
    "bare_mathml": b"<math xmlns", "mathjax_script": b'type="math/tex', "image_alt": b'class="latex"',
}  # fmt: skip


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini_web")
    write_mini_web(folder / "web", SMALL, 7)
    return folder


@pytest.fixture(scope="module")
def truth(web: Path) -> list[dict]:
    return pq.read_table(web / "web_truth" / "truth.parquet").to_pylist()


def record_at(web: Path, row: dict):
    """The record that warcio reads at the place that the truth names, with its body."""
    data = (web / "web" / "crawl" / row["source"]).read_bytes()[row["offset"] :]
    record = next(iter(ArchiveIterator(io.BytesIO(data))))
    return record, record.content_stream().read()


def test_warcio_reads_every_readable_record_back(web: Path, truth: list[dict]):
    for row in truth:
        if row["record"] in UNREADABLE:
            continue
        record, body = record_at(web, row)
        assert record.rec_type == "response"
        assert record.rec_headers.get_header("WARC-Target-URI") == row["url"]
        status = "404" if row["record"] == "not_found" else "200"
        assert record.http_headers.get_statuscode() == status
        assert int(record.http_headers.get_header("Content-Length")) == len(body)


def test_every_file_starts_with_a_warcinfo_record_and_one_gzip_member_a_record(web: Path, truth: list[dict]):
    files = sorted((web / "web" / "crawl").iterdir())
    assert len(files) == 2
    for file in files:
        data = file.read_bytes()
        first = next(iter(ArchiveIterator(io.BytesIO(data))))
        assert first.rec_type == "warcinfo" and first.rec_headers.get_header("WARC-Filename") == file.name
        for row in truth:
            if row["source"] == file.name:
                # Gzip magic, deflate, no flags, time stamp 0.
                assert data[row["offset"] : row["offset"] + 8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_unreadable_records_stop_a_reader_and_good_records_follow_them(web: Path, truth: list[dict]):
    unreadable = [row for row in truth if row["record"] in UNREADABLE]
    assert {row["record"] for row in unreadable} == set(UNREADABLE)
    for row in unreadable:
        after = min(r["offset"] for r in truth if r["source"] == row["source"] and r["offset"] > row["offset"])
        data = (web / "web" / "crawl" / row["source"]).read_bytes()
        with pytest.raises((EOFError, gzip.BadGzipFile, zlib.error)):
            gzip.decompress(data[row["offset"] : after])
        assert any(r["record"] == "ok" and r["offset"] > row["offset"] for r in truth if r["source"] == row["source"])


def test_every_fault_occurs_and_shows_in_its_record(web: Path, truth: list[dict]):
    assert {row["record"] for row in truth} == {"ok", *RECORD_FAULTS}
    for row in truth:
        if row["record"] == "empty":
            assert record_at(web, row)[1] == b""
        elif row["record"] == "not_html":
            assert record_at(web, row)[0].http_headers.get_header("Content-Type") == "application/pdf"
        elif row["record"] == "wrong_charset":
            record, body = record_at(web, row)
            assert "iso-8859-1" in record.http_headers.get_header("Content-Type")
            assert not body.isascii()
            # The page itself says in which encoding it really is, and is in it.
            assert num_han(body.decode("gbk" if b'charset="gbk"' in body else "utf-8")) > 0 or b'lang="de"' in body


def test_some_chinese_pages_are_encoded_in_gbk(web: Path, truth: list[dict]):
    gbk = [b for row in truth if row["record"] == "ok" for b in [record_at(web, row)[1]] if b'charset="gbk"' in b]
    assert gbk
    for body in gbk:
        assert num_han(body.decode("gbk")) > 10


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(web: Path, tmp_path: Path):
    write_mini_web(tmp_path / "again", SMALL, 7)
    write_mini_web(tmp_path / "other", SMALL, 8)
    names = [p.relative_to(web / "web") for p in (web / "web").rglob("*") if p.is_file() and p.name != "manifest.json"]
    assert len(names) == 4  # two WARC files, the seed, the benchmark
    for name in names:
        content = (web / "web" / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == content, name
        assert (tmp_path / "other" / name).read_bytes() != content, name
    assert (tmp_path / "again_truth" / "truth.parquet").read_bytes() == (
        web / "web_truth" / "truth.parquet"
    ).read_bytes()


def test_truth_counts_add_up_with_the_pages_written(web: Path, truth: list[dict]):
    counts = read_manifest(web / "web_truth").counts
    assert len(truth) == SMALL.num_pages == counts["pages"] == read_manifest(web / "web").num_rows
    for name in ("kind", "language", "markup", "duplicate", "record"):
        assert sum(counts[name].values()) == SMALL.num_pages
    assert counts["math"] == sum(row["is_math"] for row in truth)
    assert 0.18 < counts["math"] / SMALL.num_pages < 0.30
    assert list(truth[0]) == TRUTH_SCHEMA.names
    # 6 % of 300 pages are copies: 18, the five kinds in turn.
    assert sum(row["duplicate_of"] != "" for row in truth) == 18
    assert {row["duplicate_kind"] for row in truth} == {"", *DUPLICATE_KINDS}


def test_every_kind_of_site_and_every_markup_occurs_and_is_on_its_page(web: Path, truth: list[dict]):
    assert {row["kind"] for row in truth} == {*MATH_KINDS, *OTHER_KINDS}
    assert {row["markup"] for row in truth} == {"", *MARKUPS}
    for row in truth:
        if row["markup"] and row["record"] == "ok":
            assert MARKS[row["markup"]] in record_at(web, row)[1], row["url"]
            assert row["is_math"]
    assert any(row["is_math"] and not row["markup"] for row in truth)  # plain mathematics pages
    assert any(row["kind"] in MATH_KINDS and not row["is_math"] for row in truth)  # mixed sites


def test_mathjax_scripts_occur_with_and_without_display_mode(web: Path, truth: list[dict]):
    bodies = [record_at(web, row)[1] for row in truth if row["markup"] == "mathjax_script"]
    assert any(b'type="math/tex; mode=display"' in body for body in bodies)
    assert any(b'type="math/tex"' in body for body in bodies)


def test_originals_of_copies_are_in_the_crawl_and_urls_are_unique_apart_from_repeats(truth: list[dict]):
    urls = [row["url"] for row in truth if row["duplicate_kind"] != "same_url"]
    assert len(urls) == len(set(urls))
    for row in truth:
        if row["duplicate_of"]:
            assert row["duplicate_of"] in urls
            assert (row["url"] == row["duplicate_of"]) == (row["duplicate_kind"] == "same_url")


def test_seed_domains_are_not_in_the_crawl(web: Path, truth: list[dict]):
    lines = gzip.decompress((web / "web" / "seed" / "seed.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == SMALL.num_seed_texts
    assert all(set(row) == {"url", "text", "date"} and len(row["text"]) > 200 for row in rows)
    crawl = {row["url"].split("/")[2].removeprefix("www.") for row in truth}
    assert crawl.isdisjoint(row["url"].split("/")[2].removeprefix("www.") for row in rows)


def test_quiz_pages_hold_benchmark_problems_and_no_other_page_is_marked(web: Path, truth: list[dict]):
    lines = (web / "web" / "benchmarks" / "word_problems" / "test.jsonl").read_text("utf-8").splitlines()
    problems = [json.loads(line) for line in lines]
    assert len(problems) == SMALL.num_test_problems and {"problem", "answer"} <= set(problems[0])
    squeezed = ["".join(p["problem"].lower().split()) for p in problems]
    marked = 0
    for row in truth:
        if row["record"] == "ok" and row["is_math"]:
            body = record_at(web, row)[1]
            text = body.decode("gbk" if b'charset="gbk"' in body else "utf-8").replace("&#x27;", "'")
            text = "".join(text.lower().split())
            assert any(p in text for p in squeezed) == row["has_benchmark"], row["url"]
            marked += row["has_benchmark"]
    assert marked == 3  # 1 % of 300 pages


def test_a_current_mini_web_is_left_alone_and_a_lost_truth_is_written_again(web: Path, tmp_path: Path):
    tiny = SMALL.model_copy(update={"num_pages": 100, "num_domains": 23, "num_seed_texts": 5})
    first = write_mini_web(tmp_path / "web", tiny, 1, truth=tmp_path / "truth")
    file = tmp_path / "web" / "crawl" / "MINI-2024-10-00000.warc.gz"
    stamp = file.stat().st_mtime_ns
    assert write_mini_web(tmp_path / "web", tiny, 1, truth=tmp_path / "truth").key == first.key
    assert file.stat().st_mtime_ns == stamp
    (tmp_path / "truth" / "manifest.json").unlink()
    with pytest.raises(ArtifactError):
        read_manifest(tmp_path / "truth")
    write_mini_web(tmp_path / "web", tiny, 1, truth=tmp_path / "truth")
    assert read_manifest(tmp_path / "truth").num_rows == 100
    assert write_mini_web(tmp_path / "web", tiny, 2, truth=tmp_path / "truth").key != first.key
