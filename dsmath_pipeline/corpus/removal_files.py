"""The files of one artifact without the pages that rules cover: tables, samples, reports, counts.

Every function may be called again on what it has cleaned already: it then finds nothing and writes nothing.
"""

import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import storage
from ..storage import Folder, Manifest
from .card import dataset_card
from .optout import OptOutRules
from .urls import normalise_url, url_prefixes

_ROW_COUNTS = {
    "seed": "num_texts", "unique_documents": "num_kept", "scores": "num_documents", "collected": "num_pages",
    "math_corpus": "num_kept", "opt_out": "num_pages",
}  # fmt: skip
"""The count of an artifact that is its number of rows."""
_MAX_LISTED_VALUES = 20


def clean_table(file: Folder, rules: OptOutRules) -> None:
    """Rewrite a Parquet file without the rows of covered pages; or, where it counts domains or prefixes, without those.

    Prefixes above a covered address stay with their figures, but lose their sample titles.
    """
    table = storage.read_table(file)
    columns = set(table.column_names)
    name = next((n for n in ("url", "url_prefix", "domain") if n in columns), "")
    if not name or (name != "url" and "num_pages" not in columns):
        return
    values = [value or "" for value in table[name].to_pylist()]
    gone = [bool(rules.match(value if name == "url" else f"http://{value}")) for value in values]
    kept = table.filter(pa.array([not is_gone for is_gone in gone], pa.bool_())) if any(gone) else table
    if "sample_titles" in columns and name == "url_prefix":
        kept = _without_titles(kept, rules)
    if kept is not table:
        storage.write_table(file, kept)


def _without_titles(table: pa.Table, rules: OptOutRules) -> pa.Table:
    above = {prefix for address in rules.addresses for prefix in url_prefixes(f"http://{address.removeprefix('*.')}")}
    titles = table["sample_titles"].to_pylist()
    prefixes = [normalise_url(f"http://{prefix}") for prefix in table["url_prefix"].to_pylist()]
    if not any(t and p in above for t, p in zip(titles, prefixes, strict=True)):
        return table
    left = [[] if prefix in above else title for title, prefix in zip(titles, prefixes, strict=True)]
    at = table.column_names.index("sample_titles")
    field = table.schema.field(at)
    return table.set_column(at, field, pa.array(left, field.type))


def clean_json_files(path: Folder, rules: OptOutRules) -> None:
    """Samples (JSON lines with a `url`) and the contamination report without covered pages."""
    for file in sorted(path.rglob("*.jsonl"), key=str):
        lines = file.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not _names_page(json.loads(line), rules)]
        if len(kept) < len(lines):
            storage.write_bytes(file, b"".join(kept))
    report = path / "contamination" / "report.json"
    if report.exists():
        value = storage.read_json(report)
        items = [_clean_item(item, rules) for item in value["items"]]
        cleaned = {**value, "items": [item for item in items if item["found"]]}
        if cleaned != value:
            storage.write_json(report, cleaned)


def _names_page(row: Any, rules: OptOutRules) -> bool:
    return isinstance(row, dict) and isinstance(row.get("url"), str) and bool(rules.match(row["url"]))


def _clean_item(item: dict[str, Any], rules: OptOutRules) -> dict[str, Any]:
    """A benchmark item without its places on covered pages."""
    found = [place for place in item["found"] if not _names_page(place, rules)]
    gone = len({place["url"] for place in item["found"]}) - len({place["url"] for place in found})
    return {**item, "found": found, "num_pages": item["num_pages"] - gone} if gone else item


def clean_shard_records(path: Folder, rules: OptOutRules) -> None:
    """The records by which a killed run finds its shards: rows as they are now, no covered page in their samples."""
    for record in sorted((path / "_shards").glob("*.json"), key=str) if (path / "_shards").exists() else []:
        value, table = storage.read_json(record), path / f"{record.name.removesuffix('.json')}.parquet"
        counts = _without_samples(value["counts"], rules)
        if table.exists():
            with table.open("rb") as source:
                counts["num_rows"] = pq.read_metadata(source).num_rows
        if counts != value["counts"]:
            storage.write_json(record, {**value, "counts": counts})


def _without_samples(counts: dict[str, Any], rules: OptOutRules) -> dict[str, Any]:
    """Counts without the sampled rows and addresses of covered pages."""
    cleaned = dict(counts)
    for name, value in counts.items():
        if isinstance(value, list) and name != "removals":
            cleaned[name] = [v for v in value if not (_names_page(v, rules) or _is_covered(v, rules))]
    return cleaned


def _is_covered(value: Any, rules: OptOutRules) -> bool:
    return isinstance(value, str) and "://" in value and bool(rules.match(value))


def new_counts(path: Folder, manifest: Manifest, rules: OptOutRules) -> dict[str, Any]:
    """The counts of an artifact after rows went; of the corpus also a new dataset card. Figures that describe how it
    was made (scores, shares, what was read and dropped) stay.
    """
    counts = _without_samples(manifest.counts, rules)
    files = storage.parquet_files(path)
    if not files:
        return counts
    columns = set(storage.read_table(files[0]).column_names)
    if name := _ROW_COUNTS.get(manifest.name):
        counts[name] = _num_rows(files)
    if "num_tokens" in counts and "num_tokens" in columns:
        counts["num_tokens"] = pc.sum(storage.read_table(path, ["num_tokens"])["num_tokens"]).as_py() or 0
    if manifest.name == "seed_set" and {"label", "origin"} <= columns:
        counts |= _seed_set_counts(storage.read_table(path, ["label", "origin"]), counts)
    if manifest.name == "math_corpus":
        counts |= _corpus_counts(path)
        num_iterations = sum(name.startswith("collected_") for name in manifest.inputs)
        storage.write_bytes(path / "README.md", dataset_card(counts, manifest.settings, num_iterations).encode())
    return counts


def _num_rows(files: list[Folder]) -> int:
    total = 0
    for file in files:
        with file.open("rb") as source:
            total += pq.read_metadata(source).num_rows
    return total


def _seed_set_counts(table: pa.Table, counts: dict[str, Any]) -> dict[str, Any]:
    labels, origins = Counter(table["label"].to_pylist()), Counter(table["origin"].to_pylist())
    found = {"num_positives": labels["math"], "num_negatives": labels["other"], "num_joined": origins["joined"]}
    return {name: value for name, value in found.items() if name in counts}


def _corpus_counts(path: Folder) -> dict[str, Any]:
    """Pages and tokens by language, iteration and domain, as the assembly counts them."""
    values = {"languages": "language", "iterations": "collection_iteration", "top_domains": "domain"}
    table = storage.read_table(path, [*values.values(), "num_tokens"])
    counts: dict[str, Any] = {"num_domains": pc.count_distinct(table["domain"]).as_py()}
    for name, column in values.items():
        sums = table.group_by(column).aggregate([("num_tokens", "count"), ("num_tokens", "sum")]).to_pylist()
        ordered = sorted(sums, key=lambda row: (-row["num_tokens_count"], str(row[column])))[:_MAX_LISTED_VALUES]
        counts[name] = {
            str(row[column]): {"num_pages": row["num_tokens_count"], "num_tokens": row["num_tokens_sum"]}
            for row in ordered
        }
    return counts
