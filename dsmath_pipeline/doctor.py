"""What `dsmath doctor` looks at: packages, sandbox walls, provers, accelerators; and what each missing part costs."""

import importlib.metadata
import importlib.util
import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One part: its state (a version, "missing", ...) and what that means for the user."""

    part: str
    state: str
    meaning: str
    is_required: bool = False


REQUIRED = {
    "fasttext": "no classifier: the corpus loop cannot run",
    "fastwarc": "WARC files cannot be read",
    "resiliparse": "HTML cannot be parsed",
    "numba": "documents cannot be scored",
    "duckdb": "domain shares cannot be counted",
    "pyarrow": "nothing can be stored",
    "torch": "no training, no evaluation",
    "transformers": "no training, no evaluation",
    "math-verify": "answers beyond numbers cannot be graded",
    "dagster": "no UI, no schedules; the command line still works",
    "dagster-webserver": "no UI",
}
OPTIONAL = {
    "lm_eval": "no figures of general ability (`dsmath evaluate --method general`): install the extra `harness`",
    "vllm": "rollouts and evaluation use the built-in sampler: fine on small models, slow on 7B",
    "s3fs": "s3:// paths cannot be read",
    "ray": "one machine only",
}


def examine() -> list[Finding]:
    """Every finding, required packages first."""
    findings = [_package(name, cost, True) for name, cost in REQUIRED.items()]
    findings += [_package(name, cost, False) for name, cost in OPTIONAL.items()]
    return [*findings, _antlr(), _accelerator(), *_sandbox(), _prover(), _cores()]


def _package(name: str, cost: str, is_required: bool) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), "installed", is_required)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", cost, is_required)


def _antlr() -> Finding:
    try:
        version = importlib.metadata.version("antlr4-python3-runtime")
    except importlib.metadata.PackageNotFoundError:
        return Finding("antlr4 runtime", "missing", "answers beyond numbers cannot be graded", True)
    good = version.startswith("4.13")
    return Finding("antlr4 runtime", version, "fits" if good else "percent answers are misjudged: install 4.13.2")


def _accelerator() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("accelerator", "unknown", "torch is missing")
    import torch

    if torch.cuda.is_available():
        return Finding("accelerator", torch.cuda.get_device_name(0), "presets one_gpu and paper can run")
    return Finding("accelerator", "none", "training runs on the CPU: use the demo preset")


def _sandbox() -> list[Finding]:
    """Which walls stand, and whether a sandbox starts here and withstands its self-test."""
    from .grading.sandbox import available_walls

    walls = available_walls()
    findings = [
        Finding(f"sandbox: {name}", "stands" if stands else "missing", _WALLS[name] if stands else _wall_cost(name))
        for name, stands in walls.items()
    ]
    return [*findings, _sandbox_tier()]


_WALLS = {
    "bubblewrap": "programs see nothing of this machine but the interpreter, numpy and sympy",
    "landlock": "files and signals are walled by the kernel as well",
    "seccomp": "programs have the system calls of a short list: no fork, no socket, no thread",
}


def _wall_cost(name: str) -> str:
    if name == "landlock":
        return "nothing while bubblewrap stands; without both, programs are refused"
    if name == "seccomp":
        return "model-written programs are refused: needs Linux on x86_64 or aarch64"
    hint = " (apt-get install bubblewrap)" if shutil.which("bwrap") is None else ""
    return f"model-written programs are refused; DSMATH_SANDBOX=weaker accepts Landlock alone{hint}"


def _sandbox_tier() -> Finding:
    from .grading.sandbox import Sandbox, SandboxUnavailable

    meanings = {
        "bubblewrap": "programs run behind every wall; the self-test found no hole",
        "landlock": "DSMATH_SANDBOX accepts a weaker tier; the self-test found no hole",
        "unisolated": "DSMATH_SANDBOX accepts NO walls: programs can read and delete what you can",
    }
    try:
        with Sandbox() as sandbox:
            return Finding("sandbox", sandbox.tier, meanings[sandbox.tier])
    except SandboxUnavailable as error:
        return Finding("sandbox", "refuses", " ".join(str(error).split()))
    except ValueError as error:
        return Finding("sandbox", "refuses", str(error))


def _prover() -> Finding:
    from .evaluation.formal.coq import PACKAGES, missing_parts

    missing = missing_parts()
    if not missing:
        return Finding("formal prover", "Coq with CoqHammer", "methods proof and hammer can run")
    hint = f"apt-get install {PACKAGES}"
    if "coqc" in missing:
        return Finding("formal prover", "missing", f"no proof can be checked ({hint})")
    return Finding("formal prover", "partly", f"`gap` proves less without {', '.join(missing)} ({hint})")


def _cores() -> Finding:
    return Finding("usable cores", str(len(os.sched_getaffinity(0))), "worker processes by default")
