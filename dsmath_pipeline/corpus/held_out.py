"""The held-out set: drawn once, before iteration 1, and never trained on in any iteration.

Without it the loop could confirm itself: what it collected becomes what it learns from, and figures on changing texts
cannot be compared. Writes the artifact `held_out`, HELD_OUT_SCHEMA:
- texts of the seed (`math`) and pages of the crawl (`unlabeled`: nobody has read them, some are mathematics), chosen by
  a hash of the URL alone, so that neither labels nor iterations nor the random seed can move them;
- texts that people judged (`math`, `other`), where they bring a file of their own.

`HeldOut` tells a training set what it has to leave out: pages with the URL of a held-out text, and exact or near copies
of its text under other URLs. Figures on the set: held_out_figures.py. Not in the paper, which reports no held-out set.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import DedupSettings, SeedSettings
from ..storage import Folder, Manifest
from . import minhash_kernel
from .dedup import DEDUP_VERSION, text_keys
from .language import detect_language
from .minhash import MINHASH_VERSION, least_equal, signatures
from .sampling import Sample, keyed_hash
from .seeds import seed_text_id
from .urls import URL_VERSION, normalise_url

HELD_OUT_VERSION = "1"
COPIES_VERSION = f"1/dedup {DEDUP_VERSION}/minhash {MINHASH_VERSION}/url {URL_VERSION}"
"""What counts as a copy of a held-out text: belongs to the key of everything that leaves copies out."""

HELD_OUT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # page id; for other texts a hash of URL and text
        pa.field("url", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),  # seed | crawl | judged
        pa.field("label", pa.string(), nullable=False),  # math | other | unlabeled
        pa.field("language", pa.string(), nullable=False),  # en | zh | other
        pa.field("text", pa.large_string(), nullable=False),  # as much as a classifier may read
    ]
)
LANGUAGES = ("en", "zh", "other")
_NEAR_COPIES = DedupSettings()
"""Near copies are what near-deduplication takes for one text."""


class JudgedFileError(ValueError):
    """A file of judged texts cannot be read; the message names file, line and what is expected."""


def is_held_out(url: str, share: float) -> bool:
    """Does the URL belong to the share that is held out? The same in every iteration and for every random seed."""
    return keyed_hash(f"held_out:{url}") < share * 2**64


def read_cut(text: str, max_chars: int) -> str:
    """The part of a text that a classifier may read: segmentation adds spaces, and `max_chars` counts them."""
    return text[: 4 * max_chars]


def write_held_out(
    seed: Folder,
    unique_documents: Folder,
    out: Folder,
    settings: SeedSettings,
    *,
    judged: str = "",
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `held_out` from the artifacts `seed` and `unique_documents` and, if given, a judged file.

    Of seed and crawl each, `held_out_share` of the URLs is held out, at most `max_held_out` texts. Counts: the number
    of texts by origin and language. Raises JudgedFileError for a judged file that cannot be used.
    """
    source = storage.folder(judged) if judged else None
    rows = read_judged_file(source, settings.max_chars) if source else []
    inputs: dict[str, Folder | str] = {"seed": seed, "unique_documents": unique_documents}
    inputs["judged"] = storage.file_key([source]) if source else ""
    used = settings.model_dump(include={"held_out_share", "max_held_out", "max_chars"})
    with storage.stage(out, "held_out", HELD_OUT_VERSION, used, inputs, force=force) as run:
        if run.artifact:
            rows = [*_from_seed(seed, settings), *_from_crawl(unique_documents, settings), *rows]
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(rows, HELD_OUT_SCHEMA))
            counts = Counter((row["origin"], row["language"]) for row in rows)
            for origin in ("seed", "crawl", "judged"):
                run.artifact.counts[f"num_{origin}"] = sum(n for (found, _), n in counts.items() if found == origin)
            run.artifact.counts["languages"] = {
                language: sum(n for (_, found), n in counts.items() if found == language) for language in LANGUAGES
            }
            progress.log(f"held out: {run.artifact.counts}")
    assert run.manifest is not None
    return run.manifest


def _from_seed(seed: Folder, settings: SeedSettings) -> list[dict[str, Any]]:
    sample = Sample(settings.max_held_out, "held_out")
    for row in _rows(seed, ["url", "text"]):
        if is_held_out(row["url"], settings.held_out_share):
            text = read_cut(row["text"], settings.max_chars)
            language = coarse_language(detect_language(row["text"]))
            value = {"url": row["url"], "text": text, "origin": "seed", "label": "math", "language": language}
            sample.offer(seed_text_id(row["url"], row["text"]), value)
    return _sorted_rows(sample)


def _from_crawl(unique_documents: Folder, settings: SeedSettings) -> list[dict[str, Any]]:
    sample = Sample(settings.max_held_out, "held_out")
    for row in _rows(unique_documents, ["id", "url", "text", "language"]):
        if is_held_out(row["url"], settings.held_out_share):
            text, language = read_cut(row["text"], settings.max_chars), coarse_language(row["language"])
            value = {"url": row["url"], "text": text, "origin": "crawl", "label": "unlabeled", "language": language}
            sample.offer(row["id"], value)
    return _sorted_rows(sample)


