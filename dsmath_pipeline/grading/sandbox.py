"""Run model-written Python behind two walls: a bubblewrap jail for each worker, kernel limits on each program.

Outer wall: one bubblewrap jail per worker (own namespaces, no network, nothing of the host but the interpreter,
numpy and sympy, all read-only). Inside it a warm fork server (`sandbox_inner`); every program runs in its own forked
child under the inner wall (`walls`): CPU, memory and output limits, Landlock, no capabilities, a system call
allow-list. Nothing survives from one program to the next.

Where user namespaces are off, `allow_weaker=True` accepts the inner wall alone (Landlock required; host paths can be
seen to exist, nothing can be read or written). Otherwise the constructor raises SandboxUnavailable: it fails closed.
A self-test attacks the jail before the first program runs.

Not in the paper: its evaluation runs programs unprotected in a process pool.
"""

import contextlib
import importlib.util
import json
import os
import queue
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from . import walls

START_SECONDS = 60.0
"""How long a jail may take to start and import sympy on a busy machine."""

GRACE_SECONDS = 5.0
"""A jail that is silent this long after a program's deadline is killed and replaced."""

PACKAGES = ("numpy", "sympy", "mpmath")

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1",
}  # fmt: skip

_SELF_TEST = """
import os, socket
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
for path in ("/self-test", "/usr/self-test", "/var/tmp/self-test"):
    attempt("write " + path, lambda: open(path, "w"))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("signal", lambda: os.kill(os.getppid(), 0))
print("broken:", broken)
"""


class SandboxUnavailable(RuntimeError):
    """No safe way to run programs on this machine; the message lists each wall and why it is missing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Wall time is above CPU time: a busy machine must not turn answers into timeouts."""

    cpu_seconds: int = 5
    wall_seconds: float = 15.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 8 << 20
    output_bytes: int = 64 << 10


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Outcome of one program.

    `status`: ok, error (an exception or a non-zero exit), timeout, memory, output_limit, killed (by a signal), or
    infra (the sandbox itself failed: never count it as a wrong answer). `seconds` is wall time.
    """

    status: str
    stdout: str
    stderr: str
    seconds: float


def available_walls() -> dict[str, bool]:
    """Which walls stand on this machine, for `dsmath doctor`.

    `bubblewrap` (it can make a jail here) and `seccomp` together allow the default sandbox; `landlock` and `seccomp`
    the weaker one that must be allowed explicitly.
    """
    return {
        "bubblewrap": not _bubblewrap_problem(),
        "landlock": walls.landlock_version() > 0,
        "seccomp": walls.has_seccomp(),
    }


def _bubblewrap_problem() -> str:
    """Why bubblewrap cannot be used here, "" when it can."""
    program = shutil.which("bwrap")
    if not program:
        return "bubblewrap (bwrap) is not installed"
    command = [program, "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--", "/bin/true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "bubblewrap did not start within 20 seconds"
    said = done.stderr.decode(errors="replace").strip()
    return "" if done.returncode == 0 else f"bubblewrap cannot make a jail here: {said or 'no reason given'}"


class Sandbox:
    """A pool of jails. Use as a context manager; `run` may be called from one thread at a time."""

    def __init__(self, workers: int = 1, limits: Limits | None = None, *, allow_weaker: bool = False):
        """Start the first jail and attack it. Raises SandboxUnavailable when no allowed tier passes."""
        self.limits = limits or Limits()
        self.tier = ""
        self._jails: queue.SimpleQueue[_Jail] = queue.SimpleQueue()
        problems = []
        for tier in ("bubblewrap", "landlock") if allow_weaker else ("bubblewrap",):
            try:
                first = _checked_jail(tier)
            except (SandboxUnavailable, OSError) as error:
                problems.append(f"{tier}: {error}")
                continue
            self.tier = tier
            break
        else:
            if not allow_weaker:
                problems.append("landlock: a weaker wall, used only when it is allowed explicitly (allow_weaker)")
            raise SandboxUnavailable(
                "model-written programs cannot be run safely on this machine, so none was run.\n  "
                + "\n  ".join(problems)
            )
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

    def run(self, programs: Sequence[str], limits: Limits | None = None) -> list[ProgramResult]:
        """Run each program in a fresh process; results in the order of the programs.

        A program whose worker died is run once more on the new worker before its status is `infra`.
        """
        chosen = limits or self.limits

        def run_one(program: str) -> ProgramResult:
            jail = self._jails.get()
            try:
                result = jail.run(program, chosen)
                return jail.run(program, chosen) if result.status == "infra" else result
            finally:
                self._jails.put(jail)

        if len(programs) < 2 or len(self._all) == 1:
            return [run_one(program) for program in programs]
        with ThreadPoolExecutor(len(self._all)) as threads:
            return list(threads.map(run_one, programs))


def _checked_jail(tier: str) -> "_Jail":
    """A jail that withstood the self-test."""
    if tier == "bubblewrap" and not shutil.which("bwrap"):
        raise SandboxUnavailable("bubblewrap (bwrap) is not installed")
    jail = _Jail(tier)
    result = jail.run(_SELF_TEST, Limits())
    if result.status != "ok" or result.stdout.strip() != "broken: []":
        jail.close()
        raise SandboxUnavailable(f"the self-test found holes: {result.status} {result.stdout}{result.stderr[:300]}")
    return jail


class _Jail:
    """One fork server and its jail; replaced when it dies, hangs or cannot be cleaned."""

    def __init__(self, tier: str):
        self.tier = tier
        self.folder = Path(tempfile.mkdtemp(prefix="dsmath-jail-")) if tier == "landlock" else None
        self._start()

    def _start(self) -> None:
        command, environment = _bubblewrap_command() if self.folder is None else _landlock_command(self.folder)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, start_new_session=True, cwd=self.folder,
        )  # fmt: skip
        if self._receive(START_SECONDS) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            said = self.process.communicate()[1].decode(errors="replace").strip()
            raise SandboxUnavailable(f"the jail did not start: {said[-500:] or 'no reason given'}")

    def run(self, program: str, limits: Limits) -> ProgramResult:
        request = json.dumps({"program": program, "limits": asdict(limits)}).encode()
        reply = None
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin
            self.process.stdin.write(struct.pack(">I", len(request)) + request)
            self.process.stdin.flush()
            reply = self._receive(limits.wall_seconds + GRACE_SECONDS)
        if reply is None or not reply.pop("is_clean"):
            self._replace()
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

    def _replace(self) -> None:
        self._end()
        self._start()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # bubblewrap alone would leave the jail behind
        self.process.communicate()

    def close(self) -> None:
        self._end()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _package_folders() -> list[Path]:
    """The folders of PACKAGES and of the shared libraries their wheels bring."""
    folders = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise SandboxUnavailable(f"the package {name} is not installed")
        folder = Path(spec.submodule_search_locations[0])
        folders += [p for p in (folder, folder.with_name(f"{name}.libs")) if p.exists()]
    return folders


def _interpreter() -> str:
    """The interpreter outside any virtual environment: the jail never sees the project's own packages."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidate = Path(sys.base_prefix) / "bin" / name
    return str(candidate if candidate.exists() else Path(sys.executable).resolve())


