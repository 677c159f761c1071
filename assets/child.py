"""The child process that a training asset starts: `python -m assets.child STAGE`, spoken to through Dagster Pipes.

The run (root, recipe, inputs) comes as Pipes extras; progress goes back as log messages. The same work without
Dagster is `dsmath train ...`; a cluster launches this module with `accelerate launch -m assets.child STAGE`.
"""

import sys

from dagster_pipes import PipesContext, open_dagster_pipes

from dsmath_pipeline import stages


class PipesProgress:
    """`progress.Progress` as messages to the parent, one every tenth of the work."""

    def __init__(self, pipes: PipesContext):
        self._pipes = pipes
        self._last: dict[str, float] = {}

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        share = done / total if total else 0.0
        if share < 1 and share - self._last.get(what, -1.0) < 0.1:
            return
        self._last[what] = share
        self._pipes.log.info(f"{what}: {done}/{total} {note}".rstrip())

    def log(self, message: str) -> None:
        self._pipes.log.info(message)


def main(stage: str, *arguments: str) -> None:
    """Run one function of `stages` in this process."""
    with open_dagster_pipes() as pipes:
        run = stages.Run.from_json(pipes.extras, PipesProgress(pipes))
        getattr(stages, stage)(run, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
