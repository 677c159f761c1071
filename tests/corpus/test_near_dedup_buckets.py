"""Near-duplicates by hash buckets against the same in one process's memory, and the files between the steps."""

import random
from pathlib import Path

import numpy as np
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import near_dedup, near_dedup_buckets
from dsmath_pipeline.corpus.exchange import receive, send
from dsmath_pipeline.corpus.near_dedup import find_near_duplicates
from dsmath_pipeline.recipe.schema import DedupSettings
from tests.corpus.test_near_dedup import prose, write_crawl

SETTINGS = DedupSettings(num_sampled_drops=3)
LOOSE = DedupSettings(num_bands=28, num_rows=4, min_jaccard=0.6, max_bucket_pairs=2, num_sampled_drops=3)
"""Buckets of many pages, of which only two are compared with the others."""


def crawl(path: Path, seed: int) -> Path:
    """Ninety pages in four shards, one of them empty: copies, chains of edits, lone pages, pages without words."""
    rng = random.Random(seed)
    rows = {}
    for number in range(90):
        words = prose(rng.randrange(6 * seed, 6 * seed + 12), 120).split()  # half of them new in every crawl
        for _ in range(rng.choice([0, 1, 4, 12, 40])):
            words[rng.randrange(len(words))] = f"edit{rng.randrange(10**6)}"
        rows[f"{seed}-{number:02}"] = rng.choice(["", "..."]) if number % 15 == 7 else " ".join(words)
    items = list(rows.items())
    cuts = {"s1": items[:40], "s2": [], "s3": items[40:45], "s4": items[45:]}
    return write_crawl(path, {name: dict(part) for name, part in cuts.items()})


def content(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.*") if file.suffix != ".json"}


def cut(monkeypatch: pytest.MonkeyPatch, group: int, partition: int) -> None:
    monkeypatch.setattr(near_dedup, "_PAGES_IN_MEMORY", 0)
    monkeypatch.setattr(near_dedup, "_PAGES_OF_A_GROUP", group)
    monkeypatch.setattr(near_dedup, "_PAGES_OF_A_PARTITION", partition)


@pytest.fixture(scope="module", params=[SETTINGS, LOOSE], ids=["usual", "loose"])
def in_memory(request, tmp_path_factory):
    """Settings, the folder of two earlier crawls and a third one, and the manifest of the third."""
    root = tmp_path_factory.mktemp("crawls")
    for number in range(3):
        crawl(root / f"docs{number}", number)
        known = [root / f"near{n}" for n in range(number)]
        manifest = find_near_duplicates(root / f"docs{number}", root / f"near{number}", request.param, known=known)
    assert all(manifest.counts["dropped"].values()) and manifest.counts["num_clusters"] > 3
    return request.param, root, manifest


@pytest.mark.parametrize(("group", "partition"), [(10_000, 10_000), (50, 60), (1, 20)])
def test_buckets_give_the_bytes_of_one_process(in_memory, group, partition, tmp_path, monkeypatch):
    settings, root, expected = in_memory
    cut(monkeypatch, group, partition)
    out, known = tmp_path / "near", [root / "near0", root / "near1"]
    made = find_near_duplicates(root / "docs2", out, settings, known=known)
    assert (made.key, made.counts, made.num_rows) == (expected.key, expected.counts, expected.num_rows)
    assert content(out) == content(root / "near2")
    alone = find_near_duplicates(root / "docs0", tmp_path / "first", settings)
    assert alone.counts["num_known"] == 0 and content(tmp_path / "first") == content(root / "near0")


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(in_memory, tmp_path, monkeypatch):
    settings, root, _ = in_memory
    cut(monkeypatch, 30, 25)
    known = [root / "near0", root / "near1"]
    find_near_duplicates(root / "docs2", tmp_path / "near", settings, known=known, workers=2)
    assert content(tmp_path / "near") == content(root / "near2")


@pytest.mark.parametrize("step", ["_ask", "_send_pairs", "_send_clusters", "_send_kept", "_write"])
def test_a_run_that_ends_within_a_step_goes_on_with_it(in_memory, step, tmp_path, monkeypatch):
    settings, root, _ = in_memory
    cut(monkeypatch, 30, 25)
    out, known = tmp_path / "near", [root / "near0", root / "near1"]
    usual = getattr(near_dedup_buckets, step)

    def fails(number, *, plan=None):
        if number == 1 or plan is None:
            raise RuntimeError("killed")
        return usual(number, plan=plan)

    monkeypatch.setattr(near_dedup_buckets, step, fails)
    with pytest.raises(RuntimeError, match="killed"):
        find_near_duplicates(root / "docs2", out, settings, known=known)
    before = {file: file.stat().st_mtime_ns for file in (out / "_signatures").rglob("*") if file.is_file()}
    assert {file.parent.name for file in before} >= {"_signatures", "keys"}
    monkeypatch.setattr(near_dedup_buckets, step, usual)
    again = []
    monkeypatch.setattr(storage, "remove", lambda path: again.append({f: f.stat().st_mtime_ns for f in before}))
    find_near_duplicates(root / "docs2", out, settings, known=known)
    assert again == [before]
    monkeypatch.undo()
    storage.remove(out / "_signatures")
    assert content(out) == content(root / "near2")


def test_records_arrive_in_the_order_of_the_senders(tmp_path):
    dtype = np.dtype([("number", "<i8"), ("name", "S3")])
    one = np.array([(1, b"a"), (2, b"bcd"), (3, b"")], dtype)
    assert send(tmp_path / "0", "k", 4, lambda: (np.array([2, 0, 2]), one, {"n": 3})) == {"n": 3}
    send(tmp_path / "1", "k", 4, lambda: (np.array([2]), one[:1], {}))
    send(tmp_path / "2", "k", 4, lambda: (np.array([], np.int64), one[:0], {}))
    files = [tmp_path / name for name in "012"]
    assert receive(files, 2, dtype).tolist() == [(1, b"a"), (3, b""), (1, b"a")]
    assert receive(files, 0, dtype).tolist() == [(2, b"bcd")]
    assert [len(receive(files, receiver, dtype)) for receiver in (1, 3)] == [0, 0]
    assert send(tmp_path / "0", "k", 4, lambda: pytest.fail("made twice")) == {"n": 3}
    assert send(tmp_path / "0", "other", 4, lambda: (np.array([1]), one[:1], {"n": 1})) == {"n": 1}
    assert receive(files[:1], 1, dtype).tolist() == [(1, b"a")]
