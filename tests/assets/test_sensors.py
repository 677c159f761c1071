"""A finished round starts the next iteration, once, and the iteration uses its labels."""

import dagster as dg
import pyarrow as pa
import pytest

from assets.corpus import corpus_assets
from assets.definitions import defs
from assets.resources import Pipeline
from assets.sensors import what_follows
from dsmath_pipeline import storage
from dsmath_pipeline.annotation_app.label_store import Event, LabelStore
from dsmath_pipeline.corpus.annotation import read_annotations
from dsmath_pipeline.corpus.domains import PREFIX_SCHEMA


@pytest.fixture
def sensor():
    return defs().get_repository_def().get_sensor_def("annotation_round_finished")


def finish(root, number, iteration):
    store = LabelStore(root / "labels.sqlite")
    store.add(Event(f"e{number}", "label", f"a.org/{number}", "math", "ana", "", "", "crawl", iteration, "key"))
    store.finish_round(number, iteration, "ana", len(store.events()), number, 0)


def tick(sensor, instance, pipeline, cursor):
    """The run requests of one look, and the cursor afterwards."""
    with dg.build_sensor_context(instance, cursor=cursor, resources={"pipeline": pipeline}) as context:
        found = sensor.evaluate_tick(context)
        return found.run_requests, found.skip_message, found.cursor


def test_each_round_starts_one_run(sensor, tmp_path):
    pipeline = Pipeline(root=str(tmp_path), preset="demo")
    with dg.instance_for_test() as instance:
        requests, reason, cursor = tick(sensor, instance, pipeline, None)
        assert not requests and "no round" in reason and not (tmp_path / "labels.sqlite").exists()
        finish(tmp_path, 1, 1)
        (request,), _, cursor = tick(sensor, instance, pipeline, cursor)
        assert request.tags["dsmath/annotation_round"] == "1"
        assert [key.to_user_string() for key in request.asset_selection] == [
            "iteration_1/annotations",
            *(f"iteration_2/{s}" for s in ("seed_set", "classifier", "scores", "collected", "domains")),
        ]
        requests, _, cursor = tick(sensor, instance, pipeline, cursor)
        assert not requests
        finish(tmp_path, 2, 2)
        (request,), _, cursor = tick(sensor, instance, pipeline, cursor)
        assert request.asset_selection[0] == dg.AssetKey(["iteration_2", "annotations"])
        assert request.run_key.startswith("round-2-")


def test_labels_from_a_file_are_not_overruled(sensor, tmp_path):
    finish(tmp_path, 1, 1)
    with dg.instance_for_test() as instance:
        requests, reason, _ = tick(
            sensor, instance, Pipeline(root=str(tmp_path), preset="demo", annotations="x.jsonl"), None
        )
    assert not requests and "x.jsonl" in reason


def test_the_last_iteration_is_followed_by_the_corpus():
    assert [key.path for key in what_follows(4, 4)] == [["iteration_4", "annotations"], ["math_corpus"]]


def test_the_annotations_of_the_run_are_those_of_the_round(tmp_path):
    row = {"url_prefix": "a.org", "domain": "a.org", "depth": 0, "num_pages": 9, "num_collected": 0,
           "collected_share": 0.0, "sample_titles": []}  # fmt: skip
    with storage.stage(tmp_path / "iteration_1" / "domains", "domains", "test", None, {}) as stage:
        assert stage.artifact
        storage.write_table(
            tmp_path / "iteration_1" / "domains" / "prefixes" / "part-00000.parquet",
            pa.Table.from_pylist([row], PREFIX_SCHEMA),
        )
    finish(tmp_path, 1, 1)
    pipeline = Pipeline(root=str(tmp_path), preset="demo")
    key = dg.AssetKey(["iteration_1", "annotations"])
    (asset,) = (asset for asset in corpus_assets(pipeline.recipe()) if asset.key == key)
    assert dg.materialize([asset], resources={"pipeline": pipeline}).success
    (label,) = read_annotations(tmp_path / "iteration_1" / "annotations")
    assert (label.url_prefix, label.label, label.annotator) == ("a.org/1", "math", "ana")
    counts = storage.read_manifest(tmp_path / "iteration_1" / "annotations").counts
    assert counts["labelled_by"] == {"ana": 1} and counts["labels"].endswith("round_1.jsonl")
