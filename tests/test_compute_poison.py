"""Artifacts that were finished without a shard: their key, and whether a later run takes them as they are."""

from dataclasses import asdict

import pytest

from dsmath_pipeline import compute_poison, storage
from dsmath_pipeline.compute import LeftOut
from dsmath_pipeline.storage import Artifact, Manifest


def artifact(path, **inputs) -> Artifact:
    inputs = {"pages": "k", **inputs}
    return Artifact(path, "documents", "1", storage.artifact_key("documents", "1", {}, inputs), {}, inputs)


def finish_without(path, *names: str) -> Manifest:
    """Write the manifest of an artifact that lacks these shards."""
    made = artifact(path)
    kept = compute_poison.note(made, {"a": 1, **{name: LeftOut(f"{name} died") for name in names}})
    assert kept == {"a": 1}
    manifest = Manifest(made.name, made.version, made.key, {}, made.inputs, counts=made.counts)
    storage.write_json(path / storage.MANIFEST, asdict(manifest))
    return manifest


def test_missing_shards_are_named_and_change_the_key(tmp_path):
    whole, without = finish_without(tmp_path / "1"), finish_without(tmp_path / "2", "b")
    assert whole.key == artifact(tmp_path).key and whole.counts == {} and whole.inputs == {"pages": "k"}
    assert without.counts == {"left_out_shards": {"b": "b died"}}
    assert len({whole.key, without.key, finish_without(tmp_path / "3", "b", "c").key}) == 3


def test_the_reason_is_no_part_of_the_key(tmp_path):
    one, other = artifact(tmp_path), artifact(tmp_path)
    compute_poison.note(one, {"b": LeftOut("exit code 9")})
    compute_poison.note(other, {"b": LeftOut("exit code -6")})
    assert one.key == other.key


def test_a_shard_that_came_back_leaves_no_trace(tmp_path):
    stale = artifact(tmp_path, left_out="digest of earlier")
    compute_poison.note(stale, {"a": 1, "b": 2})
    assert stale.key == artifact(tmp_path).key and "left_out" not in stale.inputs


def test_leave_out_takes_the_artifact_as_it_is(tmp_path, monkeypatch):
    without = finish_without(tmp_path, "b")
    monkeypatch.setenv("DSMATH_POISONED_SHARDS", "leave_out")
    inputs = {"pages": "k", **compute_poison.accepted(tmp_path)}
    assert storage.is_current(tmp_path, storage.artifact_key("documents", "1", {}, inputs))
    assert storage.read_manifest(tmp_path) == without


@pytest.mark.parametrize("policy", ["stop", "retry"])
def test_otherwise_only_the_manifest_goes_so_that_finished_shards_stay(policy, tmp_path, monkeypatch):
    finish_without(tmp_path, "b")
    (tmp_path / "a.parquet").write_bytes(b"rows")
    monkeypatch.setenv("DSMATH_POISONED_SHARDS", policy)
    assert compute_poison.accepted(tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("policy", ["stop", "leave_out", "retry"])
def test_whole_artifacts_and_missing_ones_are_left_alone(policy, tmp_path, monkeypatch):
    monkeypatch.setenv("DSMATH_POISONED_SHARDS", policy)
    assert compute_poison.accepted(tmp_path) == {}
    finish_without(tmp_path)
    assert compute_poison.accepted(tmp_path) == {} and (tmp_path / storage.MANIFEST).exists()
