"""Refresh a finished corpus with a new crawl, without touching what is there.

The new crawl is read like the first (settings are those that the run's own artifacts name), scored by the run's last
classifier and cut where the run's token budget cut: at the log-odds of the last page that the last iteration collected.
So the budget bounds the base alone; a new crawl gives as much as it holds of that quality. What is left is compared
with every page of the corpus so far by URL, text and signature, and decontaminated. Nothing is trained, nothing old is
read again but URLs, keys and signatures, nothing old is written.

    <root>/refresh/<crawl>/documents  [opt_out]  unique_documents  scores     the new crawl, as in a run
                           new_documents      above the cut, with no URL and no text of the corpus (new_documents.py)
                           near_duplicates    among themselves and of the corpus (near_dedup.py)
                           math_corpus        the new part (final.py)
                           corpus_index       what the next crawl has to know of it (corpus_index.py); written last

Every stage skips itself when its artifact is current, so a killed refresh goes on where it was. A part that is finished
and goes with the others (corpus_parts.py) is left as it is, whatever version of this library made it.

Not in the paper: it names no release of Common Crawl and one state of the corpus. The rules are those of section 2.1.
"""

import contextlib
import fcntl
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import FetchSettings
from ..storage import MANIFEST, Folder, Manifest
from .base_run import BaseRun, read_base
from .commoncrawl import PREFIX
from .corpus_index import write_corpus_index
from .corpus_parts import BASE, EARLIER, FOLDER, WHOLE, part_folder, read_parts
from .dedup import deduplicate
from .final import assemble_corpus
from .inputs import input_files, input_key
from .iteration import iteration_folder
from .near_dedup import find_near_duplicates
from .new_documents import select_new_documents
from .optout_pages import find_opted_out
from .pages import extract_files
from .removal import without_removed
from .scoring import score_documents

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WARC_ENDS = re.compile(r"(\.w?arc)?(\.gz)?$", re.I)


class RefreshError(ValueError):
    """A refresh that cannot be: the name of a part, or an input that the run had and the refresh has not."""


@dataclass(frozen=True)
class Refresh:
    """One new crawl for the corpus of the finished run in `root`."""

    root: Folder
    crawl: tuple[str, ...]
    """WARC files, folders of them, or cc:CC-MAIN-2024-18."""
    name: str
    """Of the part; see `part_name`."""
    benchmarks: Folder | None = None
    """Benchmark files; None: those of the run's mini web."""
    optout: str = ""
    earlier: tuple[str, ...] = ()
    """The folders of earlier runs that the run itself was compared with."""
    fetch: FetchSettings = field(default_factory=FetchSettings)
    workers: int = 0
    progress: Progress = SILENT

    def folder(self, *names: str) -> Folder:
        """The folder of an artifact of this part."""
        return part_folder(self.root, self.name, *names)


def part_name(crawl: Sequence[str]) -> str:
    """The name of a part that is made of one input: `cc:CC-MAIN-2024-18/0-9` gives `CC-MAIN-2024-18_0-9`, a file or
    folder its own name. Raises RefreshError when there are several, or the name cannot be one of a folder."""
    if len(crawl) != 1:
        raise RefreshError(f"{len(crawl)} inputs have no common name: give one with --name")
    plain = crawl[0].removeprefix(PREFIX)
    name = plain.replace("/", "_") if plain != crawl[0] else _WARC_ENDS.sub("", Path(plain).name)
    return checked_name(name)


def checked_name(name: str) -> str:
    """The name of a part, if it can be one. Raises RefreshError."""
    if not _NAME.fullmatch(name) or name in (BASE, WHOLE) or name.startswith(EARLIER):
        raise RefreshError(
            f"{name!r} cannot be the name of a part: use letters, digits, `.`, `_` and `-`, and none of "
            f"{BASE}, {WHOLE}, {EARLIER}..."
        )
    return name


# stages --------------------------------------------------------------------------------------------------------------


def documents(refresh: Refresh) -> Manifest:
    """The texts of the new crawl; resumes file by file."""
    base = read_base(refresh.root)
    check(refresh, base)
    extract_files(
        refresh.crawl, refresh.folder("documents"), base.extract, base.opt_out, fetch=refresh.fetch,
        workers=refresh.workers, progress=refresh.progress,
    )  # fmt: skip
    return _without_removed(refresh, "documents")


