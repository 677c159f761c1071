"""Turn a two-label fastText model into one number per input row, for exact and fast scoring.

fastText averages the input rows of a text's words and n-grams and applies a softmax over two output rows. With two
labels that is sigmoid(mean of (output[math] - output[other]) . row), so every input row collapses to one float once. A
vector of 256 floats per token becomes 4 bytes, and the table of 2 million n-grams fits into 8 MB.

Reads fastText's .bin format (version 12, not quantised, softmax loss, no subwords). Writes `words.npy` (an
open-addressing hash table), `ngram_values.npy` and `collapsed.json`.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import storage
from ..storage import Folder
from .scoring_kernel import MAX_WORD_NGRAMS, build_word_table

COLLAPSE_VERSION = "2"
"""1 (2026-11): first version. 2 (2026-11): keys and values of the words in one table."""
LABEL_PREFIX = "__label__"
MATH_LABEL, OTHER_LABEL = f"{LABEL_PREFIX}math", f"{LABEL_PREFIX}other"

_MAGIC, _FORMAT_VERSION = 793712314, 12
_SUPERVISED, _SOFTMAX = 3, 3
_ROWS_AT_ONCE = 65_536
_TABLES = ("words", "ngram_values")
_HEADER = (
    "dim", "ws", "epoch", "minCount", "neg", "wordNgrams", "loss", "model", "bucket", "minn", "maxn", "lrUpdateRate",
)  # fmt: skip


class ModelError(ValueError):
    """A file is no fastText model that can be collapsed; the message says why."""


@dataclass(frozen=True)
class Collapsed:
    """One float per input row.

    `words` (scoring_kernel.WORD_DTYPE, 16 bytes a slot) is a hash table of the vocabulary; `ngram_values` (float32) has
    one entry per bucket; `word_ngrams` is the longest n-gram. With `mask_formulas` the model was trained
    on texts without the content of formulas, and scores such texts.
    """

    words: np.ndarray
    ngram_values: np.ndarray
    word_ngrams: int
    mask_formulas: bool = False


def collapse(model: Path) -> Collapsed:
    """Read a fastText .bin file and collapse it.

    Raises ModelError for a damaged file, another format, more or other labels than __label__math and one other.
    """
    try:
        header, words, labels, position = _read_header(model)
        rows, position = _matrix(model, position)
        output, _ = _matrix(model, position)
    except (struct.error, ValueError, IndexError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{model} is damaged or cut off: {error}") from error
    _check(model, header, labels, rows, output, len(words))
    math = labels.index(MATH_LABEL.encode())
    direction = output[math].astype(np.float64) - output[1 - math].astype(np.float64)
    values = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        values[start : start + _ROWS_AT_ONCE] = rows[start : start + _ROWS_AT_ONCE].astype(np.float64) @ direction
    if not np.isfinite(values).all():
        raise ModelError(f"{model} holds values that are not finite: training diverged, lower the learning rate")
    table = build_word_table(words, values[: len(words)])
    return Collapsed(table, values[len(words) :].astype(np.float32), header["wordNgrams"])


def save_collapsed(collapsed: Collapsed, path: Folder) -> None:
    """Write the tables to a folder."""
    path.mkdir(parents=True, exist_ok=True)
    for name in _TABLES:
        with (path / f"{name}.npy").open("wb") as file:
            np.save(file, getattr(collapsed, name))
    facts = {"word_ngrams": collapsed.word_ngrams, "mask_formulas": collapsed.mask_formulas}
    storage.write_json(path / "collapsed.json", {**facts, "version": COLLAPSE_VERSION})


def load_collapsed(path: Folder) -> Collapsed:
    """The tables of a folder, memory-mapped on local disk: processes share one copy."""
    tables = []
    for name in _TABLES:
        file = path / f"{name}.npy"
        if isinstance(file, Path):
            tables.append(np.load(file, mmap_mode="r"))
        else:
            with file.open("rb") as source:
                tables.append(np.load(source))
    words, ngrams = tables
    facts = storage.read_json(path / "collapsed.json")
    return Collapsed(words, ngrams, facts["word_ngrams"], facts.get("mask_formulas", False))


def _read_header(model: Path) -> tuple[dict[str, int], list[bytes], list[bytes], int]:
    """Arguments, words and labels of a model file, and where its input matrix begins."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as head:
        return _parse_header(model, head)


def _parse_header(model: Path, head: mmap.mmap) -> tuple[dict[str, int], list[bytes], list[bytes], int]:
    if struct.unpack_from("<ii", head, 0) != (_MAGIC, _FORMAT_VERSION):
        raise ModelError(f"{model} is not a fastText model of format {_FORMAT_VERSION}")
    header: dict[str, int] = dict(zip(_HEADER, struct.unpack_from("<12i", head, 8), strict=True))
    position = 8 + 12 * 4 + 8
    size, _, _, _, pruned = struct.unpack_from("<iiiqq", head, position)
    position += 28
    if pruned > 0:
        raise ModelError(f"{model} has a pruned vocabulary; train without quantisation")
    words, labels = [], []
    for _ in range(size):
        end = head.find(b"\0", position)
        if end < 0:
            raise ModelError(f"{model} is cut off within its vocabulary")
        word, kind = head[position:end], head[end + 9]
        (words if kind == 0 else labels).append(word)
        position = end + 10
    return header, words, labels, position


def _matrix(model: Path, position: int) -> tuple[np.ndarray, int]:
    """A float32 matrix of the file (memory-mapped) and the position behind it."""
    with model.open("rb") as file:
        file.seek(position)
        is_quantised, rows, columns = struct.unpack("<?qq", file.read(17))
    if is_quantised:
        raise ModelError(f"{model} is quantised; train without quantisation")
    values = np.memmap(model, np.float32, mode="r", offset=position + 17, shape=(rows, columns))
    return values, position + 17 + 4 * rows * columns


def _check(model: Path, header: dict[str, int], labels: list[bytes], rows: np.ndarray, output: np.ndarray, words: int):
    if header["model"] != _SUPERVISED or header["loss"] != _SOFTMAX:
        raise ModelError(f"{model} is not a supervised model with softmax loss")
    if header["maxn"] > 0:
        raise ModelError(f"{model} uses subwords (maxn > 0), which mathematics classifiers do not")
    if header["wordNgrams"] > MAX_WORD_NGRAMS:
        raise ModelError(
            f"{model} has n-grams of {header['wordNgrams']} words, {MAX_WORD_NGRAMS} at most can be scored"
        )
    if len(labels) != 2 or len(output) != 2 or MATH_LABEL.encode() not in labels:
        names = ", ".join(label.decode("utf-8", "replace") for label in labels[:5])
        raise ModelError(f"{model} has the labels {names}; expected {MATH_LABEL} and one other")
    if len(rows) != words + header["bucket"]:
        raise ModelError(f"{model} has {len(rows)} input rows, expected {words} words + {header['bucket']} buckets")
