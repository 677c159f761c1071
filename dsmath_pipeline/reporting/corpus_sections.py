"""The report's chapters on the corpus: reading, deduplication, the loop, the finished corpus (section 2.1)."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..storage import Folder
from . import plots
from .parts import (
    counts_table,
    details,
    dropped_block,
    dropped_sample,
    escape,
    excerpt,
    figure,
    manifest_of,
    missing,
    paragraph,
    section,
    side_by_side,
    subtitle,
)
from .tables import held_out_table, html_table, iterations, iterations_table

_MAX_HISTOGRAM_ROWS = 1_000_000


def reading_section(root: Folder) -> str:
    """What was read, and what became of every record."""
    manifest = manifest_of(root, "documents")
    if manifest is None:
        return section("reading", "Reading the crawl", missing("The extraction"))
    counts = manifest.counts
    intro = (
        f"{counts.get('num_records', 0):,} records of {counts.get('num_files', 0):,} files held "
        f"{counts.get('num_pages', 0):,} web pages; {manifest.num_rows:,} of them gave a text, with "
        f"{counts.get('num_formulas', 0):,} formulas. {counts.get('lost', 0):,} damaged places were skipped and "
        "reading went on behind them."
    )
    tables = [
        counts_table("reason", counts.get("skipped", {}), "records", "Records that are no page"),
        counts_table("reason", counts.get("dropped", {}), "pages", "Pages without a usable text"),
        counts_table("rule", counts.get("rules", {}), "formulas", "Where formulas were found"),
        counts_table("language", _languages(root / "documents"), "documents", "Languages"),
    ]
    return section("reading", "Reading the crawl", paragraph(intro), side_by_side(*tables),
                   dropped_block(dropped_sample(root / "documents")))  # fmt: skip


def _languages(path: Folder) -> dict[str, int]:
    found = storage.read_table(path, ["language"])["language"].value_counts().to_pylist()
    return {row["values"] or "und": row["counts"] for row in sorted(found, key=lambda row: -row["counts"])[:8]}


def dedup_section(root: Folder) -> str:
    """Short texts, repeated URLs and repeated texts."""
    manifest = manifest_of(root, "unique_documents")
    if manifest is None:
        return section("dedup", "Removing repetitions", missing("Deduplication"))
    dropped = manifest.counts.get("dropped", {})
    read = manifest.counts.get("num_read", manifest.num_rows + sum(dropped.values()))
    intro = f"Of {read:,} documents {manifest.num_rows:,} stay."
    return section(
        "dedup",
        "Removing repetitions",
        paragraph(intro),
        counts_table("dropped because", dropped, "documents"),
        dropped_block(dropped_sample(root / "unique_documents")),
    )


def iterations_section(root: Folder, truth: Folder | None) -> str:
    """The loop: what every iteration collected, where, and what people marked."""
    rows = iterations_table(root, truth)
    if not rows:
        return section("iterations", "Collecting in iterations", missing("The iterations"))
    intro = (
        "Each iteration trains a classifier on the seed, ranks all documents, collects the best, finds the domains "
        "that are mathematical and adds pages under the URL prefixes marked there to the next seed. It stops when "
        "nearly everything was collected before (the paper: 98 %)."
    )
    parts = [paragraph(intro), html_table(rows)]
    if "precision" in rows[0]:
        parts.append(
            paragraph(
                "Precision and recall are measured against the known truth of this crawl, which the pipeline never "
                "reads: share of mathematics among the collected pages, and share of the mathematics pages left after "
                "deduplication that were collected.",
                "soft",
            )
        )
    parts.append(figure(plots.iterations_figure(rows), "Left: pages collected. Right: shares of the same iterations."))
    parts.append(_held_out(root))
    last = rows[-1]["iteration"]
    parts += [_score_figure(root, last), _cut_table(root, last)]
    parts += [_domains(root, number) for number in iterations(root)[-1:]]
    parts += [_labels(root, row["iteration"]) for row in rows if not row["is_carried_forward"]]
    return section("iterations", "Collecting in iterations", *parts)


def _held_out(root: Folder) -> str:
    """Every classifier on the same texts, which no iteration trained on."""
    rows = held_out_table(root)
    if not rows:
        return missing("The held-out set")
    text = (
        "Drawn once and trained on in no iteration. Seed texts are what should be found. Crawl pages count as wrong "
        "although nobody has read them: precision and average precision of 'seed and crawl' are lower bounds, to "
        "compare iterations with. 'called math' is the share of the other texts that score above 0.5. Texts that "
        "people judged, where they brought some, are in rows of their own."
    )
    parts = [subtitle("The held-out set"), paragraph(text, "soft"), html_table(rows)]
    return "".join(parts) + figure(plots.held_out_figure(rows), "The same held-out texts in every iteration.")


def _score_figure(root: Folder, number: int) -> str:
    path = root / f"iteration_{number}"
    if manifest_of(path, "scores") is None:
        return missing(f"The scores of iteration {number}")
    scores = storage.read_table(path / "scores", ["id", "logit"])
    step = max(1, scores.num_rows // _MAX_HISTOGRAM_ROWS)
    if step > 1:
        scores = scores.take(pa.array(range(0, scores.num_rows, step)))
    ids = storage.read_table(path / "collected", ["id"])["id"].combine_chunks()
    mask = pc.is_in(scores["id"], value_set=ids)
    collected = scores.filter(mask)["logit"].to_pylist()
    others = scores.filter(pc.invert(mask))["logit"].to_pylist()
    svg = plots.score_histogram(collected, others, number)
    return figure(svg, "Every unique document by its score. Ranking uses the log-odds, which do not saturate near 1.")


def _cut_table(root: Folder, number: int) -> str:
    table = storage.read_table(root / f"iteration_{number}" / "collected", ["id", "url", "score"])
    rows = sorted(table.to_pylist(), key=lambda row: (row["score"], row["id"]))
    last = [{"url": row["url"], "score": row["score"]} for row in rows[:8]]
    return details("The last pages that were still collected", html_table(last))


def _domains(root: Folder, number: int) -> str:
    path = root / f"iteration_{number}" / "domains"
    if manifest_of(path) is None:
        return missing(f"The domains of iteration {number}")
    names = ["domain", "num_pages", "num_collected", "collected_share", "is_math"]
    rows = [{name: row.get(name) for name in names} for row in storage.read_table(path).to_pylist()]
    math = sorted(
        (row for row in rows if row["is_math"]), key=lambda row: (-(row["num_collected"] or 0), row["domain"])
    )
    below = sorted(
        (row for row in rows if not row["is_math"] and row["num_collected"]),
        key=lambda row: (-(row["collected_share"] or 0), row["domain"]),
    )
    shown = [{name: row[name] for name in names[:-1]} for row in math[:12]]
    near = [{name: row[name] for name in names[:-1]} for row in below[:6]]
    return (
        subtitle(f"Domains after iteration {number}")
        + paragraph(f"{len(math):,} of {len(rows):,} domains are mathematical by their share of collected pages.")
        + side_by_side(
            html_table(shown, "Mathematical, most collected pages first"),
            html_table(near, "Not mathematical, highest share first"),
        )
    )


def _labels(root: Folder, number: int) -> str:
    path = root / f"iteration_{number}" / "annotations"
    manifest = manifest_of(path)
    if manifest is None:
        return ""
    rows = storage.read_table(path).to_pylist()
    names = [name for name in ("url_prefix", "label", "annotator", "note") if rows and name in rows[0]]
    shown = [{name: row[name] for name in names} for row in rows[:15]]
    more = f", the first {len(shown)}" if len(rows) > len(shown) else ""
    return details(f"URL prefixes labelled in iteration {number}: {len(rows):,}{more}", html_table(shown))


def corpus_section(root: Folder) -> str:
    """The finished corpus, what was dropped from it, and what benchmark texts were found."""
    manifest = manifest_of(root, "math_corpus")
    if manifest is None:
        return section("corpus", "The mathematics corpus", missing("The corpus"))
    counts = manifest.counts
    intro = (
        f"{manifest.num_rows:,} pages with {counts.get('num_tokens', 0):,} estimated tokens of "
        f"{counts.get('num_domains', 0):,} domains, from {counts.get('num_collected', 0):,} collected pages."
    )
    tables = [counts_table("dropped because", counts.get("dropped", {}), "pages")]
    for name, title in (("languages", "language"), ("iterations", "first collected in"), ("top_domains", "domain")):
        found = list((counts.get(name) or {}).items())[:10]
        tables.append(html_table([{title: value, **row} for value, row in found]))
    return section(
        "corpus",
        "The mathematics corpus",
        paragraph(intro),
        side_by_side(*tables),
        dropped_block(dropped_sample(root / "math_corpus")),
        contamination_block(root / "math_corpus" / "contamination" / "report.json"),
        opt_out_block(counts),
    )


def contamination_block(path: Folder) -> str:
    """The contamination report: what was found of which benchmark item."""
    title = subtitle("Benchmark texts")
    if not path.exists():
        return title + missing("The contamination report")
    report = storage.read_json(path)
    if not report["is_decontaminated"]:
        return title + paragraph("No benchmark texts were given: this corpus is not decontaminated.", "note")
    read, items = report["benchmarks"], report["items"]
    text = (
        f"{read.get('num_texts', 0):,} texts of {read.get('num_items', 0):,} benchmark items were looked for; "
        f"{len(items):,} items were found. {report['num_segments_dropped']:,} segments were cut from "
        f"{report['num_documents_cut']:,} pages and {report['num_documents_dropped']:,} pages dropped whole. "
        f"{len(report['ignored_phrases']):,} short texts were left alone as common phrases."
    )
    rows = [
        {"benchmark item": item["item"], "kind": item["kind"], "num_pages": item["num_pages"],
         "matching words": item["found"][0]["matched"][:160] if item["found"] else ""}
        for item in items[:12]
    ]  # fmt: skip
    return title + paragraph(text) + html_table(rows) + _found_examples(items)


def opt_out_block(counts: dict[str, Any]) -> str:
    """What was left out, and taken out afterwards, at the wish of owners; `counts` of the corpus."""
    found, removals = counts.get("opt_out"), [e for e in counts.get("removals", []) if e["num_rows"]]
    if not found and not removals:
        return ""
    found = found or {}
    signals, rules = found.get("page_signals", {}), found.get("rules", {})
    text = f"{sum(signals.values()):,} pages of the crawl refuse this use by a signal of their own. "
    if not found.get("respects_page_signals"):
        text = "Signals by which pages refuse this use were not read. "
    if found.get("has_list"):
        text += f"The opt-out list ({found['num_rules']:,} rules) covered {found['num_pages']:,} pages. "
    taken = sum(entry["num_rows"] for entry in removals)
    text += f"{taken:,} pages of the finished corpus were removed on request." if removals else ""
    tables = [
        counts_table("signal", signals, "pages") if signals else "",
        counts_table("rule of the list", dict(list(rules.items())[:12]), "pages") if rules else "",
    ]
    return subtitle("Opt-out and removal") + paragraph(text) + side_by_side(*filter(None, tables))


def _found_examples(items: list[dict[str, Any]]) -> str:
    body = "".join(
        f'<p class="url">{escape(item["item"])} in {escape(place["url"])}</p>{excerpt(place["segment"])}'
        for item in items[:5]
        for place in item["found"][:1]
    )
    return details("Removed segments", body) if body else ""
