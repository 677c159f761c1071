"""Remove pages from a run that is already made, because somebody asks for it: requests are replayed over everything.

    <root>/removals/<id>.jsonl      the requests, one file for each time (removal_requests.py); kept for ever
    <root>/removals/log.jsonl       what was done when: rows of every artifact, what was deleted, what learned from them

Every finished artifact is looked through: rows with a `url` that a request covers go, of domains and prefixes also the
rows that lie wholly in it. Parquet files are rewritten one by one under a temporary name. The manifest is written last
and gets an entry in its count `removals`; its key stays, so that nothing is made anew: the key says how an artifact was
made, `removals` what was taken out afterwards. An entry that is there is never repeated; a replay that was killed goes
on where it was.

Artifacts that hold pages in a form of which none can be cut out (packed tokens, the report, the index of the annotation
page) are deleted and made again by the run that needs them. Classifiers and models are kept: what they were trained on
is told, and nothing is retrained in silence. Files outside of artifacts (the crawl, seed and label files) are not
touched, but whatever is read from them later loses the pages again (`without_removed`).

Not in the paper: removal is not mentioned.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq

from .. import storage
from ..progress import SILENT, Progress, track
from ..storage import MANIFEST, Folder, Manifest
from .optout import OptOutRules
from .optout_list import Request
from .removal_files import clean_json_files, clean_shard_records, clean_table, new_counts
from .removal_requests import FOLDER, LOG, batch_name, new_requests, removal_rules, store_requests, stored_requests

_INTENT = "_removal.json"
"""What a replay is about to take out of an artifact: its figures survive when it is killed half-way."""
_RESUMABLE = ("_shards", "_keys", "_selected")
"""What a killed stage goes on from."""
_DERIVED = ("tokens", "report", "annotation_pages")
"""Artifacts that hold texts of pages without saying which; they can be made again."""
_MAX_LISTED = 100


@dataclass
class RemovalReport:
    """What a replay did."""

    num_new_requests: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that went, by artifact ("iteration_1/scores")."""
    rules: dict[str, int] = field(default_factory=dict)
    """Documents that went, by request: of the artifact that lost most."""
    trained: dict[str, int] = field(default_factory=dict)
    """Classifiers and models, and how many of the removed pages (or rows of the corpus) they were trained on."""
    deleted: list[str] = field(default_factory=list)
    """Artifacts and files that were deleted, to be made again."""


def remove_pages(
    root: Folder, requests: Sequence[Request], *, is_dry_run: bool = False, progress: Progress = SILENT
) -> RemovalReport:
    """Keep the requests with the run and replay all that an artifact has not seen yet. No run may be writing in `root`.

    A dry run only counts. Raises AddressError for an address that cannot be read, ArtifactError when `root` holds no
    artifact.
    """
    if not any(_artifacts(root)):
        raise storage.ArtifactError(f"{root} holds no finished artifact: give the folder of a run")
    report = RemovalReport()
    new = new_requests(root, requests)
    report.num_new_requests = len(new)
    batches = stored_requests(root)
    if new:
        name = batch_name(new)
        batches[name] = new
        if not is_dry_run:
            store_requests(root, name, new)
    for name, path in track(list(_artifacts(root)), "removal", progress):
        entry = _replay(path, batches, is_dry_run)
        if entry:
            report.rows[name] = entry["num_rows"]
            if sum(entry["rules"].values()) > sum(report.rules.values()):
                report.rules = entry["rules"]
    report.trained = dict(_trained_before(root, report.rows if is_dry_run else None))
    if not is_dry_run:
        _clean_unfinished(root)
        report.deleted = _delete_derived(root, has_lost_rows=any(report.rows.values()))
        if new or any(report.rows.values()) or report.deleted:
            _log(root, report, new)
    return report


