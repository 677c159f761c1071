"""Files through which workers send each other fixed-size records: one file of each sender, sorted by receiver.

A file begins with a line of JSON (key, number of receivers, counts), then says where each receiver's records start
(int64), then holds the records. A receiver reads its own bytes of every file and no others. Files are renamed into
place when they are whole, and one with the right key is not written again. Not in the paper.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import storage
from ..storage import Folder

_ALIGNED = 64
_WRITTEN_AT_ONCE = 100_000


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
        with path.open("rb") as file:
            head = json.loads(file.readline())
        if head["key"] == key:
            return head["counts"]
    receivers, records, counts = make()
    order = np.argsort(receivers, kind="stable")
    bounds = np.searchsorted(receivers[order], np.arange(num_receivers + 1)).astype("<i8")
    line = json.dumps({"key": key, "num_receivers": num_receivers, "counts": counts}).encode()
    line += b" " * (-(len(line) + 1) % _ALIGNED) + b"\n"
    starts = range(0, len(order), _WRITTEN_AT_ONCE)
    pieces = (records[order[start : start + _WRITTEN_AT_ONCE]].tobytes() for start in starts)
    storage.write_pieces(path, itertools.chain([line, bounds.tobytes()], pieces))
    return counts


def receive(paths: Sequence[Folder], receiver: int, dtype: np.dtype) -> np.ndarray:
    """The records that all senders have for one receiver, in the order of `paths`."""
    places = [_place(path, receiver, dtype) for path in paths]
    records = np.empty(sum(size for _, size in places) // dtype.itemsize, dtype)
    room = records.view(np.uint8).data if len(records) else memoryview(b"")
    for path, (start, size) in zip(paths, places, strict=True):
        if size:
            with path.open("rb") as file:
                file.seek(start)
                _read_into(file, room[:size], path)
            room = room[size:]
    return records


def _place(path: Folder, receiver: int, dtype: np.dtype) -> tuple[int, int]:
    """Where a receiver's records start in a file, and their size, in bytes."""
    with path.open("rb") as file:
        line = file.readline()
        bounds = len(line)
        file.seek(bounds + 8 * receiver)
        first, last = np.frombuffer(file.read(16), "<i8").tolist()
    records = bounds + 8 * (json.loads(line)["num_receivers"] + 1)
    return records + first * dtype.itemsize, (last - first) * dtype.itemsize


def _read_into(file: Any, room: memoryview, path: Folder) -> None:
    while room:
        size = file.readinto(room)
        if not size:
            raise storage.ArtifactError(f"{path} ends early: delete it and start again, it is written anew")
        room = room[size:]