def _sorted_rows(sample: Sample) -> list[dict[str, Any]]:
    return [{"id": ident, **value} for ident, value in sorted(sample.chosen().items())]


def _rows(path: Folder, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in storage.table_batches(path, columns):
        yield from batch.to_pylist()


def coarse_language(language: str | None) -> str:
    """`en`, `zh` or `other`: the languages of the paper's corpus, and the rest."""
    return language if language in LANGUAGES else "other"


# texts that people judged -------------------------------------------------------------------------------------------


def read_judged_file(path: Folder, max_chars: int) -> list[dict[str, Any]]:
    """Rows of HELD_OUT_SCHEMA from a file of judged texts: JSONL (or .jsonl.gz) with url, text, is_math, [language].

    Without `language` it is detected. Raises JudgedFileError with file and line for anything that is no such row: a
    text that is silently lost would change the figures.
    """
    if not path.is_file():
        raise JudgedFileError(f"the judged file {path} does not exist; give JSONL with url, text and is_math")
    rows = []
    with path.open("rb") as raw, gzip.open(raw, "rb") if path.name.endswith(".gz") else raw as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_judged_row(line, f"{path}, line {number}", max_chars))
        except (EOFError, gzip.BadGzipFile) as error:
            raise JudgedFileError(f"{path} is damaged or cut off ({error}); copy it again") from error
    if not rows:
        raise JudgedFileError(f"{path} holds no text; every line needs url, text and is_math")
    return sorted(rows, key=lambda row: row["id"])


def _judged_row(line: bytes, where: str, max_chars: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise JudgedFileError(f"{where}: not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("is_math"), bool):
        raise JudgedFileError(f"{where}: expected an object with url, text and is_math (true or false)")
    for name in ("url", "text"):
        if not isinstance(value.get(name), str) or not value[name].strip():
            raise JudgedFileError(f"{where}: no {name}; every line needs url, text and is_math")
        if any("\ud800" <= character <= "\udfff" for character in value[name]):
            raise JudgedFileError(f"{where}: {name} holds a lone surrogate, which is no character")
    language = value.get("language") or detect_language(value["text"])
    return {
        "id": seed_text_id(value["url"], value["text"]), "url": value["url"], "origin": "judged",
        "label": "math" if value["is_math"] else "other", "language": coarse_language(str(language)),
        "text": read_cut(value["text"], max_chars),
    }  # fmt: skip


# what may not be trained on -----------------------------------------------------------------------------------------


class HeldOut:
    """The URLs of a `held_out` artifact, the keys of its texts (dedup.text_keys) and their MinHash signatures."""

    def __init__(self, path: Folder):
        storage.read_manifest(path)
        table = storage.read_table(path, ["url", "text"])
        texts = table["text"].to_pylist()
        self._urls = {normalise_url(url) for url in table["url"].to_pylist()}
        self._keys = set(text_keys(texts))
        self._signatures = signatures(texts, _NEAR_COPIES)
        self._bands = _band_keys(self._signatures)

    def reasons(self, urls: Sequence[str], texts: Sequence[str]) -> list[str]:
        """Why each text may not be trained on: `held_out`, `copy`, `near_copy`; "" when it may.

        `texts` are cut like the held-out ones (`read_cut`): what lies behind is never read.
        """
        if not self._urls or not urls:
            return [""] * len(urls)
        found = []
        for url, key, is_near in zip(urls, text_keys(texts), self._near_copies(texts), strict=True):
            if normalise_url(url) in self._urls:
                found.append("held_out")
            elif key in self._keys:
                found.append("copy")
            else:
                found.append("near_copy" if is_near else "")
        return found

    def _near_copies(self, texts: Sequence[str]) -> list[bool]:
        """Which texts share an LSH bucket with a held-out text, and enough MinHash values with that text."""
        signed = signatures(texts, _NEAR_COPIES)
        bands, least = _band_keys(signed), least_equal(_NEAR_COPIES)
        found = np.zeros(len(texts), bool)
        for band in range(_NEAR_COPIES.num_bands):
            meets = np.isin(bands[:, band], self._bands[:, band]) & (bands[:, band] != 0) & ~found
            for row in np.flatnonzero(meets).tolist():
                partners = self._signatures[self._bands[:, band] == bands[row, band]]
                found[row] = bool(((partners == signed[row]).sum(axis=1) >= least).any())
        return found.tolist()


def _band_keys(signed: np.ndarray) -> np.ndarray:
    """LSH bucket of every signature in every band, uint64 [N, b]; 0, which is no bucket, for a text without words."""
    return minhash_kernel.band_keys(signed, _NEAR_COPIES.num_bands, _NEAR_COPIES.num_rows)
