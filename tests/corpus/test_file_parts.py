"""Files that several workers share: the plan, and results that are those of a whole reading, byte by byte."""

import gzip
import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline import compute, storage
from dsmath_pipeline.corpus import file_parts, pages
from dsmath_pipeline.corpus.file_parts import Part, plan_parts
from dsmath_pipeline.recipe.schema import ExtractSettings
from dsmath_pipeline.records import Page
from tests.corpus.crawl_files import REAL, members, response
from tests.faults.runs import assert_same, snapshot, written_at

MEBIBYTE = 1 << 20
SETTINGS = ExtractSettings()
TEXT = (
    "<html><head><title>%d</title></head><body><main><p>Page %d: the sum of the first $n$ odd numbers is $n^2$, as one "
    "sees by induction, and this page shows the proof in full.</p></main></body></html>"
)
UNREAD = (
    "<html><body><main><p>Page %d: here stands \\frac{a}{b} + \\alpha_1 = \\sum_{i=1}^{n} x_i in plain words, which no "
    "dollar sign marks, so that the formula is not found, and some more words follow.</p></main></body></html>"
)
REFUSES = b"Content-Type: text/html\r\ntdm-reservation: 1\r\ntdm-policy: https://example.org/policy-%d\r\n"


def records(first: int, number: int) -> list[bytes]:
    """Pages of every kind: good ones, without text, with LaTeX that is not read, refusing, not found."""
    kinds = [
        lambda n: response(n, (TEXT % (n, n)).encode()), lambda n: response(n, b"<html><body></body></html>"),
        lambda n: response(n, (UNREAD % n).encode()), lambda n: response(n, (TEXT % (n, n)).encode(), http=REFUSES % n),
        lambda n: response(n, (TEXT % (n, n)).encode()), lambda n: response(n, b"gone", status=b"404 Not Found"),
    ]  # fmt: skip
    return [kinds[n % len(kinds)](n) for n in range(first, first + number)]


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A file with damage in its middle, one that is a single gzip member, and one of both kinds."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    damaged = members(records(0, 30)) + b"\x1f\x8bdamage" * 20 + members(records(30, 31))
    (folder / "a.warc.gz").write_bytes(damaged)
    (folder / "b.warc.gz").write_bytes(gzip.compress(b"".join(records(100, 25)), mtime=0))
    mixed = gzip.compress(b"".join(records(200, 9)), mtime=0)
    (folder / "c.warc.gz").write_bytes(mixed + members(records(210, 9)) + mixed[:-30])
    return folder


def extract(crawl: Path, out: Path, workers: int) -> storage.Manifest:
    return pages.extract_files([crawl], out, SETTINGS, workers=workers)


@pytest.mark.slow
def test_shared_files_give_what_whole_ones_give(crawl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = extract(crawl, tmp_path / "whole", 1)
    monkeypatch.setattr(pages, "plan_parts", lambda sizes, workers: [3, 2, 4])
    shared = extract(crawl, tmp_path / "shared", 2)
    assert_same(snapshot(tmp_path / "shared"), snapshot(tmp_path / "whole"))
    assert (shared.counts, shared.num_bytes) == (whole.counts, whole.num_bytes)
    # the fixture has something of everything that is counted
    counts = whole.counts
    assert counts["lost"] > 1 and counts["skipped"]["status"] and counts["dropped"]["no_text"]
    assert counts["latex_without_formula"] == len(counts["latex_without_formula_samples"]) > 5
    assert len(counts["tdm_policies"]) > 5 and counts["rules"]


@pytest.mark.slow
def test_parts_that_are_finished_are_not_made_again(
    crawl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = extract(crawl, tmp_path / "whole", 1), tmp_path / "out"
    monkeypatch.setattr(pages, "plan_parts", lambda sizes, workers: [3, 1, 1])
    monkeypatch.setattr(pages, "merge_parts", lambda tables, counts: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # killed as the parts are put together
        extract(crawl, out, 2)
    before = written_at(out)
    assert sum(".warc.gz" in path.name and "-of-3.parquet" in path.name for path in before) == 3
    monkeypatch.undo()
    monkeypatch.setattr(pages, "plan_parts", lambda sizes, workers: [3, 1, 1])
    kept = []
    real_merge = pages._merge
    monkeypatch.setattr(pages, "_merge", lambda *given: kept.append(written_at(out)) or real_merge(*given))
    assert extract(crawl, out, 2).counts == whole.counts
    assert {path: kept[0][path] for path in before} == before
    assert_same(snapshot(out), snapshot(tmp_path / "whole"))

    # a run with another plan takes whole files from the first, too
    (out / "manifest.json").unlink()
    before = written_at(out)
    monkeypatch.setattr(pages, "plan_parts", lambda sizes, workers: [2, 2, 2])
    assert extract(crawl, out, 2).counts == whole.counts
    assert {path: at for path, at in written_at(out).items() if path in before} == before


def test_a_file_of_which_a_part_was_left_out_is_left_out(tmp_path: Path) -> None:
    left_out = compute.LeftOut("it dies")
    assert pages._merge(tmp_path, "a", [{"part": "a.0-of-2", "key": "k"}, left_out]) is left_out


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "crawl").exists(), reason=f"no real crawl in {REAL}")
def test_a_real_file_in_two_parts(tmp_path: Path) -> None:
    file = min((REAL / "crawl").glob("*.warc.gz"), key=lambda path: path.stat().st_size)
    assert plan_parts([file.stat().st_size], 2) == [2]
    for workers in (1, 2):
        pages.extract_files([file], tmp_path / str(workers), SETTINGS, workers=workers)
    assert_same(snapshot(tmp_path / "2"), snapshot(tmp_path / "1"))
    shutil.rmtree(tmp_path / "2")


@given(st.integers(0, 40), st.integers(1, 7))
def test_every_page_is_in_one_part(number: int, of: int) -> None:
    every = [Page(f"http://example.org/{n}", b"", "a", 3 * n) for n in range(number)]
    numbers: list[dict[int, int]] = [{} for _ in range(of)]
    found = [list(Part(n, of).select(iter(every), numbers[n])) for n in range(of)]
    assert sorted(itertools.chain(*found), key=lambda page: page.offset) == every
    assert all(numbers[n] == {page.offset: page.offset // 3 for page in found[n]} for n in range(of))


@given(st.lists(st.integers(0, 60 * MEBIBYTE), max_size=40), st.integers(1, 9))
def test_a_plan_is_never_slower_than_whole_files(sizes: list[int], workers: int) -> None:
    parts = plan_parts(sizes, workers)
    assert len(parts) == len(sizes) and all(1 <= number <= workers for number in parts)
    assert all(number == 1 or size >= number * MEBIBYTE for size, number in zip(sizes, parts, strict=True))
    if sizes and any(sizes):
        planned, whole = (file_parts._seconds(sizes, p, workers)[0] for p in (parts, [1] * len(sizes)))
        assert planned <= whole


def test_plans_for_few_files() -> None:
    ten = 10 * MEBIBYTE
    assert plan_parts([ten] * 6 + [6 * MEBIBYTE], 2) == [1] * 6 + [2]  # three files for each, and half of the last
    assert plan_parts([1000 * MEBIBYTE], 8) == [8]
    assert plan_parts([ten] * 4, 2) == [1] * 4  # even as it is
    assert plan_parts([ten], 1) == [1]
    assert plan_parts([MEBIBYTE], 2) == [1]  # too small
    assert plan_parts([0, 0, 0], 2) == [1] * 3  # of unknown size
    assert plan_parts([ten] * 17, 2) == [1] * 17
    assert plan_parts([], 2) == []
