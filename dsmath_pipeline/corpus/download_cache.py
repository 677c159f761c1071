"""Fetched files on local disk, up to a size: those that were used longest ago go first, those in use stay.

Several processes share a cache: a file is fetched by one of them while the others wait, and is not deleted while one
holds it (advisory locks, which end with their process). Not in the paper.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_LOCKS, _FILES = "locks", "files"


class DownloadCache:
    """A folder of at most `max_bytes` of fetched files; one file that is larger is kept while it is in use."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root, self.max_bytes = root, max_bytes
        for name in (_LOCKS, _FILES):
            (root / name).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def hold(self, url: str, fetch: Callable[[Path], object]) -> Iterator[Path]:
        """The file of `url`, made by `fetch(path)` when it is not there; it stays while the block runs."""
        path = self.path_of(url)
        with self._lock(path).open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                fetch(path)
            os.utime(path, (time.time(), path.stat().st_mtime))  # used now; what it holds is as old as before
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.shrink()
            yield path

    def path_of(self, url: str) -> Path:
        """Where the file of `url` lies: its own name in a folder named by a hash of the address."""
        digest = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
        return self.root / _FILES / digest / (url.rstrip("/").rpartition("/")[2] or "index")

    def shrink(self) -> int:
        """Delete what was used longest ago until the cache fits; bytes deleted."""
        found = [(file.stat(), file) for file in (self.root / _FILES).glob("*/*") if file.is_file()]
        kept = [
            (facts.st_atime, facts.st_size, file) for facts, file in found if not file.name.endswith((".part", ".json"))
        ]
        excess = sum(facts.st_size for facts, _ in found) - self.max_bytes
        deleted = 0
        for _, size, file in sorted(kept, key=lambda entry: (entry[0], str(entry[2]))):
            if deleted >= excess:
                break
            with self._lock(file).open("a+b") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:  # somebody reads it
                    continue
                file.unlink(missing_ok=True)
                deleted += size
        return deleted

    def _lock(self, path: Path) -> Path:
        return self.root / _LOCKS / f"{path.parent.name}.lock"
