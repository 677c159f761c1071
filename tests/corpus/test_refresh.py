"""A second and a third crawl for a finished corpus: what joins, what stays as it was, what cannot come back."""

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus import refresh as refresh_module
from dsmath_pipeline.corpus.base_run import read_base
from dsmath_pipeline.corpus.corpus_parts import corpus_batches, part_rows, read_parts, write_whole_corpus
from dsmath_pipeline.corpus.minhash import gram_set, jaccard, signatures
from dsmath_pipeline.corpus.optout_list import Request
from dsmath_pipeline.corpus.refresh import Refresh, RefreshError, refresh_corpus
from dsmath_pipeline.corpus.removal import remove_pages
from dsmath_pipeline.corpus.urls import normalise_url
from dsmath_pipeline.recipe.schema import FetchSettings
from tests.corpus.refresh_webs import (
    NEW,
    RECIPE,
    THIRD,
    build_base,
    hashes,
    moved,
    second_crawl,
    web_pages,
    write_layout,
)

pytestmark = pytest.mark.slow


@dataclasses.dataclass
class Made:
    """A base, a mirror that holds the second crawl, and what stood in the base before the refresh."""

    refresh: Refresh
    pages: dict
    before: dict[str, str]
    manifests: dict[str, storage.Manifest]
    untouched: Path
    """A copy of the run from before the refresh."""

    @property
    def root(self) -> Path:
        return Path(str(self.refresh.root))


