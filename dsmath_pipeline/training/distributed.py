"""Several processes at one stage, as `accelerate launch` starts them: one opens and commits the artifact, all train.

In a process that was started alone every function here does nothing but call through. The processes need one shared
disk for the artifact. Nothing here decides results.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..storage import Artifact, Folder, Stage, artifact_key, is_current, read_manifest, stage


def num_processes() -> int:
    """How many processes work on this stage, over all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Is this the process that writes?"""
    return int(os.environ.get("RANK", "0")) == 0


def join(device: str = "") -> None:
    """Meet the other processes (gloo on CPUs, NCCL on GPUs). Call it before anything else of the stage."""
    if num_processes() > 1:
        from accelerate import PartialState

        PartialState(cpu=device == "cpu" or not torch.cuda.is_available())


def wait() -> None:
    """Until every process is here."""
    if num_processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """The body runs in the main process, then in the others, which find its work done. Long work (hours) belongs into
    a command of its own: the others' patience ends after the backend's timeout."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


@contextlib.contextmanager
def shared_stage(
    path: Folder, name: str, version: str, settings: Mapping[str, Any], inputs: Mapping[str, Folder | str]
) -> Iterator[Stage]:
    """`storage.stage` for all processes of a training run; `artifact` of the others is for reading its key and path.

    What only one may do (writing files) asks `is_main`.
    """
    if is_main():
        with stage(path, name, version, settings, inputs) as run:
            wait()  # opened: what was there before is gone
            yield run
            wait()  # nobody still works on it
        wait()  # committed
        return
    wait()
    keys = {k: v if isinstance(v, str) else read_manifest(v).key for k, v in inputs.items()}
    key = artifact_key(name, version, settings, keys)
    run = Stage(None, None if is_current(path, key) else Artifact(path, name, version, key, dict(settings), keys))
    yield run
    wait()
    wait()
    run.manifest = read_manifest(path)
