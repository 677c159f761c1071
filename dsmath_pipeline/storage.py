"""Artifact folders: shards first, manifest last.

Every stage writes one folder. `manifest.json` inside it is written last, under a temporary name, and renamed: a folder
without a manifest is unfinished and no reader accepts it. The manifest's `key` is a hash of everything that decides the
content (name, code version, settings, keys of the inputs), never of where or how fast it ran. A stage whose folder
already carries the right key is done; inside an unfinished folder the shards that were finished under the same key
stay (`Artifact.shard`).

Folders may lie on local disk or, through universal_pathlib and fsspec, on an object store ("s3://bucket/run").
"""

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

MANIFEST = "manifest.json"
_SHARD_RECORDS = "_shards"

if TYPE_CHECKING:
    from upath import UPath

    Folder = Path | UPath
else:  # imported where an address asks for it: a tenth of a second of each process
    Folder = Path


class ArtifactError(RuntimeError):
    """An artifact folder is missing, unfinished or not what the reader needs. The message says what to run."""


@dataclass(frozen=True)
class Manifest:
    """What a finished folder holds. `counts` are the stage's own figures (rows, losses, drop reasons, ...)."""

    name: str
    version: str
    key: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    """Key of every input artifact by name."""
    num_rows: int = 0
    num_bytes: int = 0
    counts: dict[str, Any] = field(default_factory=dict)
    created_seconds: float = 0.0
    """Unix time of the commit; not part of the key."""
    elapsed_seconds: float = 0.0


def folder(path: str | os.PathLike[str]) -> Folder:
    """A path object for a local path or an fsspec URL."""
    text = os.fspath(path)
    if "://" not in text:
        return Path(text)
    from upath import UPath

    return UPath(text)


def is_local(path: Folder) -> bool:
    """Does it lie on a disk of this machine?"""
    return getattr(path, "protocol", "") in ("", "file", "local")


def settings_dict(settings: BaseModel | Mapping[str, Any] | None) -> dict[str, Any]:
    """Plain JSON types of a settings section."""
    if settings is None:
        return {}
    return settings.model_dump(mode="json") if isinstance(settings, BaseModel) else dict(settings)


