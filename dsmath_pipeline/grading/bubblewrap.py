"""Command lines for bubblewrap: a jail with its own namespaces that sees nothing of the host but what is named.

Shared by the sandbox for Python programs (`sandbox_tiers`) and the one for proof checkers (`evaluation.formal.jail`). A
jail has no network, no environment, no capabilities, no way to make further namespaces, and an empty read-only root.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping

_FLAGS = ("--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--hostname", "jail", "--clearenv",
          "--disable-userns", "--cap-drop", "ALL")  # fmt: skip
# No --die-with-parent: it means the parent's thread. No --new-session: callers start bubblewrap in a session of its own
# and kill that process group as a whole.


def problem() -> str:
    """Why bubblewrap cannot make a jail here, "" when it can. Tries it with the flags that `jail_start` uses."""
    program = shutil.which("bwrap")
    if not program:
        return "bubblewrap (bwrap) is not installed"
    return _trial(program)


@functools.cache
def _trial(program: str) -> str:
    command = [program, *_FLAGS, "--ro-bind", "/", "/", "--size", "4096", "--tmpfs", "/tmp", "--", "/bin/true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "bubblewrap did not start within 20 seconds"
    said = done.stderr.decode(errors="replace").strip()
    return "" if done.returncode == 0 else f"bubblewrap cannot make a jail here: {said or 'no reason given'}"


def jail_start(environment: Mapping[str, str]) -> list[str]:
    """The command up to where mounts are named: namespaces, the whole environment, an empty root of at most 64 MiB.

    Where there is no bubblewrap the command names it all the same, and starting it fails.
    """
    command = [shutil.which("bwrap") or "bwrap", *_FLAGS]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    command += ["--size", str(64 << 20), "--tmpfs", "/"]
    for path in ("/lib", "/lib64", "/bin"):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    return [*command, *read_only("/etc/ld.so.cache")]


def read_only(*paths: str) -> list[str]:
    """Show these files and folders of the host under their own names, as far as they exist."""
    return [word for path in paths if os.path.exists(path) for word in ("--ro-bind", path, path)]


def hidden(paths: Iterable[str]) -> list[str]:
    """Lay an empty folder that nobody can write over each of these, as far as they exist."""
    return [
        word
        for path in paths
        if os.path.isdir(path)
        for word in ("--size", "4096", "--tmpfs", path, "--remount-ro", path)
    ]


def jail_end(folder: str) -> list[str]:
    """The last words before the program: start in `folder`, and nothing can be written to the root any more."""
    return ["--chdir", folder, "--remount-ro", "/", "--"]
