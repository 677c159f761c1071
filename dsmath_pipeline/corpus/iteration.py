"""The loop: seed set -> classifier -> scores -> collected -> domains -> annotations, until little is new (section 2.1).

Knows where an iteration's artifacts lie and what each stage reads; the stages themselves are in their own files.

    <root>/seed  unique_documents  held_out
           iteration_<k>/{seed_set, classifier, scores, collected, domains, annotations, contamination}

An orchestrator plans a fixed number of iterations. Once an iteration has converged, the later ones carry it forward:
their folders hold the same files (hard links where the disk allows) and `carried_forward` in the manifest's counts.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import IterationSettings, Recipe
from ..storage import Folder, Manifest
from .annotation import AUTO, annotate
from .domains import find_domains
from .held_out import write_held_out
from .ranking import collect
from .seed_set import Previous, build_seed_set

CARRY_VERSION = "1"
STAGES = ("seed_set", "classifier", "scores", "collected", "domains", "annotations")


def iteration_folder(root: Folder, k: int, *names: str) -> Folder:
    """`<root>/iteration_<k>`, or an artifact in it."""
    return root.joinpath(f"iteration_{k}", *names)


def already_collected_share(collected: Manifest, settings: IterationSettings) -> float:
    """Share of an iteration that the one before had collected already, in pages or tokens as the settings say."""
    return float(collected.counts[f"already_collected_{settings.convergence_unit}_share"])


def has_converged(root: Folder, k: int, settings: IterationSettings) -> bool:
    """Was (nearly) everything that iteration `k` collected already in iteration `k - 1`? Never true for k < 2.

    Raises ArtifactError when iteration `k` has not been collected yet.
    """
    if k < 2:
        return False
    manifest = storage.read_manifest(iteration_folder(root, k, "collected"))
    return manifest.num_rows > 0 and already_collected_share(manifest, settings) >= settings.convergence_share


def last_iteration(root: Folder, settings: IterationSettings) -> int:
    """The last iteration that really ran: the highest finished one that does not carry an earlier one forward.

    Raises ArtifactError when none is finished.
    """
    for k in range(settings.max_iterations, 0, -1):
        path = iteration_folder(root, k, "collected")
        if (path / storage.MANIFEST).exists() and not storage.read_manifest(path).counts.get("carried_forward"):
            return k
    raise storage.ArtifactError(f"no iteration under {root} is finished: run iteration 1 first")


def stage_held_out(
    root: Folder, recipe: Recipe, *, judged: str = "", progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """The held-out set of all iterations, with the texts of the file `judged` if one is named."""
    return write_held_out(
        root / "seed", root / "unique_documents", root / "held_out", recipe.seeds, judged=judged, progress=progress,
        force=force,
    )  # fmt: skip


def stage_seed_set(
    root: Folder, k: int, recipe: Recipe, *, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Training set of iteration `k`; from seed, documents, earlier annotations and the pages of iteration k - 1."""
    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "seed_set", force=force)
    previous = None
    if k > 1:
        annotations = [iteration_folder(root, j, "annotations") for j in range(1, k)]
        previous = Previous(annotations, iteration_folder(root, k - 1, "collected"))
    return build_seed_set(
        root / "seed", root / "unique_documents", root / "held_out", iteration_folder(root, k, "seed_set"),
        recipe.seeds, recipe.seed, iteration=k, previous=previous, progress=progress, force=force,
    )  # fmt: skip


def stage_classifier(
    root: Folder, k: int, recipe: Recipe, *, workers: int = 0, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Classifier of iteration `k`."""
    from .classifier import train_classifier

    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "classifier", force=force)
    return train_classifier(
        iteration_folder(root, k, "seed_set"), root / "held_out", iteration_folder(root, k, "classifier"),
        recipe.classifier, recipe.seed, iteration=k, workers=workers, progress=progress, force=force,
    )  # fmt: skip


def stage_scores(
    root: Folder, k: int, recipe: Recipe, *, workers: int = 0, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Scores of every document in iteration `k`."""
    from .scoring import score_documents

    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "scores", force=force)
    return score_documents(
        root / "unique_documents", iteration_folder(root, k, "classifier"), iteration_folder(root, k, "scores"),
        workers=workers, progress=progress, force=force,
    )  # fmt: skip


