"""Checkpoints of a reinforcement learning run: everything a killed run needs to end with the same weights.

One file beside the samples, replaced in a single rename, under the artifact's key: policy, optimizer, the method's own
state, reference and reward model once they have changed, random state, step (which decides questions and seeds) and
metrics. Samples are written before it, so a kill in between leaves a file that the resumed run writes again.
"""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from ..progress import Progress
from ..storage import Artifact, remove, write_table
from ..training.models import local_path
from .learner import Learner, Phases
from .methods.base import Method


def checkpoint_file(artifact: Artifact) -> Path:
    return local_path(artifact.path) / "_checkpoint.pt"


def save_checkpoint(
    learner: Learner, method: Method, artifact: Artifact, schema: pa.Schema, on_phase: Phases | None = None
) -> None:
    """Samples first, then the state of the run."""
    if learner.samples:
        table = pa.Table.from_pylist(learner.samples, schema=schema)
        write_table(artifact.path / "samples" / f"until-{learner.step:06d}.parquet", table)
        learner.samples.clear()
    file = checkpoint_file(artifact)
    temporary = file.with_suffix(".tmp")
    content: dict[str, Any] = {
        "key": artifact.key, "step": learner.step, "iterations_done": learner.iterations_done,
        "metrics": learner.metrics, "policy": learner.policy.state_dict(),
        "optimizer": learner.optimizer.state_dict(), "method": method.state_dict(),
        "random_state": torch.get_rng_state(),
    }  # fmt: skip
    if learner.iterations_done:
        content["reference"] = learner.reference.state_dict()
        if learner.scorer is not None:
            content["scorer"] = learner.scorer.state_dict()
    torch.save(content, temporary)
    if on_phase:
        on_phase(learner.step, "checkpoint")
    os.replace(temporary, file)


def resume(learner: Learner, method: Method, artifact: Artifact, progress: Progress) -> None:
    """Load the checkpoint of a killed run with the same key; clear what a run with another key left."""
    file = checkpoint_file(artifact)
    content = torch.load(file, map_location="cpu", weights_only=True) if file.exists() else {}
    if content.get("key") != artifact.key:
        remove(artifact.path / "samples")
        return
    learner.step, learner.metrics = content["step"], content["metrics"]
    learner.iterations_done = content["iterations_done"]
    learner.policy.load_state_dict(content["policy"])
    learner.optimizer.load_state_dict(content["optimizer"])
    method.load_state_dict(content["method"])
    if "reference" in content:
        learner.reference.load_state_dict(content["reference"])
    if "scorer" in content and learner.scorer is not None:
        learner.scorer.load_state_dict(content["scorer"])
    torch.set_rng_state(content["random_state"])
    for later in (artifact.path / "samples").glob("until-*.parquet"):
        if int(later.stem.removeprefix("until-")) > learner.step:
            later.unlink()
    progress.log(f"resuming after step {learner.step}")
