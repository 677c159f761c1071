"""Coq with CoqHammer as the proof checker (Debian: `coq libcoq-hammer eprover cvc4 coinor-csdp`).

The way of a proof, each step in its own process under `jail`:

1. `Statement.v`, trusted: the statement's own text, admitted. Compiled without the proof in sight.
2. `Candidate.v`: the same text, then the script, `Qed.`. `coq_script` has refused all but tactics; Coq's kernel checks
   the term that they build. Of this step's folder only the compiled `Candidate.vo` is taken.
3. `Check.v`, trusted, in a fresh process without any import: the candidate has the type of the statement compiled in
   step 1, and `Print Assumptions` names nothing but axioms of Coq's own library (classical logic, the reals).
4. `coqchk`, Coq's separate checker, reads the compiled candidate again, for at most RECHECK_SECONDS: it has no fast
   evaluator, so proofs by long computation (`vm_compute`) stay accepted without it, with a remark.

The statement may declare its own functions in front of the theorem, but no inductive type and no axiom: step 3 would
compare two different things of the same name. Not in the paper, which used Isabelle; the shape is the same: statement,
sketch, and `gap` or `hammer` where Sledgehammer stood.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from importlib import resources
from pathlib import Path

from .coq_script import ScriptError, Statement, read_proof, read_statement
from .jail import Outcome, choose_walls, run_jailed
from .prover import ProofLimits, ProofResult, ProofStatus, ProverUnavailable

PACKAGES = "coq libcoq-hammer eprover cvc4 coinor-csdp"
"""Debian packages of the whole default prover: 260 MB to download, 1.1 GB on disk."""

_ALLOWED = """
ClassicalDedekindReals.sig_forall_dec ClassicalDedekindReals.sig_not_dec
FunctionalExtensionality.functional_extensionality_dep Classical_Prop.classic Eqdep.Eq_rect_eq.eq_rect_eq
ProofIrrelevance.proof_irrelevance PropExtensionality.propositional_extensionality JMeq.JMeq_eq
ClassicalEpsilon.constructive_indefinite_description ClassicalUniqueChoice.dependent_unique_choice
IndefiniteDescription.constructive_indefinite_description Description.constructive_definite_description
RelationalChoice.relational_choice Epsilon.epsilon_statement Ensembles.Extensionality_Ensembles
"""
ALLOWED_AXIOMS = frozenset(_ALLOWED.split())
"""Axioms of Coq's standard library, by the names that `Print Assumptions` gives them where nothing is imported."""

RECHECK_SECONDS = 20
"""CPU time of coqchk; usual proofs take one second."""

_HAMMER_FOLDER = "/usr/libexec/coq-hammer"  # where Debian keeps the hammer's helpers, outside PATH
_SETTINGS = "Set Hammer ATPLimit 10.\nSet Hammer GSMode 0.\nUnset Hammer Z3.\nUnset Hammer Vampire.\n"
_KEPT_STATEMENTS = 64
_ASSUMED = re.compile(r"([\w.']+)(?:\s*:.*)?$")


def missing_parts() -> list[str]:
    """What the default prover lacks on this machine: `coqc`, `CoqHammer`, `eprover`, `cvc4`, `csdp`."""
    missing = [name for name in ("coqc", "eprover", "cvc4", "csdp") if not shutil.which(name)]
    has_hammer = "coqc" not in missing and _has_hammer(_library_folder())
    return missing if has_hammer else [*missing, "CoqHammer"]


def _library_folder() -> Path:
    return Path(_said_by("coqc", "-where"))


def _has_hammer(library: Path) -> bool:
    return (library / "user-contrib/Hammer/Plugin/Hammer.vo").is_file()


def _said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


