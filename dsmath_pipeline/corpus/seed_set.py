"""The training set that each iteration makes of seed and crawl (section 2.1).

Writes the artifact `seed_set`, SEED_SET_SCHEMA: what one classifier is trained on. Positives are drawn from the seed
and, from iteration 2 on, from crawl pages under URL prefixes labelled math. Negatives are drawn anew from the crawl;
from iteration 2 on pages under those prefixes and pages that were collected are no longer negatives: a mathematics page
in the negatives teaches the classifier to reject its like.

Texts of the held-out set and their copies are left out in every iteration, whatever class they were drawn for; see
held_out.py. It does not train; see classifier.py.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import SeedSettings
from ..storage import Folder, Manifest
from ..text import TEXT_VERSION
from .annotation import UrlLabels, read_annotations
from .held_out import COPIES_VERSION, HeldOut, read_cut
from .sampling import Sample, keyed_hash
from .seeds import SeedError, seed_text_id
from .segmentation import segment_column

SEED_SET_VERSION = f"2/text {TEXT_VERSION}/copies {COPIES_VERSION}"

SEED_SET_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # page id; for seed texts a hash of URL and text
        pa.field("url", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),  # math | other
        pa.field("origin", pa.string(), nullable=False),  # seed | joined (crawl page under a math prefix) | crawl
        pa.field("fold", pa.int32(), nullable=False),  # classifier that must not see the text; -1: all may
        pa.field("segmented", pa.large_string(), nullable=False),  # tokens joined by single spaces, cut to max_chars
    ]
)

_ROWS_IN_A_SHARD = 20_000


@dataclass(frozen=True)
class Previous:
    """What the iterations before this one left: annotations of all of them (oldest first), pages of the last one."""

    annotations: Sequence[Folder]
    collected: Folder


def build_seed_set(
    seed: Folder,
    unique_documents: Folder,
    held_out: Folder,
    out: Folder,
    settings: SeedSettings,
    random_seed: int,
    *,
    iteration: int = 1,
    previous: Previous | None = None,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `seed_set` of one iteration. `previous` is None in iteration 1.

    At most `num_positives` texts are drawn from seed and joined pages together, `num_negatives` from the other crawl
    pages; the draw depends on ids, `random_seed` and `iteration`, never on the order of files. Then what is held out
    goes. Counts: `num_positives`, `num_negatives`, `num_joined` (all trained on), `num_left_out_of_negatives`, and
    `left_out`: drawn texts that are `held_out`, a `copy` or a `near_copy` of a held-out text.

    Raises SeedError when one class would be empty.
    """
    inputs: dict[str, Folder | str] = {"seed": seed, "unique_documents": unique_documents, "held_out": held_out}
    inputs["draw"] = f"{random_seed}:{iteration}"
    if previous:
        inputs |= {f"annotations_{k}": path for k, path in enumerate(previous.annotations, 1)}
        inputs["collected"] = previous.collected
    with storage.stage(out, "seed_set", SEED_SET_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            draw = _Draw(settings, f"{random_seed}:seed_set:{iteration}")
            _offer_seed(draw, seed)
            num_excluded = _offer_pages(draw, unique_documents, previous)
            progress.log(f"training set: {len(draw.positives)} positives, {len(draw.negatives)} negatives drawn")
            _write(run.artifact, settings, draw.origins(), HeldOut(held_out), seed, unique_documents)
            run.artifact.counts["num_left_out_of_negatives"] = num_excluded
            _check_classes(run.artifact.counts, out)
    assert run.manifest is not None
    return run.manifest


class _Draw:
    """A sample of each class; values are the texts' origins."""

    def __init__(self, settings: SeedSettings, key: str):
        self.joins_collected = settings.joined_pages == "all"
        self.positives, self.negatives = Sample(settings.num_positives, key), Sample(settings.num_negatives, key)

    def origins(self) -> dict[str, str]:
        """Origin of every drawn id."""
        return {**self.positives.chosen(), **self.negatives.chosen()}


def fold_of(ident: str, num_folds: int) -> int:
    """The classifier that never sees this crawl page and therefore scores it (0 when there is only one)."""
    return keyed_hash(f"fold:{ident}") % num_folds


def _offer_seed(draw: _Draw, seed: Folder) -> None:
    for batch in storage.table_batches(seed, ["url", "text"]):
        for row in batch.to_pylist():
            draw.positives.offer(seed_text_id(row["url"], row["text"]), "seed")


def _offer_pages(draw: _Draw, unique_documents: Folder, previous: Previous | None) -> int:
    """Offer every crawl page to the class it may serve. Returns how many pages may not be negatives."""
    labels = UrlLabels([label for path in previous.annotations for label in read_annotations(path)] if previous else [])
    collected = storage.read_table(previous.collected, ["id"])["id"].combine_chunks() if previous else None
    num_excluded = 0
    for batch in storage.table_batches(unique_documents, ["id", "url"]):
        taken = pc.is_in(batch["id"], value_set=collected).to_pylist() if collected is not None else None
        for number, row in enumerate(batch.to_pylist()):
            was_collected = taken is not None and taken[number]
            is_marked = labels.label_of(row["url"]) == "math"
            if is_marked and (not was_collected or draw.joins_collected):
                draw.positives.offer(row["id"], "joined")
            if is_marked or was_collected:
                num_excluded += 1
            else:
                draw.negatives.offer(row["id"], "crawl")
    return num_excluded


def _write(
    artifact: storage.Artifact,
    settings: SeedSettings,
    origins: dict[str, str],
    held_out: HeldOut,
    seed: Folder,
    unique_documents: Folder,
) -> None:
    """Write the drawn texts that may be trained on, and count them and the others."""
    rows: list[dict[str, Any]] = []
    trained: Counter[str] = Counter()
    left_out = Counter({"held_out": 0, "copy": 0, "near_copy": 0})
    for texts in _drawn_texts(origins, seed, unique_documents):
        bodies = [read_cut(text["text"], settings.max_chars) for text in texts]
        reasons = held_out.reasons([text["url"] for text in texts], bodies)
        segmented = training_texts(bodies, settings.max_chars, settings.mask_formulas)
        for text, reason, tokens in zip(texts, reasons, segmented, strict=True):
            if reason:
                left_out[reason] += 1
                continue
            origin = origins[text["id"]]
            rows.append(_row(text, origin, tokens, settings.num_folds))
            trained[origin] += 1
            if len(rows) == _ROWS_IN_A_SHARD:
                _write_rows(artifact, rows)
    _write_rows(artifact, rows)
    artifact.counts |= {
        "num_positives": trained["seed"] + trained["joined"],
        "num_negatives": trained["crawl"],
        "num_joined": trained["joined"],
        "left_out": dict(left_out),
    }


def _drawn_texts(origins: dict[str, str], seed: Folder, unique_documents: Folder) -> Iterator[list[dict[str, str]]]:
    """Batches of id, url and text of the drawn seed texts, then of the drawn crawl pages, in the order of the files."""
    for batch in storage.table_batches(seed, ["url", "text"]):
        rows = [{"id": seed_text_id(row["url"], row["text"]), **row} for row in batch.to_pylist()]
        yield [row for row in rows if row["id"] in origins]
    for batch in storage.table_batches(unique_documents, ["id", "url", "text"]):
        yield [row for row in batch.to_pylist() if row["id"] in origins]


def _row(text: dict[str, str], origin: str, segmented: str, num_folds: int) -> dict[str, Any]:
    is_shared = origin == "seed" or num_folds == 1
    return {
        "id": text["id"], "url": text["url"], "label": "other" if origin == "crawl" else "math", "origin": origin,
        "fold": -1 if is_shared else fold_of(text["id"], num_folds), "segmented": segmented,
    }  # fmt: skip


def training_texts(texts: Sequence[str], max_chars: int, mask_formulas: bool) -> list[str]:
    """Texts as the classifier reads them in training: tokens joined by single spaces, cut to `max_chars`."""
    cut = pa.array([read_cut(text, max_chars) for text in texts], pa.large_string())
    return [segmented[:max_chars] for segmented in segment_column(cut, mask_formulas).to_pylist()]


def _write_rows(artifact: storage.Artifact, rows: list[dict[str, Any]]) -> None:
    """Write the rows as the next part file and empty the list."""
    if rows:
        number = artifact.num_rows // _ROWS_IN_A_SHARD
        artifact.write_table(f"part-{number:05d}.parquet", pa.Table.from_pylist(rows, SEED_SET_SCHEMA))
        rows.clear()


def _check_classes(counts: dict[str, Any], out: Folder) -> None:
    if not counts["num_positives"]:
        raise SeedError(f"{out}: no positive texts; the seed is too small for seeds.held_out_share")
    if not counts["num_negatives"]:
        raise SeedError(
            f"{out}: no negative texts left; every crawl page was collected or lies under a math prefix. "
            "Raise ranking.min_score or lower ranking.token_budget"
        )
