"""WARC, ARC and HTML files to the artifact "documents": one Parquet shard for each input file.

Schema written: records.DOCUMENT_SCHEMA. A page is extracted once, here; every later stage reads text. Shards are named
after their file and keyed by its content, the settings and EXTRACT_VERSION, so a killed run goes on file by file and a
renumbered listing never covers the wrong file. Files of Common Crawl are fetched by the worker that reads them, when it
reads them (commoncrawl.py). Nothing is filtered: see dedup.py.

Paper: section 2.1, step "Common Crawl HTML pages"; domains are "web pages sharing the same base URL".
"""

import functools
import gzip
import hashlib
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import compute, compute_poison, storage
from ..lean_imports import hide
from ..progress import SILENT, Progress
from ..recipe.schema import ExtractSettings, FetchSettings, OptOutSettings
from ..records import DOCUMENT_SCHEMA, Document, Page
from ..storage import Folder, Manifest
from ..text import estimate_tokens
from .compiled import are_cached
from .encoding import decode_to_utf8
from .extract import EXTRACT_VERSION, Dropped, extract, warm_up
from .file_parts import MAX_POLICIES, MAX_SAMPLES, Part, file_counts, merge_parts, most_common, plan_parts
from .formulas import has_latex_evidence
from .html_tree import parse_html
from .inputs import InputFile, file_kind, input_files, input_key, local_file, shard_names
from .page_guard import extract_guarded
from .warc import ReadReport, read_pages