def unique_documents(refresh: Refresh) -> Manifest:
    """Of every URL and every text of the new crawl one document, without those that the opt-out list covers."""
    base, opted_out = read_base(refresh.root), None
    execution: Any = {"workers": refresh.workers, "progress": refresh.progress}
    check(refresh, base)
    if refresh.optout:
        opted_out = refresh.folder("opt_out")
        listed = storage.folder(refresh.optout)
        find_opted_out(refresh.folder("documents"), listed, opted_out, base.opt_out, **execution)
    deduplicate(
        refresh.folder("documents"), refresh.folder("unique_documents"), base.dedup, opted_out=opted_out, **execution
    )
    return _without_removed(refresh, "unique_documents")


def scores(refresh: Refresh) -> Manifest:
    """Log-odds by the base's last classifier."""
    classifier = iteration_folder(refresh.root, read_base(refresh.root).iteration, "classifier")
    score_documents(
        refresh.folder("unique_documents"), classifier, refresh.folder("scores"), workers=refresh.workers,
        progress=refresh.progress,
    )  # fmt: skip
    return _without_removed(refresh, "scores")


def new_documents(refresh: Refresh) -> Manifest:
    """The documents at or above the base's cut whose URL and text the corpus so far does not hold."""
    base = read_base(refresh.root)
    select_new_documents(
        refresh.folder("unique_documents"), refresh.folder("scores"), refresh.folder("new_documents"),
        corpus_so_far(refresh), cut_logit=base.cut_logit, num_sampled=base.dedup.num_sampled_drops,
        workers=refresh.workers, progress=refresh.progress,
    )  # fmt: skip
    return _without_removed(refresh, "new_documents")


def near_duplicates(refresh: Refresh) -> Manifest:
    """Clusters and signatures of the new documents, beside the corpus that `new_documents` was compared with."""
    compared = storage.read_manifest(refresh.folder("new_documents")).counts["compared_with"]
    find_near_duplicates(
        refresh.folder("new_documents"), refresh.folder("near_duplicates"), read_base(refresh.root).dedup,
        known=[part_folder(refresh.root, name, "corpus_index") for name in compared], workers=refresh.workers,
        progress=refresh.progress,
    )  # fmt: skip
    return _without_removed(refresh, "near_duplicates")


def math_corpus(refresh: Refresh) -> Manifest:
    """The new part, without near-duplicates and benchmark texts. Its pages were collected by the last iteration's
    classifier, which `collection_iteration` says."""
    base = read_base(refresh.root)
    check(refresh, base)
    before = [iteration_folder(refresh.root, k, "collected") for k in range(1, base.iteration)]
    assemble_corpus(
        refresh.folder("new_documents"), [*before, refresh.folder("new_documents")],
        _benchmarks(refresh) if base.is_decontaminated else None, refresh.folder("math_corpus"), base.dedup,
        base.decontamination, near_duplicates=refresh.folder("near_duplicates"), workers=refresh.workers,
        progress=refresh.progress,
    )  # fmt: skip
    return _without_removed(refresh, "math_corpus")


def corpus_index(refresh: Refresh) -> Manifest:
    """What later crawls have to know of this part; with it the part is finished."""
    new = storage.read_manifest(refresh.folder("new_documents"))
    counts = {
        "crawl": list(refresh.crawl),
        "compared_with": new.counts["compared_with"],
        "cut_logit": new.counts["cut_logit"],
    }
    inputs = {f"compared with {name}": key for name, key in new.counts["compared_with"].items()}
    write_corpus_index(
        refresh.folder("math_corpus"), refresh.folder("near_duplicates"), refresh.folder("unique_documents"),
        refresh.folder("corpus_index"), counts=counts, inputs=inputs,
    )  # fmt: skip
    return _without_removed(refresh, "corpus_index")


Stage = Callable[[Refresh], Manifest]
READING: tuple[Stage, ...] = (documents, unique_documents, scores)
"""Stages that know nothing of other parts; several crawls may be read at the same time."""
JOINING: tuple[Stage, ...] = (new_documents, near_duplicates, math_corpus, corpus_index)
"""Stages that compare a crawl with the corpus so far; one crawl after the other."""