def without_removed(root: Folder, path: Folder) -> Manifest:
    """The manifest of a freshly made artifact, after every request of the run has been replayed over it.

    For artifacts that are read from files outside of the run, in which the pages still are.
    """
    batches = stored_requests(root)
    if batches:
        _replay(path, batches, is_dry_run=False)
    return storage.read_manifest(path)


def num_removed(manifest: Manifest, since: float = 0.0) -> int:
    """Rows that replays took out of an artifact, after Unix time `since`."""
    return sum(e["num_rows"] for e in manifest.counts.get("removals", []) if e["at_seconds"] > since)


# one artifact -------------------------------------------------------------------------------------------------------


def _replay(path: Folder, batches: Mapping[str, list[Request]], is_dry_run: bool) -> dict[str, Any] | None:
    """Take out what requests cover that the artifact has not seen. Returns the new entry; None when there is none."""
    manifest = storage.read_manifest(path)
    seen = {name for entry in manifest.counts.get("removals", []) for name in entry["requests"]}
    pending = [name for name in batches if name not in seen]
    files = [file for file in _tables(path) if _holds_pages(file)]
    if not pending or not (files or (path / "dropped").exists()):
        return None
    rules = OptOutRules()
    requests = [request for name in pending for request in batches[name]]
    for request in requests:
        rules.add_address(request.address)
    figures = _figures(path, files, rules, pending, is_dry_run)
    entry = {
        "requests": pending,
        "num_requests": len(requests),
        "requesters": sorted({r.requester for r in requests if r.requester})[:_MAX_LISTED],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "at_seconds": time.time(),
        **figures,
    }
    if is_dry_run:
        return entry
    for file in files:
        clean_table(file, rules)
    clean_json_files(path, rules)
    clean_shard_records(path, rules)
    _commit(path, manifest, entry, rules)
    (path / _INTENT).unlink(missing_ok=True)
    return entry


def _figures(
    path: Folder, files: list[Folder], rules: OptOutRules, pending: list[str], is_dry_run: bool
) -> dict[str, Any]:
    """`num_rows` that go and `rules`, by request; as they were before a replay that was killed began."""
    intent = path / _INTENT
    if intent.exists():
        value = storage.read_json(intent)
        if value["requests"] == pending:
            return value["figures"]
    found: Counter[str] = Counter()
    for file in files:
        if file.parent == path and "url" in _columns(file):
            urls = storage.read_table(file, ["url"])["url"].to_pylist()
            found.update(rule for url in urls if (rule := rules.match(url or "")))
    figures = {"num_rows": sum(found.values()), "rules": dict(found.most_common(_MAX_LISTED))}
    if not is_dry_run:
        storage.write_json(intent, {"requests": pending, "figures": figures})
    return figures


def _commit(path: Folder, manifest: Manifest, entry: dict[str, Any], rules: OptOutRules) -> None:
    """Write the manifest with the new rows, sizes and counts; of the corpus also the dataset card."""
    has_rows = bool(storage.parquet_files(path))
    rows = sum(_num_rows(file) for file in storage.parquet_files(path)) if has_rows else manifest.num_rows
    counts = {**manifest.counts, "removals": [*manifest.counts.get("removals", []), entry]}
    changed = replace(manifest, num_rows=rows, counts=new_counts(path, replace(manifest, counts=counts), rules))
    num_bytes = sum(f.stat().st_size for f in path.rglob("*") if f.is_file() and f.name not in (MANIFEST, _INTENT))
    storage.write_json(path / MANIFEST, asdict(replace(changed, num_bytes=num_bytes)))


def _tables(path: Folder) -> list[Folder]:
    return sorted(path.rglob("*.parquet"), key=str)


def _columns(file: Folder) -> list[str]:
    with file.open("rb") as source:
        return pq.read_schema(source).names


def _num_rows(file: Folder) -> int:
    with file.open("rb") as source:
        return pq.read_metadata(source).num_rows


def _holds_pages(file: Folder) -> bool:
    """Pages, or figures on domains or prefixes. Labels of prefixes are people's work and hold nothing of a page."""
    columns = _columns(file)
    return "url" in columns or {"domain", "num_pages"} <= set(columns)


