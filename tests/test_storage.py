"""Artifact folders: a killed run leaves nothing that looks finished, and finished work is not done again."""

import io
import threading

import pyarrow as pa
import pytest
from upath import UPath

from dsmath_pipeline import storage


def table(*values):
    return pa.table({"x": list(values)})


def write(folder, settings, rows=(1, 2), inputs=None, fail=False, **options):
    with storage.stage(folder, "thing", "1", settings, inputs or {}, **options) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", table(*rows))
            run.artifact.counts["num_made"] = len(rows)
            if fail:
                raise RuntimeError("killed")
    return run


def test_a_finished_artifact_is_not_written_again(tmp_path):
    first = write(tmp_path / "a", {"n": 1})
    second = write(tmp_path / "a", {"n": 1}, rows=(9,))
    assert first.artifact is not None and second.artifact is None
    assert second.manifest == first.manifest
    assert storage.read_table(tmp_path / "a")["x"].to_pylist() == [1, 2]


def test_another_setting_or_another_input_makes_another_key(tmp_path):
    write(tmp_path / "in", {})
    key = write(tmp_path / "a", {"n": 1}, inputs={"in": tmp_path / "in"}).manifest.key
    assert write(tmp_path / "a", {"n": 2}, inputs={"in": tmp_path / "in"}).manifest.key != key
    write(tmp_path / "in", {"changed": True})
    assert write(tmp_path / "a", {"n": 1}, inputs={"in": tmp_path / "in"}).manifest.key != key


def test_a_failed_stage_leaves_a_folder_that_no_reader_accepts(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        write(tmp_path / "a", {}, fail=True)
    with pytest.raises(storage.ArtifactError, match="was not finished"):
        storage.read_manifest(tmp_path / "a")


def test_an_unfinished_input_is_refused_with_its_path(tmp_path):
    with pytest.raises(storage.ArtifactError, match=r"in does not exist: run the stage"):
        write(tmp_path / "a", {}, inputs={"in": tmp_path / "in"})


def test_a_killed_run_keeps_its_finished_shards_and_drops_those_of_other_settings(tmp_path):
    made = []

    def make(name):
        made.append(name)
        return table(1), {"num_pages": 5}

    def run(shards, key, fail=False):
        with storage.stage(tmp_path / "a", "shards", "1", {"key": key}, {}) as stage:
            for name in shards:
                stage.artifact.shard(name, key, lambda name=name: make(name))
            if fail:
                raise KeyboardInterrupt
        return stage.manifest

    with pytest.raises(KeyboardInterrupt):
        run(["s0", "s1", "old"], "k", fail=True)
    manifest = run(["s0", "s1", "s2"], "k")
    assert made == ["s0", "s1", "old", "s2"]
    assert manifest.num_rows == 3
    assert [p.name for p in storage.parquet_files(tmp_path / "a")] == ["s0.parquet", "s1.parquet", "s2.parquet"]


def test_force_writes_again(tmp_path):
    write(tmp_path / "a", {})
    assert write(tmp_path / "a", {}, rows=(7,), force=True).manifest.num_rows == 1
    assert storage.read_table(tmp_path / "a")["x"].to_pylist() == [7]


def test_artifacts_work_on_an_fsspec_store():
    folder = storage.folder("memory://bucket/run/a")
    assert isinstance(folder, UPath)
    manifest = write(folder, {"n": 1}).manifest
    assert storage.read_manifest(folder) == manifest
    assert storage.read_table(folder)["x"].to_pylist() == [1, 2]
    assert write(folder, {"n": 1}).artifact is None


def test_the_file_key_sees_content_and_names_but_not_the_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f.gz").write_bytes(b"x" * 200_000)
    assert storage.file_key([tmp_path / "a" / "f.gz"]) == storage.file_key([tmp_path / "b" / "f.gz"])
    before = storage.file_key([tmp_path / "a" / "f.gz"])
    (tmp_path / "a" / "f.gz").write_bytes(b"x" * 199_999 + b"y")
    assert storage.file_key([tmp_path / "a" / "f.gz"]) != before


class WatchedFile(io.BytesIO):
    """A file that notes which threads touch it."""

    def __init__(self, data, threads):
        super().__init__(data)
        self._threads = threads

    def __getattribute__(self, name):
        if name in ("read", "readinto", "seek", "tell", "close"):
            self._threads.append(threading.current_thread())
        return super().__getattribute__(name)


@pytest.mark.parametrize("read", [lambda path: storage.read_table(path).to_batches(), storage.table_batches])
def test_python_file_objects_are_read_in_the_calling_thread_alone(monkeypatch, read):
    # a thread of Arrow's that drops one while the interpreter ends aborts the process: 1 run in 12 on a busy machine
    folder = storage.folder("memory://bucket/run/threads")
    columns = pa.table({f"c{i}": pa.array([str(j * i) for j in range(5000)]) for i in range(20)})
    storage.write_table(folder / "part.parquet", columns)
    threads = []
    data = (folder / "part.parquet").read_bytes()
    monkeypatch.setattr(type(folder), "open", lambda self, mode: WatchedFile(data, threads))
    assert sum(part.num_rows for part in read(folder)) == 5000
    assert set(threads) == {threading.current_thread()}


def test_local_files_are_read_without_python_file_objects(tmp_path, monkeypatch):
    storage.write_table(tmp_path / "part.parquet", table(3, 4))
    monkeypatch.setattr(type(tmp_path), "open", lambda *_: pytest.fail("opened in Python"))
    assert storage.read_table(tmp_path)["x"].to_pylist() == [3, 4]


def test_columns_come_in_the_order_asked_for_and_a_missing_one_is_named(tmp_path):
    storage.write_table(tmp_path / "part.parquet", pa.table({"a": [1], "b": [2], "c": [3]}))
    assert storage.read_table(tmp_path, ["c", "a"]).column_names == ["c", "a"]
    with pytest.raises(storage.ArtifactError, match=r"part\.parquet has no column d"):
        storage.read_table(tmp_path, ["a", "d"])
