"""Files through which workers send each other fixed-size records: one file of each sender, sorted by receiver.

A file begins with a line of JSON (key, number of receivers, counts), then says where each receiver's records start
(int64), then holds the records. A receiver reads its own bytes of every file and no others. Files are renamed into
place when they are whole, and one with the right key is not written again. Not in the paper.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import storage
from ..storage import Folder

_ALIGNED = 64


def send(
    path: Folder,
    key: str,
    num_receivers: int,
    make: Callable[[], tuple[np.ndarray, np.ndarray, dict[str, Any]]],
) -> dict[str, Any]:
    """Write the file unless it is there with this `key`. Returns its counts.

    `make` gives the receiver of each record (integers [N]), the records (any fixed-size dtype [N]) and counts. The
    records of a receiver keep their order.
    """
    if path.exists():
        head, _ = _head(path)
        if head["key"] == key:
            return head["counts"]
    receivers, records, counts = make()
    order = np.argsort(receivers, kind="stable")
    bounds = np.searchsorted(receivers[order], np.arange(num_receivers + 1)).astype("<i8")
    line = json.dumps({"key": key, "num_receivers": num_receivers, "counts": counts}).encode()
    line += b" " * (-(len(line) + 1) % _ALIGNED) + b"\n"
    storage.write_bytes(path, line + bounds.tobytes() + records[order].tobytes())
    return counts


def receive(paths: Sequence[Folder], receiver: int, dtype: np.dtype) -> np.ndarray:
    """The records that all senders have for one receiver, in the order of `paths`."""
    parts = [_records(path, receiver, dtype) for path in paths]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _records(path: Folder, receiver: int, dtype: np.dtype) -> np.ndarray:
    head, start = _head(path)
    with path.open("rb") as file:
        file.seek(start + 8 * receiver)
        first, last = np.frombuffer(file.read(16), "<i8").tolist()
        file.seek(start + 8 * (head["num_receivers"] + 1) + first * dtype.itemsize)
        return np.frombuffer(file.read((last - first) * dtype.itemsize), dtype)


def _head(path: Folder) -> tuple[dict[str, Any], int]:
    """The JSON of a file, and where the rest begins."""
    with path.open("rb") as file:
        line = file.readline()
    return json.loads(line), len(line)
