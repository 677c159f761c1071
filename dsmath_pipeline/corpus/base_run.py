"""What a refresh takes from the finished run that it adds to: its settings, its last classifier, its cut.

Read from the manifests of the run's artifacts, so that no setting of a part can differ from those of the base.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from .. import storage
from ..recipe.schema import (
    DecontaminationSettings,
    DedupSettings,
    ExtractSettings,
    IterationSettings,
    OptOutSettings,
)
from ..storage import MANIFEST, Folder
from .iteration import iteration_folder, last_iteration


@dataclass(frozen=True)
class BaseRun:
    """What a refresh takes from the finished run: read from its artifacts, so no setting can differ."""

    iteration: int
    """The last one that was not carried forward."""
    cut_logit: float
    """Log-odds at which that iteration's token budget ended; of `ranking.min_score` where all pages fitted."""
    extract: ExtractSettings
    opt_out: OptOutSettings
    dedup: DedupSettings
    decontamination: DecontaminationSettings
    is_decontaminated: bool
    num_earlier: int
    has_list: bool


def read_base(root: Folder) -> BaseRun:
    """Read the base of a refresh. Raises ArtifactError when the corpus in `root` is not finished."""
    corpus = storage.read_manifest(root / "math_corpus")
    documents = storage.read_manifest(root / "documents")
    signatures = storage.read_manifest(root / "near_duplicates")
    number = sum(name.startswith("collected_") for name in corpus.inputs)
    last = last_iteration(root, IterationSettings(max_iterations=number))
    collected = storage.read_manifest(iteration_folder(root, last, "collected"))
    return BaseRun(
        last,
        collected.counts["cut_logit"],
        _section(ExtractSettings, documents.settings),
        _section(OptOutSettings, documents.settings.get("opt_out", {})),
        _section(DedupSettings, corpus.settings["dedup"]),
        _section(DecontaminationSettings, corpus.settings["decontamination"]),
        corpus.inputs["benchmarks"] != "none",
        sum(name.startswith("known_") for name in signatures.inputs),
        (root / "opt_out" / MANIFEST).exists(),
    )


def _section(kind: type[Any], values: dict[str, Any]) -> Any:
    """A section of the recipe from a manifest; names that the section no longer has are left out."""
    assert issubclass(kind, BaseModel)
    return kind(**{name: value for name, value in values.items() if name in kind.model_fields})
