"""Checks on the artifacts of a run: one list, used by `dsmath checks` and by the Dagster asset checks.

A check reads what is on disk and never changes it. It passes, or fails as an error (the data is wrong) or as a
warning (the data may be right, look at it).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from . import records, storage
from .corpus.removal import num_removed
from .corpus.removal_requests import removal_rules
from .stages import MODELS, Run
from .storage import Folder

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Outcome:
    """What a check found: `figures` are numbers worth plotting over time."""

    passed: bool
    message: str
    figures: dict[str, float | int | str] = field(default_factory=dict)


_MAX_UNREAD_SHARE = 0.02
"""Above this share of documents with LaTeX but no formula, a form of markup is missing from the extractor."""
_MAX_CONTAMINATED_SHARE = 0.02
"""Above this share of contaminated pages the loop collects copies of benchmarks, or a phrase counts as a leak."""


@dataclass(frozen=True)
class Check:
    """One check of one artifact ("iteration_1/scores")."""

    artifact: str
    name: str
    description: str
    function: Callable[[Run, Folder], Outcome]
    severity: Severity = "error"

    def run(self, run: Run) -> Outcome:
        """Raises ArtifactError when the artifact is missing or unfinished."""
        path = run.folder(*self.artifact.split("/"))
        storage.read_manifest(path)
        return self.function(run, path)


def checks(num_iterations: int) -> list[Check]:
    """Every check of a run with that many iterations, in the order of the graph."""
    found = [
        _schema("documents", records.DOCUMENT_SCHEMA),
        Check("documents", "counts_add_up", "Every record is a page, skipped with a reason, or lost.", _records_add_up),
        Check(
            "documents",
            "formulas_are_read",
            "Few pages show LaTeX of which no formula was read.",
            _formulas_are_read,
            severity="warn",
        ),
        _schema("unique_documents", records.DOCUMENT_SCHEMA),
        Check("unique_documents", "urls_are_unique", "No URL occurs twice.", _unique_urls),
        Check("unique_documents", "counts_add_up", "Every document is kept or dropped with a reason.", _drops_add_up),
    ]
    found.append(
        Check(
            "near_duplicates", "counts_add_up", "Every document is kept or stands behind a kept one.", _clusters_add_up
        )
    )
    for k in range(1, num_iterations + 1):
        found += _iteration_checks(f"iteration_{k}", is_last=k == num_iterations)
    found += [
        _schema("math_corpus", records.CORPUS_SCHEMA),
        Check("math_corpus", "urls_are_unique", "No URL occurs twice.", _unique_urls),
        Check(
            "math_corpus", "no_opted_out_pages", "No page is covered by the opt-out list or a removal request.",
            _no_opted_out,
        ),
        Check("math_corpus", "no_contamination_left", "No benchmark text is found in the corpus.", _no_contamination),
        Check("tokenizer", "round_trip", "Corpus texts survive encoding and decoding.", _round_trip),
    ]  # fmt: skip
    found += [
        Check(f"models/{model}", "metrics_are_finite", "Every training metric is a finite number.", _finite_metrics)
        for model in ("base", "sft", "reward", "rl")
    ]
    found += [
        Check(f"evaluation/{model}", "not_below_chance", "Greedy accuracy is not below chance.", _not_below_chance)
        for model in MODELS
    ]
    found.append(
        Check("models/rl", "no_collapse", "No sign of collapse in the metrics.", _no_collapse, severity="warn")
    )
    found.append(
        Check("evaluation/rl", "not_below_sft", "RL does not lose against SFT.", _not_below_sft, severity="warn")
    )
    return found


def _iteration_checks(iteration: str, is_last: bool) -> list[Check]:
    found = [
        Check(
            f"{iteration}/seed_set", "both_classes", "Positives and negatives are both there.", _both_classes
        ),
        _schema(f"{iteration}/scores", records.SCORE_SCHEMA),
        Check(f"{iteration}/scores", "every_document_scored", "One score for each document.", _one_score_each),
        Check(f"{iteration}/scores", "scores_spread", "Scores tell documents apart.", _scores_spread),
        Check(f"{iteration}/collected", "within_budget", "The token budget is kept.", _within_budget),
        Check(
            f"{iteration}/contamination", "few_contaminated_pages", "Few collected pages and seed texts hold a "
            "benchmark text.", _few_contaminated, severity="warn",
        ),
    ]  # fmt: skip
    if is_last:
        found.append(
            Check(
                f"{iteration}/collected", "converged", "The loop reached the convergence share.", _converged,
                severity="warn",
            )
        )  # fmt: skip
    return found


def _schema(artifact: str, schema: pa.Schema) -> Check:
    def function(run: Run, path: Folder) -> Outcome:
        table = storage.read_table(path)
        if table.schema.names != schema.names:
            return Outcome(False, f"columns are {table.schema.names}, expected {schema.names}")
        wrong = [f.name for f in schema if table.schema.field(f.name).type != f.type]
        empty = [f.name for f in schema if not f.nullable and table[f.name].null_count]
        if wrong or empty:
            return Outcome(False, f"wrong type: {wrong}; nulls where none may be: {empty}")
        figures = {"rows": table.num_rows}
        return Outcome(table.num_rows > 0, "" if table.num_rows else "no rows", figures)

    return Check(artifact, "schema", "Columns, types and non-null constraints hold; there are rows.", function)


def _records_add_up(run: Run, path: Folder) -> Outcome:
    manifest = storage.read_manifest(path)
    c = manifest.counts
    skipped, dropped = sum(c["skipped"].values()), sum(c["dropped"].values())
    records_ok = c["num_records"] == c["num_pages"] + skipped + c["lost"]
    removed = num_removed(manifest)
    pages_ok = c["num_pages"] == manifest.num_rows + dropped + removed
    message = f"{c['num_records']} records = {c['num_pages']} pages + {skipped} skipped + {c['lost']} lost; "
    message += f"{c['num_pages']} pages = {manifest.num_rows} documents + {dropped} dropped"
    message += f" + {removed} removed" if removed else ""
    return Outcome(records_ok and pages_ok, message, {"lost": c["lost"], "skipped": skipped, "dropped": dropped})


def _formulas_are_read(run: Run, path: Folder) -> Outcome:
    manifest = storage.read_manifest(path)
    unread, samples = manifest.counts["latex_without_formula"], manifest.counts["latex_without_formula_samples"]
    share = unread / max(manifest.num_rows, 1)
    message = f"{unread} of {manifest.num_rows} documents ({share:.1%}) show LaTeX without a formula"
    message += f", such as {', '.join(samples[:3])}" if samples else ""
    return Outcome(share <= _MAX_UNREAD_SHARE, message, {"documents": unread, "share": round(share, 5)})


def _drops_add_up(run: Run, path: Folder) -> Outcome:
    manifest = storage.read_manifest(path)
    documents = storage.read_manifest(run.folder("documents"))
    before = documents.num_rows + num_removed(documents, since=manifest.created_seconds)
    dropped, removed = sum(manifest.counts["dropped"].values()), num_removed(manifest)
    message = f"{before} documents = {manifest.num_rows} kept + {dropped} dropped"
    message += f" + {removed} removed" if removed else ""
    return Outcome(
        before == manifest.num_rows + dropped + removed, message, {"kept": manifest.num_rows, "dropped": dropped}
    )


def _clusters_add_up(run: Run, path: Folder) -> Outcome:
    counts = storage.read_manifest(path).counts
    unique = storage.read_manifest(run.folder("unique_documents"))
    before = unique.num_rows + num_removed(unique, since=storage.read_manifest(path).created_seconds)
    dropped = sum(counts["dropped"].values())
    message = f"{before} documents = {counts['num_kept']} kept + {dropped} near-duplicates"
    return Outcome(before == counts["num_kept"] + dropped, message, {"dropped": dropped, "known": counts["num_known"]})


def _unique_urls(run: Run, path: Folder) -> Outcome:
    urls = storage.read_table(path, ["url"])["url"]
    repeated = len(urls) - len(urls.unique())
    return Outcome(repeated == 0, f"{repeated} of {len(urls)} rows repeat a URL", {"repeated": repeated})


def _both_classes(run: Run, path: Folder) -> Outcome:
    counts = storage.read_manifest(path).counts
    positives, negatives = counts["num_positives"], counts["num_negatives"]
    message = f"{positives} positives, {negatives} negatives"
    return Outcome(positives > 0 and negatives > 0, message, {"positives": positives, "negatives": negatives})


def _one_score_each(run: Run, path: Folder) -> Outcome:
    documents = storage.read_manifest(run.folder("unique_documents")).num_rows
    ids = storage.read_table(path, ["id"])["id"]
    message = f"{len(ids)} scores of {len(ids.unique())} documents; {documents} documents were given"
    return Outcome(len(ids) == len(ids.unique()) == documents, message, {"scores": len(ids)})


def _scores_spread(run: Run, path: Folder) -> Outcome:
    logits = storage.read_table(path, ["logit"])["logit"]
    values = logits.to_numpy()
    distinct = len(logits.unique()) / max(len(logits), 1)
    spread = float(values.std()) if len(values) else 0.0
    message = f"standard deviation of the log-odds {spread:.3f}, {distinct:.0%} distinct"
    return Outcome(
        spread > 0.05 and distinct > 0.5, message, {"standard_deviation": spread, "distinct_share": distinct}
    )


def _within_budget(run: Run, path: Folder) -> Outcome:
    manifest = storage.read_manifest(path)
    tokens = sum(storage.read_table(path, ["num_tokens"])["num_tokens"].to_pylist())
    budget = manifest.settings.get("token_budget", run.recipe.ranking.token_budget)
    return Outcome(tokens <= budget, f"{tokens:,} of {budget:,} tokens", {"tokens": tokens, "pages": manifest.num_rows})


def _converged(run: Run, path: Folder) -> Outcome:
    counts = storage.read_manifest(path).counts
    unit, needed = run.recipe.iteration.convergence_unit, run.recipe.iteration.convergence_share
    share = counts[f"already_collected_{unit}_share"]
    return Outcome(
        share >= needed, f"{share:.1%} of the {unit} were collected before, {needed:.0%} needed", {"share": share}
    )


def _few_contaminated(run: Run, path: Folder) -> Outcome:
    shares = {}
    messages = []
    for part, figures in storage.read_manifest(path).counts.items():
        if part in ("collected", "seed"):
            found, of = figures["num_contaminated_texts"], figures["num_texts"]
            shares[f"{part}_share"] = round(found / max(of, 1), 5)
            messages.append(f"{part}: {found:,} of {of:,} texts hold one of {figures['num_items']:,} benchmark items")
    return Outcome(max(shares.values()) <= _MAX_CONTAMINATED_SHARE, "; ".join(messages), {**shares})


def _no_contamination(run: Run, path: Folder) -> Outcome:
    from .corpus.contamination import remaining_contamination

    hits = remaining_contamination(path, storage.folder(run.benchmarks), run.recipe.decontamination)
    message = f"{len(hits)} benchmark texts are still found" + (f", such as {hits[0]}" if hits else "")
    return Outcome(not hits, message, {"contaminated": len(hits)})


def _no_opted_out(run: Run, path: Folder) -> Outcome:
    from .corpus.optout import OptOutRules
    from .corpus.optout_list import read_rules

    given, removals = run.inputs.optout, removal_rules(run.root)
    listed = read_rules(storage.folder(given), run.recipe.opt_out.agents) if given else OptOutRules()
    urls = storage.read_table(path, ["url"])["url"].to_pylist()
    found = [url for url in urls if listed.match(url) or removals.match(url)]
    message = f"{len(found)} of {len(urls)} pages are covered by {len(listed)} rules and {len(removals)} requests"
    message += f", such as {found[0]}" if found else ""
    return Outcome(not found, message, {"opted_out": len(found)})


def _round_trip(run: Run, path: Folder) -> Outcome:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    texts = storage.read_table(run.folder("math_corpus"), ["text"])["text"].slice(0, 50).to_pylist()
    broken = sum(tokenizer.decode(tokenizer.encode(text).ids) != text for text in texts)
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    ratio = sum(len(text.encode()) for text in texts) / max(tokens, 1)
    message = f"{broken} of {len(texts)} texts changed; {ratio:.2f} bytes a token"
    return Outcome(broken == 0, message, {"bytes_per_token": ratio})


def _finite_metrics(run: Run, path: Folder) -> Outcome:
    table = storage.read_table(path / "metrics.parquet")
    bad = [
        name
        for name in table.column_names
        if pa.types.is_floating(table.schema.field(name).type)
        and not all(math.isfinite(v) for v in table[name].to_pylist() if v is not None)
    ]
    message = f"not finite: {', '.join(bad)}" if bad else f"{table.num_rows} steps"
    return Outcome(not bad and table.num_rows > 0, message, {"steps": table.num_rows})


def _not_below_chance(run: Run, path: Folder) -> Outcome:
    counts = storage.read_manifest(path).counts
    greedy, chance = counts["greedy"], counts.get("chance", 0.0)
    return Outcome(greedy >= chance, f"greedy {greedy:.1%}, chance {chance:.1%}", {"greedy": greedy})


def _no_collapse(run: Run, path: Folder) -> Outcome:
    signs = storage.read_manifest(path).counts.get("collapse_signs", [])
    return Outcome(not signs, "; ".join(signs) or "no sign", {"signs": len(signs)})


def _not_below_sft(run: Run, path: Folder) -> Outcome:
    rl = storage.read_manifest(path).counts["greedy"]
    sft = storage.read_manifest(run.folder("evaluation", "sft")).counts["greedy"]
    return Outcome(rl >= sft, f"RL {rl:.1%}, SFT {sft:.1%}", {"lift": rl - sft})