# the whole run ------------------------------------------------------------------------------------------------------


def _artifacts(root: Folder) -> Iterator[tuple[str, Folder]]:
    """Name and folder of every finished artifact; documents first, because others tell what was taken out of them."""
    files = [file for file in root.rglob(MANIFEST) if FOLDER not in file.parts[len(root.parts) :]]
    names = {"/".join(file.parent.parts[len(root.parts) :]): file.parent for file in files}
    for name in sorted(names, key=lambda name: (name != "documents", name)):
        if name and isinstance(value := storage.read_json(names[name] / MANIFEST), dict) and "key" in value:
            yield name, names[name]


def _clean_unfinished(root: Folder) -> None:
    """What killed stages left: they would go on from it, so it goes; documents take long, their shards are cleaned."""
    rules = removal_rules(root)
    for path in _data_folders(root):
        if not path.exists() or (path / MANIFEST).exists():
            continue
        if path.name != "documents" and any((path / name).exists() for name in _RESUMABLE):
            storage.remove(path)
            continue
        for file in _tables(path):
            clean_table(file, rules)
        clean_shard_records(path, rules)


def _data_folders(root: Folder) -> list[Folder]:
    """Folders of the stages that write pages."""
    names = ["documents", "seed", "opt_out", "unique_documents", "held_out", "math_corpus", "natural_language"]
    steps = ("seed_set", "scores", "collected", "domains")
    iterations = sorted(root.glob("iteration_*"), key=str)
    refreshed = ("documents", "opt_out", "unique_documents", "scores", "new_documents", "near_duplicates")
    return [
        *(root / name for name in [*names, "tokens"]),
        *(path / step for path in iterations for step in steps),
        *(path / step for path in sorted(root.glob("refresh/*"), key=str) for step in [*refreshed, "math_corpus"]),
    ]


def _delete_derived(root: Folder, has_lost_rows: bool) -> list[str]:
    """Delete what was made of artifacts before they lost rows, now or in an earlier replay. Returns the names."""
    last = 0.0
    manifests = {name: storage.read_manifest(path) for name, path in _artifacts(root)}
    for manifest in manifests.values():
        entries = manifest.counts.get("removals", [])
        last = max([last, *(e["at_seconds"] for e in entries if e["num_rows"])])
    deleted = []
    for name, path in list(_artifacts(root)):
        if manifests[name].name in _DERIVED and manifests[name].created_seconds < last:
            storage.remove(path)
            deleted.append(name)
    summary = root / "report.json"
    if has_lost_rows and summary.exists():
        summary.unlink()
        deleted.append(summary.name)
    return deleted


def _trained_before(root: Folder, planned: Mapping[str, int] | None) -> Iterator[tuple[str, int]]:
    """Classifiers and models that were trained on rows which went later; `planned` are the rows of a dry run."""
    sources = {f"{name}/seed_set": f"{name}/classifier" for name in (p.name for p in root.glob("iteration_*"))}
    pairs = [*sources.items(), *(("math_corpus", f"models/{m}") for m in ("base", "sft", "reward", "rl"))]
    for source, made in sorted(pairs):
        paths = root.joinpath(*source.split("/")), root.joinpath(*made.split("/"))
        if not all((path / MANIFEST).exists() for path in paths):
            continue
        before, after = (storage.read_manifest(path) for path in paths)
        lost = num_removed(before, since=after.created_seconds) + (planned or {}).get(source, 0)
        if lost:
            yield made, lost


def _log(root: Folder, report: RemovalReport, new: list[Request]) -> None:
    file = root / FOLDER / LOG
    before = file.read_bytes() if file.exists() else b""
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "new_requests": [r.address for r in new[:_MAX_LISTED]],
        **asdict(report),
    }
    storage.write_bytes(file, before + (json.dumps(line, ensure_ascii=False) + "\n").encode())
