"""Run model-written Python behind two walls: a bubblewrap jail for each worker, kernel limits on each program.

Outer wall: one bubblewrap jail per worker (own namespaces, no network, nothing of the host but the interpreter,
numpy and sympy, all read-only). Inside it warm fork servers (`sandbox_inner`); every program runs in its own forked
child under the inner wall (`walls`): CPU, memory, file and output limits, Landlock, no capabilities, a system call
allow-list. Nothing survives from one program to the next.

Where user namespaces are off, the setting `weaker` accepts the inner wall alone (Landlock required; host paths can be
seen to exist, nothing can be read or written), and `unisolated` no wall at all. Each is said aloud on stderr. Otherwise
the constructor raises SandboxUnavailable: it fails closed. A self-test attacks the jail before the first program runs.

Not in the paper: its evaluation runs programs unprotected in a process pool.
"""

import contextlib
import json
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from .sandbox_tiers import SETTING, SandboxUnavailable, accepted_tiers, available_walls, server_command, tier_problem

__all__ = ["Limits", "ProgramResult", "Sandbox", "SandboxUnavailable", "available_walls"]

START_SECONDS = 60.0
"""How long a jail may take to start and import sympy on a busy machine."""

GRACE_SECONDS = 5.0
"""A jail that is silent this long after a program's deadline is killed and replaced."""

WARNINGS = {
    "bubblewrap": "",
    "landlock": "WARNING: model-written programs run without a jail, behind Landlock and the system call filter alone",
    "unisolated": "WARNING: model-written programs run UNISOLATED: they can read and delete what you can",
}

