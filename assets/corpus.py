"""Section 2.1 as assets: sources, documents, the iterations by factory, the corpus."""

from typing import Any

import dagster as dg

from assets import show
from assets.stage_asset import stage_asset
from dsmath_pipeline import records
from dsmath_pipeline.recipe.schema import Recipe


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
            recipe, "mini_web", group="sources", kinds={"warc"}, sections=("mini_web",), show=show.crawl_files,
            description="The embedded default input: a generated mini web as WARC files, with seed texts and "
            "benchmark problems. Not read when DSMATH_CRAWL names your own crawl.",
        ),
        stage_asset(
            recipe, "word_problems", group="sources", kinds={"parquet"}, sections=("mini_web",),
            show=show.some_problems, schema=records.PROBLEM_SCHEMA,
            description="Word problems with chain-of-thought, program and tool-integrated solutions; training and "
            "held-out test problems, English and Chinese.",
        ),
        stage_asset(
            recipe, "seed", group="sources", kinds={"parquet"}, deps=["mini_web"], show=show.some_urls,
            description="Seed texts (OpenWebMath's schema): the positives of the first classifier.",
        ),
    ]  # fmt: skip


def document_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """WARC to text, and one document for each page."""
    return [
        stage_asset(
            recipe, "documents", group="documents", kinds={"warc", "parquet"}, deps=["mini_web"],
            sections=("extract", "opt_out"), schema=records.DOCUMENT_SCHEMA, show=show.languages,
            description="Text of every HTML page of the crawl, formulas kept as LaTeX, one Parquet shard per WARC "
            "file. Extracted once; iterations only score it.",
        ),
        stage_asset(
            recipe, "unique_documents", group="documents", kinds={"parquet"}, deps=["documents"],
            sections=("dedup", "opt_out"), schema=records.DOCUMENT_SCHEMA, show=show.lengths,
            description="Documents without repeated URLs, exact duplicates, texts too short to judge, and pages that "
            "the opt-out list (DSMATH_OPTOUT) covers.",
        ),
        stage_asset(
            recipe, "near_duplicates", group="documents", kinds={"parquet"}, deps=["unique_documents"],
            sections=("dedup",), show=show.counts,
            description="Cluster and signature of every document: near-duplicates within this crawl and of what "
            "earlier runs (DSMATH_EARLIER) kept. The next crawl is compared with these signatures.",
        ),
        stage_asset(
            recipe, "held_out", group="documents", kinds={"parquet"}, deps=["seed", "unique_documents"],
            sections=("seeds",), show=show.held_out_texts,
            description="Texts of seed and crawl, and those that people judged (DSMATH_HELD_OUT), that no iteration "
            "trains on: every classifier is measured on the same ones.",
        ),
    ]  # fmt: skip


def build_iteration(recipe: Recipe, k: int) -> list[dg.AssetsDefinition]:
    """The seven assets of iteration `k`. Its seed set takes the labels and the collected pages of the one before."""
    name, before = f"iteration_{k}", f"iteration_{k - 1}"
    earlier = [f"{before}/collected", f"{before}/annotations"] if k > 1 else []

    def asset(leaf: str, **options: Any) -> dg.AssetsDefinition:
        return stage_asset(recipe, f"{name}/{leaf}", group=name, arguments=(k,), **options)

    return [
        asset(
            "seed_set", kinds={"parquet"}, deps=["seed", "unique_documents", "held_out", *earlier],
            sections=("seeds",), show=show.counts,
            description=f"Training set of classifier {k}: the seed"
            + (f", pages under the prefixes marked after iteration {k - 1}," if k > 1 else "")
            + " and random pages of the crawl.",
        ),
        asset(
            "classifier", kinds={"fasttext"}, deps=[f"{name}/seed_set", "held_out"], sections=("classifier",),
            show=show.held_out_figures,
            description="fastText classifier with the paper's settings, its table for exact fast scoring, and its "
            "precision and recall on the held-out set by language.",
        ),
        asset(
            "scores", kinds={"parquet"}, deps=[f"{name}/classifier", "unique_documents"],
            schema=records.SCORE_SCHEMA, show=show.logits,
            description="Score sidecar: the classifier's log-odds for every document.",
        ),
        asset(
            "collected", kinds={"parquet", "duckdb"},
            deps=[f"{name}/scores", *([f"{before}/collected"] if k > 1 else [])], sections=("ranking", "iteration"),
            schema=records.SCORE_SCHEMA, show=show.logits,
            description="The best documents up to the token budget, and how many of them were collected before.",
        ),
        asset(
            "domains", kinds={"duckdb"}, deps=[f"{name}/collected", f"{name}/scores"], sections=("domains",),
            show=show.top_domains,
            description="Share of each domain that was collected; more than 10 % marks it mathematical.",
        ),
        asset(
            "annotations", kinds={"human"}, deps=[f"{name}/domains"], sections=("annotation",), show=show.prefixes,
            description="URL prefixes of mathematical domains labelled math or not: by people (DSMATH_ANNOTATIONS) or "
            "by the rule that signs its labels auto.",
        ),
        asset(
            "contamination", kinds={"parquet"},
            deps=[f"{name}/collected", "unique_documents", "mini_web", *(["seed"] if k == 1 else [])],
            sections=("decontamination",), show=show.contaminated_texts,
            description="Benchmark texts in the pages that this iteration collected"
            + (", and in the seed" if k == 1 else "") + ": a report, they are cut when the corpus is assembled.",
        ),
    ]  # fmt: skip


def final_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The corpus, and the natural language that goes beside it into pretraining."""
    collected = [f"iteration_{k}/collected" for k in range(1, recipe.iteration.max_iterations + 1)]
    return [
        stage_asset(
            recipe, "math_corpus", group="corpus", kinds={"parquet", "duckdb"},
            deps=["unique_documents", "near_duplicates", "mini_web", *collected],
            sections=("dedup", "decontamination"),
            schema=records.CORPUS_SCHEMA, show=show.domains_of_corpus,
            description="The mathematics corpus: the last iteration's pages, near-duplicates and benchmark texts "
            "removed, with a dataset card.",
        ),
        stage_asset(
            recipe, "natural_language", group="corpus", kinds={"parquet"},
            deps=["unique_documents", collected[-1]], show=show.lengths,
            description="English and Chinese pages that were not collected: the natural-language share of the "
            "pretraining mixture.",
        ),
    ]  # fmt: skip
