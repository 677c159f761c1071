"""URL normalisation and the stage `unique_documents`."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.dedup import deduplicate, normalise_url
from dsmath_pipeline.recipe.schema import DedupSettings
from dsmath_pipeline.records import DOCUMENT_SCHEMA

SETTINGS = DedupSettings(min_text_chars=10)


def document(id, url, text, date="2024-01-01", source="a.warc.gz"):
    return {
        "id": id, "url": url, "domain": "example.org", "source": source, "offset": 0, "date": date, "title": "",
        "language": "en", "text": text, "formulas": [], "rules": [], "num_tokens": 3,
    }  # fmt: skip


def write_documents(path, shards):
    with storage.stage(path, "documents", "1", None, {"pages": "x"}, force=True) as run:
        for name, rows in shards.items():
            run.artifact.write_table(f"{name}.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    return path


def kept_ids(out):
    return storage.read_table(out, ["id"])["id"].to_pylist()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a?b=1",
        "http://WWW.Example.org:80/a/?b=1",
        "https://example.org:443/a?b=1#part",
        "https://example.org/a?utm_source=x&b=1&utm_Medium=y&gclid=3&fbclid=4",
        "https://user@example.org/a;jsessionid=0123ABC?b=1&PHPSESSID=abc",
        "https://example.org/a/?b=1&sid=0123456789abcdef0123456789abcdef",
    ],
)
def test_addresses_of_the_same_page_are_one(url):
    assert normalise_url(url) == "example.org/a?b=1"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/?id=1", "https://example.org/?id=2"),
        ("https://example.org/?sid=17", "https://example.org/?sid=18"),  # a story number, not a session
        ("https://example.org/#!a", "https://example.org/#!b"),
        ("https://en.example.org/", "https://de.example.org/"),
        ("https://example.org:8080/", "https://example.org/"),
    ],
)
def test_addresses_of_different_pages_stay_different(left, right):
    assert normalise_url(left) != normalise_url(right)


def test_a_broken_address_is_kept_as_it_is():
    assert normalise_url(" http://[::1/x ") == "http://[::1/x"


@given(st.text(alphabet="aB/?&=#%;1é数.!+ ", max_size=40), st.sampled_from(["http://", "https://www."]))
def test_normalising_a_normal_address_again_changes_nothing(rest, prefix):
    once = normalise_url(f"{prefix}example.org/{rest}")
    assert normalise_url(f"https://{once}") == once


def test_an_escaped_and_a_plain_chinese_path_are_one_address():
    assert normalise_url("https://e.org/数") == normalise_url("https://e.org/%e6%95%b0/") == "e.org/%E6%95%B0"


def test_of_each_address_the_newest_page_stays_and_ties_go_to_the_smallest_id(tmp_path):
    docs = write_documents(
        tmp_path / "documents",
        {
            "s1": [
                document("b", "https://example.org/1", "an old version of it", "2023-01-01"),
                document("d", "https://example.org/2", "same date, larger id", "2024-01-01"),
            ],
            "s2": [
                document("a", "http://www.example.org/1/", "the new version of it", "2024-05-01"),
                document("c", "https://example.org/2#x", "same date, smaller id", "2024-01-01"),
            ],
        },
    )
    manifest = deduplicate(docs, tmp_path / "out", SETTINGS)
    assert kept_ids(tmp_path / "out") == ["a", "c"]
    assert manifest.counts["dropped"] == {"too_short": 0, "duplicate_url": 2, "duplicate_text": 0}


def test_a_short_newer_copy_does_not_displace_the_page(tmp_path):
    docs = write_documents(
        tmp_path / "documents",
        {
            "s1": [
                document("a", "https://example.org/1", "a full page of text", "2023-01-01"),
                document("b", "https://example.org/1", "gone", "2024-01-01"),
            ]
        },
    )
    manifest = deduplicate(docs, tmp_path / "out", SETTINGS)
    assert kept_ids(tmp_path / "out") == ["a"]
    assert manifest.counts["dropped"]["too_short"] == 1


def test_the_same_text_at_another_address_is_dropped_in_spite_of_case_and_spacing(tmp_path):
    docs = write_documents(
        tmp_path / "documents",
        {
            "s1": [document("a", "https://one.org/", "The  Text of the page")],
            "s2": [
                document("b", "https://two.org/", "the text\nof the page"),
                document("c", "https://x.org", "数学" * 9),
            ],
        },
    )
    manifest = deduplicate(docs, tmp_path / "out", SETTINGS)
    assert kept_ids(tmp_path / "out") == ["a", "c"]
    assert manifest.counts == {
        "num_read": 3,
        "num_kept": 2,
        "dropped": {"too_short": 0, "duplicate_url": 0, "duplicate_text": 1},
    }
    sample = [json.loads(line) for line in (tmp_path / "out" / "dropped" / "sample.jsonl").read_text().splitlines()]
    assert [(row["id"], row["drop_reason"], row["kept_id"]) for row in sample] == [("b", "duplicate_text", "a")]
    assert sample[0]["text"] == "the text\nof the page"


def test_shards_keep_their_names_and_columns_and_leave_no_working_files(tmp_path):
    docs = write_documents(
        tmp_path / "documents",
        {
            "x:1": [document("a", "https://one.org/", "short")],
            "x:2": [document("b", "https://two.org/", "long enough")],
        },
    )
    deduplicate(docs, tmp_path / "out", SETTINGS)
    assert sorted(p.name for p in (tmp_path / "out").glob("*.parquet")) == ["x:1.parquet", "x:2.parquet"]
    assert storage.read_table(tmp_path / "out").schema.equals(DOCUMENT_SCHEMA)
    assert not list((tmp_path / "out" / "_keys").rglob("*.parquet"))


def test_two_workers_and_a_second_run_give_the_same_bytes(tmp_path):
    rows = [document(f"{i:032x}", f"https://e.org/{i % 40}", f"text number {i % 33} it is") for i in range(100)]
    docs = write_documents(tmp_path / "documents", {"s1": rows[:50], "s2": rows[50:]})
    one = deduplicate(docs, tmp_path / "one", SETTINGS)
    two = deduplicate(docs, tmp_path / "two", SETTINGS, workers=2)
    for name in ("s1.parquet", "s2.parquet", "dropped/sample.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert one.key == two.key
    assert deduplicate(docs, tmp_path / "one", SETTINGS).created_seconds == one.created_seconds
    # 100 rows, 40 addresses -> 60 drops; ids 0-39 are kept by address; of their texts i % 33, 33 differ -> 7 drops
    assert one.counts == {
        "num_read": 100,
        "num_kept": 33,
        "dropped": {"too_short": 0, "duplicate_url": 60, "duplicate_text": 7},
    }


def test_near_dedup_settings_do_not_change_the_key(tmp_path):
    docs = write_documents(tmp_path / "documents", {"s1": [document("a", "https://one.org/", "long enough text")]})
    one = deduplicate(docs, tmp_path / "one", SETTINGS)
    two = deduplicate(docs, tmp_path / "two", SETTINGS.model_copy(update={"num_bands": 3}))
    assert one.key == two.key


def test_a_missing_input_says_what_to_do(tmp_path):
    with pytest.raises(storage.ArtifactError, match="run the stage"):
        deduplicate(tmp_path / "nothing", tmp_path / "out", SETTINGS)
