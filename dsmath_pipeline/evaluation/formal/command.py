"""Any proof checker behind a command, for the paper's own statements: Isabelle through PISA, or what a user has.

The command is started once for each worker and answers JSON lines, one for one and in order:

    it reads    {"statement": "theorem ...", "proof": "proof - ... qed"}
    it writes   {"accepted": true, "message": ""}

It may add `"timeout": true` (the checker ran out of time) or `"unavailable": true` (it could not judge).
It must finish Sledgehammer gaps itself and refuse what is not a proof; `sorry` and its like are refused here as well.
A command that is silent past the deadline, dies or writes anything else is killed and started anew. It is the user's
own program and runs without a jail. Section 2.3 of the paper checks its sketches with Isabelle and Sledgehammer.
"""

import contextlib
import json
import os
import queue
import re
import select
import shlex
import signal
import subprocess
import time

from .prover import ProofLimits, ProofResult, ProofStatus, ProverUnavailable

_FORBIDDEN = """
sorry oops quick_and_dirty skip_proof axiomatization oracle ML ML_file ML_val ML_prf ML_command setup local_setup
method_setup attribute_setup declaration syntax translations notation no_notation abbreviation theory imports end tactic
raw_tactic export_code code_printing
"""
FORBIDDEN = frozenset(_FORBIDDEN.split())
"""Isabelle words that give up, add axioms or leave the proof; no tactic sketch needs them."""

_WORD = re.compile(r"[A-Za-z_][\w']*")
_MAX_REPLY_BYTES = 1 << 20


class CommandProver:
    """See the module's docstring. One process for each check that runs at the same time."""

    name = "command"
    language = "isabelle"
    hammer_proof = "sledgehammer"

    def __init__(self, command: str, limits: ProofLimits | None = None):
        """`command` is split as a shell would split it. Raises ProverUnavailable when it cannot be started."""
        self.words = shlex.split(command)
        self.limits = limits or ProofLimits()
        self.version = f"command {command}"
        self._idle: queue.SimpleQueue[_Checker] = queue.SimpleQueue()
        try:
            self._idle.put(_Checker(self.words))
        except (OSError, IndexError) as error:
            raise ProverUnavailable(f"no proof was checked: cannot start the command {command!r}: {error}") from error

    def close(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().kill()

    def check(self, statement: str, proof: str) -> ProofResult:
        """See Prover."""
        bad = next((word for word in _WORD.findall(proof) if word in FORBIDDEN), "")
        if bad:
            return ProofResult(ProofStatus.REJECTED, f"`{bad}` is not allowed in a proof")
        if not proof.strip():
            return ProofResult(ProofStatus.REJECTED, "the proof is empty")
        started = time.monotonic()
        try:
            checker = self._idle.get_nowait()
        except queue.Empty:
            checker = _Checker(self.words)
        status, message = _read_reply(checker.ask({"statement": statement, "proof": proof}, self.limits.wall_seconds))
        if checker.is_alive:
            self._idle.put(checker)
        return ProofResult(status, message, round(time.monotonic() - started, 3))


def _read_reply(reply: dict | str) -> tuple[ProofStatus, str]:
    if isinstance(reply, str):
        timed_out = reply.startswith("no reply")
        return (ProofStatus.TIMEOUT if timed_out else ProofStatus.UNAVAILABLE), reply
    message = str(reply.get("message", ""))[:500]
    if reply.get("unavailable"):
        return ProofStatus.UNAVAILABLE, message
    if reply.get("timeout"):
        return ProofStatus.TIMEOUT, message
    return (ProofStatus.ACCEPTED if reply["accepted"] else ProofStatus.REJECTED), message


class _Checker:
    """One running command."""

    def __init__(self, words: list[str]):
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.is_alive = True

    def ask(self, request: dict, seconds: float) -> dict | str:
        """The reply, or why there is none; the process is then gone."""
        try:
            assert self.process.stdin
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self._read_line(time.monotonic() + seconds)
        except BrokenPipeError:
            line = b""
        if line is None:
            self.kill()
            return f"no reply after {seconds:g} s"
        try:
            reply = json.loads(line)
            if not isinstance(reply, dict) or not isinstance(reply.get("accepted"), bool):
                raise ValueError("no `accepted`, which must be true or false")
        except ValueError as error:
            self.kill()
            return f"the command did not answer with a JSON line ({error}): {line[:200].decode(errors='replace')!r}"
        return reply

    def _read_line(self, deadline: float) -> bytes | None:
        """One line; b"" at the end of the output, None at the deadline."""
        assert self.process.stdout
        descriptor, line = self.process.stdout.fileno(), b""
        while not line.endswith(b"\n") and len(line) < _MAX_REPLY_BYTES:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            piece = os.read(descriptor, 65536)
            if not piece:
                return b""
            line += piece
        return line

    def kill(self) -> None:
        self.is_alive = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