class CoqProver:
    """See the module's docstring. Thread-safe; close it, or use it as a context manager."""

    name = "coq"
    language = "coq"
    hammer_proof = "gap."

    def __init__(self, limits: ProofLimits | None = None):
        """Compile the prelude. Raises ProverUnavailable when Coq is missing or cannot compile it."""
        if not shutil.which("coqc") or not shutil.which("coqchk"):
            raise ProverUnavailable(f"no proof was checked: Coq is not installed (apt-get install {PACKAGES})")
        self.limits = limits or ProofLimits()
        self.walls = choose_walls()
        self.has_hammer = _has_hammer(_library_folder())
        hammer = "CoqHammer" if self.has_hammer else "no CoqHammer"
        version = re.search(r"version (\S+)", _said_by("coqc", "--version"))
        self.version = f"Coq {version[1] if version else 'unknown'}, {hammer}, {self.walls}"
        self._folder = Path(tempfile.mkdtemp(prefix="dsmath-coq-"))
        self._statements: OrderedDict[str, tuple[Path, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._prelude = self._folder / "prelude"
        self._prelude.mkdir()
        (self._prelude / "Prelude.v").write_text(self._prelude_text())
        done = self._compile("Prelude", "Trusted", self._prelude, self._prelude, self.limits.wall_seconds)
        if done.code != 0:
            self.close()
            raise ProverUnavailable(f"no proof was checked: {self.version} cannot compile its prelude: {_error(done)}")

    def __enter__(self) -> "CoqProver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def check(self, statement: str, proof: str) -> ProofResult:
        """See Prover. `statement` is Coq text that ends with the theorem; `proof` is a tactic script."""
        started = time.monotonic()
        status, message = self._judge(statement, proof, started + self.limits.wall_seconds)
        return ProofResult(status, message, round(time.monotonic() - started, 3))

    def _judge(self, statement: str, proof: str, deadline: float) -> tuple[ProofStatus, str]:
        try:
            theorem = read_statement(statement)
        except ScriptError as error:
            return ProofStatus.UNAVAILABLE, f"the statement: {error}"
        try:
            script = read_proof(proof)
        except ScriptError as error:
            return ProofStatus.REJECTED, str(error)
        trusted, problem = self._compile_statement(theorem)
        if problem:
            return ProofStatus.UNAVAILABLE, problem
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            return self._try_proof(theorem, script, trusted, Path(scratch), deadline)

    def _try_proof(
        self, theorem: Statement, script: str, trusted: Path, scratch: Path, deadline: float
    ) -> tuple[ProofStatus, str]:
        """Steps 2 to 4."""
        prover, checker = scratch / "prover", scratch / "checker"
        prover.mkdir()
        checker.mkdir()
        (prover / "Candidate.v").write_text(self._candidate(theorem, script))
        done = self._compile("Candidate", "Untrusted", prover, trusted, deadline - time.monotonic())
        compiled = prover / "Candidate.vo"
        if done.code != 0 or not compiled.is_file() or compiled.is_symlink():
            return _verdict(done, "Coq refused the proof")
        shutil.copyfile(compiled, checker / "Candidate.vo")
        (checker / "Check.v").write_text(
            "Require Trusted.Statement Untrusted.Candidate.\n"
            f"Definition checked : ltac:(let claim := type of Trusted.Statement.{theorem.name} in exact claim)\n"
            f"  := Untrusted.Candidate.{theorem.name}.\nPrint Assumptions checked.\n"
        )
        done = self._compile("Check", "Untrusted", checker, trusted, deadline - time.monotonic())
        if done.code != 0:
            return _verdict(done, "what was proved is not the statement")
        if problem := foreign_assumption(done.output):
            return ProofStatus.REJECTED, problem
        return self._recheck(checker, trusted, deadline - time.monotonic())

    def _recheck(self, checker: Path, trusted: Path, seconds: float) -> tuple[ProofStatus, str]:
        """Step 4. A proof that coqchk cannot read in time stays accepted: it lacks the kernel's fast evaluator."""
        limits = replace(self.limits, cpu_seconds=min(RECHECK_SECONDS, self.limits.cpu_seconds))
        done = self._run(
            ["coqchk", "-silent", "-o"], ["-norec", "Untrusted.Candidate"], "Untrusted", checker, trusted,
            min(seconds, 3.0 * RECHECK_SECONDS), limits,
        )  # fmt: skip
        if done.is_timeout:
            return ProofStatus.ACCEPTED, "coqchk did not finish"
        if done.code != 0 or not is_sound_summary(done.output):
            return _verdict(done, "coqchk refused the compiled proof")
        return ProofStatus.ACCEPTED, ""

    def _compile_statement(self, theorem: Statement) -> tuple[Path, str]:
        """The folder with the compiled statement and prelude, and why there is none ("" when there is)."""
        key = hashlib.blake2b(theorem.text.encode(), digest_size=12).hexdigest()
        with self._lock:  # one at a time: attempts at the same statement wait for one compilation
            if key in self._statements:
                self._statements.move_to_end(key)
                return self._statements[key]
            folder = self._folder / f"statement-{key}"
            folder.mkdir(exist_ok=True)
            (folder / "Statement.v").write_text(f"{theorem.text}\nAdmitted.\n")
            done = self._compile("Statement", "Trusted", folder, self._prelude, self.limits.wall_seconds)
            shutil.copyfile(self._prelude / "Prelude.vo", folder / "Prelude.vo")
            problem = "" if done.code == 0 else f"the statement does not compile here: {_error(done)}"
            self._statements[key] = (folder, problem)
            if len(self._statements) > _KEPT_STATEMENTS:
                old, _ = self._statements.popitem(last=False)[1]
                shutil.rmtree(old, ignore_errors=True)
            return self._statements[key]

    def _candidate(self, theorem: Statement, script: str) -> str:
        settings = _SETTINGS if self.has_hammer else ""
        return f"Require Import Trusted.Prelude.\n{settings}{theorem.text}\nProof.\n{script}\nQed.\n"

    def _prelude_text(self) -> str:
        text = resources.files("dsmath_pipeline.evaluation.formal").joinpath("prelude.v").read_text(encoding="utf-8")
        if self.has_hammer:
            return text
        return text.replace("From Hammer Require Export Hammer.", "Ltac sauto := fail.\nLtac hammer := fail.")

    def _compile(self, name: str, prefix: str, scratch: Path, trusted: Path, seconds: float) -> Outcome:
        """Compile `name`.v in `scratch`, whose files are named `prefix`.*, beside those of `trusted`."""
        return self._run(["coqc", "-q", "-w", "none"], [f"{name}.v"], prefix, scratch, trusted, seconds)

    def _run(
        self, command: list[str], last: list[str], prefix: str, scratch: Path, trusted: Path, seconds: float,
        limits: ProofLimits | None = None,
    ) -> Outcome:  # fmt: skip
        names = ["-R", str(scratch), prefix, "-R", str(trusted), "Trusted"]
        path = f"{_HAMMER_FOLDER}:/usr/bin:/bin"
        return run_jailed([*command, *names, *last], scratch, trusted, limits or self.limits, seconds, self.walls, path)


def foreign_assumption(output: str) -> str:
    """Why the answer of `Print Assumptions` is not acceptable, "" when it is."""
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines or lines[0] not in ("Closed under the global context", "Axioms:"):
        return f"Coq's list of assumptions cannot be read: {' '.join(lines)[:200]}"
    for line in lines[1:]:
        if line[0].isspace():
            continue  # the type of the axiom above
        named = _ASSUMED.match(line)
        if not named or named[1] not in ALLOWED_AXIOMS:
            return f"the proof assumes `{line[:100]}`"
    return ""


def is_sound_summary(output: str) -> bool:
    """Does coqchk's summary say that no rule of the kernel was switched off?"""
    claims = (
        "Constants/Inductives relying on type-in-type: <none>",
        "Constants/Inductives relying on unsafe (co)fixpoints: <none>",
        "Inductives whose positivity is assumed: <none>",
    )
    return all(claim in output for claim in claims)


def _verdict(done: Outcome, what: str) -> tuple[ProofStatus, str]:
    if done.is_broken:
        return ProofStatus.UNAVAILABLE, f"the jail failed: {done.output.strip()[:300]}"
    if done.is_timeout:
        return ProofStatus.TIMEOUT, f"not finished after {done.seconds:.0f} s"
    return ProofStatus.REJECTED, f"{what}: {_error(done)}"


def _error(done: Outcome) -> str:
    """Coq's last error in one line, or the end of what it said."""
    text = done.output.rpartition("Error:")[2] or done.output
    return " ".join(text.split())[:300] or f"exit status {done.code}"
