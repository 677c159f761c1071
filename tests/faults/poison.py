"""A shard function for spawned workers: extraction that ends its process over the files named in a note."""

import functools
import os
from pathlib import Path
from typing import Any

from dsmath_pipeline.compute import ItemGuard
from dsmath_pipeline.corpus.pages import _extract_shard


def extract_or_die(note: Path, shard: Any, guard: ItemGuard, **settings: Any) -> dict[str, Any]:
    """As the stage's own function, except for shards whose names are in the file `note`."""
    if shard.name in note.read_text().split():
        os.abort()
    return _extract_shard(shard, guard, **settings)


def poisoned_by(note: Path) -> functools.partial:
    """What replaces `pages._extract_shard` in a test."""
    return functools.partial(extract_or_die, note)
