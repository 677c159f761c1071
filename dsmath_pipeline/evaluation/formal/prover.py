"""What the formal benchmarks ask of a proof checker: does this text prove exactly this statement?

Implementations: `coq` (Coq with CoqHammer, from Debian packages) and `command` (any program that speaks JSON lines, for
Isabelle). Proofs are written by a model, so a checker treats them as hostile.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ProofStatus(StrEnum):
    """Outcome of one check. Only ACCEPTED is a proof."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    """The checker could not judge: it failed, or the statement itself does not compile. Never a wrong proof."""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """Status, one line of reason ("" when accepted without remarks) and wall time in seconds."""

    status: ProofStatus
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ProofLimits:
    """What one check may use. Not in the paper: room for a few hammer calls; Sledgehammer's own default is 30 s each.

    CPU time is for each process of a check (Coq, and every prover that the hammer starts); wall time is for the whole
    check and larger, so that a busy machine does not turn proofs into timeouts.
    """

    cpu_seconds: int = 120
    wall_seconds: float = 300.0
    memory_bytes: int = 3 << 30
    file_bytes: int = 64 << 20


class ProverUnavailable(RuntimeError):
    """No proof checker on this machine; the message names the packages to install."""


class Prover(Protocol):
    """A proof checker. `check` may be called from several threads."""

    name: str
    version: str
    """What decides the verdicts: checker, its versions and how it isolates proofs. Part of an artifact's key."""
    language: str
    """Language of the statements it reads: `coq` or `isabelle` (`Problem.language`)."""
    hammer_proof: str
    """A proof without any thought, for the baseline; "" where there is none."""

    def check(self, statement: str, proof: str) -> ProofResult:
        """Does `proof` prove `statement`? Never raises for what a model wrote."""
        ...

    def close(self) -> None:
        """Delete scratch folders, end processes."""
        ...
