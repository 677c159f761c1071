"""The questions of the general benchmarks (section 2.3, table 4), read from local files.

| name | files below the data folder | prompt |
|---|---|---|
| `mmlu` | `cais/mmlu`, hub layout (57 subjects), else `mmlu_stem/test.jsonl` | 5 rows of `dev`, else 4 of our own |
| `bbh` | `bbh/TASK.jsonl`: input, target (27 tasks) | the task's own first 3 rows, which are then not asked |
| `humaneval` | `humaneval/test.jsonl`: prompt, test | the prompt alone |
| `mbpp` | `mbpp/mbpp.jsonl`: text, code, test_list, task_id | rows 2 to 4; rows 11 to 510 are asked |

Not in the paper: how many examples it uses for MMLU, BBH and MBPP; these are the usual numbers. Its BBH prompts hold
worked reasoning (not in these files), ours the answers alone.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...grading.answers import extract_answer
from ...storage import Folder
from ..benchmarks import huggingface
from ..benchmarks.files import BenchmarkError, BenchmarkProblem, read_rows
from ..benchmarks.mmlu_stem import FILE as STEM_FILE
from ..benchmarks.row_fields import to_problem
from ..prompts import read_examples, statement

MMLU_HUB = "cais/mmlu@all"
BBH_FOLDER, HUMANEVAL_FILE, MBPP_FILE = "bbh", "humaneval/test.jsonl", "mbpp/mbpp.jsonl"
NUM_BBH_EXAMPLES = 3
MBPP_EXAMPLES, MBPP_TEST = range(2, 5), range(11, 511)
_CODE_STOPS = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\n@", "\nassert ", "\n```")
_MBPP_END = "# End"


@dataclass(frozen=True, slots=True)
class GeneralItem(BenchmarkProblem):
    """A question with what a base model reads. `subject` is MMLU's subject or BBH's task."""

    prompt: str = ""
    stops: tuple[str, ...] = ()
    test: str = ""
    """Python that raises unless the completion is right; only code has one."""
    opening: str = ""
    """The part of a program that stands in the prompt already."""

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters to choose from by likelihood; empty where the model writes its answer."""
        return tuple("ABCDEFGHIJ"[: len(self.options)]) if self.source == "mmlu" else ()

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.options) if self.options else 0.0


def load_items(name: str, data: Folder) -> list[GeneralItem]:
    """All questions of a general benchmark. Raises BenchmarkError when it is unknown or its files are absent."""
    if name not in GENERAL:
        raise BenchmarkError(f"unknown general benchmark {name!r}; choose one of {', '.join(GENERAL)}")
    return GENERAL[name][0](data)


def item_files(name: str, data: Folder) -> list[Folder]:
    """The files that decide what is asked."""
    return GENERAL[name][1](data)


# MMLU ----------------------------------------------------------------------------------------------------------------


def _mmlu(data: Folder) -> list[GeneralItem]:
    if _has_whole_mmlu(data):
        rows, dev = (_hub_rows(split, data) for split in ("test", "dev"))
        examples = {subject: _mmlu_examples(some[:5]) for subject, some in _grouped(dev).items()}
    else:
        rows = [
            to_problem(row, n, "mmlu", f"{data / STEM_FILE}, row {n + 1}")
            for n, row in enumerate(read_rows(data / STEM_FILE, "question", "options", "answer"))
        ]
        examples = {}
    own = _own_examples()
    return [
        GeneralItem(
            f"mmlu-{n}", row.problem, row.answer, source="mmlu", options=row.options, subject=row.subject,
            prompt=f"{examples.get(row.subject, own)}\n\nQuestion: {statement(row)}\nAnswer:",
        )
        for n, row in enumerate(rows)
    ]  # fmt: skip


def _has_whole_mmlu(data: Folder) -> bool:
    return huggingface.find_dataset(MMLU_HUB.partition("@")[0], data) is not None


def _mmlu_files(data: Folder) -> list[Folder]:
    if not _has_whole_mmlu(data):
        return [data / STEM_FILE]
    return [file for split in ("test", "dev") for file in huggingface.dataset_files(f"{MMLU_HUB}:{split}", data)]


def _hub_rows(split: str, data: Folder) -> list[BenchmarkProblem]:
    found = huggingface.load(f"{MMLU_HUB}:{split}", data)
    return [problem for problem in found if isinstance(problem, BenchmarkProblem)]


def _grouped(problems: Sequence[BenchmarkProblem]) -> dict[str, list[BenchmarkProblem]]:
    groups: dict[str, list[BenchmarkProblem]] = defaultdict(list)
    for problem in problems:
        groups[problem.subject].append(problem)
    return groups


