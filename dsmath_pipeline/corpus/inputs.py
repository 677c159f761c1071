"""What people name as input: files and folders, or files and records of Common Crawl, fetched when they are read."""

import contextlib
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from ..storage import Folder
from .warc import PartialFile

if TYPE_CHECKING:  # the web's libraries are loaded where a run names a published crawl, not by every worker
    from typing_extensions import TypeIs

    from .commoncrawl import CrawlFile, CrawlRecords

InputFile: TypeAlias = "Folder | CrawlFile | CrawlRecords"
_PUBLISHED = ("cc:", "cc-records:")

_WARC_NAME = re.compile(r"\.w?arc(?:\.gz)?$", re.I)
_HTML_NAME = re.compile(r"\.x?html?(?:\.gz)?$", re.I)


class InputError(ValueError):
    """An input path that does not exist or holds nothing readable; the message names it."""


def input_files(
    inputs: Sequence[str | Path], fetch: FetchSettings | None = None, progress: Progress = SILENT
) -> list[InputFile]:
    """The WARC, ARC and HTML files that `inputs` name, folders searched below, in a stable order without repeats.

    Raises InputError when a path does not exist or holds nothing readable; CrawlError, DownloadError for `cc:` names;
    CrawlError, OSError for `cc-records:` tables.
    """
    files: dict[str, InputFile] = {}
    for given in inputs:
        if str(given).startswith(_PUBLISHED):
            from .commoncrawl import CommonCrawl

            source = CommonCrawl(fetch or FetchSettings(), progress=progress)
            files |= {str(file): file for file in source.named(str(given))}
            continue
        path = storage.folder(given)
        if not path.exists():
            raise InputError(f"{path} does not exist: give WARC, ARC or HTML files or folders of them")
        if path.is_dir():
            found = [p for p in path.rglob("*") if _kind_by_name(p.name) and p.is_file()]
            if not found:
                raise InputError(f"{path} holds no .warc, .arc or .html file (each also as .gz)")
        else:
            file_kind(path)
            found = [path]
        files |= {str(p): p for p in sorted(found, key=str)}
    if not files:
        raise InputError("no input: give WARC, ARC or HTML files, folders of them, or cc:CRAWL")
    return list(files.values())


def shard_names(files: Sequence[InputFile]) -> list[str]:
    """One name for each file: its own, with a hash of its folder where two files share a name."""
    times = Counter(file.name for file in files)
    return [
        f.name
        if times[f.name] == 1
        else f"{f.name}-{hashlib.blake2b(_folder_of(f).encode(), digest_size=4).hexdigest()}"
        for f in files
    ]


def _is_folder(file: InputFile) -> "TypeIs[Folder]":
    return not hasattr(type(file), "identity")


def _folder_of(file: InputFile) -> str:
    return str(file.parent) if _is_folder(file) else file.place


def input_key(files: Sequence[InputFile]) -> str:
    """Identity of input files: their content (storage.file_key), of a published crawl its paths, which never change."""
    local = [file for file in files if _is_folder(file)]
    published = sorted(file.identity for file in files if not _is_folder(file))
    if not published:
        return storage.file_key(local)
    known = [*published, storage.file_key(local)] if local else published
    return hashlib.blake2b("\0".join(known).encode(), digest_size=16).hexdigest()


@contextlib.contextmanager
def local_file(file: InputFile) -> Iterator[Folder]:
    """The file where it can be read, while the block runs; fetched first where it has to be.

    Single records come as warc.PartialFile, which `file_kind` and `warc.read_pages` take like a path.
    """
    if _is_folder(file):
        yield file
    else:
        with file.local() as found:
            yield cast(Folder, found)


def _kind_by_name(name: str) -> str:
    return "warc" if _WARC_NAME.search(name) else "html" if _HTML_NAME.search(name) else ""


def file_kind(path: Folder | PartialFile) -> str:
    """`warc` or `html`, by name, else by the first bytes. Raises InputError when it is neither."""
    if isinstance(path, PartialFile):
        return "warc"
    kind = _kind_by_name(path.name)
    if kind:
        return kind
    with path.open("rb") as file:
        head = file.read(65536)
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 4096)
        except zlib.error:
            head = b""
    if head.startswith((b"WARC/", b"filedesc:")):
        return "warc"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return "html"
    raise InputError(f"{path} is neither a WARC file nor an HTML file")