def _bubblewrap_command() -> tuple[list[str], dict[str, str]]:
    program = shutil.which("bwrap")
    if not program:
        raise SandboxUnavailable("bubblewrap (bwrap) is not installed")
    # No --die-with-parent: it means the parent's thread, and the fork server ends with its pipe anyway. No
    # --new-session: the process is started in a session of its own, whose group `_end` kills as a whole.
    command = [program, "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--hostname", "jail",
               "--clearenv", "--disable-userns", "--cap-drop", "ALL"]  # fmt: skip
    for name, value in {**_ENVIRONMENT, "HOME": "/scratch", "TMPDIR": "/scratch", "PYTHONPATH": "/packages"}.items():
        command += ["--setenv", name, value]
    command += ["--size", str(64 << 20), "--tmpfs", "/", "--ro-bind", "/usr", "/usr"]
    for path in ("/lib", "/lib64", "/bin"):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/localtime"):
        if os.path.exists(path):
            command += ["--ro-bind", path, path]
    if not sys.base_prefix.startswith("/usr"):
        command += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    installed = f"{sys.base_prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    if os.path.isdir(installed) and not sys.base_prefix.startswith("/usr"):
        command += ["--tmpfs", installed]  # programs see the packages named above and nothing else
    for folder in _package_folders():
        command += ["--ro-bind", str(folder), f"/packages/{folder.name}"]
    here = Path(__file__).parent
    for name in ("sandbox_inner.py", "walls.py"):
        command += ["--ro-bind", str(here / name), f"/inner/{name}"]
    command += ["--dev", "/dev", "--size", str(32 << 20), "--tmpfs", "/scratch", "--chdir", "/scratch",
                "--remount-ro", "/", "--"]  # fmt: skip
    readable = ["/usr", "/lib", "/lib64", "/etc", "/packages", sys.base_prefix, "/inner"]
    config = {"preload": ["numpy", "sympy"], "scratch": "/scratch", "require_landlock": False, "readable": readable,
              "walls": "/inner/walls.py"}  # fmt: skip
    return [*command, _interpreter(), "-sPB", "/inner/sandbox_inner.py", json.dumps(config)], dict(_ENVIRONMENT)


def _landlock_command(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The fork server without namespaces. No folder is writable: there is no way to bound its size."""
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    targets = _package_folders()
    for target in targets:
        link = packages / target.name
        if not link.is_symlink():
            link.symlink_to(target)
    here = Path(__file__).parent
    system = ["/usr/lib", "/usr/share/zoneinfo", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"]
    readable = [*system, sys.base_prefix, str(packages), *map(str, targets)]
    if sys.base_prefix == "/usr":
        readable.remove("/usr")
        readable.append("/usr/bin")
    config = {"preload": ["numpy", "sympy"], "scratch": "", "require_landlock": True, "readable": readable,
              "walls": str(here / "walls.py")}  # fmt: skip
    environment = {**_ENVIRONMENT, "HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONPATH": str(packages)}
    return [_interpreter(), "-sPB", str(here / "sandbox_inner.py"), json.dumps(config)], environment
