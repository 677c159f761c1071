"""The local engine: processes on this machine that take one shard at a time.

They are forked from a server process (`multiprocessing`'s, which has no threads) that has imported the stage's module,
so that only the first one waits for imports, and one that takes a dead one's place starts at once.

A process that dies (a crash in native code, no memory, killed) costs nothing but its shard's work so far: a new one
takes the shard again. A guarded function notes in shared memory which item it is at, the pool watches the time of each,
and the item over which a process died or hung is left out of the next try. Workers end with the process that started
them, also when that one is killed.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .compute_guard import (
    CRASH,
    ITEM,
    MAX_BAD_ITEMS,
    MAX_TRIES,
    NO_ITEM,
    TIMEOUT,
    ItemGuard,
    LeftOut,
    ShardError,
    describe,
)
from .progress import SILENT, Progress

_WALL_FACTOR = 10
_POLL_SECONDS = 0.25
_SERVER_DIED = 255
"""multiprocessing's exit code of a process whose fork server cannot tell the real one any more."""
_KILLED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, _SERVER_DIED)


@dataclass
class _Task:
    """One shard, and what its earlier tries taught."""

    index: int
    bad_items: dict[int, str] = field(default_factory=dict)
    num_deaths: int = 0
    suspect: int = NO_ITEM


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    place: Any
    task: _Task | None = None
    seen_turn: int = -1
    seen_at: tuple[float, float] = (0.0, 0.0)
    """Processor and clock seconds when the item of `seen_turn` was first seen."""
    overdue: int = NO_ITEM
    """The item over which it was killed."""


class Pool:
    """Processes that call one function, as a context manager; they start with the first shards and stay until `close`.

    `function(shard)`, or `function(shard, guard)` when guarded, must be importable. `what` names the shards in errors.
    """

    def __init__(self, function: Callable[..., Any], *, guarded: bool, what: str) -> None:
        self._function = function
        self._guarded = guarded
        self._what = what
        self._shards: Sequence[Any] = ()
        self._waiting: deque[_Task] = deque()
        self._results: dict[int, Any] = {}
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def map(
        self,
        shards: Sequence[Any],
        workers: int,
        *,
        judge: Callable[[Mapping[int, Any]], None] | None = None,
        progress: Progress = SILENT,
    ) -> list[Any]:
        """Results in input order on `workers` processes; LeftOut in the place of a shard that was given up.

        `judge` sees the results so far by their shard's index and may raise to end the work. Raises ShardError when the
        function raised. After an exception the pool can only be closed.
        """
        self._shards, self._results = shards, {}
        self._waiting = deque(_Task(i) for i in range(len(shards)))
        progress.update(self._what, 0, len(shards))
        for worker in self._workers:
            self._give(worker)
        while len(self._workers) < min(workers, len(shards)):
            self._start()
        while (done := len(self._results)) < len(shards):
            self._wait()
            if judge:
                judge(self._results)
            if len(self._results) > done:
                progress.update(self._what, len(self._results), len(shards))
        return [self._results[i] for i in range(len(shards))]

    def close(self) -> None:
        """End the processes: those without a shard in peace, the others at once."""
        for worker in self._workers:
            if worker.task is None:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
        for worker in self._workers:
            if worker.task is None:
                worker.process.join()
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _start(self) -> None:
        context = _context(self._function)
        pipe, far_end = context.Pipe()
        place = context.RawArray("q", [NO_ITEM, 0, 0])
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

    def _bury(self, worker: _Worker) -> None:
        """Judge a death, queue the shard again or give it up, and start another worker when there is work."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        task = worker.task
        assert task is not None
        exit_code, item = worker.process.exitcode, worker.place[ITEM]
        is_timeout = item == worker.overdue
        is_certain = is_timeout or exit_code not in _KILLED_FROM_OUTSIDE or item == task.suspect
        if item != NO_ITEM and is_certain:
            task.bad_items[item] = TIMEOUT if is_timeout else CRASH
            task.num_deaths = 0
        else:
            task.num_deaths += 1
        task.suspect = item
        if task.num_deaths >= MAX_TRIES or len(task.bad_items) > MAX_BAD_ITEMS:
            self._results[task.index] = LeftOut(
                f"a worker process died while {self._what} were processed, again and again (exit code {exit_code}, "
                f"{len(task.bad_items)} items left out; out of memory, or killed?)"
            )
        else:
            self._waiting.appendleft(task)
        if self._waiting:
            self._start()


def _context(function: Callable[..., Any]) -> Any:
    """How processes start: forked, or spawned where the server has other surroundings than this process has now."""
    global _server_surroundings
    now = _surroundings()
    if _server_surroundings is None:
        _server_surroundings = now
        multiprocessing.set_forkserver_preload([_module_of(function)])
    return multiprocessing.get_context("forkserver" if now == _server_surroundings else "spawn")


_server_surroundings: tuple[Any, ...] | None = None
"""Those of the fork server, which lives as long as this process; None before the first pool."""


def _surroundings() -> tuple[Any, ...]:
    """What a process takes over from the one that starts it: environment, cores, where its output goes."""
    outputs = []
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # closed
            status = os.fstat(descriptor)
            outputs.append((status.st_dev, status.st_ino))
    return dict(os.environ), os.sched_getaffinity(0), outputs


def _module_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return function.__module__


def _kill_if_overdue(worker: _Worker) -> None:
    """Kill a worker that has been at one item for longer than the item's limit."""
    item, turn, limit = worker.place
    processor_seconds = _processor_seconds(worker.process.pid)
    if item == NO_ITEM or worker.overdue != NO_ITEM or processor_seconds is None:
        return
    now = (processor_seconds, time.monotonic())
    if turn != worker.seen_turn:
        worker.seen_turn, worker.seen_at = turn, now
        return
    used, passed = now[0] - worker.seen_at[0], now[1] - worker.seen_at[1]
    if used > limit / 1e6 or passed > _WALL_FACTOR * limit / 1e6:
        worker.overdue = item
        worker.process.kill()


def _processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used so far, None when it has ended; the clock where the system does not tell.

    The fork server lets the system forget a dead process before its pipe is found closed.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(pipe: Connection, function: Callable[..., Any], place: Any, guarded: bool) -> None:
    """The life of a worker process: shards in, results or errors out, until None or the parent's end.

    It ends without the interpreter's clearing up, which takes half a second and has nothing left to save.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            given = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        if given is None:
            break
        shard, bad_items = given
        answer: tuple[str, Any]
        try:
            answer = ("result", function(shard, ItemGuard(bad_items, place)) if guarded else function(shard))
        except Exception as error:
            answer = ("error", (describe(shard, error), traceback.format_exc()))
        pipe.send(answer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_with_parent() -> None:
    """End this process when its parent is gone: nobody would take the result, and a new run has its own workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
