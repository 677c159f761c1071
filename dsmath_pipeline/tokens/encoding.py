"""Texts of one part of a source as two flat files of token ids: what is trained on, and what is held out.

Every document ends with the tokenizer's end token, which occurs nowhere else: where a text spells a special token, it
is encoded as plain text. Memory stays bounded by a block of texts, however large the file. Which documents are held
out depends on their text alone, so copies of a document lie on the same side in every run.
"""

import hashlib
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tokenizers import Tokenizer

from .. import storage
from ..batches import batches
from ..storage import read_json, write_json
from .sources import TextPart, read_texts
from .tokenizer import load_tokenizer

_SHUFFLE_CHARS = 8_000_000
"""Documents change places within blocks of this length; windows are shuffled over the whole source later."""
_ENCODE_CHARS = 500_000


@dataclass(frozen=True, slots=True)
class EncodingTask:
    """One part and where its tokens go: `<folder>/<name>.bin` and `<folder>/<name>.held_out.bin`."""

    part: TextPart
    folder: str
    name: str
    tokenizer: str
    end_id: int
    dtype: str
    held_out_share: float
    seed: int
    key: str
    """Of the artifact: a file that a killed run finished under the same key is kept."""
    is_alone: bool
    """No other worker runs: the tokenizer may use every core."""


def encode_part(task: EncodingTask) -> dict[str, int]:
    """Encode a part unless it is done. Returns tokens and documents, and those held out."""
    folder = Path(task.folder)
    record = folder / "_files" / f"{task.name}.json"
    done = read_json(record) if record.exists() else {}
    if done.get("key") == task.key and all((folder / name).exists() for name in file_names(task.name)):
        return done["counts"]
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if task.is_alone else "false"
    encoder = load_tokenizer(storage.folder(task.tokenizer))
    encoder.encode_special_tokens = True
    counts = {"num_tokens": 0, "num_documents": 0, "held_out_tokens": 0, "held_out_documents": 0}
    temporary = [folder / f".{name}.tmp" for name in file_names(task.name)]
    with temporary[0].open("wb") as trained, temporary[1].open("wb") as held_out:
        shuffled = _shuffled(read_texts(task.part), random.Random(f"{task.seed}:packing:{task.name}"))
        for texts in batches(shuffled, _ENCODE_CHARS, len):
            kept = [text for text in texts if not is_held_out(text, task.held_out_share)]
            rest = [text for text in texts if is_held_out(text, task.held_out_share)]
            counts["num_tokens"] += _write(trained, kept, encoder, task)
            counts["num_documents"] += len(kept)
            counts["held_out_tokens"] += _write(held_out, rest, encoder, task)
            counts["held_out_documents"] += len(rest)
    for file, name in zip(temporary, file_names(task.name), strict=True):
        file.replace(folder / name)
    write_json(record, {"key": task.key, "counts": counts})
    return counts


def file_names(name: str) -> tuple[str, str]:
    """The files of a part: trained on, held out."""
    return f"{name}.bin", f"{name}.held_out.bin"


def is_held_out(text: str, share: float) -> bool:
    """Does a document belong to the held-out part, of which `share` (0-1) of all texts are? By its hash alone."""
    if not share:
        return False
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"held out").digest()
    return int.from_bytes(digest) < share * 2**64


def _write(file: BinaryIO, texts: list[str], encoder: Tokenizer, task: EncodingTask) -> int:
    """Append the documents; returns the number of tokens."""
    if not texts:
        return 0
    ids: list[int] = []
    for encoding in encoder.encode_batch_fast(texts):
        document = encoding.ids
        if not document or document[-1] != task.end_id:  # some tokenizers end a text themselves
            document.append(task.end_id)
        ids += document
    file.write(np.array(ids, dtype=task.dtype).tobytes())
    return len(ids)


def _shuffled(texts: Iterable[str], rng: random.Random) -> Iterator[str]:
    for block in batches(texts, _SHUFFLE_CHARS, len):
        rng.shuffle(block)
        yield from block


def token_dtype(encoder: Tokenizer) -> str:
    """The smallest numpy type that holds every id of a tokenizer."""
    return "uint16" if max(encoder.get_vocab().values()) < 1 << 16 else "uint32"
