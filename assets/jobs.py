"""Named selections of the graph that people launch or schedule."""

import dagster as dg


def jobs() -> list:
    """The whole pipeline, its two halves, and the asset checks alone."""
    groups = dg.AssetSelection.groups
    iterations = dg.AssetSelection.key_prefixes(*(f"iteration_{k}" for k in range(1, 9)))
    corpus = groups("sources", "documents", "corpus") | iterations
    return [
        dg.define_asset_job("whole_pipeline", dg.AssetSelection.all(), description="Everything, crawl to report."),
        dg.define_asset_job("refresh_corpus", corpus, description="Crawl to mathematics corpus."),
        dg.define_asset_job(
            "train_and_evaluate",
            groups("training", "reinforcement_learning", "evaluation", "report"),
            description="Tokenizer to report, on the corpus that is there.",
        ),
        dg.define_asset_job(
            "asset_checks", dg.AssetSelection.all_asset_checks(), description="Every asset check, no materialization."
        ),
    ]