def stage_collected(
    root: Folder, k: int, recipe: Recipe, *, workers: int = 0, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Documents that iteration `k` collects. Carried forward, all of them count as collected before."""
    if has_converged(root, k - 1, recipe.iteration):
        known = {"already_collected_pages_share": 1.0, "already_collected_tokens_share": 1.0}
        return carry_forward(root, k, "collected", counts=known, force=force)
    return collect(
        iteration_folder(root, k, "scores"), iteration_folder(root, k, "collected"), recipe.ranking,
        previous=iteration_folder(root, k - 1, "collected") if k > 1 else None, workers=workers, progress=progress,
        force=force,
    )  # fmt: skip


def stage_domains(
    root: Folder, k: int, recipe: Recipe, *, workers: int = 0, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Mathematical domains of iteration `k` and their URL prefixes."""
    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "domains", force=force)
    return find_domains(
        iteration_folder(root, k, "scores"), iteration_folder(root, k, "collected"), root / "unique_documents",
        iteration_folder(root, k, "domains"), recipe.domains, workers=workers, progress=progress, force=force,
    )  # fmt: skip


def stage_annotations(
    root: Folder, k: int, recipe: Recipe, *, labels: str = AUTO, progress: Progress = SILENT, force: bool = False
) -> Manifest:
    """Labels of URL prefixes after iteration `k`: from the file `labels`, or by the rule `auto`."""
    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "annotations", force=force)
    return annotate(
        iteration_folder(root, k, "domains"), iteration_folder(root, k, "annotations"), recipe.annotation,
        labels=labels, iteration=k, progress=progress, force=force,
    )  # fmt: skip


def stage_contamination(
    root: Folder,
    k: int,
    recipe: Recipe,
    *,
    benchmarks: Folder,
    workers: int = 0,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Benchmark texts in what iteration `k` collected; in iteration 1 also those in the seed."""
    from .contamination import report_contamination

    if has_converged(root, k - 1, recipe.iteration):
        return carry_forward(root, k, "contamination", force=force)
    return report_contamination(
        root / "unique_documents", iteration_folder(root, k, "collected"), benchmarks,
        iteration_folder(root, k, "contamination"), recipe.decontamination, seed=root / "seed" if k == 1 else None,
        workers=workers, progress=progress, force=force,
    )  # fmt: skip


def run_iteration(
    root: Folder,
    k: int,
    recipe: Recipe,
    *,
    labels: str = AUTO,
    workers: int = 0,
    progress: Progress = SILENT,
    force: bool = False,
) -> dict[str, Manifest]:
    """All stages of iteration `k` in order; returns their manifests by name. Finished stages are skipped."""
    common = {"progress": progress, "force": force}
    steps: dict[str, Callable[[], Manifest]] = {
        "seed_set": lambda: stage_seed_set(root, k, recipe, **common),
        "classifier": lambda: stage_classifier(root, k, recipe, workers=workers, **common),
        "scores": lambda: stage_scores(root, k, recipe, workers=workers, **common),
        "collected": lambda: stage_collected(root, k, recipe, workers=workers, **common),
        "domains": lambda: stage_domains(root, k, recipe, workers=workers, **common),
        "annotations": lambda: stage_annotations(root, k, recipe, labels=labels, **common),
    }
    return {name: step() for name, step in steps.items()}


def carry_forward(
    root: Folder, k: int, name: str, *, counts: dict[str, float] | None = None, force: bool = False
) -> Manifest:
    """Make artifact `name` of iteration `k` the same as that of iteration `k - 1`; `counts` replaces figures."""
    source, out = iteration_folder(root, k - 1, name), iteration_folder(root, k, name)
    before = storage.read_manifest(source)
    version = f"carried {CARRY_VERSION}"
    with storage.stage(out, before.name, version, before.settings, {"previous": source}, force=force) as run:
        if run.artifact:
            for file in sorted(source.rglob("*")):
                if file.is_file() and file.name != storage.MANIFEST:
                    link_or_copy(file, out.joinpath(*file.parts[len(source.parts) :]))
            for table in storage.parquet_files(source):
                run.artifact.add_shard(table.stem, {"num_rows": 0})
            run.artifact.num_rows = before.num_rows
            run.artifact.counts |= {**before.counts, **(counts or {}), "carried_forward": True}
    assert run.manifest is not None
    return run.manifest


def link_or_copy(source: Folder, target: Folder) -> None:
    """Artifact files are replaced, never changed in place, so two folders may share them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if isinstance(source, Path) and isinstance(target, Path):
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, target)
    else:
        target.write_bytes(source.read_bytes())
