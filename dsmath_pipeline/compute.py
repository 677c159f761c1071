"""Map a function over shards on local processes: the one call through which stages use more than one core.

Only paths and small results cross process borders. Results come back in input order, so the outcome never depends on
the number of workers.

A worker process that dies (a crash in native code, no memory, killed) costs nothing but its shard's work so far: a new
worker takes the shard again. `map_guarded` goes one step further for functions that work through many items of foreign
origin: the function notes in shared memory which item it is at, this process watches the time of each, and the item
over which a worker died or hung is left out of the next try.
"""

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from .progress import SILENT, Progress

Shard = TypeVar("Shard")
Result = TypeVar("Result")

TIMEOUT, CRASH = "timeout", "crash"
_MAX_TRIES = 3
"""Deaths of a shard's worker, without a guilty item, after which it is given up."""
_MAX_BAD_ITEMS = 100
"""Items of one shard that may kill a worker; with more, something else is wrong than bad data."""
_WALL_FACTOR = 10
_POLL_SECONDS = 0.25
_NO_ITEM = -1
_ITEM, _TURN, _LIMIT = range(3)
"""What a worker's three shared integers hold: its item, how many it entered, the item's limit in microseconds."""
_KILLED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)


class ShardError(RuntimeError):
    """A shard could not be processed; the message names it."""


class ItemGuard:
    """What a guarded function tells about its progress through a shard, and learns about earlier tries.

    `bad_items`: items that killed a worker, with TIMEOUT or CRASH; the function leaves them out. Around the work on an
    item (a non-negative integer that is unique in the shard) it calls `enter` and `leave`; both cost microseconds.
    The plain `ItemGuard()` limits nothing: for calls in this process, where death would be the caller's.
    """

    def __init__(self, bad_items: Mapping[int, str] | None = None, place: Any = None) -> None:
        self.bad_items = dict(bad_items or {})
        self._place = place

    def enter(self, item: int, seconds: float) -> None:
        """Work on an item begins. The process is killed unless `leave` is called within `seconds` of processor time.

        Processor time, so that a busy machine drops no items; ten times that by the clock, for code that waits for
        ever. Checked four times a second.
        """
        if self._place is not None:
            self._place[_LIMIT] = int(seconds * 1e6)
            self._place[_TURN] += 1
            self._place[_ITEM] = item

    def leave(self) -> None:
        """The item is done."""
        if self._place is not None:
            self._place[_ITEM] = _NO_ITEM


def num_workers(requested: int = 0) -> int:
    """The number of worker processes: as requested, or the number of usable cores when 0."""
    return requested or len(os.sched_getaffinity(0))


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
    """`[function(shard) for shard in shards]` on `workers` spawned processes (0: one per core, 1: in this process).

    `function` must be importable (module level, or functools.partial of one). Raises ShardError with the shard's name
    when the function raised or its process died three times; shards that finished before keep what they wrote.
    """
    workers = min(num_workers(workers), len(shards))
    if workers > 1:
        return _Pool(function, shards, False, what, progress).run(workers)
    progress.update(what, 0, len(shards))
    results = []
    for done, shard in enumerate(shards, 1):
        try:
            results.append(function(shard))
        except Exception as error:
            raise ShardError(_describe(shard, error)) from error
        progress.update(what, done, len(shards))
    return results


def map_guarded(
    function: Callable[[Shard, ItemGuard], Result],
    shards: Sequence[Shard],
    *,
    workers: int = 0,
    what: str = "shards",
    progress: Progress = SILENT,
) -> list[Result]:
    """As map_shards with `function(shard, guard)`, always in spawned processes (also for one worker).

    A death while an item was being worked on costs that item: the shard is tried again with it in `guard.bad_items`.
    Out of memory or killed from outside, an item is blamed only for the second time. Raises ShardError as map_shards
    does, and for a shard in which more than a hundred items kill their worker.
    """
    workers = min(num_workers(workers), len(shards))
    return _Pool(function, shards, True, what, progress).run(workers)


@dataclass
class _Task:
    """One shard, and what its earlier tries taught."""

    index: int
    bad_items: dict[int, str] = field(default_factory=dict)
    num_deaths: int = 0
    suspect: int = _NO_ITEM


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    place: Any
    task: _Task | None = None
    seen_turn: int = -1
    seen_at: tuple[float, float] = (0.0, 0.0)
    """Processor and clock seconds when the item of `seen_turn` was first seen."""
    overdue: int = _NO_ITEM
    """The item over which it was killed."""


