"""The Ray engine: shards as Ray Core tasks on a cluster. Needs the extra `ray`; nothing of it is imported before use.

A task gives its shard to a child process of the local engine (compute_local.py). So the rules for shards and items that
kill their process are the same on both engines, and a crash never takes Ray's own process along. The child stays for
the next shards of the same stage. What Ray loses itself, a killed worker or a whole node, is run again elsewhere; a
shard that is lost ten times counts as poisoned.

Every node must have the same version of this package and see the run's folder under the same path: a disk that all
share, or an object store. Tasks check both before they touch anything.

Settings, all from the environment of the process that starts the stages:

    DSMATH_RAY_ADDRESS         `host:port` of the cluster, from a machine of the cluster (RAY_ADDRESS serves too);
                               `local` starts Ray on this machine. There is no default: Ray's own would silently join
                               any cluster that was started here before
    DSMATH_RAY_CPUS_PER_TASK   cores that a task reserves (default 1)
    DSMATH_RAY_GB_PER_TASK     memory that a task reserves, in GB (default 0: as many tasks on a node as it has cores)
"""

import functools
import hashlib
import importlib
import os
import pickle
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .compute_guard import EngineError, ItemGuard, LeftOut, ShardError, judge_left_out
from .compute_local import Pool
from .progress import Progress

MAX_LOSSES = 10
"""How often Ray runs a task again whose worker or node it lost."""
_TASKS_A_SLOT = 2
"""Tasks submitted for each that can run: the next is there when one ends, and an autoscaler sees that work waits."""
_LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class _Settings:
    address: str
    cpus: float
    memory_bytes: int


@dataclass(frozen=True)
class _Job:
    """What all tasks of one map have in common; pickled, so that Ray's workers import nothing of a stage."""

    function: bytes
    guarded: bool
    what: str
    cwd: str
    folders: tuple[str, ...]
    """Local folders that the driver sees and a node must see too."""
    code: str