_SELF_TEST = """
import os, socket, ctypes
broken = []
def attempt(what, action):
    try:
        action()
        broken.append(what)
    except OSError:
        pass
attempt("network", socket.socket)
for path in ("/etc/shadow", "/etc/passwd", "/proc/self/environ"):
    attempt("read " + path, lambda: open(path).read())
for path in ("/self-test", "/usr/self-test", "/var/tmp/self-test", "/dev/shm/self-test"):
    attempt("write " + path, lambda: open(path, "w"))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("signal", lambda: os.kill(os.getppid(), 0))
if ctypes.CDLL(None).unshare(0x10000000) == 0:
    broken.append("user namespace")
print("broken:", broken)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Wall time is above CPU time: a busy machine must not turn answers into timeouts."""

    cpu_seconds: int = 5
    wall_seconds: float = 15.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 8 << 20
    """Size of one file; all of them together have 32 MiB."""
    num_files: int = 1000
    output_bytes: int = 64 << 10


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Outcome of one program.

    `status`: ok, error (an exception or a non-zero exit), timeout, memory, output_limit, file_limit, killed (by a
    signal), or infra (the sandbox itself failed: never count it as a wrong answer). `seconds` is wall time.
    """

    status: str
    stdout: str
    stderr: str
    seconds: float


class Sandbox:
    """A pool of jails. Use as a context manager; `run` may be called from one thread at a time."""

    def __init__(self, workers: int = 1, limits: Limits | None = None, *, accept: str | None = None):
        """Start the first jail and attack it.

        `accept`: "full" (default), "weaker" or "unisolated", the weakest tier that may be used; where it is None, the
        environment variable DSMATH_SANDBOX says it. Raises SandboxUnavailable when no accepted tier passes, ValueError
        for an unknown word.
        """
        self.limits = limits or Limits()
        self._jails: queue.SimpleQueue[_Jail] = queue.SimpleQueue()
        self.tier, first = _strongest(accepted_tiers(accept))
        if WARNINGS[self.tier]:
            print(f"dsmath: {WARNINGS[self.tier]} ({SETTING})", file=sys.stderr, flush=True)
        self._all = [first]
        try:
            self._all += [_Jail(self.tier) for _ in range(workers - 1)]
        except BaseException:
            self.close()
            raise
        for jail in self._all:
            self._jails.put(jail)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for jail in self._all:
            jail.close()

    def run(
        self, programs: Sequence[str], limits: Limits | None = None, *, stdins: Sequence[str] | None = None
    ) -> list[ProgramResult]:
        """Run each program in a fresh process; results in the order of the programs.

        `stdins` holds what each program reads (default: nothing). A program whose worker died is run once more on the
        new worker before its status is `infra`. Raises SandboxUnavailable when a worker cannot be started again.
        """
        chosen = limits or self.limits

        def run_one(program: str, stdin: str) -> ProgramResult:
            jail = self._jails.get()
            try:
                result = jail.run(program, stdin, chosen)
                return jail.run(program, stdin, chosen) if result.status == "infra" else result
            finally:
                self._jails.put(jail)

        given = stdins if stdins is not None else [""] * len(programs)
        if len(given) != len(programs):
            raise ValueError(f"{len(programs)} programs, but {len(given)} texts for them to read")
        if len(programs) < 2 or len(self._all) == 1:
            return [run_one(program, stdin) for program, stdin in zip(programs, given, strict=True)]
        with ThreadPoolExecutor(len(self._all)) as threads:
            return list(threads.map(run_one, programs, given))


def _strongest(tiers: Sequence[str]) -> tuple[str, "_Jail"]:
    """The first tier that works here, and a jail of it."""
    problems = []
    for tier in tiers:
        try:
            return tier, _checked_jail(tier)
        except (SandboxUnavailable, OSError) as error:
            problems.append(f"{tier}: {error}")
    if "landlock" not in tiers:
        problems.append(f"landlock: a weaker wall, used only when it is allowed explicitly ({SETTING}=weaker)")
    raise SandboxUnavailable(
        "model-written programs cannot be run safely on this machine, so none was run.\n  " + "\n  ".join(problems)
    )


def _checked_jail(tier: str) -> "_Jail":
    """A jail that withstood the self-test."""
    problem = tier_problem(tier)
    if problem:
        raise SandboxUnavailable(problem)
    jail = _Jail(tier)
    if tier == "unisolated":
        return jail
    result = jail.run(_SELF_TEST, "", Limits())
    if result.status != "ok" or result.stdout.strip() != "broken: []":
        jail.close()
        raise SandboxUnavailable(f"the self-test found holes: {result.status} {result.stdout}{result.stderr[:300]}")
    return jail


class _Jail:
    """Fork servers and their jail; replaced when they die, hang or cannot be cleaned."""

    def __init__(self, tier: str):
        self.tier = tier
        self._start()

    def _start(self) -> None:
        command, environment = server_command(self.tier)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True, cwd="/",
        )  # fmt: skip
        if self._receive(START_SECONDS) is None:
            said = self._end()
            raise SandboxUnavailable(f"the jail did not start: {said[-500:] or 'no reason given'}")

    def run(self, program: str, stdin: str, limits: Limits) -> ProgramResult:
        request = json.dumps({"program": program, "stdin": stdin, "limits": asdict(limits)}).encode()
        reply = None
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin
            self.process.stdin.write(struct.pack(">I", len(request)) + request)
            self.process.stdin.flush()
            reply = self._receive(limits.wall_seconds + GRACE_SECONDS)
        if reply is None or not reply.pop("is_clean"):
            self._end()
            self._start()
        if reply is None:
            return ProgramResult("infra", "", "the sandbox worker died or hung and was replaced", 0.0)
        return ProgramResult(**reply)

    def _receive(self, seconds: float) -> dict | None:
        """One message of the fork server; None when it ends or stays silent for `seconds`."""
        deadline = time.monotonic() + seconds
        head = self._read(4, deadline)
        body = self._read(struct.unpack(">I", head)[0], deadline) if head else None
        return json.loads(body) if body else None

    def _read(self, size: int, deadline: float) -> bytes | None:
        assert self.process.stdout
        descriptor, data = self.process.stdout.fileno(), b""
        while len(data) < size:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(descriptor, size - len(data)) if ready else b""
            if not piece:
                return None
            data += piece
        return data

    def _end(self) -> str:
        """Kill everything inside; returns what the server said last."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # bubblewrap alone would leave the jail behind
        return self.process.communicate()[1].decode(errors="replace").strip()

    def close(self) -> None:
        self._end()
