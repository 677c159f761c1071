"""Reading seed files."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.seeds import SeedError, write_seed


def test_bad_lines_are_skipped_counted_and_named(tmp_path):
    good = {"url": "https://a.org", "text": "x + 1", "date": None}
    lines = [json.dumps(good), "{", '"text"', json.dumps({"url": "u"}), json.dumps({"text": "t"}), "", json.dumps(good)]
    with gzip.open(tmp_path / "s.jsonl.gz", "wt") as file:
        file.write("\n".join(lines) + '\n{"url": "u", "text": "\\ud800"}\n')
    counts = write_seed(str(tmp_path / "s.jsonl.gz"), tmp_path / "seed").counts
    assert counts["num_texts"] == 1
    assert counts["skipped"] == {
        "not JSON": 1, "not a JSON object": 1, "no text": 1, "no url": 1, "duplicate text": 1, "lone surrogate": 1
    }  # fmt: skip
    assert counts["skipped_lines"][0] == "line 2: not JSON"
    assert counts["skipped_lines"][-1] == "line 8: lone surrogate"


def test_a_line_that_is_not_utf8_costs_only_itself(tmp_path):
    (tmp_path / "s.jsonl").write_bytes(b'{"url": "u", "text": "\xff"}\n{"url": "u", "text": "ok"}\n')
    counts = write_seed(str(tmp_path / "s.jsonl"), tmp_path / "seed").counts
    assert counts["num_texts"] == 1 and counts["skipped"] == {"not UTF-8": 1}


def test_a_parquet_seed_reads_like_a_jsonl_seed(tmp_path):
    pq.write_table(pa.table({"text": ["a b"], "url": ["https://a.org"], "extra": [1]}), tmp_path / "s.parquet")
    write_seed(str(tmp_path / "s.parquet"), tmp_path / "seed")
    assert storage.read_table(tmp_path / "seed").to_pylist() == [{"url": "https://a.org", "text": "a b", "date": None}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.txt", b"x", "unknown format"),
        ("s.jsonl", b"{}\n", "no usable text.*line 1: no url"),
        ("s.jsonl.gz", gzip.compress(b'{"url": "u", "text": "ok"}\n' * 999, mtime=0)[:-12], "damaged or cut off"),
    ],
)
def test_a_seed_file_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SeedError, match=message):
        write_seed(str(tmp_path / name), tmp_path / "seed")
    assert not (tmp_path / "seed" / "manifest.json").exists()


def test_a_missing_seed_file_is_named(tmp_path):
    with pytest.raises(SeedError, match="does not exist"):
        write_seed(str(tmp_path / "none.jsonl"), tmp_path / "seed")
