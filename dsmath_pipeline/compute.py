"""Map a function over shards on local processes: the one call through which stages use more than one core.

Only paths and small results cross process borders. Results come back in input order, so the outcome never depends on
the number of workers.
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from .progress import SILENT, Progress

Shard = TypeVar("Shard")
Result = TypeVar("Result")


class ShardError(RuntimeError):
    """A shard could not be processed; the message names it."""


def num_workers(requested: int = 0) -> int:
    """The number of worker processes: as requested, or the number of usable cores when 0."""
    return requested or len(os.sched_getaffinity(0))


def map_shards(
    function: Callable[[Shard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result]:
    """`[function(shard) for shard in shards]` on `workers` spawned processes (0: one per core, 1: in this process).

    `function` must be importable (module level, or functools.partial of one). Raises ShardError with the shard's name
    when the function raised or its process died; shards that finished before keep what they wrote.
    """
    workers = min(num_workers(workers), len(shards))
    progress.update(what, 0, len(shards))
    if workers <= 1:
        results = []
        for done, shard in enumerate(shards, 1):
            results.append(_call(function, shard))
            progress.update(what, done, len(shards))
        return results
    found: dict[int, Result] = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(_call, function, shard): i for i, shard in enumerate(shards)}
        try:
            for future in as_completed(futures):
                try:
                    found[futures[future]] = future.result()
                except BrokenProcessPool as error:
                    raise ShardError(
                        f"a worker process died while {what} were processed (out of memory, or killed); "
                        "start again: finished shards are kept"
                    ) from error
                progress.update(what, len(found), len(shards))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[i] for i in range(len(shards))]


def _call(function: Callable[[Shard], Result], shard: Shard) -> Result:
    try:
        return function(shard)
    except Exception as error:
        raise ShardError(f"{shard}: {type(error).__name__}: {error}") from error