class _Pool:
    """Spawned processes that take one shard at a time."""

    def __init__(
        self, function: Callable[..., Any], shards: Sequence[Any], guarded: bool, what: str, progress: Progress
    ) -> None:
        self._function = function
        self._shards = shards
        self._guarded = guarded
        self._what = what
        self._progress = progress
        self._waiting = deque(_Task(i) for i in range(len(shards)))
        self._results: dict[int, Any] = {}
        self._workers: list[_Worker] = []

    def run(self, workers: int) -> list[Any]:
        self._progress.update(self._what, 0, len(self._shards))
        try:
            for _ in range(workers):
                self._start()
            while len(self._results) < len(self._shards):
                self._wait()
            for worker in self._workers:
                worker.pipe.send(None)
            for worker in self._workers:
                worker.process.join()
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()
        return [self._results[i] for i in range(len(self._shards))]

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        pipe, far_end = context.Pipe()
        place = context.RawArray("q", [_NO_ITEM, 0, 0])
        process = context.Process(target=_work, args=(far_end, self._function, place, self._guarded), daemon=True)
        process.start()
        far_end.close()
        worker = _Worker(process, pipe, place)
        self._workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        worker.task = self._waiting.popleft() if self._waiting else None
        if worker.task:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is dead, which the next wait finds
                worker.pipe.send((self._shards[worker.task.index], worker.task.bad_items))

    def _wait(self) -> None:
        """Take the answers and deaths that have come."""
        pipes: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers if worker.task}
        for ready in wait(list(pipes), timeout=_POLL_SECONDS if self._guarded else None):
            worker = pipes[ready]
            try:
                answer = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._bury(worker)
                continue
            assert worker.task is not None
            self._take(worker.task, answer)
            self._give(worker)
        if self._guarded:
            for worker in self._workers:
                _kill_if_overdue(worker)

    def _take(self, task: _Task, answer: tuple[str, Any]) -> None:
        kind, value = answer
        if kind == "error":
            error = ShardError(value[0])
            error.add_note(value[1])
            raise error
        self._results[task.index] = value
        self._progress.update(self._what, len(self._results), len(self._shards))

    def _bury(self, worker: _Worker) -> None:
        """Judge a death, queue the shard again and start another worker; raises ShardError when it is hopeless."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        task = worker.task
        assert task is not None
        exit_code, item = worker.process.exitcode, worker.place[_ITEM]
        is_timeout = item == worker.overdue
        is_certain = is_timeout or exit_code not in _KILLED_FROM_OUTSIDE or item == task.suspect
        if item != _NO_ITEM and is_certain:
            task.bad_items[item] = TIMEOUT if is_timeout else CRASH
            task.num_deaths = 0
        else:
            task.num_deaths += 1
        task.suspect = item
        if task.num_deaths >= _MAX_TRIES or len(task.bad_items) > _MAX_BAD_ITEMS:
            raise ShardError(
                f"{self._shards[task.index]}: a worker process died while {self._what} were processed, again and again "
                f"(exit code {exit_code}, {len(task.bad_items)} items left out; out of memory, or killed?); "
                "start again: finished shards are kept"
            )
        self._waiting.appendleft(task)
        self._start()


def _kill_if_overdue(worker: _Worker) -> None:
    """Kill a worker that has been at one item for longer than the item's limit."""
    item, turn, limit = worker.place
    if item == _NO_ITEM or worker.overdue != _NO_ITEM:
        return
    now = (_processor_seconds(worker.process.pid), time.monotonic())
    if turn != worker.seen_turn:
        worker.seen_turn, worker.seen_at = turn, now
        return
    used, passed = now[0] - worker.seen_at[0], now[1] - worker.seen_at[1]
    if used > limit / 1e6 or passed > _WALL_FACTOR * limit / 1e6:
        worker.overdue = item
        worker.process.kill()


def _processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far; the clock where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic()


def _work(pipe: Connection, function: Callable[..., Any], place: Any, guarded: bool) -> None:
    """The life of a worker process: shards in, results or errors out, until None or the parent's end."""
    while True:
        try:
            given = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        if given is None:
            return
        shard, bad_items = given
        answer: tuple[str, Any]
        try:
            answer = ("result", function(shard, ItemGuard(bad_items, place)) if guarded else function(shard))
        except Exception as error:
            answer = ("error", (_describe(shard, error), traceback.format_exc()))
        pipe.send(answer)


def _describe(shard: Any, error: Exception) -> str:
    return f"{shard}: {type(error).__name__}: {error}"