def _mmlu_examples(problems: Sequence[BenchmarkProblem]) -> str:
    return "\n\n".join(f"Question: {statement(p)}\nAnswer: {p.answer}" for p in problems)


def _own_examples() -> str:
    """The multiple-choice examples of the mathematics prompts with the letter alone."""
    blocks = [block.split("\nAnswer:") for block in read_examples("choice_en").split("\n\n")]
    return "\n\n".join(f"{question}\nAnswer: {extract_answer(solution).strip('()')}" for question, solution in blocks)


# BBH -----------------------------------------------------------------------------------------------------------------

_OPTION = re.compile(r"^\s*(?:\([A-R]\)|-)\s*(.+?)\s*$", re.MULTILINE)


def _bbh_files(data: Folder) -> list[Folder]:
    files = sorted((data / BBH_FOLDER).glob("*.jsonl"), key=lambda f: f.name) if (data / BBH_FOLDER).is_dir() else []
    if not files:
        raise BenchmarkError(f"no files {data / BBH_FOLDER}/TASK.jsonl: name the folder of the benchmarks with --data")
    return files


def _bbh(data: Folder) -> list[GeneralItem]:
    items = []
    for file in _bbh_files(data):
        rows = read_rows(file, "input", "target")
        shown, asked = rows[:NUM_BBH_EXAMPLES], rows[NUM_BBH_EXAMPLES:]
        examples = "\n\n".join(f"Question: {row['input']}\nAnswer: {row['target']}" for row in shown)
        items += [
            GeneralItem(
                f"bbh-{file.stem}-{n}", row["input"], row["target"].strip(), source="bbh", subject=file.stem,
                options=_bbh_options(row["input"]), prompt=f"{examples}\n\nQuestion: {row['input']}\nAnswer:",
                stops=("\n",),
            )
            for n, row in enumerate(asked, NUM_BBH_EXAMPLES)
        ]  # fmt: skip
    return items


def _bbh_options(text: str) -> tuple[str, ...]:
    _, marker, below = text.partition("Options:\n")
    return tuple(_OPTION.findall(below)) if marker else ()


# Code ----------------------------------------------------------------------------------------------------------------


def _humaneval(data: Folder) -> list[GeneralItem]:
    items = []
    for n, row in enumerate(read_rows(data / HUMANEVAL_FILE, "prompt", "test")):
        test = row["test"] + (f"\ncheck({row['entry_point']})\n" if row.get("entry_point") else "")
        solution = row.get("canonical_solution", "")
        items.append(
            GeneralItem(f"humaneval-{n}", row["prompt"], solution, source="humaneval", prompt=row["prompt"],
                        stops=_CODE_STOPS, test=test, opening=row["prompt"])
        )  # fmt: skip
    return items


def _mbpp(data: Folder) -> list[GeneralItem]:
    rows = {row["task_id"]: row for row in read_rows(data / MBPP_FILE, "text", "code", "test_list", "task_id")}
    missing = [n for n in MBPP_EXAMPLES if n not in rows]
    if missing:
        raise BenchmarkError(f"{data / MBPP_FILE}: no task_id {missing}, which stand in the prompt as examples")
    shown = "".join(f"{_mbpp_question(rows[n])}{_clean(rows[n]['code'])}\n{_MBPP_END}\n\n" for n in MBPP_EXAMPLES)
    items = []
    for number in MBPP_TEST:
        if number in rows:
            row = rows[number]
            test = "\n".join([row.get("test_setup_code", ""), *row["test_list"]])
            items.append(
                GeneralItem(f"mbpp-{number}", row["text"], _clean(row["code"]), source="mbpp",
                            prompt=shown + _mbpp_question(row), stops=(_MBPP_END, "\n```"), test=test)
            )  # fmt: skip
    return items


def _mbpp_question(row: dict[str, Any]) -> str:
    tests = "\n".join(f"# {test}" for test in row["test_list"])
    return f"# Task: {row['text']}\n# The solution passes these tests:\n{tests}\n"


def _clean(code: str) -> str:
    return code.replace("\r\n", "\n").rstrip()


GENERAL: dict[str, tuple[Callable[[Folder], list[GeneralItem]], Callable[[Folder], list[Folder]]]] = {
    "mmlu": (_mmlu, _mmlu_files),
    "bbh": (_bbh, _bbh_files),
    "humaneval": (_humaneval, lambda data: [data / HUMANEVAL_FILE]),
    "mbpp": (_mbpp, lambda data: [data / MBPP_FILE]),
}
"""The general benchmarks of table 4: how to load one, and its files."""
