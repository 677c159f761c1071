"""How this package compiles its kernels: numba, machine code cached on disk, the GIL released.

numba keys a cached function by its own file alone, so a kernel that uses tables or functions of another file could
run stale code after an upgrade. The cache folder is therefore named after the content of all kernel sources.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numba

_HERE = Path(__file__).parent
_SOURCES = ("html_tags.py", "html_nodes.py", "*_kernel.py", "compiled.py")


def _cache_folder() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for pattern in _SOURCES:
        for file in sorted(_HERE.glob(pattern)):
            digest.update(file.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "dsmath_pipeline"
    )
    folder = Path(base) / f"kernels-{digest.hexdigest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:  # no place to write: compile for this process alone
        return tempfile.mkdtemp(prefix="dsmath-kernels-")


numba.config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
entry = numba.njit(**_OPTIONS)
"""Decorator of the kernels that Python calls; they may allocate arrays."""
compiled = numba.njit(**_OPTIONS, _nrt=False)  # type: ignore[call-overload]
"""Decorator of what kernels call. No arrays may be allocated there: in exchange arrays are passed without reference
counting, which would otherwise cost more than the work of a small function."""


def are_cached() -> bool:
    """Have the kernels been compiled on this machine before?"""
    return any(Path(numba.config.CACHE_DIR).rglob("*.nbi"))  # type: ignore[attr-defined]
