"""Samples that depend on names alone: never on the order of files, the number of workers or the process."""

import hashlib
import heapq
from typing import Any


def keyed_hash(value: str) -> int:
    """A 64-bit hash, uniform and the same on every machine."""
    return int.from_bytes(hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class Sample:
    """Up to `size` names with what belongs to them, drawn without replacement: those with the smallest hashes of
    `<key>:<name>`. Every name is offered at most once."""

    def __init__(self, size: int, key: str):
        self.size, self.key = size, key
        self._heap: list[tuple[int, str, Any]] = []

    def offer(self, name: str, value: Any = None) -> None:
        entry = (-keyed_hash(f"{self.key}:{name}"), name, value)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def __len__(self) -> int:
        return len(self._heap)

    def chosen(self) -> dict[str, Any]:
        """The chosen names with their values, smallest hash first."""
        return {name: value for _, name, value in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))}
