"""Run every attack of `attacks` in one tier of the sandbox and compare the host before and after.

    python -m tests.grading.attack_runner TIER [NAME ...]

TIER is `bubblewrap`, `no landlock` (bubblewrap on a kernel without Landlock) or `landlock` (no user namespaces). A
program of its own, so that it can be started as another user. Prints one JSON object: tier, user, attacks (how many
ran) and problems, a list of sentences that is empty when everything was stopped.
"""

import contextlib
import ctypes
import json
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from dsmath_pipeline.grading import bubblewrap, sandbox_tiers
from dsmath_pipeline.grading.sandbox import Limits, Sandbox
from tests.grading import attacks

LIMITS = Limits(cpu_seconds=1, wall_seconds=10.0, memory_bytes=768 << 20)
SHORT = Limits(cpu_seconds=1, wall_seconds=1.5)
TIERS = ("bubblewrap", "no landlock", "landlock")
PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/usr", "/usr/lib", "/etc", "/root", sys.base_prefix,
          f"{sys.base_prefix}/lib", os.path.dirname(os.__file__))  # fmt: skip


@contextlib.contextmanager
def host() -> Iterator[attacks.Target]:
    """Things worth reaching: listeners and a secret file, which attacks are told about."""
    with tempfile.TemporaryDirectory(prefix="host-") as name, contextlib.ExitStack() as stack:
        secret = Path(name) / "secret"
        secret.write_text("hunter2")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = f"host-{os.getpid()}"
        for address in (f"{name}/socket", f"\0{abstract}"):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen()
        yield attacks.Target(listener.getsockname()[1], f"{name}/socket", abstract, str(secret), os.getpid())


@contextlib.contextmanager
def sandbox_of(tier: str) -> Iterator[Sandbox]:
    """A sandbox of exactly this tier. Raises what Sandbox raises."""
    with contextlib.ExitStack() as stack:
        if tier == "landlock":
            stack.enter_context(mock.patch.object(bubblewrap.shutil, "which", lambda _: None))
        if tier == "no landlock":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="walls-")))
            folder.chmod(0o755)
            text = sandbox_tiers.WALLS_FILE.read_text()
            (folder / "walls.py").write_text(f"{text}\n\ndef landlock_version():\n    return 0\n")
            stack.enter_context(mock.patch.object(sandbox_tiers, "WALLS_FILE", folder / "walls.py"))
        yield stack.enter_context(Sandbox(accept="weaker" if tier == "landlock" else "full"))


def snapshot(target: attacks.Target) -> dict[str, object]:
    """What an attack could change outside: marked names, shared memory, mounts, limits, priority, open sockets."""
    found: dict[str, object] = {}
    for place in (*PLACES, os.path.dirname(target.secret_file), os.getcwd()):
        with contextlib.suppress(OSError):
            found[place] = sorted(name for name in os.listdir(place) if attacks.MARK in name)
    for name in ("sysvipc/shm", "sysvipc/sem", "sysvipc/msg"):
        found[name] = [line.split()[:2] for line in Path("/proc", name).read_text().splitlines()[1:]]
    found["mounts"] = Path("/proc/self/mounts").read_text()
    found["hostname"] = os.uname().nodename
    found["limits"] = [resource.getrlimit(kind) for kind in range(16)]
    found["priority"] = (os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)))
    found["secret"] = Path(target.secret_file).read_text()
    return found


def descendants() -> list[int]:
    """Processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    found: list[int] = []
    generation = {os.getpid()}
    while generation:
        generation = {process for process, parent in parents.items() if parent in generation}
        found += generation
    return found


def sockets_of(processes: list[int]) -> int:
    """Sockets that these processes hold."""
    count = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    count += os.readlink(f"/proc/{process}/fd/{name}").startswith("socket:")
    return count


def attack_all(sandbox: Sandbox, target: attacks.Target, names: list[str]) -> list[str]:
    """Run the attacks, each followed by an innocent program. Returns what went wrong."""
    problems = []
    expected = len(descendants())
    for name in names:
        program = attacks.ATTACKS[name]
        statuses = (*attacks.ENDS, *(attacks.STOPS if name in attacks.RESOURCES else ()))
        limits = SHORT if "sleep" in name else LIMITS
        attack, alive = sandbox.run([attacks.with_prelude(program, target), "print(6 * 7)"], limits)
        printed = attack.stdout[:300] + attack.stderr[-300:]
        if "ESCAPED" in attack.stdout or attack.status not in statuses:
            problems.append(f"{name}: {attack.status}, it printed {printed!r}")
        if attack.status == "error" and "Error" not in attack.stderr:
            problems.append(f"{name}: ended without an error message: {printed!r}")
        if name in attacks.MUST_BE_STOPPED and attack.status == "ok":
            problems.append(f"{name}: ended by itself, it should have been stopped")
        if alive.stdout != "42\n":
            problems.append(f"{name}: the next program gave {alive}")
        if len(left := descendants()) > expected:
            problems.append(f"{name}: {len(left)} processes below, {expected} before")
        if sockets_of(left):
            problems.append(f"{name}: a process of the sandbox holds a socket")
    return problems


def plant_and_search(sandbox: Sandbox) -> list[str]:
    """Let one program plant what it can, and the next look for it, in both fork servers."""
    problems = []
    for package in ("math", "sympy", "numpy"):
        plant, search = (text.replace("PACKAGE", package) for text in (attacks.PLANT, attacks.SEARCH))
        planted, found = sandbox.run([plant, search])
        if "planted" not in planted.stdout:
            problems.append(f"{package}: nothing could be planted: {planted}")
        if not found.stdout.startswith("found [] "):
            problems.append(f"{package}: {found}")
    return problems


def run(tier: str, names: list[str]) -> dict[str, object]:
    """One tier; `names` of attacks, all where it is empty."""
    os.environ["SECRET_TOKEN"] = "hunter2"
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # a daemon that outlives its jail becomes a child of this process
    with host() as target:
        before = snapshot(target)
        with sandbox_of(tier) as sandbox:
            problems = [] if sandbox.tier == tier.replace("no landlock", "bubblewrap") else [f"tier {sandbox.tier}"]
            problems += attack_all(sandbox, target, names or list(attacks.ATTACKS))
            problems += plant_and_search(sandbox)
            (secret,) = sandbox.run(["import os\nprint([v for v in os.environ.values() if 'hunter2' in v])"])
            problems += [] if secret.stdout == "[]\n" else [f"environment: {secret}"]
            during = snapshot(target)
        deadline = time.monotonic() + 5
        while descendants() and time.monotonic() < deadline:
            time.sleep(0.05)
        problems += [f"a process is left: {process}" for process in descendants()]
        for when, state in (("during", during), ("after", snapshot(target))):
            problems += [f"{when}: {name} was {before[name]!r}, is {state[name]!r}" for name in before
                         if state[name] != before[name] and name != "mounts"]  # fmt: skip
            problems += [f"{when}: the mounts have changed"] if state["mounts"] != before["mounts"] else []
    return {"tier": tier, "user": os.getuid(), "attacks": len(names or attacks.ATTACKS), "problems": problems}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2:])))
