"""The books on poisoned shards: artifacts that were finished without a shard say so, and their key tells them apart.

A stage whose shards are independent may go on without one that kills its process each time: compute.map_or_leave_out.
Its manifest then lists the shard with the reason under `counts.left_out_shards`, and an input `left_out` enters its
key: what is made from it is made again when the shard is recovered later. Whether a later run tries that is said by
DSMATH_POISONED_SHARDS (compute.py): with `leave_out` the artifact is taken as it is, otherwise its manifest alone is
removed, so that finished shards stay and the others are tried again.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from .compute import LeftOut, poisoned_policy
from .storage import MANIFEST, Artifact, Folder, artifact_key, read_manifest

COUNT = "left_out_shards"
INPUT = "left_out"


def accepted(out: Folder) -> dict[str, str]:
    """What an artifact's inputs have beside the usual ones: call it before `storage.stage`, with the artifact's folder.

    Empty, unless the artifact was finished without some shards and is to be taken so. Where those shards are to be
    tried again, the manifest is removed, which makes the folder an unfinished one.
    """
    if not (out / MANIFEST).exists():
        return {}
    without = read_manifest(out).counts.get(COUNT)
    if not without:
        return {}
    if poisoned_policy() == "leave_out":
        return {INPUT: _digest(without)}
    (out / MANIFEST).unlink()
    return {}


def note(artifact: Artifact, results: Mapping[str, Any]) -> dict[str, Any]:
    """Enter the LeftOut among a stage's results, by shard name, in its artifact. Returns the other results.

    Call it inside the `storage.stage` block, after `artifact.counts` were set.
    """
    without = {name: result.reason for name, result in results.items() if isinstance(result, LeftOut)}
    if without:
        artifact.counts[COUNT] = without
        artifact.inputs[INPUT] = _digest(without)
    else:
        artifact.inputs.pop(INPUT, None)
    artifact.key = artifact_key(artifact.name, artifact.version, artifact.settings, artifact.inputs)
    return {name: result for name, result in results.items() if name not in without}


def _digest(without: Mapping[str, str]) -> str:
    """Which shards are missing; why is no part of it."""
    return hashlib.blake2b("\0".join(sorted(without)).encode(), digest_size=16).hexdigest()
