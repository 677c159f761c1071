"""Section 2.1 as assets: sources, documents, the iterations by factory, the corpus."""

from typing import Any

import dagster as dg

from assets.show import bars, histogram
from assets.stage_asset import stage_asset
from dsmath_pipeline import records, storage
from dsmath_pipeline.recipe.schema import Recipe
from dsmath_pipeline.stages import Run
from dsmath_pipeline.storage import Manifest


def corpus_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Everything from the crawl to the mathematics corpus."""
    iterations = [
        asset for k in range(1, recipe.iteration.max_iterations + 1) for asset in build_iteration(recipe, k)
    ]  # fmt: skip
    return [*source_assets(recipe), *document_assets(recipe), *iterations, *final_assets(recipe)]


def source_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """What the run reads."""
    return [
        stage_asset(
            recipe, "mini_web", group="sources", kinds={"warc"}, sections=("mini_web",), show=_crawl_files,
            description="The embedded default input: a generated mini web as WARC files, with seed texts and "
            "benchmark problems. Not read when DSMATH_CRAWL names your own crawl.",
        ),
        stage_asset(
            recipe, "word_problems", group="sources", kinds={"parquet"}, sections=("mini_web",), show=_some_problems,
            schema=records.PROBLEM_SCHEMA,
            description="Word problems with chain-of-thought, program and tool-integrated solutions; training and "
            "held-out test problems, English and Chinese.",
        ),
        stage_asset(
            recipe, "seed", group="sources", kinds={"parquet"}, deps=["mini_web"], show=_some_urls,
            description="Seed texts (OpenWebMath's schema): the positives of the first classifier.",
        ),
    ]  # fmt: skip


def document_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """WARC to text, and one document for each page."""
    return [
        stage_asset(
            recipe, "documents", group="documents", kinds={"warc", "parquet"}, deps=["mini_web"],
            sections=("extract",), schema=records.DOCUMENT_SCHEMA, show=_languages,
            description="Text of every HTML page of the crawl, formulas kept as LaTeX, one Parquet shard per WARC "
            "file. Extracted once; iterations only score it.",
        ),
        stage_asset(
            recipe, "unique_documents", group="documents", kinds={"parquet"}, deps=["documents"],
            sections=("dedup",), schema=records.DOCUMENT_SCHEMA, show=_lengths,
            description="Documents without repeated URLs, exact duplicates and texts too short to judge.",
        ),
    ]  # fmt: skip


def build_iteration(recipe: Recipe, k: int) -> list[dg.AssetsDefinition]:
    """The six assets of iteration `k`. Its seed set takes the labels and the collected pages of the one before."""
    name, before = f"iteration_{k}", f"iteration_{k - 1}"
    earlier = [f"{before}/collected", f"{before}/annotations"] if k > 1 else []

    def asset(leaf: str, **options: Any) -> dg.AssetsDefinition:
        return stage_asset(recipe, f"{name}/{leaf}", group=name, arguments=(k,), **options)

    return [
        asset(
            "seed_set", kinds={"parquet"}, deps=["seed", "unique_documents", *earlier], sections=("seeds",),
            show=_counts,
            description=f"Training set of classifier {k}: the seed"
            + (f", pages under the prefixes marked after iteration {k - 1}," if k > 1 else "")
            + " and random pages of the crawl.",
        ),
        asset(
            "classifier", kinds={"fasttext"}, deps=[f"{name}/seed_set"], sections=("classifier",), show=_counts,
            description="fastText classifier with the paper's settings, and its table for exact fast scoring.",
        ),
        asset(
            "scores", kinds={"parquet"}, deps=[f"{name}/classifier", "unique_documents"],
            schema=records.SCORE_SCHEMA, show=_logits,
            description="Score sidecar: the classifier's log-odds for every document.",
        ),
        asset(
            "collected", kinds={"parquet", "duckdb"},
            deps=[f"{name}/scores", *([f"{before}/collected"] if k > 1 else [])], sections=("ranking", "iteration"),
            schema=records.SCORE_SCHEMA, show=_logits,
            description="The best documents up to the token budget, and how many of them were collected before.",
        ),
        asset(
            "domains", kinds={"duckdb"}, deps=[f"{name}/collected", f"{name}/scores"], sections=("domains",),
            show=_top_domains,
            description="Share of each domain that was collected; more than 10 % marks it mathematical.",
        ),
        asset(
            "annotations", kinds={"human"}, deps=[f"{name}/domains"], sections=("annotation",), show=_prefixes,
            description="URL prefixes of mathematical domains labelled math or not: by people (DSMATH_ANNOTATIONS) or "
            "by the rule that signs its labels auto.",
        ),
    ]  # fmt: skip


def final_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The corpus, and the natural language that goes beside it into pretraining."""
    collected = [f"iteration_{k}/collected" for k in range(1, recipe.iteration.max_iterations + 1)]
    return [
        stage_asset(
            recipe, "math_corpus", group="corpus", kinds={"parquet", "duckdb"},
            deps=["unique_documents", "mini_web", *collected], sections=("dedup", "decontamination"),
            schema=records.CORPUS_SCHEMA, show=_sources_of_corpus,
            description="The mathematics corpus: the last iteration's pages, near-duplicates and benchmark texts "
            "removed, with a dataset card.",
        ),
        stage_asset(
            recipe, "natural_language", group="corpus", kinds={"parquet"},
            deps=["unique_documents", collected[-1]], show=_lengths,
            description="English and Chinese pages that were not collected: the natural-language share of the "
            "pretraining mixture.",
        ),
    ]  # fmt: skip


# What the pages of the assets show --------------------------------------------------------------------------------


def _crawl_files(run: Run, manifest: Manifest) -> dict[str, Any]:
    return {"table": [{"crawl": path} for path in run.crawl]}


def _some_problems(run: Run, manifest: Manifest) -> dict[str, Any]:
    rows = storage.read_table(run.folder("word_problems")).slice(0, 4).to_pylist()
    return {"table": [{name: row[name] for name in ("problem", "solution", "answer")} for row in rows]}


def _some_urls(run: Run, manifest: Manifest) -> dict[str, Any]:
    return {"table": storage.read_table(run.folder("seed"), ["url"]).slice(0, 8).to_pylist()}


def _languages(run: Run, manifest: Manifest) -> dict[str, Any]:
    languages = storage.read_table(run.folder(manifest.name), ["language"])["language"].value_counts().to_pylist()
    top = sorted(languages, key=lambda row: -row["counts"])[:6]
    return {"picture": bars([row["values"] for row in top], [row["counts"] for row in top])}


def _lengths(run: Run, manifest: Manifest) -> dict[str, Any]:
    tokens = storage.read_table(run.folder(manifest.name), ["num_tokens"])["num_tokens"].to_pylist()
    return {"picture": histogram([min(n, 3000) for n in tokens])}


def _counts(run: Run, manifest: Manifest) -> dict[str, Any]:
    scalars = {name: value for name, value in manifest.counts.items() if isinstance(value, (int, float))}
    return {"table": [{"figure": name, "value": value} for name, value in scalars.items()]}
