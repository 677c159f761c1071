"""The child process that a training asset starts: `python -m assets.child STAGE`, spoken to through Dagster Pipes.

The run (root, recipe, inputs) comes as Pipes extras; progress goes back as log messages. With an accelerate config the
asset starts `python -m assets.child --accelerate CONFIG STAGE`, which launches this module in as many processes as the
config says; the first of them speaks to Dagster. The same work without Dagster is `dsmath train ...`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from dagster_pipes import PipesContext, PipesDefaultContextLoader, PipesEnvVarParamsLoader, open_dagster_pipes

from dsmath_pipeline import stages

ACCELERATE = "--accelerate"
_SECONDS_BETWEEN_MESSAGES = 60.0
_SECONDS_TO_STOP = 15.0
"""Processes that still run so long after an interrupt are killed; Dagster itself waits 20 seconds."""


class PipesProgress:
    """`progress.Progress` as messages to the parent: at every tenth of the work and at least once a minute."""

    def __init__(self, pipes: PipesContext):
        self._pipes = pipes
        self._last: dict[str, tuple[float, float]] = {}
        """Share of the work and time of the last message."""

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        share, now = (done / total if total else 0.0), time.monotonic()
        last_share, last_time = self._last.get(what, (-1.0, -1e9))
        if share < 1 and share - last_share < 0.1 and now - last_time < _SECONDS_BETWEEN_MESSAGES:
            return
        self._last[what] = (share, now)
        self._pipes.log.info(f"{what}: {done}/{total} {note}".rstrip())

    def log(self, message: str) -> None:
        self._pipes.log.info(message)


def main(stage: str, *arguments: str) -> None:
    """Run one function of `stages` in this process; of several processes the first reports."""
    if int(os.environ.get("RANK", "0")) > 0:
        with PipesDefaultContextLoader().load_context(PipesEnvVarParamsLoader().load_context_params()) as context:
            extras = {**(context["extras"] or {}), "force": False}  # the first process removes what was there
            run = stages.Run.from_json(extras)
        getattr(stages, stage)(run, *arguments)
        return
    with open_dagster_pipes() as pipes:
        run = stages.Run.from_json(pipes.extras, PipesProgress(pipes))
        getattr(stages, stage)(run, *arguments)


def launch(config: str, *arguments: str) -> int:
    """`accelerate launch` with that config; returns its exit code.

    An interrupt (Dagster sends one when a run is terminated) ends every process that it started; training goes on from
    the last checkpoint when the asset is materialized again.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, "-m", "assets.child"]
    process = subprocess.Popen([*command, *arguments], start_new_session=True)

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
        return 130
    finally:
        _kill_group(process.pid)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job started with `&` or nohup inherits "ignored"
    if sys.argv[1] == ACCELERATE:
        sys.exit(launch(*sys.argv[2:]))
    main(*sys.argv[1:])
