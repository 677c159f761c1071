"""The asset graph: complete, described, configured from the recipe."""

import dagster as dg
import pytest

from assets import show
from assets.definitions import defs
from assets.metadata import materialized
from assets.resources import pipeline_from_environment
from dsmath_pipeline import storage
from dsmath_pipeline.checks import checks
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.runs import ITERATION_STAGES
from dsmath_pipeline.stages import Run


@pytest.fixture(scope="module")
def repository():
    return defs().get_repository_def()


def keys(repository):
    return {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}


def test_the_graph_holds_every_artifact_of_a_run(repository):
    expected = {"mini_web", "word_problems", "seed", "documents", "unique_documents", "near_duplicates", "held_out"}
    expected |= {"math_corpus", "natural_language"}
    expected |= {f"iteration_{k}/{stage.__name__}" for k in range(1, 5) for stage in ITERATION_STAGES}
    expected |= {"tokenizer", "tokens", *(f"models/{m}" for m in ("base", "sft", "reward", "rl"))}
    expected |= {*(f"evaluation/{m}" for m in ("base", "sft", "rl")), "report"}
    assert keys(repository) == expected


def test_every_asset_is_described_grouped_owned_and_has_kinds(repository):
    for key in repository.asset_graph.get_all_asset_keys():
        node = repository.asset_graph.get(key)
        assert len(node.description or "") > 30, key
        assert node.group_name != "default", key
        assert node.owners and node.kinds, key


def test_the_iterations_form_a_chain(repository):
    graph = repository.asset_graph
    for k in (2, 3, 4):
        parents = {p.to_user_string() for p in graph.get(dg.AssetKey([f"iteration_{k}", "seed_set"])).parent_keys}
        assert f"iteration_{k - 1}/annotations" in parents
    parents = {p.to_user_string() for p in graph.get(dg.AssetKey("math_corpus")).parent_keys}
    assert {f"iteration_{k}/collected" for k in (1, 2, 3, 4)} <= parents


def test_every_check_of_the_library_is_an_asset_check(repository):
    found = {(k.asset_key.to_user_string(), k.name) for k in repository.asset_graph.asset_check_keys}
    assert found == {(c.artifact, c.name) for c in checks(4)}


def test_run_config_defaults_are_the_recipes_numbers(repository):
    asset = repository.assets_defs_by_key[dg.AssetKey(["iteration_1", "classifier"])]
    schema = asset.op.config_schema.config_type.fields["classifier"]
    assert schema.default_value == load_recipe("demo").classifier.model_dump()


def test_the_refresh_runs_monthly_and_rebuilds_the_corpus_but_trains_nothing(repository):
    schedule = repository.get_schedule_def("monthly_corpus_refresh")
    assert schedule.cron_schedule == "0 3 5 * *"
    job = repository.get_job(schedule.job_name)
    selected = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert "math_corpus" in selected and "iteration_4/collected" in selected
    assert not any(key.startswith(("models/", "evaluation/")) for key in selected)


def test_a_classifier_shows_its_figures_on_the_held_out_set(tmp_path):
    rows = [{"held_out": "seed and crawl", "language": "zh", "precision": None, "recall": 0.5}]
    for k, value in ((1, 0.25), (2, 0.75)):
        counts = {"held_out_average_precision": value, "held_out": rows}
        with storage.stage(tmp_path / f"iteration_{k}" / "classifier", "classifier", "1", None, {}) as stage:
            assert stage.artifact
            stage.artifact.counts |= counts
    path = tmp_path / "iteration_2" / "classifier"
    manifest = storage.read_manifest(path)
    shown = show.held_out_figures(Run(tmp_path, load_recipe("demo")), path, manifest)
    assert shown["table"] == rows and "0.25 → 0.75" in shown["picture"]
    assert "| seed and crawl | zh |  | 0.5 |" in materialized(manifest, str(path), **shown).metadata["table"].value


def test_judged_texts_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("DSMATH_HELD_OUT", "judged.jsonl")
    assert pipeline_from_environment().inputs().held_out == "judged.jsonl"
