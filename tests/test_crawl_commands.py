"""`dsmath crawls`, `dsmath index` and `dsmath estimate` on a mirror folder."""

import json

import pytest

from dsmath_pipeline import crawl_commands, storage
from dsmath_pipeline.cli import main
from dsmath_pipeline.sample_rates import Rates
from tests.corpus.crawl_layout import CRAWL, SEGMENT, generated_layout, index_rows, write_mirror

RATES = Rates(10**6, 50, 40, 0.36, 0.036, 0.0072, 0.0, 200_000, 150_000, 20_000, 5_000)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(generated_layout(), folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))


def cells(table: str) -> dict[str, list[str]]:
    """Rows of printed tables by their first cell."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
    return {first: rest for first, *rest in rows}


def run(capsys, mirror, *arguments: object) -> tuple[int, str, str]:
    where = [f"--set=fetch.base_url={mirror}", f"--set=fetch.index_url={mirror}"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), *where])
    return ended.value.code, *capsys.readouterr()


def test_crawls_come_newest_first(capsys, mirror):
    code, out, _ = run(capsys, mirror, "crawls", "--json")
    assert code == 0
    assert json.loads(out) == [
        {"id": CRAWL, "name": "February 2024 Index", "first": "2024-02-20T21:10:47", "last": "2024-03-05T18:33:42"},
        {"id": "CC-MAIN-2023-50", "name": "December 2023", "first": "2023-11-28T08:18", "last": "2023-12-12T01:46"},
        {"id": "CC-MAIN-2012", "name": "2012 ARC Archives Index", "first": "", "last": ""},
    ]  # fmt: skip
    _, table, _ = run(capsys, mirror, "crawls")
    rows = [line for line in table.splitlines() if "CC-MAIN" in line]
    assert [line.split()[1] for line in rows] == [CRAWL, "CC-MAIN-2023-50", "CC-MAIN-2012"]
    assert "2024-02-20" in rows[0] and "2024-03-05" in rows[0]


def test_a_list_that_is_not_there_ends_with_one_line(capsys, tmp_path):
    code, _, err = run(capsys, tmp_path, "crawls")
    assert code == 1
    assert "not a mirror of Common Crawl's layout" in err and "Traceback" not in err


def test_records_of_a_host_are_written_for_extraction(capsys, mirror, tmp_path):
    rows = index_rows({f"{SEGMENT}/{file.name}": file.read_bytes() for file in (mirror / SEGMENT).glob("*.gz")})
    host = rows[-1]["url_host_name"]
    code, out, _ = run(
        capsys, mirror, "index", "--crawl", CRAWL, "--records", tmp_path / "r.parquet", "--host", host
    )  # fmt: skip
    table = storage.read_table(tmp_path / "r.parquet")
    expected = [r for r in rows if r["url_host_name"] == host and r["fetch_status"] == 200]
    assert (code, table.num_rows) == (0, len(expected))
    assert f"{len(expected)} records in" in out


def test_an_estimate_prints_size_bill_and_formula(capsys, mirror, monkeypatch):
    monkeypatch.setattr("dsmath_pipeline.sample_rates.measure_rates", lambda *_: RATES)
    code, out, _ = run(
        capsys, mirror, "estimate", "--crawl", CRAWL, "--bytes", "1e12", "--pages", "5e7", "--iterations", "1",
        "--cores", "10", "--price-core-hour", "0.5",
    )  # fmt: skip
    assert code == 0
    bill = {
        line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]]
        for line in out.splitlines()
        if "│" in line
    }
    assert bill["files"] == ["3", "warc.paths.gz"]
    # core hours, hours on ten cores, GB read, GB written, cost
    assert bill["read and extract"] == ["100.000", "10.000", "1000.000", "200.000", "50.000"]
    assert bill["each iteration"] == ["2.000", "0.200", "155.000", "5.000", "1.000"]
    assert bill["1 x all, 1 iterations"][:2] == ["112.000", "11.200"]
    assert "core-hours = " in out and "Note:" not in out  # 20,000 bytes a page in both


def test_a_crawl_of_other_pages_than_the_sample_is_noted(capsys, mirror, monkeypatch):
    monkeypatch.setattr("dsmath_pipeline.sample_rates.measure_rates", lambda *_: RATES)
    _, out, _ = run(capsys, mirror, "estimate", "--bytes", "1e12", "--pages", "1e7")
    assert "Note: a page has 100,000 bytes in the crawl and 20,000 in the sample" in out


def test_an_estimate_of_nothing_asks_for_a_size(capsys, mirror):
    code, _, err = run(capsys, mirror, "estimate")
    assert code == 1 and "name a crawl" in err


def test_people_wait_a_minute_and_not_hours_unless_they_say_so():
    class Given:
        preset, overrides = "paper", ["fetch.base_url=https://e.org/"]

    assert crawl_commands._recipe_of(Given).fetch.give_up_seconds == 60
    Given.overrides = ["fetch.give_up_seconds=5"]
    assert crawl_commands._recipe_of(Given).fetch.give_up_seconds == 5
