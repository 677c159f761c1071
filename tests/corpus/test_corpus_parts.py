"""Which parts make a corpus: only those of which one was compared with the other as it is now."""

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.corpus_parts import corpus_batches, corpus_files, current_parts, part_rows, read_parts
from dsmath_pipeline.corpus.refresh import Refresh, RefreshError, corpus_so_far, part_name
from dsmath_pipeline.records import CORPUS_SCHEMA


def write_corpus(folder, urls, made_of="x"):
    rows = [
        {"id": url, "url": f"https://{url}", "domain": url, "title": "", "text": f"text of {url}", "language": "en",
         "score": 0.9, "collection_iteration": 1, "num_tokens": 3} for url in urls
    ]  # fmt: skip
    with storage.stage(folder, "math_corpus", "1", None, {"from": made_of}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, CORPUS_SCHEMA))
            run.artifact.counts |= {"num_tokens": 3 * len(rows)}


def write_index(root, name, corpus, **counts):
    """An index as the stage leaves it; returns its key. `compared_with` is part of the key, as in a refresh."""
    folder = root / "refresh" / name / "corpus_index"
    inputs = {"math_corpus": corpus, **{f"compared with {n}": k for n, k in counts.get("compared_with", {}).items()}}
    with storage.stage(folder, "corpus_index", "1", None, inputs) as run:
        if run.artifact:
            run.artifact.counts |= {"newest_page": "2024-03-01T00:00:00Z"} | counts
    return storage.read_manifest(folder).key


def write_part(root, name, compared_with, urls=("b.org",)):
    write_corpus(root / "refresh" / name / "math_corpus", urls, made_of=name)
    return write_index(
        root, name, root / "refresh" / name / "math_corpus", crawl=[f"cc:{name}"], compared_with=compared_with,
        cut_logit=0.5,
    )  # fmt: skip


def write_base(root, made_of="x"):
    write_corpus(root / "math_corpus", ["a.org"], made_of)
    return write_index(root, "base", root / "math_corpus")


def states(root):
    return {part.name: part.is_current for part in read_parts(root)}


def test_parts_follow_each_other_and_the_base_comes_first(tmp_path):
    base = write_base(tmp_path)
    second = write_part(tmp_path, "B", {"base": base})
    write_part(tmp_path, "A", {"base": base, "B": second}, urls=("c.org", "d.org"))
    assert [part.name for part in current_parts(tmp_path)] == ["base", "B", "A"]  # in the order they were made
    urls = [row["url"] for batch in corpus_batches(tmp_path, ["url"]) for row in batch.to_pylist()]
    assert urls == ["https://a.org", "https://b.org", "https://c.org", "https://d.org"]
    assert [(row["part"], row["pages"], row["tokens"]) for row in part_rows(tmp_path)] == [
        ("base", 1, 3), ("B", 1, 3), ("A", 2, 6)
    ]  # fmt: skip


def test_of_two_parts_that_were_made_at_the_same_time_the_later_is_out_of_date(tmp_path):
    base = write_base(tmp_path)
    write_part(tmp_path, "A", {"base": base})
    write_part(tmp_path, "B", {"base": base})
    assert states(tmp_path) == {"base": True, "A": True, "B": False}
    with pytest.raises(storage.ArtifactError, match=r"B may hold.*dsmath refresh --out .* --crawl cc:B --name B"):
        corpus_files(tmp_path)
    first = storage.read_manifest(tmp_path / "refresh" / "A" / "corpus_index").key
    write_part(tmp_path, "B", {"base": base, "A": first})
    assert all(states(tmp_path).values())


def test_a_base_that_was_made_anew_leaves_every_part_out_of_date(tmp_path):
    base = write_base(tmp_path)
    write_part(tmp_path, "A", {"base": base})
    write_corpus(tmp_path / "math_corpus", ["a.org"], made_of="other settings")  # its index is the old one's
    assert states(tmp_path) == {"base": True, "A": False}
    write_index(tmp_path, "base", tmp_path / "math_corpus")
    assert states(tmp_path) == {"base": True, "A": False}
    storage.remove(tmp_path / "refresh" / "A")
    assert states(tmp_path) == {"base": True}


def test_a_part_that_was_deleted_is_missed_by_nobody(tmp_path):
    base = write_base(tmp_path)
    first = write_part(tmp_path, "A", {"base": base})
    write_part(tmp_path, "B", {"base": base, "A": first})
    storage.remove(tmp_path / "refresh" / "A")
    assert states(tmp_path) == {"base": True, "B": True}


def test_half_a_part_and_the_whole_corpus_are_no_parts(tmp_path):
    base = write_base(tmp_path)
    write_part(tmp_path, "A", {"base": base})
    (tmp_path / "refresh" / "A" / "corpus_index" / "manifest.json").unlink()
    write_corpus(tmp_path / "refresh" / "corpus", ["a.org"])
    assert states(tmp_path) == {"base": True}


def test_a_run_without_a_corpus_is_named(tmp_path):
    with pytest.raises(storage.ArtifactError, match=r"math_corpus does not exist"):
        read_parts(tmp_path)
    with pytest.raises(storage.ArtifactError, match=r"near_duplicates does not exist"):
        corpus_so_far(Refresh(tmp_path, ("cc:CC-MAIN-2024-18",), "CC-MAIN-2024-18"))


@pytest.mark.parametrize(
    ("crawl", "name"),
    [
        ("cc:CC-MAIN-2024-18", "CC-MAIN-2024-18"),
        ("cc:CC-MAIN-2024-18/0-9", "CC-MAIN-2024-18_0-9"),
        ("/data/spring/", "spring"),
        ("/data/a.warc.gz", "a"),
        ("s3://bucket/crawls/may", "may"),
    ],
)
def test_a_part_is_named_after_its_crawl(crawl, name):
    assert part_name([crawl]) == name


@pytest.mark.parametrize("crawl", [["a", "b"], [], ["base"], ["earlier-1"], ["corpus.warc.gz"], ["/data/my crawl"]])
def test_what_cannot_name_a_part_is_refused(crawl):
    with pytest.raises(RefreshError):
        part_name(crawl)