ARTIFACT = "documents"
_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?(\[[^\]/]*\]|[^/?#:]*)")
_RESPECTFUL = OptOutSettings()
_MAX_LOST_RANGES = 1000


def page_id(url: str, date: str, source: str, offset: int) -> str:
    """32 hexadecimal digits that identify one crawled page."""
    identity = "\0".join((url, date, source, str(offset)))
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def base_url(url: str) -> str:
    """The domain of a URL as section 2.1 groups pages: its host, lower case, without "www.", user and port.

    >>> base_url("https://WWW.Example.org:8080/a?b")
    'example.org'

    A URL without a host gives its scheme ("file:"), or "" when it has none.
    """
    if match := _HOST.match(url.strip()):
        return match[1].lower().rstrip(".").removeprefix("www.")
    scheme, colon, _ = url.partition(":")
    return f"{scheme.lower()}:" if colon and scheme.isalnum() else ""


def extract_files(
    inputs: Sequence[str | Path],
    out: Folder,
    settings: ExtractSettings,
    opt_out: OptOutSettings = _RESPECTFUL,
    *,
    fetch: FetchSettings | None = None,
    workers: int = 0,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Extract the documents of WARC, ARC and HTML files (or folders of them) into the artifact folder `out`.

    Files of Common Crawl are named `cc:CC-MAIN-2024-10` or `cc:CC-MAIN-2024-10/0-9` and fetched as `fetch` says.

    Counts in the manifest: num_records = num_pages + sum(skipped) + lost; num_pages = num_rows + sum(dropped). `lost`
    counts byte ranges that could not be read; the first thousand are listed in lost_ranges as file, start, end, reason.
    Files on which the process dies each time are listed in left_out_shards, where DSMATH_POISONED_SHARDS lets the stage
    go on without them (compute.py).
    Pages that opt out are dropped as `opt-out: ...` (optout_signals.py); `tdm_policies` counts the policies they name.
    `latex_without_formula` counts documents whose text shows LaTeX although no formula was found, with samples.
    Raises InputError for an input that does not exist or holds nothing readable, CrawlError and DownloadError for one
    of Common Crawl. Paper: section 2.1.
    """
    files = input_files(inputs, fetch, progress)
    names = shard_names(files)
    key, used = input_key(files), _all_settings(settings, opt_out)
    given = {"pages": key, **compute_poison.accepted(out)}
    with storage.stage(out, ARTIFACT, EXTRACT_VERSION, used, given, force=force) as run:
        if run.artifact:
            work = functools.partial(_extract_shard, out=out, settings=settings, opt_out=opt_out)
            _compile_kernels(progress)
            shards = _shards(files, names, workers)
            results = compute.map_or_leave_out(work, shards, workers=workers, what="extract files", progress=progress)
            parts: dict[str, list[Any]] = {name: [] for name in names}
            for shard, result in zip(shards, results, strict=True):
                parts[shard.name].append(result)
            whole = {name: _merge(out, name, results) for name, results in parts.items()}
            finished = compute_poison.note(run.artifact, whole)
            for name, counts in finished.items():
                run.artifact.add_shard(name, counts)
            run.artifact.counts |= total_counts(list(finished.values()))
    assert run.manifest is not None
    return run.manifest


def _all_settings(settings: ExtractSettings, opt_out: OptOutSettings) -> dict[str, Any]:
    return {**storage.settings_dict(settings), "opt_out": storage.settings_dict(opt_out)}


def _compile_kernels(progress: Progress) -> None:
    """Before workers start, so that they find the kernels compiled and do not each compile them."""
    if not are_cached("html_kernel.py", "layout_kernel.py", "density_kernel.py", "language_kernel.py"):
        progress.log("compiling the extraction kernels, once on this machine (about a minute)")
        warm_up()


def extract_to_file(
    inputs: Sequence[str | Path],
    out_file: str | Path,
    settings: ExtractSettings,
    opt_out: OptOutSettings | None = None,
    *,
    fetch: FetchSettings | None = None,
    workers: int = 0,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Extract into one Parquet file (records.DOCUMENT_SCHEMA). Returns the counts of `extract_files` and num_rows.

    Unlike a run, it gives every page that the files hold; with `opt_out` those that refuse are left out.
    Raises InputError as `extract_files` does.
    """
    asks = opt_out or OptOutSettings(respect_page_signals=False)
    target = Path(out_file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".extract-", dir=target.parent) as scratch:
        documents = Path(scratch) / ARTIFACT
        manifest = extract_files(inputs, documents, settings, asks, fetch=fetch, workers=workers, progress=progress)
        unfinished = Path(scratch) / "documents.parquet"
        with pq.ParquetWriter(unfinished, DOCUMENT_SCHEMA, compression="zstd") as writer:
            for file in storage.parquet_files(documents):
                writer.write_table(storage.read_table(file).cast(DOCUMENT_SCHEMA))
        unfinished.replace(target)
    return {**manifest.counts, "num_rows": manifest.num_rows}


def total_counts(shards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum of the counts of shards."""
    skipped: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    for counts in shards:
        policies.update(counts["tdm_policies"])
        skipped.update(counts["skipped"])
        dropped.update(counts["dropped"])
        rules.update(counts["rules"])
    lost = [item for counts in shards for item in counts["lost_ranges"]]
    return {
        "num_files": len(shards),
        "num_records": sum(counts["num_records"] for counts in shards),
        "num_pages": sum(counts["num_pages"] for counts in shards),
        "skipped": dict(sorted(skipped.items())),
        "dropped": dict(sorted(dropped.items())),
        "tdm_policies": most_common(policies, MAX_POLICIES),
        "lost": sum(counts["lost"] for counts in shards),
        "lost_ranges": lost[:_MAX_LOST_RANGES],
        "num_formulas": sum(counts["num_formulas"] for counts in shards),
        "rules": dict(sorted(rules.items())),
        "latex_without_formula": sum(counts["latex_without_formula"] for counts in shards),
        "latex_without_formula_samples": [url for counts in shards for url in counts["latex_without_formula_samples"]][
            :MAX_SAMPLES
        ],
    }


@dataclass(frozen=True)
class _Shard:
    file: InputFile
    name: str
    part: Part

    def __str__(self) -> str:
        return str(self.file) + (f", part {self.part.number + 1} of {self.part.of}" if self.part.of > 1 else "")


def _shards(files: Sequence[InputFile], names: Sequence[str], workers: int) -> list[_Shard]:
    """The work, large pieces first, so that the last to end are small."""
    sizes = [file.stat().st_size if isinstance(file, Path) else 0 for file in files]
    can_share = compute.engine() == "local"
    parts = plan_parts(sizes, compute.num_workers(workers)) if can_share else [1] * len(files)
    tasks = [
        (size / of, _Shard(file, name, Part(number, of)))
        for file, name, size, of in zip(files, names, sizes, parts, strict=True)
        for number in range(of)
    ]
    return [shard for _, shard in sorted(tasks, key=lambda task: -task[0])]


def _extract_shard(
    shard: _Shard, guard: compute.ItemGuard, *, out: Folder, settings: ExtractSettings, opt_out: OptOutSettings
) -> dict[str, Any]:
    """Counts of the file's finished shard, or of the part's, which has a shard of its own until _merge."""
    hide("pandas", "scipy")
    inputs = {"file": input_key([shard.file])}
    key = storage.artifact_key(ARTIFACT, EXTRACT_VERSION, _all_settings(settings, opt_out), inputs)
    done = storage.finished_shard(out, shard.name, key)
    if done is not None:
        return done
    if shard.part.of == 1:
        with local_file(shard.file) as file:
            table, counts = extract_one_file(file, settings, guard, opt_out)
        return storage.commit_shard(out, shard.name, key, table, counts)
    name = f"{shard.name}.{shard.part.number}-of-{shard.part.of}"
    done = storage.finished_shard(out, name, key)
    if done is None:
        with local_file(shard.file) as file:
            table, counts = _extract_part(file, settings, guard, opt_out, shard.part)
        done = storage.commit_shard(out, name, key, table, counts)
    return {**done, "part": name, "key": key}


def _merge(out: Folder, name: str, parts: list[Any]) -> Any:
    """The result for a file, of those for its parts: LeftOut when one is, else the counts of its shard."""
    for result in parts:
        if isinstance(result, compute.LeftOut) or "part" not in result:
            return result
    tables = [storage.read_table(out / f"{counts['part']}.parquet") for counts in parts]
    return storage.commit_shard(out, name, parts[0]["key"], *merge_parts(tables, parts))


def extract_one_file(
    path: Folder,
    settings: ExtractSettings,
    guard: compute.ItemGuard | None = None,
    opt_out: OptOutSettings = _RESPECTFUL,
) -> tuple[pa.Table, dict[str, Any]]:
    """The documents of one WARC or HTML file as a table (records.DOCUMENT_SCHEMA) and its counts.

    `guard` is that of compute.map_guarded; without one, page_seconds is not enforced.
    """
    table, counts = _extract_part(path, settings, guard or compute.ItemGuard(), opt_out, Part())
    return table, file_counts([counts])


def _extract_part(
    path: Folder, settings: ExtractSettings, guard: compute.ItemGuard, opt_out: OptOutSettings, part: Part
) -> tuple[pa.Table, dict[str, Any]]:
    """The documents of a part of a file and its counts, as file_parts.merge_parts takes them."""
    report = ReadReport()
    dropped: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    unread: list[tuple[int, str]] = []
    policies: Counter[str] = Counter()
    numbers: dict[int, int] = {}
    pages = part.select(_pages_of(path, settings, report), numbers)
    work = functools.partial(extract, settings=settings, opt_out=opt_out)
    for document in extract_guarded(pages, work, settings.page_seconds, guard, dropped):
        if isinstance(document, Dropped):
            dropped[document.reason] += 1
            policies.update([document.tdm_policy] if document.tdm_policy else [])
            continue
        rules.update(document.rules)
        rows.append(_row(document))
        if not document.formulas and has_latex_evidence(document.text):
            unread.append((numbers[document.offset], document.url))
    counts = {
        "num_records": report.num_records,
        "num_pages": report.num_pages,
        "skipped": dict(report.skipped),
        "dropped": dict(dropped),
        "tdm_policies": dict(policies),
        "lost": len(report.lost),
        "lost_ranges": [{"file": path.name, **asdict(lost)} for lost in report.lost[:_MAX_LOST_RANGES]],
        "num_formulas": sum(len(row["formulas"]) for row in rows),
        "rules": dict(rules),
        "latex_without_formula": unread,
        "page_numbers": [numbers[row["offset"]] for row in rows],
    }
    return pa.Table.from_pylist(rows, schema=DOCUMENT_SCHEMA), counts


def _row(document: Document) -> dict[str, Any]:
    return {
        "id": page_id(document.url, document.date, document.source, document.offset),
        "url": document.url,
        "domain": base_url(document.url),
        "source": document.source,
        "offset": document.offset,
        "date": document.date,
        "title": document.title,
        "language": document.language,
        "text": document.text,
        "formulas": list(document.formulas),
        "rules": list(document.rules.items()),
        "num_tokens": estimate_tokens(document.text),
    }


def _pages_of(path: Folder, settings: ExtractSettings, report: ReadReport) -> Iterator[Page]:
    if file_kind(path) == "warc":
        yield from read_pages(path, settings, report)
        return
    html = _read_html(path, settings.max_html_bytes)
    if html is None:
        report.lose(0, path.stat().st_size, "gzip data is damaged")
    elif len(html) > settings.max_html_bytes:
        report.skip("too_large")
    elif not html.strip():
        report.skip("empty")
    else:
        report.num_records += 1
        report.num_pages += 1
        yield Page(_canonical_url(html) or f"file:{path.name}", html, path.name)


def _read_html(path: Folder, limit: int) -> bytes | None:
    """At most `limit` + 1 bytes of an HTML file; None when its compression is damaged."""
    with path.open("rb") as file:
        if path.name.lower().endswith(".gz"):
            try:
                with gzip.open(file) as unpacked:
                    return unpacked.read(limit + 1)
            except (OSError, EOFError, zlib.error):
                return None
        return file.read(limit + 1)


def _canonical_url(html: bytes) -> str:
    for link in parse_html(decode_to_utf8(html)).elements("link"):
        attributes = link.attributes
        if "canonical" in attributes.get("rel", "").lower().split():
            url = attributes.get("href", "").strip()
            return url if _HOST.match(url) else ""
    return ""
