import gzip
import json
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.tokens import sources
from dsmath_pipeline.tokens.sources import SourceError, read_texts, source_folder, source_parts

TEXTS = [f"text {i} 数学" for i in range(100)]


def lines(texts, field="text"):
    return "".join(json.dumps({field: text, "meta": 1}) + "\n" for text in texts).encode()


def all_texts(path):
    return [text for part in source_parts(source_folder(path)) for text in read_texts(part)]


def test_every_format_gives_the_same_texts(tmp_path):
    zstd = pa.Codec("zstd").compress(lines(TEXTS, "content"), asbytes=True)
    (tmp_path / "a.jsonl").write_bytes(lines(TEXTS))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines(TEXTS)))
    (tmp_path / "c.jsonl.zst").write_bytes(zstd)
    pq.write_table(pa.table({"id": range(100), "text": TEXTS}), tmp_path / "d.parquet")
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.parquet"):
        assert all_texts(tmp_path / name) == TEXTS, name


def test_compressed_files_of_several_members_are_read_to_their_end(tmp_path):
    halves = lines(TEXTS[:50]), lines(TEXTS[50:])
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(map(gzip.compress, halves)))
    (tmp_path / "b.jsonl.zst").write_bytes(b"".join(pa.Codec("zstd").compress(h, asbytes=True) for h in halves))
    assert all_texts(tmp_path / "a.jsonl.gz") == all_texts(tmp_path / "b.jsonl.zst") == TEXTS


def test_a_folder_is_searched_through_and_an_artifact_only_at_its_top(tmp_path):
    (tmp_path / "train" / "agda").mkdir(parents=True)
    (tmp_path / "train" / "agda" / "0.jsonl").write_bytes(lines(TEXTS[:1]))
    (tmp_path / "train" / "b.jsonl").write_bytes(lines(TEXTS[1:3]))
    (tmp_path / "README.md").write_text("no text of the source")
    assert all_texts(tmp_path) == TEXTS[:3]
    with storage.stage(tmp_path / "corpus", "corpus", "1", {}, {}) as run:
        assert run.artifact is not None
        run.artifact.write_table("part-0.parquet", pa.table({"text": TEXTS[:2]}))
        storage.write_table(tmp_path / "corpus" / "dropped" / "part-0.parquet", pa.table({"text": TEXTS[5:]}))
    assert all_texts(tmp_path / "corpus") == TEXTS[:2]


def test_row_groups_are_gathered_into_parts_of_bounded_size(tmp_path, monkeypatch):
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdefgh", k=1000)) for _ in range(100)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=10, use_dictionary=False)
    size = pq.read_metadata(tmp_path / "a.parquet").row_group(0).column(0).total_uncompressed_size
    monkeypatch.setattr(sources, "_PART_BYTES", 3.5 * size)
    parts = source_parts(tmp_path / "a.parquet")
    assert [part.row_groups for part in parts] == [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9,)]
    assert [text for part in parts for text in read_texts(part)] == texts


def test_a_bad_line_costs_only_itself(tmp_path):
    bad = b'{"text": "cut off\n[1, 2]\n\xff\xfe\n{"text": null}\n{"text": 3}\n{"text": ""}\n'
    surrogate = b'{"text": "lone \\ud800 surrogate"}\n'
    (tmp_path / "a.jsonl").write_bytes(lines(TEXTS[:2]) + bad + surrogate + lines(TEXTS[2:4]))
    assert all_texts(tmp_path / "a.jsonl") == [*TEXTS[:2], "lone ? surrogate", *TEXTS[2:4]]


def test_sources_that_hold_no_text_are_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere does not exist"):
        source_parts(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="no text file in"):
        source_parts(tmp_path)
    pq.write_table(pa.table({"body": TEXTS}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="no column text or content; its columns are body"):
        source_parts(tmp_path)
    (tmp_path / "b.jsonl").write_bytes(lines(TEXTS, "body"))
    with pytest.raises(SourceError, match=r"no line of .*b\.jsonl"):
        all_texts(tmp_path / "b.jsonl")


def test_a_name_that_is_no_path_is_a_data_set_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(source_folder("someone/proofs")) == "hf://datasets/someone/proofs"
    (tmp_path / "someone" / "proofs").mkdir(parents=True)
    assert str(source_folder("someone/proofs")) == "someone/proofs"
    assert str(source_folder("/a/b")) == "/a/b"


def test_remote_folders_are_read_and_an_unreachable_one_is_a_clear_error():
    import fsspec

    with fsspec.open("memory://texts/x/a.jsonl.gz", "wb", compression="gzip") as file:
        file.write(lines(TEXTS))
    assert all_texts("memory://texts") == TEXTS
    with pytest.raises(SourceError, match="cannot read nosuch://there"):
        source_parts(_Unreachable("nosuch://there"))


class _Unreachable:
    def __init__(self, name):
        self.name = name

    def is_file(self):
        raise ConnectionError("no route")

    def __str__(self):
        return self.name


@pytest.mark.slow
def test_a_large_row_group_is_read_with_bounded_memory(tmp_path):
    # one row group of 400 MB of text; a process that reads it may not grow by a quarter of that
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdefghij ", k=20_000)) for _ in range(200)]
    table = pa.table({"text": pa.array(texts * 100)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=len(table), use_dictionary=False)
    code = (
        "import resource, sys; from dsmath_pipeline.tokens.sources import *; from pathlib import Path\n"
        "parts = source_parts(Path(sys.argv[1]))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(len(t) for p in parts for t in read_texts(p)), "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    num_chars, grown_kib = map(int, out.split())
    assert num_chars == 400_000_000 and grown_kib < 100_000
