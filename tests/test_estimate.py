"""The bill of a crawl: sums by hand, sizes asked of a server, rates that add up."""

from dataclasses import replace

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.commoncrawl import CommonCrawl
from dsmath_pipeline.estimate import (
    CrawlSize,
    EstimateError,
    Prices,
    bill,
    crawl_size,
    least_hours,
    near_dedup_memory,
    total,
)
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import FetchSettings
from dsmath_pipeline.sample_rates import Rates, SampleError, measure_rates
from tests.corpus.crawl_layout import CRAWL, SEGMENT, fetch_settings, generated_layout, write_mirror
from tests.corpus.misbehaving_server import serve

RATES = Rates(
    num_bytes=1_000_000, num_pages=50, num_documents=40, extract_seconds=0.36, dedup_seconds=0.036,
    iterate_seconds=0.0072, train_seconds=0.001, text_bytes=200_000, kept_bytes=150_000, signature_bytes=20_000,
    sidecar_bytes=5_000,
)  # fmt: skip
SIZE = CrawlSize(num_files=7200, num_bytes=10**12, num_pages=50_000_000, origins={})


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    return generated_layout()


def test_a_bill_added_up_by_hand():
    recipe = load_recipe("paper", ["seeds.num_folds=2"])
    steps = bill(SIZE, RATES, recipe, Prices(core_hour=0.5, gb_read=0.01, gb_written=0.1))
    # the crawl is 10^6 samples: 360,000 s = 100 h; 36,000 s = 10 h; 7,200 s = 2 h and the training:
    # 10^6 texts x 3 epochs x 2 models x 0.001 s = 6,000 s
    assert [step.core_hours for step in steps] == pytest.approx([100, 10, 2 + 6000 / 3600])
    assert [step.bytes_written for step in steps] == pytest.approx([200e9, 170e9, 5e9])
    # dedup reads all text twice and what is kept once; an iteration what is kept, and its own scores
    assert [step.bytes_read for step in steps] == pytest.approx([1e12, 550e9, 155e9])
    # 50 + 1000 x 0.01 + 200 x 0.1; 5 + 17; 3.667 x 0.5 + 0.5
    assert [step.cost for step in steps] == pytest.approx([80, 22, (2 + 6000 / 3600) / 2 + 0.5])
    sums = total(steps, num_iterations=4, num_crawls=3)
    assert sums.core_hours == pytest.approx(3 * (110 + 4 * (2 + 6000 / 3600)))
    assert sums.bytes_written == pytest.approx(3 * (370e9 + 4 * 5e9))


def test_what_bounds_a_run():
    sums = total(bill(SIZE, RATES, load_recipe("paper", []), Prices()), 0, 2)
    hours = least_hours(SIZE, sums, FetchSettings(requests_per_second=0.5), num_crawls=2, cores=10, gigabits=8)
    # 2 x 110 core-hours on ten; 2 x 7,200 files at a file in two seconds; 2 x 10^12 bytes at 10^9 a second
    assert list(hours.values()) == pytest.approx([22, 8, 2000 / 3600])
    # 40 documents a sample: 10^6 samples in two crawls at 9 bytes each, by hash buckets; 25,000 at 600, in memory
    assert near_dedup_memory(SIZE, RATES, 2) == 720_000_000
    assert near_dedup_memory(replace(SIZE, num_bytes=25_000 * RATES.num_bytes), RATES, 2) == 1_200_000_000
    assert list(hours) == ["10 cores", "0.5 requests a second", "network of 8 Gbit/s"]


def test_the_size_of_a_crawl_is_asked_for(layout, tmp_path):
    sizes = [len(data) for name, data in layout.items() if name.startswith(SEGMENT)]
    with serve(dict(layout)) as server:
        source = CommonCrawl(fetch_settings(server.address), tmp_path)
        found = crawl_size(source, CRAWL)
        # three files and so all of them asked, one byte each; the index has a row for each of 118 captures
        assert (found.num_files, found.num_bytes, found.num_pages) == (3, sum(sizes), 118)
        assert found.origins == {"files": "warc.paths.gz", "bytes": "3 of the files", "pages": "2 of 2 index files"}
        server.requests.clear()
        given = crawl_size(source, CRAWL, num_files=9, num_bytes=10**9, num_pages=5)
        assert (given.num_files, given.num_bytes, given.num_pages) == (9, 10**9, 5)
        assert set(given.origins.values()) == {"given"} and server.requests == []


def test_a_mirror_without_an_index_gives_pages_by_the_sample(layout, tmp_path):
    write_mirror({name: data for name, data in layout.items() if "cc-index" not in name}, tmp_path)
    source = CommonCrawl(FetchSettings(base_url=str(tmp_path)), tmp_path / "cache")
    found = crawl_size(source, CRAWL, page_bytes=1000.0)
    assert found.num_pages == round(found.num_bytes / 1000)
    assert found.origins["pages"] == "bytes of a page in the sample"


def test_a_crawl_that_nobody_can_ask_needs_numbers(tmp_path):
    source = CommonCrawl(FetchSettings(base_url=str(tmp_path / "none")), tmp_path / "cache")
    with pytest.raises(EstimateError, match=r"2024-10 is not known \(.*does not exist.*give --bytes or --pages"):
        crawl_size(source, CRAWL, page_bytes=1000.0)
    found = crawl_size(None, "", num_pages=2000, page_bytes=1500.0)
    assert (found.num_files, found.num_bytes, found.num_pages) == (0, 3_000_000, 2000)


@pytest.mark.slow
def test_rates_count_what_the_stages_read_and_wrote(layout, tmp_path):
    write_mirror(layout, tmp_path)
    files = sorted((tmp_path / SEGMENT).glob("*.warc.gz"))
    recipe = load_recipe("paper", ["classifier.num_buckets=10000", "classifier.dim=8"])
    rates = measure_rates([storage.folder(str(file)) for file in files], recipe)
    # what tests/corpus/test_columnar_index.py counts by reading: 39 + 38 + 38 pages
    assert (rates.num_pages, rates.num_bytes) == (115, sum(file.stat().st_size for file in files))
    assert 60 < rates.num_documents < 115
    assert min(rates.extract_seconds, rates.dedup_seconds, rates.iterate_seconds) > 0
    # pages take 0.2 to 100 ms; a rate out of this was measured in other units
    assert 2e-4 < rates.extract_seconds / rates.num_pages < 0.1
    assert rates.signature_bytes > rates.num_documents * 14 * 8 * 4 * 0.9  # bands x rows hashes of four bytes
    assert 0 < rates.kept_bytes <= 1.3 * rates.text_bytes < rates.num_bytes


def test_a_sample_without_pages_is_refused(tmp_path):
    (tmp_path / "a.warc").write_bytes(b"")
    with pytest.raises(SampleError, match=r"no HTML page in .*a\.warc"):
        measure_rates([tmp_path / "a.warc"], load_recipe("demo", []))
