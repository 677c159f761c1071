"""The loop on a hand-made crawl of 160 pages."""

import hashlib
import json
import random

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.iteration import (
    STAGES,
    has_converged,
    iteration_folder,
    last_iteration,
    run_iteration,
    stage_held_out,
    stage_seed_set,
)
from dsmath_pipeline.corpus.seeds import write_seed
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.records import DOCUMENT_SCHEMA
from dsmath_pipeline.storage import ArtifactError

pytestmark = pytest.mark.slow

RECIPE = Recipe.model_validate(
    {
        "seeds": {"held_out_share": 0.1, "num_folds": 4, "joined_pages": "all"},
        "classifier": {
            "dim": 8,
            "epochs": 3,
            "later_epochs": 10,
            "learning_rate": 0.5,
            "min_count": 1,
            "num_buckets": 1000,
        },
        "ranking": {"token_budget": 1_000_000},
        "iteration": {"max_iterations": 3, "convergence_share": 0.9},
    }
)


def text_of(rng, words):
    return " ".join(rng.choice(words) for _ in range(40))


ALWAYS_CONVERGED = RECIPE.model_copy(
    update={"iteration": RECIPE.iteration.model_copy(update={"convergence_share": 0.0})}
)


def make_root(root):
    """Seed texts use m0..m19; math pages use them and k0..k9, which the seed lacks; other pages use o0..o29.

    calculus.org: 20 pages like the seed, and 10 pages of k words alone under /notes (uncollected at first).
    """
    rng = random.Random(11)
    m, k, o = [[f"{letter}{i}" for i in range(n)] for letter, n in (("m", 20), ("k", 10), ("o", 30))]
    lines = [json.dumps({"url": f"https://seed.org/{i}", "text": text_of(rng, [*m, "the"])}) for i in range(80)]
    root.mkdir()
    (root / "seed.jsonl").write_text("\n".join(lines))
    write_seed(str(root / "seed.jsonl"), root / "seed")
    pages = [(f"https://calculus.org/notes/{i}", text_of(rng, [*m, *k])) for i in range(20)]
    pages += [(f"https://calculus.org/notes/k{i}", text_of(rng, [*k, "the"])) for i in range(10)]
    pages += [(f"https://news{i % 13}.org/{i}", text_of(rng, [*o, "the"])) for i in range(130)]
    rows = [
        {"id": hashlib.blake2b(url.encode(), digest_size=16).hexdigest(), "url": url, "domain": url.split("/")[2],
         "source": "s", "offset": 0, "language": "en", "title": url, "text": text, "num_tokens": 40}
        for url, text in pages
    ]  # fmt: skip
    with storage.stage(root / "unique_documents", "unique_documents", "test", None, {}) as run:
        assert run.artifact
        run.artifact.write_table("part-0.parquet", pa.Table.from_pylist(rows, DOCUMENT_SCHEMA))
    stage_held_out(root, RECIPE)
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = make_root(tmp_path_factory.mktemp("run") / "root")
    manifests = [run_iteration(root, k, RECIPE, workers=1) for k in (1, 2, 3)]
    return root, manifests


def collected(root, k):
    return set(storage.read_table(iteration_folder(root, k, "collected"), ["url"])["url"].to_pylist())


def test_the_first_iteration_finds_the_mathematical_domain(finished):
    root, manifests = finished
    domains = storage.read_table(iteration_folder(root, 1, "domains")).to_pylist()
    assert [row["domain"] for row in domains if row["is_math"]] == ["calculus.org"]
    assert manifests[0]["annotations"].counts["num_math"] >= 1
    assert len({url for url in collected(root, 1) if "calculus" in url}) >= 20


def test_the_second_iteration_collects_pages_that_joined_and_no_others(finished):
    root, _ = finished
    assert {url for url in collected(root, 2) if "calculus" in url} == {
        *(f"https://calculus.org/notes/{i}" for i in range(20)),
        *(f"https://calculus.org/notes/k{i}" for i in range(10)),
    }
    assert not {url for url in collected(root, 2) if "news" in url}


def test_a_converged_loop_is_carried_forward_with_the_same_tables(finished):
    root, manifests = finished
    strict = ALWAYS_CONVERGED
    later = run_iteration(root, 3, strict, workers=1)
    assert all(later[name].counts["carried_forward"] for name in STAGES)
    assert later["collected"].counts["already_collected_pages_share"] == 1.0
    for name in STAGES:
        before, after = (iteration_folder(root, k, name) for k in (2, 3))
        assert storage.read_manifest(after).num_rows == storage.read_manifest(before).num_rows
        for file in storage.parquet_files(before):
            assert (after / file.name).read_bytes() == file.read_bytes()
    assert last_iteration(root, strict.iteration) == 2
    assert len(manifests) == 3


def test_a_finished_iteration_is_not_made_again(finished):
    root, manifests = finished
    again = run_iteration(root, 1, RECIPE, workers=1)
    assert {name: m.created_seconds for name, m in again.items()} == {
        name: m.created_seconds for name, m in manifests[0].items()
    }


@pytest.mark.slow
def test_two_runs_give_the_same_keys_and_scores(finished, tmp_path):
    root, manifests = finished
    other = make_root(tmp_path / "other")
    second = run_iteration(other, 1, RECIPE, workers=1)
    assert {name: m.key for name, m in second.items()} == {name: m.key for name, m in manifests[0].items()}
    tables = [storage.read_table(iteration_folder(path, 1, "scores")) for path in (root, other)]
    assert tables[0].equals(tables[1])


def test_the_first_iteration_never_counts_as_converged(finished):
    assert not has_converged(finished[0], 0, RECIPE.iteration)
    assert not has_converged(finished[0], 1, ALWAYS_CONVERGED.iteration)


def test_an_iteration_without_its_predecessor_says_what_is_missing(tmp_path):
    root = make_root(tmp_path / "root")
    with pytest.raises(ArtifactError, match="does not exist: run the stage that writes it first"):
        stage_seed_set(root, 3, RECIPE)
    with pytest.raises(ArtifactError, match="run iteration 1 first"):
        last_iteration(root, RECIPE.iteration)
