"""What of a new crawl may join: by its log-odds, its URL and its text, against the index of a corpus."""

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.compute import ShardError
from dsmath_pipeline.corpus.base_run import BaseRun
from dsmath_pipeline.corpus.corpus_index import known_keys, write_corpus_index
from dsmath_pipeline.corpus.near_dedup import find_near_duplicates
from dsmath_pipeline.corpus.new_documents import select_new_documents
from dsmath_pipeline.corpus.refresh import Refresh, RefreshError, check
from dsmath_pipeline.recipe.schema import (
    DecontaminationSettings,
    DedupSettings,
    ExtractSettings,
    OptOutSettings,
)
from dsmath_pipeline.records import DOCUMENT_SCHEMA, SCORE_SCHEMA
from tests.corpus.test_corpus_parts import write_corpus
from tests.corpus.test_crawls import document, prose

SETTINGS = DedupSettings()
OLD = [document("a", "1", prose("1"), "2024-02-01T10:00:00Z"), document("b", "2", prose("2"), "2024-02-03T10:00:00Z")]
SCORED = [
    (document("c", "1?utm_source=x#top", prose("other"), "2024-04-01T10:00:00Z"), 2.0),  # the URL of a
    (document("d", "3", prose("1").upper(), "2024-04-01T10:00:00Z"), 2.0),  # the text of a
    (document("e", "4", prose("2"), "2024-04-01T10:00:00Z"), 2.0),  # the text of b, which is not in the corpus
    (document("f", "5", prose("5"), "2024-04-01T10:00:00Z"), 0.5),  # exactly at the cut
    (document("g", "6", prose("6"), "2024-04-01T10:00:00Z"), 0.4999),
]


def write_documents(folder, rows):
    with storage.stage(folder, "unique_documents", "1", None, {"from": str(len(rows))}) as run:
        run.artifact.write_table("x.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))


@pytest.fixture
def index(tmp_path):
    """The index of a corpus that holds page a alone of two documents."""
    write_documents(tmp_path / "old", OLD)
    find_near_duplicates(tmp_path / "old", tmp_path / "signatures", SETTINGS)
    rows = [{**OLD[0], "score": 0.9, "collection_iteration": 1}]
    with storage.stage(tmp_path / "corpus", "math_corpus", "1", None, {}) as run:
        run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows))
    write_corpus_index(tmp_path / "corpus", tmp_path / "signatures", tmp_path / "old", tmp_path / "index")
    return tmp_path / "index"


def write_crawl(root):
    write_documents(root / "new", [row for row, _ in SCORED])
    scores = [{**row, "logit": logit, "score": 0.5} for row, logit in SCORED]
    with storage.stage(root / "scores", "scores", "1", None, {}) as run:
        run.artifact.write_table("x.parquet", pa.Table.from_pylist(scores).select(SCORE_SCHEMA.names))


def test_the_index_holds_what_the_corpus_holds_and_the_date_of_its_crawl(index, tmp_path):
    rows = storage.read_table(index).to_pylist()
    signed = {row["id"]: row["signature"] for row in storage.read_table(tmp_path / "signatures").to_pylist()}
    assert [(row["id"], row["cluster_id"], row["is_kept"], row["signature"]) for row in rows] == [
        ("a", "a", True, signed["a"])
    ]
    assert storage.read_manifest(index).counts["newest_page"] == "2024-02-03T10:00:00Z"  # that of b, of the same crawl
    assert len(known_keys([index]).urls) == len(known_keys([index]).texts) == 1
    assert known_keys([]).urls == frozenset()


def test_a_page_without_a_signature_is_an_error(index, tmp_path):
    write_corpus(tmp_path / "strange", ["z.org"])
    with pytest.raises(storage.ArtifactError, match=r"1 of 1 pages in .*strange.*have no signature"):
        write_corpus_index(tmp_path / "strange", tmp_path / "signatures", tmp_path / "old", tmp_path / "other")


def test_documents_at_the_cut_join_unless_the_corpus_has_their_url_or_text(index, tmp_path):
    write_crawl(tmp_path)
    manifest = select_new_documents(
        tmp_path / "new", tmp_path / "scores", tmp_path / "out", {"base": index}, cut_logit=0.5
    )
    assert storage.read_table(tmp_path / "out", ["id"])["id"].to_pylist() == ["e", "f"]
    assert manifest.counts == {
        "dropped": {"url_in_corpus": 1, "text_in_corpus": 1, "below_cut": 1}, "num_scored": 5, "num_kept": 2,
        "cut_logit": 0.5, "compared_with": {"base": storage.read_manifest(index).key},
    }  # fmt: skip
    sample = (tmp_path / "out" / "dropped" / "sample.jsonl").read_text()
    assert '"id": "c"' in sample and '"id": "d"' in sample and '"id": "g"' not in sample


def test_against_no_corpus_only_the_cut_counts(tmp_path):
    write_crawl(tmp_path)
    select_new_documents(tmp_path / "new", tmp_path / "scores", tmp_path / "out", {}, cut_logit=1.0)
    assert storage.read_table(tmp_path / "out", ["id"])["id"].to_pylist() == ["c", "d", "e"]


def test_scores_of_other_documents_are_refused(tmp_path):
    write_crawl(tmp_path)
    write_documents(tmp_path / "more", [row for row, _ in SCORED] + OLD)
    with pytest.raises(ShardError, match="7 documents and 5 scores"):
        select_new_documents(tmp_path / "more", tmp_path / "scores", tmp_path / "out", {}, cut_logit=0.5)


def base_run(**changed):
    plain = {
        "iteration": 2, "cut_logit": 0.5, "extract": ExtractSettings(), "opt_out": OptOutSettings(), "dedup": SETTINGS,
        "decontamination": DecontaminationSettings(), "is_decontaminated": False, "num_earlier": 0, "has_list": False,
    }  # fmt: skip
    return BaseRun(**{**plain, **changed})


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"has_list": True}, "--optout"),
        ({"num_earlier": 2}, "compared with 2 earlier runs, not 0.*--earlier"),
        ({"is_decontaminated": True}, "--benchmarks"),
    ],
)
def test_a_refresh_brings_whatever_the_run_was_made_with(tmp_path, base, message):
    refresh = Refresh(tmp_path, ("x.warc.gz",), "x")
    check(refresh, base_run())
    with pytest.raises(RefreshError, match=message):
        check(refresh, base_run(**base))
