"""Programs that try to get out of the sandbox, to harm the host, or to reach the next program.

They lie in `attack_programs/*.txt`, each behind a line `=== name`. Each prints ESCAPED and what, when it got through.
`PRELUDE` is put in front of every one: what it may aim at (`Target`), and two helpers.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

MARK = "dsmath-attack"
"""Part of every name that an attack tries to leave on the host."""


@dataclass(frozen=True)
class Target:
    """What the host offers: a TCP port and two Unix sockets that listen, a secret file, the process that runs us."""

    port: int
    unix_path: str
    unix_abstract: str
    secret_file: str
    parent: int


PRELUDE = """
import ctypes, errno, os, platform, sys
MARK = "dsmath-attack"
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def attempt(what, action):
    try:
        result = action()
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        return error
    print("ESCAPED", what, repr(result)[:80], flush=True)
def call(what, number, arm_number, *arguments):
    if (arm_number if ARM else number) is None:
        return
    ctypes.set_errno(0)
    result = libc.syscall(arm_number if ARM else number, *arguments)
    if result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print("ESCAPED", what, result, os.strerror(ctypes.get_errno()), flush=True)
"""


def with_prelude(program: str, target: Target) -> str:
    """The whole program for one host."""
    names = "".join(f"{name.upper()} = {value!r}\n" for name, value in asdict(target).items())
    return f"{PRELUDE}{names}{program}\nprint('tried')\n"


def read_programs(kind: str) -> dict[str, str]:
    """The programs of one file by name."""
    text = (Path(__file__).parent / "attack_programs" / f"{kind}.txt").read_text()
    parts = [part.partition("\n") for part in f"\n{text}".split("\n=== ")[1:]]
    return {name: program for name, _, program in parts}


RESOURCES = read_programs("resources")
REFUSED = {
    name: program
    for kind in ("network", "files", "processes", "kernel", "protocol")
    for name, program in read_programs(kind).items()
}
ATTACKS = REFUSED | RESOURCES

ENDS = ("ok", "error", "killed")
"""Statuses of an attack that was refused; those on resources may also be stopped."""
STOPS = ("timeout", "memory", "output_limit", "file_limit")

MUST_BE_STOPPED = ("output", "errors", "raw output", "loop", "loop without output", "loop against signals",
                   "sleep against signals", "big integer", "crash", "abort")  # fmt: skip
"""Attacks that may not end by themselves."""

HARMLESS = ("tcp to a listener", "udp", "listening", "unix socket", "abstract socket", "socket pair", "socket families",
            "passwords", "a file of the user", "folders", "proc", "writing outside", "symbolic link", "paths upwards",
            "fork", "other forks", "exec", "subprocess", "shell", "threads", "multiprocessing", "signals by owner",
            "own limits", "memory files", "keys", "surface", "shared memory", "big file", "files",
            "open files")  # fmt: skip
"""Attacks that can be let through on any host to see that they work where nothing stands in their way."""

PLANT, SEARCH = (read_programs("state")[name] for name in ("plant", "search"))
"""What one program leaves for the next, and the search for it; PACKAGE stands for a module's name."""
