"""Which benchmarks there are: one entry each, with its files, its few-shot prompt and its grading rule.

Few-shot counts are those of the paper's evaluation (section 2.3 and its published evaluation code). Loading checks the
form of every row; the number of problems is the caller's to compare with the table below. Two kinds of names make a
benchmark of any file: `jsonl:FILE` and `hf:NAME[@CONFIG][:SPLIT]`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...records import Problem
from ...storage import Folder
from . import (
    cmath,
    coq_files,
    gaokao,
    gsm8k,
    huggingface,
    jsonl,
    math,
    mgsm_zh,
    minif2f,
    mmlu_stem,
    ocw,
    sat,
    word_problems,
)
from .files import BenchmarkError


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How to load and grade a benchmark. `prompt` names the few-shot file, "" when there is none."""

    load: Callable[[Folder], list[Problem]]
    files: tuple[str, ...]
    num_problems: int
    prompt: str = ""
    num_shots: int = 0
    relative_tolerance: float = 0.0
    is_formal: bool = False
    """Proofs, which no answer comparison can grade."""


BENCHMARKS: dict[str, Benchmark] = {
    "gsm8k": Benchmark(gsm8k.load, (gsm8k.FILE,), 1319, "gsm8k", 8),
    "math": Benchmark(math.load, (math.FILE,), 5000, "math", 4),
    "ocw": Benchmark(ocw.load, (ocw.FILE,), 272, "math", 4, ocw.RELATIVE_TOLERANCE),
    "sat": Benchmark(sat.load, (sat.FILE,), 32, "choice_en", 4),
    "mmlu_stem": Benchmark(mmlu_stem.load, (mmlu_stem.FILE,), 3018, "choice_en", 4),
    "cmath": Benchmark(cmath.load, (cmath.FILE,), 1098, "cmath", 6),
    "gaokao_mathcloze": Benchmark(gaokao.load_cloze, (gaokao.CLOZE_FILE,), 118, "cloze_zh", 5),
    "gaokao_mathqa": Benchmark(gaokao.load_choice, (gaokao.CHOICE_FILE,), 351, "choice_zh", 5),
    "mgsm_zh": Benchmark(mgsm_zh.load, (mgsm_zh.FILE,), 250, "cmath", 6),
    "minif2f_test": Benchmark(minif2f.load_test, (minif2f.TEST_FILE,), 244, is_formal=True),
    "minif2f_validation": Benchmark(minif2f.load_validation, (minif2f.VALIDATION_FILE,), 244, is_formal=True),
    "minif2f_coq_test": Benchmark(coq_files.load_test, (coq_files.TEST_FOLDER,), 0, is_formal=True),
    "minif2f_coq_validation": Benchmark(coq_files.load_validation, (coq_files.VALIDATION_FOLDER,), 0, is_formal=True),
    "coq_sample": Benchmark(coq_files.load_sample, (), 21, is_formal=True),
    "word_problems": Benchmark(word_problems.load, (), 0, "gsm8k", 8),
}
"""`num_problems` is the published size, 0 where it is the run's choice or the folder's."""

HUB_NAMES = {
    "openai/gsm8k": "gsm8k",
    "EleutherAI/hendrycks_math": "math",
    "HuggingFaceH4/MATH-500": "math",
    "math-ai/minervamath": "ocw",
    "cais/mmlu": "mmlu_stem",
    "weitianwen/cmath": "cmath",
    "hails/agieval-gaokao-mathcloze": "gaokao_mathcloze",
    "hails/agieval-gaokao-mathqa": "gaokao_mathqa",
    "hails/agieval-sat-math": "sat",
}
"""Datasets of the hub that are prompted and graded like one of the benchmarks above."""

_JSONL, _HUB = "jsonl:", "hf:"


def find_benchmark(name: str) -> Benchmark:
    """The entry of a benchmark; `jsonl:FILE` and `hf:NAME` make one. Raises BenchmarkError for an unknown name."""
    if name.startswith(_JSONL):
        file = name.removeprefix(_JSONL)
        return Benchmark(lambda data: jsonl.load(data / file), (file,), 0, "gsm8k", 8)
    if name.startswith(_HUB):
        rest = name.removeprefix(_HUB)
        like = BENCHMARKS[HUB_NAMES.get(huggingface.parse_name(rest)[0], "gsm8k")]
        return replace(like, load=lambda data: huggingface.load(rest, data), files=(), num_problems=0)
    if name not in BENCHMARKS:
        raise BenchmarkError(
            f"unknown benchmark {name!r}; choose one of {', '.join(BENCHMARKS)}, jsonl:FILE or hf:NAME"
        )
    return BENCHMARKS[name]


def load_benchmark(name: str, data: Folder) -> list[Problem]:
    """All problems of a benchmark, in file order. `data` is the folder of the benchmarks' folders."""
    return find_benchmark(name).load(data)


def benchmark_files(name: str, data: Folder) -> list[Folder]:
    """The files that decide a benchmark's content."""
    if name.startswith(_HUB):
        return huggingface.dataset_files(name.removeprefix(_HUB), data)
    return [word_problems.path(data)] if name == "word_problems" else [data / f for f in find_benchmark(name).files]