def artifact_key(name: str, version: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """32 hexadecimal digits that identify the content of an artifact."""
    identity = json.dumps([name, version, dict(settings), dict(inputs)], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def write_bytes(path: Folder, data: bytes) -> None:
    """Write a file so that no reader ever sees half of it (temporary name, then rename; one PUT on object stores)."""
    write_pieces(path, [data])


def write_pieces(path: Folder, pieces: Iterable[bytes | memoryview]) -> None:
    """As `write_bytes`, of data that comes in pieces; on a local disk one at a time is in memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(path):
        path.write_bytes(b"".join(pieces))
        return
    local = Path(str(path))
    # Process numbers repeat between machines, and two may write the same shard when a cluster retries it.
    temporary = local.with_name(f".{local.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
        temporary.replace(local)
    except OSError:  # a full disk: what was written so far would stay in the way
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Folder, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n").encode())


def read_json(path: Folder) -> Any:
    return json.loads(path.read_bytes())


def write_table(path: Folder, table: pa.Table) -> int:
    """Write a Parquet file (zstd) atomically. Returns its size in bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3)
    data = sink.getvalue().to_pybytes()
    write_bytes(path, data)
    return len(data)


def parquet_files(path: Folder) -> list[Folder]:
    """The Parquet files directly in a folder, sorted by name, or the path itself when it is a file."""
    if path.is_file():
        return [path]
    return sorted((p for p in path.glob("*.parquet")), key=lambda p: p.name)


def read_table(path: Folder, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a folder of Parquet files (or of one file).

    Raises ArtifactError when there is no Parquet file or a column is missing.
    """
    files = parquet_files(path)
    if not files:
        raise ArtifactError(f"no Parquet file in {path}")
    return pa.concat_tables([_read_parquet(file, columns) for file in files])


def table_batches(path: Folder, columns: Sequence[str] | None = None, max_rows: int = 1024) -> Iterator[pa.RecordBatch]:
    """The rows of a folder of Parquet files (or of one file), at most `max_rows` at once."""
    for file in parquet_files(path):
        with file.open("rb") as source, pq.ParquetFile(source, pre_buffer=False) as opened:
            yield from opened.iter_batches(max_rows, columns=columns, use_threads=False)


def _read_parquet(file: Folder, columns: Sequence[str] | None) -> pa.Table:
    """Arrow opens local files itself. Python's file objects it reads in this thread alone: a thread of Arrow's that
    still drops such an object while the interpreter ends aborts the whole process (Python before 3.14)."""
    if isinstance(file, Path):
        with pq.ParquetFile(str(file)) as opened:
            return _columns(opened, columns, file, use_threads=True)
    with file.open("rb") as source, pq.ParquetFile(source, pre_buffer=False) as opened:
        return _columns(opened, columns, file, use_threads=False)


def _columns(opened: pq.ParquetFile, columns: Sequence[str] | None, file: Folder, *, use_threads: bool) -> pa.Table:
    if columns is None:
        return opened.read(use_threads=use_threads)
    if missing := [name for name in columns if name not in opened.schema_arrow.names]:
        raise ArtifactError(f"{file} has no column {', '.join(missing)}")
    return opened.read(columns=list(columns), use_threads=use_threads).select(list(columns))


def read_manifest(path: Folder) -> Manifest:
    """The manifest of a finished artifact.

    Raises ArtifactError when the folder does not exist or was never finished.
    """
    file = path / MANIFEST
    if not file.exists():
        state = "was not finished" if path.exists() else "does not exist"
        raise ArtifactError(f"the artifact {path} {state}: run the stage that writes it first")
    return Manifest(**read_json(file))


def is_current(path: Folder, key: str) -> bool:
    """Is the folder finished and does it hold exactly the content that `key` names?"""
    return (path / MANIFEST).exists() and read_manifest(path).key == key


class Artifact:
    """A folder being written; obtained from `stage`."""

    def __init__(self, path: Folder, name: str, version: str, key: str, settings: dict, inputs: dict[str, str]):
        self.path, self.name, self.version, self.key = path, name, version, key
        self.settings, self.inputs = settings, inputs
        self.num_rows = 0
        self.counts: dict[str, Any] = {}
        self._tables: set[str] = set()

    def write_table(self, file_name: str, table: pa.Table) -> None:
        """Write one Parquet file of the artifact and count its rows."""
        write_table(self.path / file_name, table)
        self._tables.add(file_name)
        self.num_rows += table.num_rows

    def write_json(self, file_name: str, value: Any) -> None:
        write_json(self.path / file_name, value)

    def shard(self, shard_name: str, shard_key: str, make: Callable[[], tuple[pa.Table, dict[str, Any]]]) -> dict:
        """Write shard `shard_name` unless a killed run already finished it under the same `shard_key`.

        `make` returns the shard's table and its counts; the counts (with `num_rows`) are returned either way.
        """
        done = finished_shard(self.path, shard_name, shard_key)
        if done is None:
            table, counts = make()
            done = commit_shard(self.path, shard_name, shard_key, table, counts)
        self.add_shard(shard_name, done)
        return done

    def add_shard(self, shard_name: str, counts: Mapping[str, Any]) -> None:
        """Count in a shard that a worker process wrote with `commit_shard`."""
        self._tables.add(f"{shard_name}.parquet")
        self.num_rows += counts["num_rows"]

    def drop_stale_tables(self) -> None:
        """Remove shards that are no part of the artifact, as killed runs leave them behind, and half-written files."""
        for file in self.path.rglob(".*.tmp"):
            file.unlink(missing_ok=True)
        for file in parquet_files(self.path):
            if file.name not in self._tables:
                file.unlink()
        for record in (self.path / _SHARD_RECORDS).glob("*.json"):
            if f"{record.stem}.parquet" not in self._tables:
                record.unlink()


def finished_shard(path: Folder, shard_name: str, shard_key: str) -> dict[str, Any] | None:
    """Counts of a shard that was finished under this key, or None."""
    record = path / _SHARD_RECORDS / f"{shard_name}.json"
    if not record.exists():
        return None
    value = read_json(record)
    return value["counts"] if value["key"] == shard_key and (path / f"{shard_name}.parquet").exists() else None


def commit_shard(path: Folder, shard_name: str, shard_key: str, table: pa.Table, counts: dict[str, Any]) -> dict:
    """Write a shard's Parquet file, then its record. Safe to call from a worker process."""
    write_table(path / f"{shard_name}.parquet", table)
    counts = {**counts, "num_rows": table.num_rows}
    write_json(path / _SHARD_RECORDS / f"{shard_name}.json", {"key": shard_key, "counts": counts})
    return counts


@dataclass
class Stage:
    """Result of `stage`: `artifact` is None when the folder is already current and nothing is left to do."""

    manifest: Manifest | None
    artifact: Artifact | None


@contextlib.contextmanager
def stage(
    path: Folder,
    name: str,
    version: str,
    settings: BaseModel | Mapping[str, Any] | None,
    inputs: Mapping[str, Folder | str],
    *,
    keep_unfinished: bool = True,
    force: bool = False,
) -> Iterator["Stage"]:
    """Open an artifact folder for writing, or find that it is already current.

    `inputs` maps names to artifact folders (their manifests' keys are used) or to ready-made key strings. Use:

        with storage.stage(path, "documents", VERSION, settings, {"pages": pages_path}) as run:
            if run.artifact:                       # None: already current
                run.artifact.write_table("part-00000.parquet", table)
                run.artifact.counts["num_dropped"] = ...
        return run.manifest

    The manifest is committed when the block ends without an exception; after an exception the folder stays without
    one. Files of an older key are removed first, unless `keep_unfinished` and no manifest is there (a killed run: its
    finished shards are reused by key, stale ones overwritten or removed at commit).

    Raises ArtifactError when an input is missing or unfinished.
    """
    keys = {k: v if isinstance(v, str) else read_manifest(v).key for k, v in inputs.items()}
    plain = settings_dict(settings)
    key = artifact_key(name, version, plain, keys)
    run = Stage(None, None)
    if not force and is_current(path, key):
        run.manifest = read_manifest(path)
        yield run
        return
    if (path / MANIFEST).exists() or not keep_unfinished:
        remove(path)
    path.mkdir(parents=True, exist_ok=True)
    artifact = run.artifact = Artifact(path, name, version, key, plain, keys)
    started = time.time()
    yield run
    artifact.drop_stale_tables()
    num_bytes = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    run.manifest = Manifest(
        name, version, artifact.key, plain, keys, artifact.num_rows, num_bytes, artifact.counts, time.time(),
        round(time.time() - started, 3),
    )  # fmt: skip
    write_json(path / MANIFEST, asdict(run.manifest))


def remove(path: Folder) -> None:
    """Delete an artifact folder; the manifest goes first, so an interrupted deletion leaves an unfinished folder."""
    if not path.exists():
        return
    (path / MANIFEST).unlink(missing_ok=True)
    for child in sorted(path.rglob("*"), key=lambda p: len(p.parts), reverse=True):
        child.rmdir() if child.is_dir() else child.unlink()


def file_key(paths: Sequence[Folder]) -> str:
    """Identity of input files that are not artifacts: names, sizes and a hash of their content ends.

    The first and last 64 KiB are hashed with the size: cheap on gigabyte WARC files, and any rewrite changes it.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(paths, key=lambda p: p.name):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(65536))
            if size > 131072:
                file.seek(size - 65536)
                digest.update(file.read(65536))
    return digest.hexdigest()
