"""Which labels an iteration uses: those of a round that people finished, or the rule where nobody did (section 2.1)."""

from ..corpus.annotation import AUTO
from ..storage import Folder
from .command import label_file
from .label_files import export_labels
from .label_store import FinishedRound, LabelStoreError, finished_rounds

PEOPLE = "people"
"""Setting of a run that waits for people in every iteration."""


def labels_of_iteration(root: Folder, iteration: int, given: str) -> str:
    """What `corpus.annotation.annotate` reads for one iteration: a path of a label file, or `auto`.

    `given` is a path or `auto` (taken as they are), `people`, or empty: people's labels where a round of this
    iteration is finished, else `auto`. The file of a finished round is written once, to
    `<root>/annotation_rounds/round_<n>.jsonl`, and never changes.

    Raises LabelStoreError when `given` is `people` and no round of this iteration is finished.
    """
    if given not in ("", PEOPLE):
        return given
    done = last_finished_round(root, iteration)
    if done:
        path = root / "annotation_rounds" / f"round_{done.round}.jsonl"
        if not path.exists():
            export_labels(label_file(root, None), path, until_round=done.round)
        return str(path)
    if given == PEOPLE:
        raise LabelStoreError(
            f"iteration {iteration} waits for people: label its domains with `dsmath annotate --root {root}` and "
            f"finish the round, or run with annotations {AUTO!r}"
        )
    return AUTO


def last_finished_round(root: Folder, iteration: int) -> FinishedRound | None:
    """The newest round that people finished while they saw this iteration."""
    return next((done for done in reversed(all_finished_rounds(root)) if done.iteration == iteration), None)


def all_finished_rounds(root: Folder) -> list[FinishedRound]:
    """Every finished round of a run, oldest first; none where the run cannot have a label file."""
    try:
        database = label_file(root, None)
    except ValueError:  # the run is not on a local disk
        return []
    return finished_rounds(database)
