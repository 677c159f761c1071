"""The whole pipeline at a small size, through Dagster and through the command line's runner."""

import json
import os
import signal
import subprocess
import sys

import dagster as dg
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.checks import checks
from dsmath_pipeline.reporting.tables import accuracy_table, iterations_table
from dsmath_pipeline.runs import corpus_steps, run_demo, training_steps
from tests.end_to_end.conftest import SMALL

pytestmark = pytest.mark.slow


def events(materialized):
    return materialized.get_asset_materialization_events()


def test_every_asset_is_materialized_with_rows_and_a_picture_or_table(materialized, small_run):
    seen = {}
    for event in events(materialized):
        metadata = event.materialization.metadata
        seen[event.asset_key.to_user_string()] = metadata
        assert "dagster/row_count" in metadata, event.asset_key
        assert "picture" in metadata or "table" in metadata, event.asset_key
    # one asset for each named step of the runner: both make the same artifacts
    assert len(seen) == len(corpus_steps(small_run)) + len(training_steps(small_run))


def test_pictures_are_small_enough_for_the_ui_to_draw_them_inline(materialized):
    for event in events(materialized):
        picture = event.materialization.metadata.get("picture")
        if picture is not None:
            assert len(picture.md_str) < 1000, event.asset_key


def test_no_asset_check_fails_as_an_error(materialized):
    failed = [
        f"{e.asset_key.to_user_string()}:{e.check_name}: {e.description}"
        for e in materialized.get_asset_check_evaluations()
        if not e.passed and e.severity.value == "ERROR"
    ]
    assert failed == []


def test_every_check_of_the_library_was_evaluated(materialized, small_run):
    expected = {(c.artifact, c.name) for c in checks(small_run.recipe.iteration.max_iterations)}
    found = {(e.asset_key.to_user_string(), e.check_name) for e in materialized.get_asset_check_evaluations()}
    assert found == expected


def test_the_runner_finds_everything_current_and_changes_nothing(materialized, small_run):
    manifests = sorted(small_run.root.rglob("manifest.json"))
    before = {path: path.read_bytes() for path in manifests}
    report = run_demo(small_run)
    assert {path: path.read_bytes() for path in sorted(small_run.root.rglob("manifest.json"))} == before
    assert report.exists()


def test_later_iterations_find_pages_that_the_first_missed(materialized, small_run):
    rows = iterations_table(small_run.root, small_run.folder("truth"))
    assert rows[-1]["recall"] > rows[0]["recall"]
    assert rows[-1]["precision"] > 0.95


def test_no_planted_benchmark_problem_is_left_in_the_corpus(materialized, small_run):
    problems = storage.read_table(small_run.folder("word_problems") / "test.parquet")["problem"].to_pylist()
    corpus = "\n".join(storage.read_table(small_run.folder("math_corpus"), ["text"])["text"].to_pylist()).lower()
    crawl = "\n".join(storage.read_table(small_run.folder("documents"), ["text"])["text"].to_pylist()).lower()
    planted = [p for p in problems if p.lower() in crawl]
    assert planted, "the mini web plants benchmark problems; none was found in its documents"
    assert [p for p in planted if p.lower() in corpus] == []


def test_the_accuracy_table_has_the_three_models_in_order(materialized, small_run):
    assert [row["model"] for row in accuracy_table(small_run.root)][:3] == ["base", "SFT", "RL"]


def test_the_report_is_one_page_without_network_references(materialized, small_run):
    page = small_run.folder("report", "report.html").read_text()
    assert "<script src" not in page and "@import" not in page and 'href="http' not in page.split("<body", 1)[0]
    for word in ("Iteration", "Greedy", "Contamination"):
        assert word.lower() in page.lower()


def test_an_asset_can_be_materialized_alone_again(materialized, repository, small_run):
    manifest = small_run.folder("iteration_1", "classifier", "manifest.json")
    before = json.loads(manifest.read_text())
    job = repository.get_job("whole_pipeline").get_subset(
        asset_selection={dg.AssetKey(["iteration_1", "classifier"])}
    )  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags={"dsmath/force": "true"}).success
    after = json.loads(manifest.read_text())
    assert after["key"] == before["key"] and after["created_seconds"] > before["created_seconds"]


def test_a_killed_run_goes_on_and_ends_with_the_same_artifacts(materialized, small_run, tmp_path):
    settings = [part for override in SMALL for part in ("--set", override)]
    command = [sys.executable, "-m", "dsmath_pipeline.cli", "demo", "--out", str(tmp_path / "run"), *settings]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in process.stderr:
        if "iteration 2: classifier" in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    finished = {path: path.read_bytes() for path in (tmp_path / "run").rglob("manifest.json")}
    assert len(finished) > 8 and not (tmp_path / "run" / "math_corpus").exists()

    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "Accuracy on held-out problems" in again.stdout and "report.html" in again.stdout
    assert {path: path.read_bytes() for path in finished} == finished
    corpus = [storage.read_table(root / "math_corpus") for root in (tmp_path / "run", small_run.root)]
    assert corpus[0].equals(corpus[1])
    for path in small_run.root.rglob("manifest.json"):
        other = tmp_path / "run" / path.relative_to(small_run.root)
        assert json.loads(other.read_text())["key"] == json.loads(path.read_text())["key"], path
