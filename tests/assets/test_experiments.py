"""Partitioned experiments: a code location of its own, one run for any number of partitions."""

import dagster as dg
import pyarrow as pa
import pytest

from assets.experiments import method_experiment, validation_experiment, volume_experiment
from assets.resources import Pipeline
from assets.stage_asset import FORCE_TAG
from dsmath_pipeline import storage
from dsmath_pipeline.rl.method_runs import RUNS
from tests.corpus.test_ranking import write_scores
from tests.training.test_validate import OVERRIDES, build_run


@pytest.fixture
def pipeline(tmp_path):
    write_scores(tmp_path / "iteration_1" / "scores", [[(f"{n:02d}", float(-n), 100) for n in range(10)]])
    return Pipeline(root=str(tmp_path), preset="demo", overrides=["volume.token_budgets=[200, 400, 600, 1000]"])


def test_there_is_one_partition_for_each_budget(pipeline):
    asset = volume_experiment(pipeline.recipe())
    assert asset.partitions_def and asset.partitions_def.get_partition_keys() == ["200", "400", "600", "1K"]
    paper = volume_experiment(Pipeline(root="x", preset="paper").recipe())
    assert paper.partitions_def and paper.partitions_def.get_partition_keys() == ["40B", "80B", "120B", "160B"]


@pytest.mark.slow
def test_one_run_materializes_a_range_and_a_single_partition_can_be_made_again(pipeline, tmp_path):
    asset, resources = volume_experiment(pipeline.recipe()), {"pipeline": pipeline}
    tags = {"dagster/asset_partition_range_start": "200", "dagster/asset_partition_range_end": "600"}
    with dg.instance_for_test() as instance:
        assert dg.materialize([asset], resources=resources, tags=tags, instance=instance).success
        assert dg.materialize([asset], resources=resources, partition_key="1K", instance=instance).success
        event = instance.get_latest_materialization_event(asset.key)
    rows = {name: storage.read_manifest(tmp_path / "volume" / name).num_rows for name in ("200", "400", "600", "1K")}
    assert rows == {"200": 2, "400": 4, "600": 6, "1K": 10}
    assert event and event.asset_materialization
    table = str(event.asset_materialization.metadata["table"].value)
    assert "| 600 | 6 | 600 |" in table and "| 1K | 10 | 1000 |" in table


def test_there_is_one_partition_for_each_corpus():
    asset = validation_experiment(Pipeline(root="x", preset="demo", overrides=["iteration.max_iterations=2"]).recipe())
    assert asset.partitions_def
    assert asset.partitions_def.get_partition_keys() == ["crawl", "seed", "iteration_1", "iteration_2", "final"]


@pytest.mark.slow
def test_two_corpora_are_trained_on_in_one_run_and_stand_beside_each_other(tmp_path):
    build_run(tmp_path)
    small = [*OVERRIDES, "validation.num_tokens=4096", "validation.num_seeds=1"]
    pipeline = Pipeline(root=str(tmp_path), preset="small_crawl", overrides=small)
    asset = validation_experiment(pipeline.recipe())
    tags = {"dagster/asset_partition_range_start": "iteration_2", "dagster/asset_partition_range_end": "final"}
    with dg.instance_for_test() as instance:
        assert dg.materialize([asset], resources={"pipeline": pipeline}, tags=tags, instance=instance).success
        event = instance.get_latest_materialization_event(asset.key)
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    table = str(metadata["table"].value)
    assert "| iteration_2 | " in table and "| final | " in table and "| crawl | " not in table
    assert "DeepSeekMath Corpus" in str(metadata["paper's table 1"].value) and "picture" in metadata


def write_policies(root, *names):
    """Finished policies as the trainer leaves them: held-out questions measured before the only step and after it."""
    table = pa.table({"step": [1], "held_out_correct": [0.5]})
    counts = {"held_out_correct": 0.75, "last_correct_share": 0.8, "last_kl": 0.1, "collapse_signs": []}
    for name in names:
        with storage.stage(root / "methods" / name, "rl_model", "1", {"method": name}, {"made": "up"}) as run:
            run.artifact.write_table("metrics.parquet", table)
            run.artifact.counts |= counts


class Child:
    """Stands for PipesSubprocessClient: notes what it is asked to run, and raises the next of `errors`."""

    def __init__(self, *errors):
        self.errors, self.commands, self.forced = list(errors), [], []

    def __call__(self, **options):
        return self

    def run(self, *, context, extras, command):
        self.commands.append(command[-2:])
        self.forced.append(extras["force"])
        if self.errors and (error := self.errors.pop(0)):
            raise error


def materialize_policies(root, monkeypatch, child, **options):
    monkeypatch.setattr(dg, "PipesSubprocessClient", child)
    pipeline = Pipeline(root=str(root), preset="demo")
    with dg.instance_for_test() as instance:
        return dg.materialize(
            [method_experiment()], resources={"pipeline": pipeline}, instance=instance, raise_on_error=False, **options
        )


def test_each_method_of_a_range_is_trained_in_a_child_of_its_own(tmp_path, monkeypatch):
    write_policies(tmp_path, "rft", "reinforce")
    child = Child()
    tags = {"dagster/asset_partition_range_start": "online_rft", "dagster/asset_partition_range_end": "reinforce"}
    result = materialize_policies(tmp_path, monkeypatch, child, tags=tags)
    assert result.success
    names = RUNS[RUNS.index("online_rft") : RUNS.index("reinforce") + 1]
    assert child.commands == [["method_policy", name] for name in names]
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert "| rft | 0.5 | 0.75 |" in metadata["table"].value and "picture" in metadata


@pytest.mark.slow
def test_a_child_that_died_is_started_once_more_and_forced_only_once(tmp_path, monkeypatch):
    write_policies(tmp_path, "rft")
    child = Child(RuntimeError("code -9"))
    tags = {FORCE_TAG: "true"}
    assert materialize_policies(tmp_path, monkeypatch, child, partition_key="rft", tags=tags).success
    assert child.forced == [True, False]  # the second try keeps the checkpoint of the first
    child = Child(RuntimeError("code -9"), RuntimeError("code -9"))
    assert not materialize_policies(tmp_path, monkeypatch, child, partition_key="rft").success
    assert len(child.commands) == 2


def test_a_training_that_is_stopped_stays_stopped(tmp_path, monkeypatch):
    child = Child(dg.DagsterExecutionInterruptedError())
    assert not materialize_policies(tmp_path, monkeypatch, child, partition_key="rft").success
    assert len(child.commands) == 1
