"""A run that is killed, or whose disk fails, ends after a restart with the bytes of one that nothing disturbed."""

import os
import shutil
import signal
import sys
import time
from collections import Counter

import pytest

from dsmath_pipeline import storage
from tests.faults import runs
from tests.faults.conftest import NUM_FILES

pytestmark = pytest.mark.slow


def assert_kept(before, root):
    """What was finished before is not written again."""
    after = runs.written_at(root)
    assert {path: after[path] for path in before} == before


def test_no_page_of_the_unbroken_run_is_lost_or_doubled(web, unbroken):
    manifest = storage.read_manifest(unbroken / "documents")
    assert manifest.counts["num_files"] == NUM_FILES == len(runs.finished_shards(unbroken / "documents"))
    counts = manifest.counts
    assert counts["num_records"] == counts["num_pages"] + sum(counts["skipped"].values()) + counts["lost"]
    assert counts["num_pages"] == manifest.num_rows + sum(counts["dropped"].values()) > 550  # a few of 600 are damaged
    ids = storage.read_table(unbroken / "documents", ["id"])["id"].to_pylist()
    assert max(Counter(ids).values()) == 1 and len(ids) == manifest.num_rows


def test_a_killed_worker_is_replaced_and_the_run_goes_on(web, unbroken, tmp_path):
    process = runs.start(runs.documents_command(web, tmp_path))
    runs.wait_until(lambda: len(runs.finished_shards(tmp_path / "documents")) >= 2, process)
    before = runs.written_at(tmp_path)
    os.kill(runs.children(process.pid)[-1], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_kept({path: at for path, at in before.items() if "_shards" in path.parts}, tmp_path)
    runs.assert_same(runs.snapshot(tmp_path / "documents"), runs.snapshot(unbroken / "documents"))


def test_a_corpus_run_that_is_killed_twice_ends_as_the_unbroken_one(web, unbroken, tmp_path):
    command, root = runs.corpus_command(web, tmp_path / "run"), tmp_path / "run"
    process = runs.start(command)
    runs.wait_until(lambda: len(runs.finished_shards(root / "documents")) >= 3, process)
    workers = runs.children(process.pid)
    process.kill()
    process.communicate()
    assert not (root / "documents" / "manifest.json").exists()
    until = time.monotonic() + 20
    while any(runs.is_alive(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert [worker for worker in workers if runs.is_alive(worker)] == [], "workers outlive the driver that was killed"

    extracted = {shard: shard.stat().st_mtime_ns for shard in runs.finished_shards(root / "documents")}
    assert 3 <= len(extracted) < NUM_FILES
    process = runs.start(command)
    runs.wait_until(lambda: (root / "iteration_1" / "domains" / "manifest.json").exists(), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert_kept(extracted, root)
    finished = {path.parent for path in root.rglob("manifest.json")}
    artifacts = {path: at for folder in finished for path, at in runs.written_at(folder).items()}
    assert not (root / "math_corpus").exists()

    runs.finish(command)
    assert_kept(artifacts, root)
    runs.assert_same(runs.snapshot(root), runs.snapshot(unbroken))


def test_a_full_disk_ends_the_run_and_with_room_it_goes_on(web, unbroken, disk):
    folder, remount = disk
    size = sum(path.stat().st_size for path in runs.written_at(unbroken / "documents"))
    remount(f"size={size // 2}")
    said = runs.fail(runs.documents_command(web, folder))
    assert "No space left on device" in said and ".warc.gz" in said  # what, and the shard
    assert not (folder / "documents" / "manifest.json").exists()
    before = {shard: shard.stat().st_mtime_ns for shard in runs.finished_shards(folder / "documents")}
    assert 0 < len(before) < NUM_FILES

    remount("size=64m")
    runs.finish(runs.documents_command(web, folder))
    assert_kept(before, folder)
    runs.assert_same(runs.snapshot(folder / "documents"), runs.snapshot(unbroken / "documents"))


def test_a_read_only_folder_serves_finished_artifacts_and_refuses_new_ones_by_name(web, unbroken, disk):
    folder, remount = disk
    shutil.copytree(unbroken / "documents", folder / "documents")
    remount("ro")
    runs.finish(runs.documents_command(web, folder))
    remount("rw")
    (folder / "documents" / "manifest.json").unlink()
    [lost, *_] = runs.finished_shards(folder / "documents")
    lost.unlink()
    remount("ro")
    said = runs.fail(runs.documents_command(web, folder))
    assert "Read-only file system" in said and lost.stem in said
    remount("rw")
    runs.finish(runs.documents_command(web, folder))
    runs.assert_same(runs.snapshot(folder / "documents"), runs.snapshot(unbroken / "documents"))


def test_a_killed_dagster_run_is_materialized_again_and_matches_the_command_line_s(web, unbroken, tmp_path):
    home, root = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    command = [
        sys.executable, "-m", "dagster", "job", "execute", "-m", "assets.definitions", "-j", "refresh_corpus",
    ]  # fmt: skip
    environment = {
        "DAGSTER_HOME": str(home), "DSMATH_ROOT": str(root), "DSMATH_PRESET": "demo",
        "DSMATH_SET": " ".join(runs.SETTINGS), "DSMATH_CRAWL": str(web / "crawl"),
        "DSMATH_SEED": str(web / "seed" / "seed.jsonl.gz"), "DSMATH_BENCHMARKS": str(web / "benchmarks"),
        "DSMATH_ANNOTATIONS": "auto",
    }  # fmt: skip
    process = runs.start(command, **environment)
    runs.wait_until(lambda: len(runs.finished_shards(root / "documents")) >= 3, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {shard: shard.stat().st_mtime_ns for shard in runs.finished_shards(root / "documents")}
    assert 3 <= len(before) < NUM_FILES

    runs.finish(command, **environment)
    assert_kept(before, root)
    made, wanted = runs.snapshot(root), runs.snapshot(unbroken)
    common = {name.split("/")[0] for name in made} & {name.split("/")[0] for name in wanted}
    assert {"documents", "unique_documents", "near_duplicates", "iteration_1", "math_corpus"} <= common
    both = ({name: files[name] for name in files if name.split("/")[0] in common} for files in (made, wanted))
    runs.assert_same(*both)
