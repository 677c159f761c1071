"""Run a proof checker on a hostile proof: bubblewrap jail and resource limits, killed as a whole at its deadline.

The jail has its own namespaces, no network, `/usr` and the trusted folders read-only, and one writable scratch folder.
Where bubblewrap cannot make a jail, the limits stand alone (`WALLS_LIMITS`): Coq scripts that passed `coq_script` hold
tactics only and can neither open files nor start programs of their own choice.

`grading.sandbox` runs Python programs in a warm interpreter; a checker is a program of its own, started anew each time.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...grading import bubblewrap
from .prover import ProofLimits

WALLS_BUBBLEWRAP, WALLS_LIMITS = "bubblewrap", "resource limits"
MAX_OUTPUT_BYTES = 64 << 10
"""Of a longer output the last bytes are read."""

_STACK_BYTES = 256 << 20  # Coq recurses deeply on large terms
_CPU_SIGNALS = (signal.SIGXCPU, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. `code` is its exit status, 128 + n after signal n, -1 when the deadline killed it."""

    code: int
    output: str
    seconds: float

    @property
    def is_timeout(self) -> bool:
        """Did the deadline or the CPU limit end it?"""
        return self.code == -1 or self.code in [128 + number for number in _CPU_SIGNALS]

    @property
    def is_broken(self) -> bool:
        """Did the jail itself fail?"""
        return self.code != 0 and self.output.startswith(("bwrap:", "prlimit:"))


def choose_walls() -> str:
    """The strongest walls of this machine."""
    return WALLS_LIMITS if bubblewrap.problem() else WALLS_BUBBLEWRAP


def run_jailed(
    command: Sequence[str], scratch: Path, trusted: Path, limits: ProofLimits, wall_seconds: float, walls: str,
    path: str = "/usr/bin:/bin", settings: Mapping[str, str] | None = None,
) -> Outcome:  # fmt: skip
    """Run `command` in `scratch`, the only folder it can write; `trusted` is readable. `path` is its PATH.

    Both folders keep their own paths inside. Raises OSError when the program cannot be started at all.
    """
    environment = {"PATH": path, "LANG": "C.UTF-8", "HOME": str(scratch), "TMPDIR": str(scratch), **(settings or {})}
    limited = [
        "prlimit", f"--as={limits.memory_bytes}", f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",
        f"--fsize={limits.file_bytes}", "--core=0", "--nofile=256", f"--stack={_STACK_BYTES}", "--", *command,
    ]  # fmt: skip
    jailed = [*_jail(scratch, trusted, environment), *limited] if walls == WALLS_BUBBLEWRAP else limited
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:  # a file, not a pipe: the file limit bounds what a proof may print
        process = subprocess.Popen(
            jailed, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=scratch,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(max(0.0, wall_seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the hammer's provers too
            process.wait()
        text = _tail(output)
    code = -1 if code is None else 128 - code if code < 0 else code
    return Outcome(code, text, time.monotonic() - started)


def _tail(output) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - MAX_OUTPUT_BYTES))
    return output.read().decode(errors="replace")


def _jail(scratch: Path, trusted: Path, environment: Mapping[str, str]) -> list[str]:
    # Coq finds its plugins through the second path, csdp its libraries through the third.
    shown = bubblewrap.read_only("/usr", "/etc/ocamlfind.conf", "/etc/alternatives", str(trusted))
    return [
        *bubblewrap.jail_start(environment), *shown, "--dev", "/dev", "--bind", str(scratch), str(scratch),
        *bubblewrap.jail_end(str(scratch)),
    ]  # fmt: skip