def refresh_corpus(refresh: Refresh) -> dict[str, Manifest]:
    """All stages; returns their manifests by name. A finished part that goes with the others is left as it is.

    Raises RefreshError when the name is that of a part of other files, or an input of the run is missing;
    ArtifactError when the run in `root` is not finished.
    """
    checked_name(refresh.name)
    if is_finished(refresh):
        refresh.progress.log(f"{refresh.name} is part of the corpus already")
        return {name: storage.read_manifest(refresh.folder(name)) for name in ("math_corpus", "corpus_index")}
    return {stage.__name__: stage(refresh) for stage in READING} | join_corpus(refresh)


def join_corpus(refresh: Refresh) -> dict[str, Manifest]:
    """The stages from `new_documents` on, for a crawl that was read and scored; returns their manifests by name.

    On a local disk a second process waits here until the first is done. On an object store nobody waits: of two parts
    that were made at the same time `read_parts` calls the later one out of date, and it has to be refreshed again.
    """
    with _one_at_a_time(refresh.root):
        return {stage.__name__: stage(refresh) for stage in JOINING}


@contextlib.contextmanager
def _one_at_a_time(root: Folder) -> Iterator[None]:
    if not isinstance(root, Path):
        yield
        return
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    with (root / FOLDER / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_finished(refresh: Refresh) -> bool:
    """Is the part finished, and does it go with the others? Raises RefreshError when it is made of other files."""
    (part,) = [part for part in read_parts(refresh.root) if part.name == refresh.name] or (None,)
    if part is None or not part.is_current:
        return False
    made = refresh.folder("documents")
    if (made / MANIFEST).exists():
        key = input_key(input_files(refresh.crawl, refresh.fetch, refresh.progress))
        if storage.read_manifest(made).inputs["pages"] != key:
            raise RefreshError(
                f"{refresh.name} is a finished part, made of {' '.join(part.crawl)}: give other files another name "
                "(--name)"
            )
    return True


# what a stage needs of the run ---------------------------------------------------------------------------------------


def corpus_so_far(refresh: Refresh) -> dict[str, Folder]:
    """Name and index of all that a new crawl is compared with: earlier runs, the base, the parts that are current.

    Writes the indexes of the first two where they are not there yet. A finished part that goes with the others keeps
    what it was compared with.
    """
    roots = {f"{EARLIER}{number}": storage.folder(path) for number, path in enumerate(refresh.earlier, 1)}
    for name, root in {**roots, BASE: refresh.root}.items():
        index = part_folder(refresh.root, name, "corpus_index")
        write_corpus_index(root / "math_corpus", root / "near_duplicates", root / "unique_documents", index)
        without_removed(refresh.root, index)
    found = {name: part_folder(refresh.root, name, "corpus_index") for name in roots}
    parts = [part for part in read_parts(refresh.root) if part.is_current]
    own = [dict(part.compared_with) for part in parts if part.name == refresh.name]
    for part in parts:
        if part.name != refresh.name and (not own or part.name in own[0]):
            found[part.name] = part.index
    return found


def check(refresh: Refresh, base: BaseRun) -> None:
    """Raise RefreshError when the run was made with an input that this refresh has not."""
    if base.has_list and not refresh.optout:
        raise RefreshError(f"{refresh.root} was made with an opt-out list: give it (--optout)")
    if base.num_earlier != len(refresh.earlier):
        raise RefreshError(
            f"{refresh.root} was compared with {base.num_earlier} earlier runs, not {len(refresh.earlier)}: "
            "give the same folders (--earlier)"
        )
    if base.is_decontaminated and not _benchmarks(refresh).exists():
        where = _benchmarks(refresh)
        raise RefreshError(f"no folder {where}: give that of the run's benchmarks (--benchmarks)")


def _benchmarks(refresh: Refresh) -> Folder:
    return refresh.benchmarks or refresh.root / "mini_web" / "benchmarks"


def _without_removed(refresh: Refresh, name: str) -> Manifest:
    """Owners who asked the run to remove their pages asked for all crawls."""
    return without_removed(refresh.root, refresh.folder(name))