@dataclass(frozen=True)
class _Packed:
    """A pickled shard and its name."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


def map_on_cluster(
    function: Callable[..., Any],
    shards: Sequence[Any],
    *,
    guarded: bool,
    may_leave_out: bool,
    max_tasks: int,
    what: str,
    progress: Progress,
) -> list[Any]:
    """Results in input order, with at most `max_tasks` tasks submitted at a time (0: twice what the cluster can run).

    Raises ShardError as the local engine does, EngineError when there is no cluster or a node is not fit for the work.
    After an error the tasks under way go on, and the shards that they finish are kept. They are not cancelled: Ray 2.60
    aborts the driver's process when a task ends while it is cancelled.
    """
    ray, settings = _connect()
    job = ray.put(_Job(pickle.dumps(function), guarded, what, os.getcwd(), _folders(function, shards), _code_digest()))
    reserved: dict[str, Any] = {"memory": settings.memory_bytes} if settings.memory_bytes else {}
    task = ray.remote(num_cpus=settings.cpus, max_retries=MAX_LOSSES, scheduling_strategy="SPREAD", **reserved)(
        _run_task
    )
    waiting, running, results = deque(range(len(shards))), {}, {}
    room, looked_at = 0, float("-inf")
    progress.update(what, 0, len(shards))
    while waiting or running:
        if time.monotonic() - looked_at > _LOOK_SECONDS:
            slots, looked_at = _slots(ray, settings), time.monotonic()
            room = max_tasks or _TASKS_A_SLOT * slots
            if not slots:
                progress.log(f"{what}: waiting for a node with {settings.cpus:g} cores and the memory of a task")
        while waiting and len(running) < max(room, 1):
            index = waiting.popleft()
            shard = _Packed(str(shards[index]), pickle.dumps(shards[index]))
            running[task.remote(job, shard)] = index
        ready, _ = ray.wait(list(running), timeout=_LOOK_SECONDS)
        for reference in ready:
            results[running.pop(reference)] = _take(ray, reference, what)
            judge_left_out(shards, may_leave_out, results)
            progress.update(what, len(results), len(shards))
    return [results[i] for i in range(len(shards))]


def num_cluster_slots() -> int:
    """How many tasks the cluster can run at once; at least 1."""
    return max(1, _slots(*_connect()))


def _settings() -> _Settings:
    address = os.environ.get("DSMATH_RAY_ADDRESS") or os.environ.get("RAY_ADDRESS") or ""
    if not address or address == "auto":
        raise EngineError(
            "DSMATH_ENGINE=ray needs DSMATH_RAY_ADDRESS: host:port of the cluster, or `local` for this machine alone"
        )
    cpus, gigabytes = _number("DSMATH_RAY_CPUS_PER_TASK", 1.0), _number("DSMATH_RAY_GB_PER_TASK", 0.0)
    if cpus <= 0:
        raise EngineError("DSMATH_RAY_CPUS_PER_TASK must be above 0")
    return _Settings(address, cpus, int(gigabytes * 1e9))


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if value < 0:
        raise EngineError(f"{variable}={text}: give a number of at least 0")
    return value


def _connect() -> tuple[Any, _Settings]:
    """Ray's module, connected; the connection stays until the process ends."""
    settings = _settings()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise EngineError("DSMATH_ENGINE=ray: Ray is missing: pip install 'dsmath-pipeline[ray]'") from error
    if not ray.is_initialized():
        options = {"include_dashboard": False} if settings.address == "local" else {}
        try:
            ray.init(address=settings.address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise EngineError(f"no Ray cluster can be used at {settings.address}: {error}") from error
    return ray, settings


def _slots(ray: Any, settings: _Settings) -> int:
    """Tasks that the living nodes have cores and memory for."""
    total = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            slots = int(has.get("CPU", 0) / settings.cpus)
            if settings.memory_bytes:
                slots = min(slots, int(has.get("memory", 0) / settings.memory_bytes))
            total += slots
    return total


def _take(ray: Any, reference: Any, what: str) -> Any:
    """A task's result; LeftOut when it was given up. Raises what the task reports."""
    errors = ray.exceptions
    try:
        kind, value = ray.get(reference)
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
        reason = str(error).strip().splitlines()[0]
        return LeftOut(f"Ray lost its worker or node while {what} were processed, again and again ({reason})")
    if kind == "engine":
        raise EngineError(value)
    if kind == "error":
        raised = ShardError(value[0])
        for note in value[1]:
            raised.add_note(note)
        raise raised
    return value if kind == "left_out" else pickle.loads(value)


def _folders(function: Any, shards: Sequence[Any]) -> tuple[str, ...]:
    """The local folders among the arguments that functools.partial holds, and that of the first shard."""
    found = [*shards[:1]]
    while isinstance(function, functools.partial):
        found += [*function.args, *function.keywords.values()]
        function = function.func
    paths = [value for value in found if isinstance(value, Path)]  # a UPath of an object store is none, or exists there
    return tuple(sorted({str(path.absolute()) for path in paths if "://" not in str(path) and path.exists()}))


@functools.cache
def _code_digest() -> str:
    """Identity of this package's source files."""
    package, digest = Path(__file__).parent, hashlib.blake2b(digest_size=16)
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


# On the nodes --------------------------------------------------------------------------------------------------------


def _run_task(job: _Job, shard: _Packed) -> tuple[str, Any]:
    """One shard, in a Ray worker. Returns what happened; exceptions would be wrapped and retried by Ray's rules."""
    if problem := _unfit(job):
        return ("engine", problem)
    try:
        [result] = _child(job).map([shard], 1)
    except ShardError as error:
        _CHILD.pop()[1].close()
        return ("error", (str(error), [*getattr(error, "__notes__", []), f"on {socket.gethostname()}"]))
    return ("left_out" if isinstance(result, LeftOut) else "result", result)


def _unfit(job: _Job) -> str:
    """Why this node cannot do the work, or nothing."""
    node = socket.gethostname()
    if job.code != _code_digest():
        return f"the node {node} has another version of dsmath_pipeline than the driver: install the same everywhere"
    for folder in job.folders:
        if not os.path.exists(folder):
            return f"the node {node} does not see {folder}: put it on a disk that all nodes share, or an object store"
    return ""


_CHILD: list[tuple[_Job, Pool]] = []
"""The child process of this Ray worker, and the job it was started for."""


def _child(job: _Job) -> Pool:
    if _CHILD and _CHILD[0][0] == job:
        return _CHILD[0][1]
    if _CHILD:
        _CHILD.pop()[1].close()
    vars(sys.modules["__main__"]).pop("__file__", None)  # Ray's own script, which the child would import
    call = functools.partial(_call_guarded if job.guarded else _call, job)
    _CHILD.append((job, Pool(call, guarded=job.guarded, what=job.what)))
    return _CHILD[0][1]


def _call(job: _Job, shard: _Packed) -> bytes:
    return pickle.dumps(_function(job)(pickle.loads(shard.data)))


def _call_guarded(job: _Job, shard: _Packed, guard: ItemGuard) -> bytes:
    return pickle.dumps(_function(job)(pickle.loads(shard.data), guard))


@functools.cache
def _function(job: _Job) -> Callable[..., Any]:
    """The stage's function, in the child; relative paths are those of the driver's folder."""
    if os.path.isdir(job.cwd):
        os.chdir(job.cwd)
    return pickle.loads(job.function)
