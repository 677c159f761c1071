"""Worker processes that start sooner: libraries that others import only because they are installed stay unloaded.

pyarrow imports pandas when it is given a list, to see whether it is one of pandas' types; numba imports scipy to offer
linear algebra. Where both are installed that is half a second of every process, for what extraction never uses.
"""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np
import pyarrow as pa


class _Hidden(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} is not loaded in this worker process", name=fullname)


def hide(*names: str) -> None:
    """From now on these packages count as not installed in this process, unless they have been loaded already."""
    finder = _Hidden(frozenset(names) - sys.modules.keys())
    if not any(isinstance(known, _Hidden) and known.names >= finder.names for known in sys.meta_path):
        sys.meta_path.insert(0, finder)


def to_arrow(values: np.ndarray) -> pa.Array:
    """The Arrow array of a one-dimensional array of numbers, not copied; `pyarrow.array` would first load pandas."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a column of numbers without nulls; `column.to_numpy` would first load pandas."""
    dtype = np.dtype(column.type.to_pandas_dtype())
    parts = [np.frombuffer(c.buffers()[1], dtype, len(c), c.offset * dtype.itemsize) for c in column.chunks if len(c)]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
