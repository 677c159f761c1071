"""How this package compiles its kernels: numba, machine code cached on disk, the GIL released.

numba keys a cached function by its own file alone, so a kernel that uses tables or functions of another file could
run stale code after an upgrade. Each kernel's cache folder is therefore named after its path and the content of its
file and of everything that the file imports from this package.
"""

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

Function = TypeVar("Function", bound=Callable)

_IMPORT = re.compile(r"^from \.(\w+) import", re.M)
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


class _Cache(FunctionCache):
    """Cached machine code, loaded without all that only compiling needs: a fifth of a second, half of one with scipy.

    numba's own loads every implementation that it knows first. The machine code calls numba's runtime alone; a
    function that has to be compiled sets up the rest then.
    """

    def load_overload(self, sig, target_context):
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)
        return None


def entry(function: Function) -> Function:
    """Decorator of the kernels that Python calls; they may allocate arrays."""
    return _cached(numba.njit(**_OPTIONS)(function), function)


def compiled(function: Function) -> Function:
    """Decorator of what kernels call.

    No arrays may be allocated there: in exchange arrays are passed without reference counting, which would otherwise
    cost more than the work of a small function.
    """
    return _cached(numba.njit(**_OPTIONS, _nrt=False)(function), function)  # type: ignore[call-overload]


def _cached(dispatcher: Any, function: Callable) -> Any:
    """As `cache=True` would have it, in the kernel's folder."""
    numba.config.CACHE_DIR = _cache_folder(function.__code__.co_filename)  # type: ignore[attr-defined]
    dispatcher._cache = _Cache(function)
    return dispatcher


def are_cached(*kernels: str) -> bool:
    """Have the kernels of these files ("html_kernel.py"), as they are now, been compiled on this machine before?"""
    return all(any(Path(_cache_folder(str(Path(__file__).parent / name))).rglob("*.nbi")) for name in kernels)


def kept_arrays(file: str, key: str, make: Callable[[], Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Arrays that take long to make, kept beside the machine code of `file` for other processes.

    They are made again when `key` is another, when `file` or what it imports from its folder has changed, and when they
    cannot be read.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    path = Path(_cache_folder(file)) / f"arrays-{digest}.npz"
    with contextlib.suppress(OSError, EOFError, ValueError, zipfile.BadZipFile), np.load(path) as stored:
        return [stored[name] for name in stored.files]
    arrays = list(make())
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        unfinished = Path(scratch) / path.name
        np.savez(unfinished, *arrays)
        unfinished.replace(path)
    return arrays


@functools.cache
def _cache_folder(file: str) -> str:
    digest = hashlib.blake2b(os.fsencode(Path(file).parent.resolve()), digest_size=8)  # numba's cache is one of a path
    for source in sorted(_sources(Path(file), set())):
        digest.update(source.read_bytes())
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or _user_cache() / "dsmath_pipeline")
    folder = base / f"{Path(file).stem}-{digest.hexdigest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:  # no place to write: compile for this process alone
        return tempfile.mkdtemp(prefix="dsmath-kernels-")


def _user_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else Path("~/.cache").expanduser()


def _sources(file: Path, found: set[Path]) -> set[Path]:
    """The file and all files of its folder that it imports, directly or not."""
    if file not in found and file.is_file():
        found.add(file)
        for name in _IMPORT.findall(file.read_text("utf-8")):
            _sources(file.with_name(f"{name}.py"), found)
    return found
