"""Map a function over shards: the one call through which stages use more than one core, or more than one machine.

Only paths and small results cross process borders. Results come back in input order, so the outcome never depends on
the engine or on the number of workers.

`DSMATH_ENGINE` names the engine: `local` (the default; processes here, compute_local.py) or `ray` (a Ray cluster,
compute_ray.py, which says what else can be set). Both have the same rules for shards and items that kill their process.

`DSMATH_POISONED_SHARDS` says what becomes of a shard that kills its process three times, in stages that can go on
without one (`map_or_leave_out`):

    stop        the stage ends with ShardError (the default)
    leave_out   the stage goes on; its manifest names the shard and the reason; later runs take the artifact as it is
    retry       as leave_out, but shards that earlier runs left out are tried again
"""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar, cast, get_args

from .compute_guard import CRASH, TIMEOUT, EngineError, ItemGuard, LeftOut, ShardError, describe, judge_left_out
from .compute_local import Pool
from .progress import SILENT, Progress

__all__ = [
    "CRASH",
    "TIMEOUT",
    "EngineError",
    "ItemGuard",
    "LeftOut",
    "ShardError",
    "map_guarded",
    "map_or_leave_out",
    "map_shards",
    "map_threads",
    "num_slots",
    "num_workers",
    "poisoned_policy",
    "workers_worth",
]

Shard = TypeVar("Shard")
Result = TypeVar("Result")
Engine = Literal["local", "ray"]
Policy = Literal["stop", "leave_out", "retry"]


def engine() -> Engine:
    """The engine that DSMATH_ENGINE names. Raises EngineError for another name."""
    return cast(Engine, _choice("DSMATH_ENGINE", get_args(Engine)))


def poisoned_policy() -> Policy:
    """What DSMATH_POISONED_SHARDS says (see the module). Raises EngineError for another value."""
    return cast(Policy, _choice("DSMATH_POISONED_SHARDS", get_args(Policy)))


def _choice(variable: str, choices: Sequence[str]) -> str:
    """The value of an environment variable, which defaults to the first choice."""
    value = os.environ.get(variable) or choices[0]
    if value not in choices:
        raise EngineError(f"{variable}={value}: choose one of {', '.join(choices)}")
    return value


def num_workers(requested: int = 0) -> int:
    """The number of worker processes here: as requested, or the number of usable cores of this machine when 0."""
    return requested or len(os.sched_getaffinity(0))


def num_slots(requested: int = 0) -> int:
    """How many shards can be worked on at once: as requested, or what this machine or the Ray cluster has when 0."""
    if not requested and engine() == "ray":
        from .compute_ray import num_cluster_slots

        return num_cluster_slots()
    return num_workers(requested)


def workers_worth(num_rows: int, workers: int, rows_worth_a_pool: int = 200_000) -> int:
    """`workers`, or 1 where a light stage has counted its rows sooner than worker processes start."""
    return workers if num_rows >= rows_worth_a_pool else 1


def map_shards(
    function: Callable[[Shard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result]:
    """`[function(shard) for shard in shards]` on `workers` processes (0: one per core, 1: in this process).

    `function` must be importable (module level, or functools.partial of one). Raises ShardError with the shard's name
    when the function raised or its process died three times; shards that finished before keep what they wrote.
    """
    if workers == 1 or (engine() == "local" and min(num_workers(workers), len(shards)) <= 1):
        return _map_here(function, shards, what, progress)
    return _map(function, shards, workers, False, False, what, progress)


def map_guarded(
    function: Callable[[Shard, ItemGuard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result]:
    """As map_shards with `function(shard, guard)`, always in worker processes (also for one worker).

    A death while an item was being worked on costs that item: the shard is tried again with it in `guard.bad_items`.
    Out of memory or killed from outside, an item is blamed only for the second time. Raises ShardError as map_shards
    does, and for a shard in which more than a hundred items kill their worker.
    """
    return _map(function, shards, workers, True, False, what, progress)


def map_or_leave_out(
    function: Callable[[Shard, ItemGuard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result | LeftOut]:
    """As map_guarded, for stages that can go on without a shard (compute_poison.py keeps their books).

    Unless DSMATH_POISONED_SHARDS is `stop`, a shard that map_guarded would give up has a LeftOut as its result: at most
    three shards or one in a hundred, and never all.
    """
    return _map(function, shards, workers, True, poisoned_policy() != "stop", what, progress)


def map_threads(
    function: Callable[[Shard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result]:
    """As map_shards for a function that works in compiled code without the interpreter's lock.

    The local engine runs it on threads, which share what the function holds and start at once.
    """
    if engine() == "ray" and workers != 1:
        return _map(function, shards, workers, False, False, what, progress)
    results = []
    progress.update(what, 0, len(shards))
    with ThreadPoolExecutor(num_workers(workers)) as pool:
        futures = [pool.submit(function, shard) for shard in shards]
        for done, (shard, future) in enumerate(zip(shards, futures, strict=True), 1):
            try:
                results.append(future.result())
            except Exception as error:
                pool.shutdown(wait=False, cancel_futures=True)
                raise ShardError(describe(shard, error)) from error
            progress.update(what, done, len(shards))
    return results


def _map_here(
    function: Callable[[Shard], Result], shards: Sequence[Shard], what: str, progress: Progress
) -> list[Result]:
    progress.update(what, 0, len(shards))
    results = []
    for done, shard in enumerate(shards, 1):
        try:
            results.append(function(shard))
        except Exception as error:
            raise ShardError(describe(shard, error)) from error
        progress.update(what, done, len(shards))
    return results


def _map(
    function: Callable[..., Any],
    shards: Sequence[Any],
    workers: int,
    guarded: bool,
    may_leave_out: bool,
    what: str,
    progress: Progress,
) -> list[Any]:
    if engine() == "ray" and shards:
        from .compute_ray import map_on_cluster

        return map_on_cluster(
            function, shards, guarded=guarded, may_leave_out=may_leave_out, max_tasks=workers, what=what,
            progress=progress,
        )  # fmt: skip
    judge = functools.partial(judge_left_out, shards, may_leave_out)
    with Pool(function, guarded=guarded, what=what) as pool:
        return pool.map(shards, num_workers(workers), judge=judge, progress=progress)
