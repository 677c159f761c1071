"""Formal problems in Coq: a folder of `.v` files, each with one theorem whose proof, if it is there, is left out.

- `minif2f_coq/{test,valid}/NAME.v`: the folders of the miniF2F-rocq repository (LLM4Rocq, MIT licence; translated by
  language models, partly audited). The informal statement and proof come from `minif2f/isabelle_*.jsonl` by name where
  those files lie beside it.
- `coq_sample`: statements of our own that come with the library, each with a proof by hand.

A file may open with the comments `(* Problem: ... *)` and `(* Proof: ... *)`. `problem` is the informal statement,
`answer` the formal one with its imports, `solution` the informal proof.
"""

import re
from importlib import resources
from pathlib import Path

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkError, read_rows

TEST_FOLDER, VALIDATION_FOLDER = "minif2f_coq/test", "minif2f_coq/valid"
INFORMAL_TEST, INFORMAL_VALIDATION = "minif2f/isabelle_test.jsonl", "minif2f/isabelle_validation.jsonl"

_COMMENT = re.compile(r"\(\*\s*(Problem|Proof):\s*(.*?)\s*\*\)", re.DOTALL)
_PROOF = re.compile(r"^\s*(?:Proof\b|Admitted\.)", re.MULTILINE)


def load_test(data: Folder) -> list[Problem]:
    return _load(data / TEST_FOLDER, "minif2f_coq_test", data / INFORMAL_TEST)


def load_validation(data: Folder) -> list[Problem]:
    return _load(data / VALIDATION_FOLDER, "minif2f_coq_validation", data / INFORMAL_VALIDATION)


def load_sample(data: Folder) -> list[Problem]:
    return _load(sample_folder(), "coq_sample")


def sample_folder() -> Path:
    """The statements that come with the library."""
    return Path(str(resources.files("dsmath_pipeline.evaluation.formal"))) / "sample"


def _load(path: Folder, source: str, informal: Folder | None = None) -> list[Problem]:
    if not path.is_dir():
        raise BenchmarkError(f"no folder {path} of .v files: name the folder that holds the benchmarks with --data")
    known = {}
    if informal is not None and informal.is_file():
        known = {row["problem_name"]: row for row in read_rows(informal, "problem_name")}
    problems = []
    for file in sorted(path.glob("*.v"), key=lambda f: f.name):
        text = file.read_text(encoding="utf-8")
        said = dict(_COMMENT.findall(text))
        row = known.get(file.stem, {})
        problem = said.get("Problem") or row.get("informal_statement") or file.stem.replace("_", " ")
        solution = said.get("Proof") or row.get("informal_proof") or ""
        statement = _PROOF.split(_COMMENT.sub("", text), maxsplit=1)[0].strip()
        problems.append(Problem(file.stem, problem, statement, solution, language="coq", source=source))
    if not problems:
        raise BenchmarkError(f"no .v files in {path}")
    return problems
