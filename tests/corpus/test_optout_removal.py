"""Removal requests replayed over a whole run: everything is gone, nothing is made anew, nothing comes back."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import pytest

from dsmath_pipeline import stages, storage
from dsmath_pipeline.checks import checks
from dsmath_pipeline.cli import main
from dsmath_pipeline.corpus import removal
from dsmath_pipeline.corpus.optout_list import Request
from dsmath_pipeline.corpus.removal import num_removed, remove_pages
from dsmath_pipeline.corpus.removal_requests import store_requests
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.reporting.corpus_sections import opt_out_block
from dsmath_pipeline.runs import build_corpus
from dsmath_pipeline.stages import Inputs, Run
from dsmath_pipeline.storage import ArtifactError
from tests.corpus.crawl_files import members

pytestmark = pytest.mark.slow

RECIPE = Recipe.model_validate(
    {
        "seeds": {"held_out_share": 0.1, "num_folds": 2, "joined_pages": "all"},
        "classifier": {"dim": 8, "learning_rate": 0.5, "min_count": 1, "num_buckets": 1000, "later_epochs": 10},
        "ranking": {"token_budget": 1_000_000},
        "iteration": {"max_iterations": 2, "convergence_share": 1.0},
    }
)
REQUESTS = [Request("https://www.calculus.org/notes/b/*", "2026-03-01", "Ann", "mine"), Request("news3.org")]
COVERED = ("https://calculus.org/notes/b/", "https://news3.org/")
LISTED = "news5.org\nseed.org/7\ncalculus.org/notes/b/3\n"
"""The opt-out list of the run: a domain, and one address that is later requested, too."""


def text_of(rng: random.Random, letter: str, number: int) -> str:
    words = [f"{letter}{i}" for i in range(number)] + ["the", "of"]
    return " ".join(rng.choice(words) for _ in range(90))


def write_inputs(path: Path) -> Inputs:
    """40 mathematics pages (half of them below notes/b), 130 others; one too short and one repeated, both removed."""
    rng = random.Random(5)
    pages = [(f"https://calculus.org/notes/{'ab'[i % 2]}/{i}", text_of(rng, "m", 30)) for i in range(40)]
    pages += [(f"https://news{i % 13}.org/{i}", text_of(rng, "o", 40)) for i in range(130)]
    pages += [("https://news3.org/short", "Too short."), ("https://news3.org/copy", pages[0][1])]
    records = []
    for url, text in pages:
        html = f"<html><head><title>About {url}</title></head><body><p>{text}</p></body></html>".encode()
        http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
        year = 2023 if url.endswith("copy") else 2024  # of a text the newest page stays
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {year}-01-01T00:00:00Z\r\n"
        records.append(f"{head}Content-Length: {len(http + html)}\r\n\r\n".encode() + http + html + b"\r\n\r\n")
    (path / "crawl").mkdir(parents=True)
    for number in range(2):
        (path / "crawl" / f"c{number}.warc.gz").write_bytes(members(records[number::2]))
    seeds = [{"url": f"https://seed.org/{i}", "text": text_of(rng, "m", 30)} for i in range(80)]
    seeds.append({"url": "https://calculus.org/notes/b/seed", "text": text_of(rng, "m", 30)})
    (path / "seed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in seeds))
    (path / "bench").mkdir()
    (path / "bench" / "test.jsonl").write_text(json.dumps({"question": "How many cows has he got?", "answer": "8"}))
    (path / "list.txt").write_text(LISTED)
    names = ("seed.jsonl", "bench", "list.txt")
    seed, bench, listed = (str(path / name) for name in names)
    return Inputs((str(path / "crawl"),), seed, bench, "auto", optout=listed)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("removal")
    run = Run(path / "run", RECIPE, write_inputs(path / "inputs"), workers=1)
    build_corpus(run)
    stages.natural_language(run)
    for name, folder in (("tokens", "tokens"), ("base_model", "models/base"), ("report", "report")):
        with storage.stage(run.folder(folder), name, "1", None, {"from": run.folder("math_corpus")}) as stage:
            assert stage.artifact
            stage.artifact.write_json("packed.json", [1, 2, 3])
    return run


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    """A copy of the finished run."""
    shutil.copytree(str(made.root), tmp_path / "run")
    return dataclasses.replace(made, root=tmp_path / "run")


def manifests(run: Run) -> dict[str, storage.Manifest]:
    root = Path(str(run.root))
    names = sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("manifest.json"))
    return {name: storage.read_manifest(run.folder(*name.split("/"))) for name in names}


def traces(run: Run) -> list[str]:
    """Files that hold the URL of a removed page, packed or not; the requests themselves are none."""
    found = []
    root = Path(str(run.root))
    for file in sorted(root.rglob("*")):
        if file.is_dir() or "removals" in file.parts or file.name == "manifest.json":
            continue
        text = str(storage.read_table(file).to_pylist()) if file.suffix == ".parquet" else ""
        text = text or file.read_bytes().decode("utf-8", "replace")
        found += [str(file.relative_to(root)) for url in COVERED if url in text]
    return found


def rows(run: Run, *name: str) -> set[str]:
    return set(storage.read_table(run.folder(*name), ["url"])["url"].to_pylist())


def test_the_run_before_holds_the_pages_and_not_those_of_the_list(made):
    assert any(url.startswith(COVERED[0]) for url in rows(made, "math_corpus"))
    assert traces(made)
    unique = storage.read_manifest(made.folder("unique_documents"))
    assert unique.counts["dropped"]["opt_out"] == 11  # ten pages of news5.org and calculus.org/notes/b/3
    assert "https://calculus.org/notes/b/3" not in rows(made, "unique_documents")
    assert "An opt-out list of 3 rules covered 11 pages" in made.folder("math_corpus", "README.md").read_text()


def test_no_trace_of_the_pages_is_left_and_every_count_still_adds_up(run):
    before = manifests(run)
    report = remove_pages(run.root, REQUESTS)
    assert traces(run) == []
    after = manifests(run)
    # 20 pages below notes/b and 12 of news3.org were extracted; the short one, the copy and the listed one went before
    assert num_removed(after["documents"]) == 32 == report.rows["documents"]
    assert num_removed(after["unique_documents"]) == 29
    assert report.rules == {"https://www.calculus.org/notes/b/*": 20, "news3.org": 12}
    for name, manifest in after.items():
        assert manifest.key == before[name].key, name
        assert manifest.num_rows == before[name].num_rows - num_removed(manifest) or "domains" in name, name
    names = {"schema", "counts_add_up", "urls_are_unique", "both_classes", "every_document_scored", "within_budget"}
    names |= {"no_opted_out_pages", "no_contamination_left"}
    results = {(c.artifact, c.name): c.run(run) for c in checks(2) if c.name in names}
    assert {name for _, name in results} == names
    assert [name for name, outcome in results.items() if not outcome.passed] == []


def test_the_check_finds_a_page_that_the_list_or_a_request_covers(run, tmp_path):
    (check,) = (c for c in checks(2) if c.name == "no_opted_out_pages")
    assert check.run(run).passed
    longer = tmp_path / "longer.txt"
    longer.write_text("calculus.org/notes/a\n")
    outcome = check.run(dataclasses.replace(run, inputs=dataclasses.replace(run.inputs, optout=str(longer))))
    assert not outcome.passed and outcome.figures["opted_out"] == sum("/a/" in u for u in rows(run, "math_corpus")) > 0
    store_requests(run.root, "request", REQUESTS)
    assert not check.run(run).passed


def test_the_card_and_the_counts_are_those_of_the_pages_that_are_left(run):
    remove_pages(run.root, REQUESTS)
    counts = storage.read_manifest(run.folder("math_corpus")).counts
    table = storage.read_table(run.folder("math_corpus"))
    assert counts["num_kept"] == table.num_rows
    assert counts["num_tokens"] == sum(table["num_tokens"].to_pylist())
    assert counts["top_domains"]["calculus.org"]["num_pages"] == table["domain"].to_pylist().count("calculus.org")
    assert sum(v["num_tokens"] for v in counts["iterations"].values()) == counts["num_tokens"]
    removed = num_removed(storage.read_manifest(run.folder("math_corpus")))
    card = run.folder("math_corpus", "README.md").read_text()
    assert f"{removed} pages removed from the finished corpus on 2 request(s)" in card
    told = opt_out_block(counts)
    assert f"{removed} pages of the finished corpus were removed on request" in told and "news5.org" in told
    (entry,) = counts["removals"]
    assert (entry["requesters"], entry["num_rows"]) == (["Ann"], removed)


def test_a_later_run_makes_nothing_anew_but_what_was_deleted(run):
    report = remove_pages(run.root, REQUESTS)
    assert sorted(report.deleted) == ["report", "report.json", "tokens"]
    before = {path: path.read_bytes() for path in run.root.rglob("manifest.json")}
    assert run.folder("tokens").exists() is False or not run.folder("tokens", "manifest.json").exists()
    build_corpus(run)
    assert {path: path.read_bytes() for path in run.root.rglob("manifest.json")} == before
    assert traces(run) == []


def test_pages_that_are_read_again_stay_out(run):
    remove_pages(run.root, REQUESTS)
    again = dataclasses.replace(run, recipe=RECIPE.model_copy(
        update={"extract": RECIPE.extract.model_copy(update={"max_text_chars": 5000})}
    ))  # fmt: skip
    storage.remove(run.folder("seed"))
    build_corpus(again)
    assert traces(run) == []
    manifest = storage.read_manifest(run.folder("documents"))
    assert manifest.settings["max_text_chars"] == 5000 and num_removed(manifest) == 32
    assert not any(url.startswith(COVERED) for url in rows(run, "math_corpus") | rows(run, "iteration_1", "seed_set"))
    assert all(c.run(again).passed for c in checks(2) if c.name == "counts_add_up")


def test_the_second_time_nothing_happens(run):
    remove_pages(run.root, REQUESTS)
    before = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    report = remove_pages(run.root, [*REQUESTS, Request("calculus.org/notes/b/")])
    assert (report.num_new_requests, report.rows, report.deleted) == (0, {}, [])
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == before


def test_a_replay_that_was_killed_goes_on_to_the_same_end(run, made, tmp_path, monkeypatch):
    whole = dataclasses.replace(made, root=tmp_path / "whole")
    shutil.copytree(str(made.root), str(whole.root))
    remove_pages(whole.root, REQUESTS)
    expected = manifests(whole)
    clean_table, left = removal.clean_table, [0]

    def dies(file, rules):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        clean_table(file, rules)

    monkeypatch.setattr(removal, "clean_table", dies)
    for calls in (2, 1, 6, 9):
        left[0] = calls
        with pytest.raises(KeyboardInterrupt):
            remove_pages(run.root, REQUESTS)
    monkeypatch.undo()
    remove_pages(run.root, REQUESTS)
    assert traces(run) == []
    found = manifests(run)
    assert found.keys() == expected.keys()
    for name, manifest in found.items():
        one, other = (dict(m.counts) for m in (manifest, expected[name]))
        entries = [[(e["num_rows"], e["rules"]) for e in c.pop("removals", [])] for c in (one, other)]
        assert (manifest.num_rows, one, entries[0]) == (expected[name].num_rows, other, entries[1]), name


def test_a_dry_run_counts_the_same_and_changes_nothing(run):
    before = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    planned = remove_pages(run.root, REQUESTS, is_dry_run=True)
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == before
    done = remove_pages(run.root, REQUESTS)
    assert (planned.rows, planned.rules, planned.trained) == (done.rows, done.rules, done.trained)


def test_what_learned_from_the_pages_is_told_and_kept(run):
    trained = remove_pages(run.root, REQUESTS).trained
    assert set(trained) == {"iteration_1/classifier", "iteration_2/classifier", "models/base"}
    gone = num_removed(storage.read_manifest(run.folder("iteration_1", "seed_set")))
    assert trained["iteration_1/classifier"] == gone > 0
    assert run.folder("models", "base", "manifest.json").exists()
    (line,) = run.folder("removals", "log.jsonl").read_text().splitlines()
    assert json.loads(line)["trained"] == trained


def test_an_unfinished_stage_cannot_bring_pages_back(run):
    """Killed while documents and scores were written: the finished shards are there, the manifests are not."""
    before = storage.read_manifest(run.folder("documents"))
    for name in ("documents", "iteration_2/scores"):
        run.folder(*name.split("/"), "manifest.json").unlink()
    remove_pages(run.root, REQUESTS)
    assert traces(run) == []
    assert not run.folder("iteration_2", "scores").exists() or not list(run.folder("iteration_2", "scores").iterdir())
    manifest = stages.documents(run)
    assert (manifest.key, manifest.num_rows) == (before.key, before.num_rows - 32)
    assert traces(run) == []


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="holds no finished artifact"):
        remove_pages(tmp_path, REQUESTS)
    assert list(tmp_path.iterdir()) == []


def test_the_command(run, tmp_path, capsys):
    file = tmp_path / "requests.jsonl"
    file.write_text(json.dumps({"domain": "news3.org", "requested_at": "2026-03-01"}) + "\n")
    with pytest.raises(SystemExit) as stopped:
        main(["remove", "--root", str(run.root), "--requests", str(file)])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "news3.org" in shown and "iteration_1/classifier was trained on" in shown
    assert not any(url.startswith(COVERED[1]) for url in rows(run, "documents"))
    file.write_text("news\n")
    with pytest.raises(SystemExit) as stopped:
        main(["remove", "--root", str(run.root), "--requests", str(file)])
    assert stopped.value.code == 1
    assert "line 1: 'news' begins with no domain" in capsys.readouterr().err
