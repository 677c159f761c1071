"""The dataset card of the mathematics corpus: README.md in the format that dataset hubs read.

Made from the counts and settings of the corpus's manifest only, so that the same corpus has the same card.
"""

from collections.abc import Mapping
from typing import Any

from ..recipe.schema import DecontaminationSettings, DedupSettings

_SECTIONS = {"dedup": DedupSettings, "decontamination": DecontaminationSettings}


def dataset_card(counts: Mapping[str, Any], settings: Mapping[str, Any], num_iterations: int) -> str:
    """Markdown with a YAML header. `counts` and `settings` are those of the artifact `math_corpus`."""
    parts = [
        _header(counts),
        f"# Mathematics corpus\n\n{_numbers(counts)}",
        _table("Languages", "language", counts["languages"], counts),
        _table("Iteration that first collected a page", "iteration", counts["iterations"], counts),
        _table("Largest domains", "domain", counts["top_domains"], counts),
        _how_made(counts, num_iterations),
        _opt_out(counts),
        _columns(),
        _settings_table(settings),
        _LICENCE,
    ]
    return "\n\n".join(parts) + "\n"


def _header(counts: Mapping[str, Any]) -> str:
    languages = "".join(f"- {code}\n" for code in sorted(counts["languages"]) if code != "und")
    return (
        f"---\npretty_name: Mathematics corpus\n{'language:' if languages else 'language: []'}\n{languages}"
        f"tags:\n- mathematics\n- web\nsize_categories:\n- {_size_category(counts['num_kept'])}\n"
        'configs:\n- config_name: default\n  data_files: "part-*.parquet"\n---'
    )


def _size_category(rows: int) -> str:
    limits = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    limits += [(10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M")]
    return next((name for limit, name in limits if rows < limit), "100M<n<1B")


def _numbers(counts: Mapping[str, Any]) -> str:
    dropped = counts["dropped"]
    return (
        f"{counts['num_kept']:,} web pages of {counts['num_domains']:,} domains, {counts['num_tokens']:,} tokens "
        "(estimated: one for a CJK character, one for four other characters).\n\n"
        f"Of {counts['num_collected']:,} collected pages {dropped['near_duplicate']:,} were near-duplicates and "
        f"{dropped['contaminated']:,} consisted mostly of benchmark texts; {counts['num_segments_dropped']:,} segments "
        f"were cut from {counts['num_documents_cut']:,} other pages."
    )


def _table(title: str, what: str, rows: Mapping[str, Mapping[str, int]], counts: Mapping[str, Any]) -> str:
    lines = [f"## {title}\n", f"| {what} | pages | tokens | share of tokens |", "|---|--:|--:|--:|"]
    for name, row in rows.items():
        share = row["num_tokens"] / max(counts["num_tokens"], 1)
        lines.append(f"| {_cell(name)} | {row['num_pages']:,} | {row['num_tokens']:,} | {share:.1%} |")
    return "\n".join(lines)


def _how_made(counts: Mapping[str, Any], num_iterations: int) -> str:
    read = counts["benchmarks"]
    decontamination = (
        f"Segments that share a run of words with {read['num_texts']:,} texts of {read['num_items']:,} benchmark items "
        f"({read['num_files']:,} files) were removed; `contamination/report.json` lists every item that was found."
        if read
        else "**No benchmark texts were given: this corpus is not decontaminated. Do not evaluate on it.**"
    )
    return (
        "## How it was made\n\n"
        "Web pages were extracted to text with formulas as LaTeX; short texts, repeated URLs and repeated texts were "
        f"removed. A fastText classifier ranked the pages in {num_iterations} iteration(s); after each, URL prefixes "
        "marked as mathematical on mathematics-related domains gave new positives (DeepSeekMath, arXiv 2402.03300, "
        "section 2.1). The pages of the last iteration, without near-duplicates, are the corpus.\n\n" + decontamination
    )


def _opt_out(counts: Mapping[str, Any]) -> str:
    """Pages that were left out or taken out at the wish of their owners."""
    found = counts.get("opt_out") or {}
    signals, removals = found.get("page_signals", {}), counts.get("removals", [])
    lines = ["## Opt-out and removal\n"]
    if found.get("respects_page_signals"):
        named = "; ".join(f"{_cell(name)}: {count:,}" for name, count in sorted(signals.items()))
        lines.append(f"Pages of the crawl that refuse this use by a signal of their own: {named or 'none'}. Left out.")
    else:
        lines.append("**Signals by which pages refuse this use (noai, noml, TDM reservation) were not read.**")
    if found.get("has_list"):
        lines.append(
            f"An opt-out list of {found['num_rules']:,} rules covered {found['num_pages']:,} pages of the crawl, which "
            "were left out."
        )
    else:
        lines.append("No opt-out list of domains and addresses was given.")
    for entry in (entry for entry in removals if entry["num_rows"]):
        lines.append(
            f"- {entry['at'][:10]}: {entry['num_rows']:,} pages removed from the finished corpus on "
            f"{entry['num_requests']:,} request(s)."
        )
    return "\n".join(lines)


def _columns() -> str:
    rows = [
        ("id", "page id, 32 hexadecimal digits"),
        ("url, domain", "address as crawled; host in lower case without `www.`"),
        ("title, text", "text with formulas as LaTeX"),
        ("language", "ISO 639-1, `und` when unknown"),
        ("score", "the last classifier's probability of mathematics, 0-1"),
        ("collection_iteration", "first iteration that collected the page"),
        ("num_tokens", "estimated tokens of the text"),
    ]
    return "\n".join(["## Columns\n", "| column | meaning |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def _settings_table(settings: Mapping[str, Any]) -> str:
    lines = ["## Settings\n", "| setting | value | meaning | source |", "|---|---|---|---|"]
    for section, values in settings.items():
        for name, value in values.items():
            described = _SECTIONS[section].model_fields[name]
            extra = described.json_schema_extra
            source = extra.get("source", "") if isinstance(extra, dict) else ""
            lines.append(
                f"| {section}.{name} | {value} | {_cell(described.description or '')} | {_cell(str(source))} |"
            )
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text that cannot break out of a Markdown table cell or add HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")


_LICENCE = """## Licence and use

The texts belong to their authors; this collection grants no right to them. Pages crawled by Common Crawl are subject
to its terms of use (https://commoncrawl.org/terms-of-use). Check the rights to a page by its `url` before you pass its
text on, and leave out pages whose owners ask for it. Pages may hold personal data and mistakes."""
