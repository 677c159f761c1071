"""Read a token artifact: the training sequences in their order, and the held-out tokens of each source.

Files are mapped into memory when they are first needed. `packed[i]` is the same array whoever asks and whatever was
read before, which is why a resumed run sees the same next batch.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..storage import Folder, read_json


class TokenStream:
    """Token files, one after the other, read as one endless stream (the first token follows the last)."""

    def __init__(self, files: Sequence[Path], sizes: Sequence[int], dtype: str):
        self._files, self._dtype = list(files), dtype
        self._ends = np.cumsum(np.asarray(sizes, dtype=np.int64))
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, first: int, num: int) -> np.ndarray:
        """`num` ids from `first` on, int64."""
        out = np.empty(num, dtype=np.int64)
        filled = 0
        while filled < num:
            at = (first + filled) % len(self)
            file = int(np.searchsorted(self._ends, at, side="right"))
            tokens = self._map(file)
            start = at - (int(self._ends[file]) - len(tokens))
            taken = tokens[start : start + num - filled]
            out[filled : filled + len(taken)] = taken
            filled += len(taken)
        return out

    def _map(self, file: int) -> np.ndarray:
        if file not in self._maps:
            self._maps[file] = np.memmap(self._files[file], dtype=self._dtype, mode="r")
        return self._maps[file]


class PackedTokens:
    """The packed sequences of a token artifact. `packed[i]` is the i-th sequence in training order, an int64 array of
    `context_tokens` ids."""

    def __init__(self, path: Folder):
        index = read_json(path / "index.json")
        self._folder, self._dtype = Path(str(path)), index["dtype"]
        self.context_tokens: int = index["context_tokens"]
        self.end_id: int = index["end_id"]
        self.sources: list[str] = [source["name"] for source in index["sources"]]
        self.order: np.ndarray = np.load(self._folder / "order.npy", mmap_mode="r")
        self._streams = [self._stream(source["files"], "name", "num_tokens") for source in index["sources"]]
        self._held_out = [self._stream(source["files"], "held_out", "held_out_tokens") for source in index["sources"]]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> np.ndarray:
        source, first = self.order[i]
        return self._streams[source].read(int(first), self.context_tokens)

    def held_out(self, source: str, max_tokens: int) -> np.ndarray:
        """The first held-out tokens of a source, at most `max_tokens`, int64; empty when none were drawn."""
        stream = self._held_out[self.sources.index(source)]
        return stream.read(0, min(len(stream), max_tokens))

    def _stream(self, files: Sequence[dict], name: str, size: str) -> TokenStream:
        some = [file for file in files if file[size]]  # an empty file cannot be mapped
        return TokenStream([self._folder / file[name] for file in some], [file[size] for file in some], self._dtype)


def document_positions(ids: np.ndarray, end_id: int) -> np.ndarray:
    """The place of each token in its document, int64 of the same shape: 0 at the first of the row and after each end.

    `ids` is [tokens] or [rows, tokens]; documents do not go on from row to row.
    """
    places = np.broadcast_to(np.arange(ids.shape[-1]), ids.shape)
    starts = np.zeros(ids.shape, dtype=np.int64)
    starts[..., 1:] = np.where(ids[..., :-1] == end_id, places[..., 1:], 0)
    return places - np.maximum.accumulate(starts, axis=-1)
