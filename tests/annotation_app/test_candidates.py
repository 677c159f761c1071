"""The queue, the counts and the samples of a run."""

import pytest
from annotation_run import PAGES, write_run

from dsmath_pipeline import storage
from dsmath_pipeline.annotation_app.candidates import crawl_name, last_iteration_with_domains, open_candidates
from dsmath_pipeline.corpus.urls import url_prefixes
from dsmath_pipeline.storage import ArtifactError


@pytest.fixture
def candidates(run, tmp_path):
    return open_candidates(run, tmp_path / "pages")


def test_the_queue_holds_mathematical_domains_by_expected_gain(candidates):
    # forum: 4 questions of 0.4 and 3 users of 0.1 not collected = 1.9; notes: 0.3 + 0.3 = 0.6
    found = [(d.name, round(d.expected_gain, 9), d.num_pages, d.num_collected) for d in candidates.queue]
    assert found == [("forum.example", 1.9, 12, 5), ("notes.example", 0.6, 4, 2)]
    assert candidates.iteration == 1 and candidates.crawl == "CC-TEST-2024-10-00000.warc.gz"


def test_counts_equal_a_slow_recount_at_every_depth(candidates):
    prefixes = {p for url, _, _ in PAGES for p in url_prefixes(url)} | {"forum.example/q", "forum.example/questions/77"}
    for prefix in sorted(prefixes):
        below = [taken for url, _, taken in PAGES if prefix in url_prefixes(url)]
        if prefix.startswith("news"):
            assert candidates.prefix(prefix) is None and candidates.num_pages(prefix) == 0
        else:
            found = candidates.prefix(prefix)
            assert (found.num_pages, found.num_collected) == (len(below), sum(below)), prefix


def test_samples_are_pages_below_the_prefix_by_id(candidates):
    left = candidates.samples("forum.example", False, 4)
    assert [page.url for page in left] == [f"https://forum.example/questions/{i}" for i in (4, 5, 6, 7)]
    assert [page.title for page in left] == ["page 4", "page 5", "page 6", "page 7"]
    further = candidates.samples("forum.example", False, 4, offset=4)
    assert [page.url for page in further] == [f"https://forum.example/users/{i}" for i in range(3)]
    assert [page.score for page in candidates.samples("forum.example/questions", True, 9)] == [0.9] * 4
    assert candidates.samples("forum.example/question", True, 9) == []


def test_hosts_of_one_registered_domain_are_one_entry(tmp_path):
    from dsmath_pipeline.corpus.domains import find_domains
    from dsmath_pipeline.recipe.schema import DomainSettings

    pages = [(f"https://{host}.a.co.uk/{i}", 0.5, i == 0) for host in ("math", "blog") for i in range(3)]
    run = write_run(tmp_path / "run", pages)
    base = run / "iteration_1"
    find_domains(
        base / "scores", base / "collected", run / "unique_documents", base / "domains",
        DomainSettings(registered_domain=True),
    )  # fmt: skip
    (domain,) = open_candidates(run, tmp_path / "pages").queue
    assert (domain.name, domain.hosts, domain.num_pages) == ("a.co.uk", ("blog.a.co.uk", "math.a.co.uk"), 6)
    assert domain.expected_gain == pytest.approx(4 * 0.5)


def test_the_newest_iteration_is_annotated_unless_it_repeats_an_older_one(run, tmp_path):
    write_run(run, k=2)
    assert last_iteration_with_domains(run) == 2
    with storage.stage(run / "iteration_3" / "domains", "domains", "1", None, {}) as stage:
        stage.artifact.counts["carried_forward"] = True
    assert last_iteration_with_domains(run) == 2
    assert open_candidates(run, tmp_path / "pages", 1).iteration == 1


def test_a_run_without_domains_is_an_error_that_says_what_to_do(run, tmp_path):
    with pytest.raises(ArtifactError, match="run the corpus stages first"):
        open_candidates(tmp_path / "empty", tmp_path / "pages")
    with pytest.raises(ArtifactError, match="does not exist: run the stage"):
        open_candidates(run, tmp_path / "pages", 7)
    none = write_run(tmp_path / "none", [("https://a.org/1", 0.1, False)] * 3)
    with pytest.raises(ArtifactError, match="found no mathematical domain"):
        open_candidates(none, tmp_path / "pages2")


def test_the_page_index_is_made_again_only_when_the_run_changed(run, tmp_path):
    open_candidates(run, tmp_path / "pages")
    file = tmp_path / "pages" / "iteration_1" / "pages.sqlite"
    made = file.stat().st_mtime_ns
    open_candidates(run, tmp_path / "pages")
    assert file.stat().st_mtime_ns == made
    changed = [(url, score, True) for url, score, _ in PAGES]
    storage.remove(run / "iteration_1")
    storage.remove(run / "unique_documents")
    write_run(run, changed)
    assert open_candidates(run, tmp_path / "pages").prefix("forum.example").num_collected == 12
    assert file.stat().st_mtime_ns != made


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["MINI-2024-10-00000.warc.gz", "MINI-2024-10-00013.warc.gz"], "MINI-2024-10"),
        (["one.warc.gz"], "one.warc.gz"),
        (["a.warc", "b.warc"], "2 files"),
        ([], "no files"),
    ],
)
def test_a_crawl_is_called_what_its_files_have_in_common(tmp_path, files, name):
    (tmp_path / "unique_documents").mkdir()
    for file in files:
        (tmp_path / "unique_documents" / f"{file}.parquet").touch()
    assert crawl_name(tmp_path) == name
