"""Keys of texts and the stage `unique_documents`."""

import hashlib
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import dedup
from dsmath_pipeline.corpus.dedup import deduplicate, text_keys
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


SPACES = " \t\n\r\u00a0\u2003\u3000\u200b\ufeff\x00\x1f\x7f\x85"


def plain_key(text):
    """The rule of `text_keys`, one character at a time."""
    lowered = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
    spaced = "".join(" " if c.isspace() or ord(c) < 32 or c in SPACES or "\x7f" <= c <= "\xa0" else c for c in lowered)
    joined = " ".join(word for word in spaced.split(" ") if word)
    return hashlib.blake2b(joined.encode(), digest_size=16).digest()


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=30) | st.text(alphabet="aZÄ数😀-" + SPACES, max_size=30), max_size=5))
def test_text_keys_are_those_of_plain_python(texts):
    assert text_keys(texts) == [plain_key(text) for text in texts]
    array = pa.array(["before", *texts], pa.large_string())
    assert text_keys(array[1:]) == text_keys(texts)


def test_texts_that_differ_in_a_sign_have_different_keys_and_those_that_differ_in_case_or_spacing_do_not():
    keys = text_keys(["x + 1", "x - 1", " X\n+\u00a0 1\t", "x+1", "数 学", "数学", "数\u3000学"])
    assert keys[0] == keys[2] and keys[4] == keys[6]
    assert len(set(keys)) == 5


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


@pytest.mark.slow
def test_two_workers_and_a_second_run_give_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(dedup, "_ROWS_WORTH_A_POOL", 0)
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
