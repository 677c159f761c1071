"""A file that kills its process each time: the run stops or goes on without it, as the environment says."""

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.compute import ShardError
from dsmath_pipeline.corpus import pages
from dsmath_pipeline.recipe.presets import load_recipe
from tests.faults import runs
from tests.faults.poison import poisoned_by

pytestmark = pytest.mark.slow
POISONED = "MINI-2024-10-00004.warc.gz"


@pytest.fixture
def extract(web, tmp_path, monkeypatch):
    """Extraction of three files, one of which is poisoned while its name is in the note."""
    note, files = tmp_path / "note", sorted(map(str, (web / "crawl").glob("*.warc.gz")))[3:6]
    recipe = load_recipe("demo")
    monkeypatch.setattr(pages, "_extract_shard", poisoned_by(note))

    def run(poisoned: str, policy: str) -> storage.Manifest:
        note.write_text(poisoned)
        monkeypatch.setenv("DSMATH_POISONED_SHARDS", policy)
        return pages.extract_files(files, tmp_path / "documents", recipe.extract, recipe.opt_out, workers=2)

    return run


def test_a_poisoned_file_stops_the_run_or_is_left_out_and_tried_again_when_asked(extract, tmp_path):
    folder = tmp_path / "documents"
    with pytest.raises(ShardError, match=f"{POISONED}.*again and again"):
        extract(POISONED, "stop")

    without = extract(POISONED, "leave_out")
    assert list(without.counts["left_out_shards"]) == [POISONED]
    assert "exit code -6" in without.counts["left_out_shards"][POISONED]
    assert without.counts["num_files"] == 2 == len(storage.parquet_files(folder))
    before = runs.written_at(folder)

    assert extract("", "leave_out") == without  # as it is: the file would be healthy now, but nobody asked
    assert runs.written_at(folder) == before
    assert extract(POISONED, "retry").key == without.key

    whole = extract("", "retry")
    assert "left_out_shards" not in whole.counts and whole.counts["num_files"] == 3
    assert whole.key != without.key and whole.inputs.keys() == {"pages"}
    shards = {path: at for path, at in before.items() if path.name != "manifest.json"}
    assert {path: at for path, at in runs.written_at(folder).items() if path in shards} == shards

    undisturbed = runs.snapshot(folder)
    storage.remove(folder)
    assert extract("", "stop").key == whole.key
    runs.assert_same(runs.snapshot(folder), undisturbed)


def test_a_run_that_must_be_whole_does_not_take_an_artifact_that_is_not(extract):
    without = extract(POISONED, "leave_out")
    whole = extract("", "stop")
    assert whole.num_rows > without.num_rows and "left_out_shards" not in whole.counts


def test_half_written_files_of_a_killed_run_are_swept_away(tmp_path):
    left = tmp_path / "artifact" / "_shards" / ".part.json.elsewhere.17.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with storage.stage(tmp_path / "artifact", "artifact", "1", None, {}) as run:
        assert run.artifact
    assert not left.exists() and run.manifest.num_bytes == 0


def test_a_file_that_could_not_be_written_leaves_nothing_behind(disk):
    folder, remount = disk
    remount("size=64k")
    with pytest.raises(OSError, match="No space left on device"):
        storage.write_bytes(folder / "large", bytes(1 << 20))
    assert list(folder.iterdir()) == []
