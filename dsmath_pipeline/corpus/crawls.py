"""Several crawls, one after the other: of every URL and every text one page, of near-duplicates the first crawl's.

For folders of documents from anywhere (`dsmath dedup`). URLs and texts are compared over all crawls at once and the
newest page by crawl date stays (dedup.py); near-duplicates are looked for within each crawl and against what earlier
ones kept (near_dedup.py says why never the other way round). Section 2.1: "deduplicated and near-deduplicated".

    <out>/documents           the shards of all crawls, named `crawl_<number>--<shard>`
          unique_documents    of every URL and text the newest page
          near_duplicates/crawl_<number>    cluster and signature of every page of that crawl
          kept_documents      what is left: DOCUMENT_SCHEMA, the shards of `documents`
"""

from collections.abc import Sequence

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import DedupSettings
from ..records import DOCUMENT_SCHEMA
from ..storage import ArtifactError, Folder, Manifest
from .dedup import deduplicate
from .near_dedup import find_near_duplicates

CRAWLS_VERSION = "1"
"""Version of the two artifacts written here. 1 (2026-11): first version."""


def deduplicate_crawls(
    crawls: Sequence[Folder],
    out: Folder,
    settings: DedupSettings,
    *,
    known: Sequence[Folder] = (),
    workers: int = 1,
    progress: Progress = SILENT,
) -> dict[str, Manifest]:
    """Deduplicate folders (or files) of documents, oldest crawl first; see the top of this file.

    `known` are `near_duplicates` artifacts of crawls that are not given again: their pages stay, their texts are not
    read. Returns the manifests of `unique_documents`, of every crawl's `near_duplicates` ("crawl_1", ...) and of
    `kept_documents`, whose counts are `num_read`, `num_kept` and `dropped` by reason.

    Raises ArtifactError when no crawl is given, or one has no Parquet file or other columns than documents have.
    """
    if not crawls:
        raise ArtifactError("no crawl given: name folders of documents, oldest crawl first")
    _gather(crawls, out / "documents")
    options = {"workers": workers, "progress": progress}
    manifests = {"unique_documents": deduplicate(out / "documents", out / "unique_documents", settings, **options)}
    shards = [file.stem for file in storage.parquet_files(out / "unique_documents")]
    earlier = list(known)
    for number in range(1, len(crawls) + 1):
        name = f"crawl_{number}"
        own = [shard for shard in shards if shard.startswith(f"{name}--")]
        folder = out / "near_duplicates" / name
        manifests[name] = find_near_duplicates(
            out / "unique_documents", folder, settings, known=earlier, shards=own, **options
        )
        earlier.append(folder)
    manifests["kept_documents"] = _write_kept(out, earlier[len(known) :], manifests)
    return manifests


def _gather(crawls: Sequence[Folder], out: Folder) -> None:
    """Write the artifact `documents` that holds the shards of all crawls."""
    files = {
        f"crawl_{number}--{file.stem}": file
        for number, crawl in enumerate(crawls, 1)
        for file in _documents_of(crawl)
    }  # fmt: skip
    inputs: dict[str, Folder | str] = {name: storage.file_key([file]) for name, file in files.items()}
    with storage.stage(out, "documents", CRAWLS_VERSION, None, inputs) as run:
        for name, file in files.items() if run.artifact else ():
            assert run.artifact is not None
            table = storage.read_table(file)
            missing = [column for column in DOCUMENT_SCHEMA.names if column not in table.column_names]
            if missing:
                raise ArtifactError(f"{file} has no {', '.join(missing)}: give what `dsmath extract` wrote")
            run.artifact.write_table(f"{name}.parquet", table.select(DOCUMENT_SCHEMA.names).cast(DOCUMENT_SCHEMA))


def _documents_of(crawl: Folder) -> list[Folder]:
    files = storage.parquet_files(crawl) if crawl.exists() else []
    if not files:
        raise ArtifactError(f"no Parquet file of documents in {crawl}")
    return files


def _write_kept(out: Folder, decided: Sequence[Folder], manifests: dict[str, Manifest]) -> Manifest:
    """Write `kept_documents`: the unique documents that no near-duplicate stands for."""
    inputs: dict[str, Folder | str] = {"unique_documents": out / "unique_documents"}
    inputs |= {path.name: path for path in decided}
    with storage.stage(out / "kept_documents", "kept_documents", CRAWLS_VERSION, None, inputs) as run:
        if run.artifact:
            for path in decided:
                for file in storage.parquet_files(path):
                    is_kept = storage.read_table(file, ["is_kept"])["is_kept"]
                    table = storage.read_table(out / "unique_documents" / file.name)
                    run.artifact.write_table(file.name, table.filter(is_kept))
            read = manifests["unique_documents"].counts
            dropped = dict(read["dropped"])
            for path in decided:
                for reason, count in manifests[path.name].counts["dropped"].items():
                    dropped[reason] = dropped.get(reason, 0) + count
            counts = {"num_read": read["num_read"], "num_kept": run.artifact.num_rows, "dropped": dropped}
            run.artifact.counts |= counts
    assert run.manifest is not None
    return run.manifest