def refresh_of(root: Path, mirror: Path, crawl: str) -> Refresh:
    return Refresh(root, (f"cc:{crawl}",), crawl, fetch=FetchSettings(base_url=str(mirror)), workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    path = tmp_path_factory.mktemp("refresh")
    run = build_base(path / "run")
    pages = second_crawl(run)
    write_layout(path / "mirror", NEW, list(itertools.chain(*pages.values())))
    remove_pages(run.root, [Request(page.url) for page in pages["removed"]])
    shutil.copytree(path / "run", path / "untouched")
    before = hashes(path / "run")
    refresh = refresh_of(path / "run", path / "mirror", NEW)
    return Made(refresh, pages, before, refresh_corpus(refresh), path / "untouched")


def urls_of(folder) -> set[str]:
    return {normalise_url(url) for url in storage.read_table(folder, ["url"])["url"].to_pylist()}


def test_nothing_of_the_base_is_written_again(made):
    assert hashes(made.root) == made.before


def test_what_the_corpus_knows_does_not_join_and_new_pages_do(made):
    dropped = made.manifests["new_documents"].counts["dropped"]
    assert dropped["url_in_corpus"] == len(made.pages["same_url"]) == 10
    assert dropped["text_in_corpus"] == len(made.pages["same_text"]) == 10
    assert made.manifests["math_corpus"].counts["dropped"]["near_duplicate_of_earlier_crawl"] == 10
    part = urls_of(made.refresh.folder("math_corpus"))
    for kind in ("same_url", "same_text", "near_duplicate", "removed"):
        assert not part & {normalise_url(page.url) for page in made.pages[kind]}, kind
    new = {normalise_url(page.url): page for page in made.pages["new"]}
    assert len(part) >= 10 and part <= set(new)
    assert sum(new[url].is_math for url in part) / len(part) > 0.8  # the base's classifier still tells


def test_the_cut_is_where_the_budget_of_the_base_ended(made):
    """Slow oracle: by every document's own log-odds, and by URL and text of the base, one by one."""
    last = storage.read_table(made.root / "iteration_2" / "collected", ["logit"])["logit"].to_pylist()
    cut = min(last)
    base = storage.read_manifest(made.root / "iteration_2" / "collected").counts
    assert base["is_budget_reached"] and read_base(made.root).cut_logit == cut == base["cut_logit"]
    scored = storage.read_table(made.refresh.folder("scores")).to_pylist()
    texts = dict(
        zip(*storage.read_table(made.refresh.folder("unique_documents"), ["id", "text"]).to_pydict().values(),
            strict=True)
    )  # fmt: skip
    corpus = storage.read_table(made.root / "math_corpus").to_pylist()
    known = {normalise_url(row["url"]) for row in corpus}
    known_texts = {" ".join(row["text"].lower().split()) for row in corpus}
    expected = {
        row["id"]
        for row in scored
        if row["logit"] >= cut
        and normalise_url(row["url"]) not in known
        and " ".join(texts[row["id"]].lower().split()) not in known_texts
    }
    found = storage.read_table(made.refresh.folder("new_documents"), ["id"])["id"].to_pylist()
    assert set(found) == expected and len(found) == len(expected)


def test_the_union_holds_no_url_twice_and_no_two_near_duplicates(made):
    rows = [row for batch in corpus_batches(made.root, ["url", "text"]) for row in batch.to_pylist()]
    assert len(rows) == sum(row["pages"] for row in part_rows(made.root))
    assert len({normalise_url(row["url"]) for row in rows}) == len(rows)
    grams = [gram_set(row["text"], RECIPE.dedup.ngram_words) for row in rows]
    values = signatures([row["text"] for row in rows], RECIPE.dedup)
    bands = values.reshape(len(rows), RECIPE.dedup.num_bands, RECIPE.dedup.num_rows)
    for a, b in itertools.combinations(range(len(rows)), 2):
        # signatures miss one pair in 3,000 at 0.9, and below by design more: the rule itself allows none
        assert jaccard(grams[a], grams[b]) < 0.9, (rows[a]["url"], rows[b]["url"])
        is_near = np.mean(values[a] == values[b]) >= RECIPE.dedup.min_jaccard
        assert not (is_near and (bands[a] == bands[b]).all(axis=1).any()), (rows[a]["url"], rows[b]["url"])


def test_a_removed_page_does_not_come_back(made):
    gone = {normalise_url(page.url) for page in made.pages["removed"]}
    files = [file for file in (made.root / "refresh").rglob("*.parquet") if "url" in pq.read_schema(file).names]
    assert len(files) >= 7
    for file in files:
        assert not gone & urls_of(file), file


def test_a_finished_part_is_left_alone_and_its_name_is_taken(made):
    before = hashes(made.root / "refresh", ".lock")
    refresh_corpus(made.refresh)
    assert hashes(made.root / "refresh", ".lock") == before
    other = dataclasses.replace(made.refresh, crawl=(str(made.root / "mini_web" / "crawl"),))
    with pytest.raises(RefreshError, match=rf"{NEW} is a finished part, made of cc:{NEW}"):
        refresh_corpus(other)
    assert hashes(made.root / "refresh", ".lock") == before


def part_content(root: Path) -> dict[str, object]:
    """Bytes of all tables and keys of all artifacts of the part."""
    folder = root / "refresh" / NEW
    content: dict[str, object] = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.parquet")}
    return content | {str(f.relative_to(folder)): storage.read_manifest(f.parent).key
                      for f in folder.rglob("manifest.json")}  # fmt: skip


def copy_of(made: Made, tmp_path: Path) -> Refresh:
    shutil.copytree(made.untouched, tmp_path / "run")
    return dataclasses.replace(made.refresh, root=tmp_path / "run")


def test_killed_while_it_reads_and_started_again_it_gives_the_same_part(made, tmp_path):
    again = copy_of(made, tmp_path)
    mirror = again.fetch.base_url
    command = [sys.executable, "-m", "dsmath_pipeline.cli", "refresh", "--out", str(again.root),
               "--crawl", f"cc:{NEW}", "--set", f"fetch.base_url={mirror}", "--workers", "1"]  # fmt: skip
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    shards = again.folder("documents", "_shards")
    deadline = time.monotonic() + 120
    while not (shards.exists() and list(shards.glob("*.json"))):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not again.folder("corpus_index").exists()
    assert [part.name for part in read_parts(again.root)] == ["base"]  # half a part is none
    refresh_corpus(again)
    assert part_content(Path(str(again.root))) == part_content(made.root)


def test_stopped_between_any_two_stages_it_goes_on_and_gives_the_same_part(made, tmp_path, monkeypatch):
    again = copy_of(made, tmp_path)
    calls = ("find_near_duplicates", "assemble_corpus", "write_corpus_index")
    for name in calls:
        with monkeypatch.context() as patch:
            patch.setattr(refresh_module, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                refresh_corpus(again)
        assert all(part.name == "base" for part in read_parts(again.root))
    refresh_corpus(again)
    assert part_content(Path(str(again.root))) == part_content(made.root)


def interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_a_third_crawl_is_compared_with_both_and_the_whole_corpus_is_one_artifact(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "run")
    mirror = tmp_path / "mirror"
    of_second = urls_of(made.refresh.folder("math_corpus"))
    second = [page for page in made.pages["new"] if normalise_url(page.url) in of_second]
    pages = {
        "of the base": made.pages["same_url"][:3],
        "of the second": [*second[:3], moved(second[3], "third"), moved(second[4], "third", b"<p>Edited since.</p>")],
        "new": web_pages(2, 60),
    }
    write_layout(mirror, THIRD, list(itertools.chain(*pages.values())), seed=11, num_files=1)
    before = hashes(tmp_path / "run" / "refresh" / NEW)
    refresh = refresh_of(tmp_path / "run", mirror, THIRD)
    manifests = refresh_corpus(refresh)
    assert hashes(tmp_path / "run" / "refresh" / NEW) == before
    assert list(manifests["new_documents"].counts["compared_with"]) == ["base", NEW]
    part = urls_of(refresh.folder("math_corpus"))
    assert part and part <= {normalise_url(page.url) for page in pages["new"]}

    whole = write_whole_corpus(refresh.root, tmp_path / "whole")
    assert [row["part"] for row in whole.counts["parts"]] == ["base", NEW, THIRD]
    table = storage.read_table(tmp_path / "whole")
    assert table.num_rows == whole.num_rows == whole.counts["num_kept"]
    assert sum(table["num_tokens"].to_pylist()) == whole.counts["num_tokens"]
    assert set(table["id"].to_pylist()) == {
        row["id"] for batch in corpus_batches(refresh.root) for row in batch.to_pylist()
    }
    pages_by_language = {name: row["num_pages"] for name, row in whole.counts["languages"].items()}
    assert pages_by_language == {n: table["language"].to_pylist().count(n) for n in pages_by_language}
    assert f"{whole.num_rows:,} web pages" in (tmp_path / "whole" / "README.md").read_text()

    # a page that is removed now leaves every part, and the whole when it is written again
    victim = next(iter(sorted(part)))
    remove_pages(refresh.root, [Request(victim)])
    assert write_whole_corpus(refresh.root, tmp_path / "whole").num_rows == table.num_rows - 1
    assert victim not in urls_of(tmp_path / "whole")
