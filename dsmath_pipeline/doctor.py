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
    from .grading.sandbox import available_walls

    walls = available_walls()
    return [
        Finding(f"sandbox: {name}", "stands" if stands else "missing", "" if stands else _wall_cost(name))
        for name, stands in walls.items()
    ]


def _wall_cost(name: str) -> str:
    hint = " (apt-get install bubblewrap)" if name == "bubblewrap" and shutil.which("bwrap") is None else ""
    return f"model-written programs are refused unless another tier is chosen{hint}"


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
