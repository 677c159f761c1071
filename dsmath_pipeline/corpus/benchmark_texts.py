"""Read the texts that must not be in the corpus: questions and answers of benchmarks, from a tree of JSONL files.

Section 2.1 names GSM8K, MATH, CMATH and AGIEval ("such as"). Every benchmark has its own field names, so a rule picks
the fields (see `field_kind`) instead of one reader per benchmark:

- a string (or list of strings) whose field name holds a question word (`question`, `problem`, `input`, `Body`,
  `informal_statement`, ...) is a question, one with an answer word (`answer`, `solution`, `rationale`, `golden`, ...)
  an answer, one with an option word (`options`, `choices`) an option;
- names with a bookkeeping word (`question_number`, `answer_type`, `problem_name`, ...) are left out;
- `messages` in chat form: what the user says is a question, what the assistant says an answer;
- anything else is not read: ids, levels, formulas of a derivation, program code (`code`, `test`,
  `canonical_solution`). Of code benchmarks (HumanEval, MBPP) the descriptions are taken and the programs are not: runs
  of program tokens such as "for i in range len" are common to all code.

Folders named in `SKIPPED_FOLDERS` are not benchmarks: they hold outputs of models on questions that the benchmarks
beside them already have.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..storage import ArtifactError, Folder, file_key

SKIPPED_FOLDERS = ("grader_parity",)
"""Folder names that hold judged model outputs."""

_QUESTION = frozenset([
    "question", "problem", "input", "query", "prompt", "text", "body", "passage", "statement", "context", "stem",
    "instruction",
])  # fmt: skip
_ANSWER = frozenset([
    "answer", "solution", "rationale", "golden", "gold", "target", "truth", "explanation", "proof", "output",
    "response", "cot",
])  # fmt: skip
_OPTION = frozenset(["option", "options", "choice", "choices", "endings"])
_BOOKKEEPING = frozenset([
    "id", "idx", "index", "number", "num", "name", "type", "level", "source", "license", "topic", "url", "lang",
    "language", "canonical", "code", "formula", "equation", "date", "format", "key", "score",
])  # fmt: skip
_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True, slots=True)
class BenchmarkText:
    """One text of one benchmark item."""

    item: str
    """Where it stands: path of the file below the folder, without ending, and the line from 1: `gsm8k/test:17`."""
    kind: str
    """`question`, `answer` or `option`."""
    text: str

    @property
    def benchmark(self) -> str:
        return self.item.rpartition(":")[0]


@dataclass
class BenchmarkTexts:
    """All texts of a folder, and what was read to get them."""

    texts: list[BenchmarkText] = field(default_factory=list)
    num_files: int = 0
    num_items: int = 0
    num_bad_lines: int = 0
    """Lines that are not a JSON object."""
    num_repeated_texts: int = 0
    """Texts that an earlier item already has; left out."""
    items_without_text: dict[str, int] = field(default_factory=dict)
    """Per file: items in which no field was taken."""


def field_kind(name: str) -> str | None:
    """`question`, `answer`, `option` or None (not read) for the name of a field.

    >>> field_kind("informal_statement"), field_kind("golden"), field_kind("question_number")
    ('question', 'answer', None)
    """
    parts = {part.lower() for part in _NAME_PART.findall(name)}
    if parts & _BOOKKEEPING:
        return None
    for kind, names in (("option", _OPTION), ("question", _QUESTION), ("answer", _ANSWER)):
        if parts & names:
            return kind
    return None


def benchmark_files(folder: Folder) -> list[Folder]:
    """The JSONL files (also .jsonl.gz) below a folder, or the file itself, sorted by path.

    Raises ArtifactError when the path does not exist or holds none.
    """
    if folder.is_file():
        return [folder]
    if not folder.exists():
        raise ArtifactError(f"the benchmark folder {folder} does not exist: give a folder of JSONL files")
    found = [p for pattern in ("*.jsonl", "*.jsonl.gz") for p in folder.rglob(pattern)]
    depth = len(folder.parts)
    files = [p for p in found if not set(p.parts[depth:-1]) & set(SKIPPED_FOLDERS)]
    if not files:
        raise ArtifactError(
            f"no benchmark file in {folder}: decontamination needs JSONL files with the questions and answers, "
            "for example gsm8k/test.jsonl"
        )
    return sorted(files, key=lambda p: tuple(p.parts))


def benchmarks_key(folder: Folder) -> str:
    """Identity of a benchmark folder's content, for a stage's `inputs`."""
    return file_key(benchmark_files(folder))


def load_benchmark_texts(folder: Folder) -> BenchmarkTexts:
    """All question, answer and option texts below a folder.

    A bad line is counted and never ends its file. The same text in two items counts for the first one in path order.
    Raises ArtifactError when there is no file or not one text in all of them.
    """
    result = BenchmarkTexts()
    seen: set[str] = set()
    for file in benchmark_files(folder):
        result.num_files += 1
        name = _benchmark_name(folder, file)
        for number, item in _items(file, result):
            result.num_items += 1
            texts = list(item_texts(item))
            if not texts:
                result.items_without_text[name] = result.items_without_text.get(name, 0) + 1
            for kind, text in texts:
                if text in seen:
                    result.num_repeated_texts += 1
                    continue
                seen.add(text)
                result.texts.append(BenchmarkText(f"{name}:{number}", kind, text))
    if not result.texts:
        raise ArtifactError(
            f"the benchmark files in {folder} hold no question or answer: {result.num_items} items read, "
            f"{result.num_bad_lines} bad lines; fields need names such as question, problem, answer or solution"
        )
    return result


def item_texts(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, text) of every field of an item that holds a question, an answer or an option."""
    for name, value in item.items():
        if name == "messages" and isinstance(value, list):
            for message in value:
                if isinstance(message, dict) and isinstance(message.get("content"), str) and message["content"].strip():
                    yield ("answer" if message.get("role") == "assistant" else "question"), message["content"]
            continue
        kind = field_kind(name)
        if kind is None:
            continue
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.strip():
                yield kind, text


def _benchmark_name(folder: Folder, file: Folder) -> str:
    parts = file.parts[len(folder.parts) :] or (file.name,)
    return "/".join(parts).removesuffix(".gz").removesuffix(".jsonl")


def _items(file: Folder, result: BenchmarkTexts) -> Iterator[tuple[int, dict[str, Any]]]:
    data = file.read_bytes()
    if file.name.endswith(".gz"):
        data = gzip.decompress(data)
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError:
            item = None
        if isinstance(item, dict):
            yield number, item
        else:
            result.num_bad_lines += 1
