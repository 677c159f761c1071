"""The figures that the paper publishes, as data, to stand beside a run's own.

DeepSeekMath, arXiv 2402.03300v3. Accuracies in percent. A number is here only when the paper's text or tables state it;
values that can only be read off a figure are left out.
"""

from dataclasses import dataclass

NOT_COMPARABLE = (
    "The paper's models have 7 billion parameters and are tested on public benchmarks. A small model that was trained "
    "from nothing on generated word problems is not comparable with them: only the direction from base to SFT to RL "
    "is. A part of the gain from RL on a small model is that it learns to end with an answer in the expected form."
)
"""Printed wherever a small run stands beside the paper."""


@dataclass(frozen=True)
class PaperTable:
    """One published table: `rows` map column names to values, all rows have the same columns."""

    title: str
    source: str
    rows: tuple[dict[str, str | float | None], ...]
    note: str = ""


def _rows(columns: str, *lines: str) -> tuple[dict[str, str | float | None], ...]:
    names = columns.split(", ")
    return tuple(
        {name: _value(cell.strip()) for name, cell in zip(names, line.split("|"), strict=True)} for line in lines
    )


def _value(cell: str) -> str | float | None:
    if cell == "-":
        return None
    return float(cell) if cell.replace(".", "", 1).isdigit() else cell


CORPORA = PaperTable(
    "DeepSeek-LLM 1.3B after 150 B tokens of each corpus, few-shot chain-of-thought",
    "table 1, section 2.2",
    _rows(
        "corpus, tokens, GSM8K, MATH, OCW, SAT, MMLU-STEM, CMATH, Gaokao-MathCloze, Gaokao-MathQA",
        "none | - | 2.9 | 3.0 | 2.9 | 15.6 | 19.5 | 12.3 | 0.8 | 17.9",
        "MathPile | 8.9 B | 2.7 | 3.3 | 2.2 | 12.5 | 15.7 | 1.2 | 0.0 | 2.8",
        "OpenWebMath | 13.6 B | 11.5 | 8.9 | 3.7 | 31.3 | 29.6 | 16.8 | 0.0 | 14.2",
        "Proof-Pile-2 | 51.9 B | 14.3 | 11.2 | 3.7 | 43.8 | 29.2 | 19.9 | 5.1 | 11.7",
        "DeepSeekMath Corpus | 120.2 B | 23.8 | 13.6 | 4.8 | 56.3 | 33.1 | 41.5 | 5.9 | 23.6",
    ),
)

BASE = PaperTable(
    "DeepSeekMath-Base 7B, few-shot chain-of-thought",
    "table 2, section 2.3",
    _rows(
        "GSM8K, MATH, OCW, SAT, MMLU-STEM, CMATH, Gaokao-MathCloze, Gaokao-MathQA",
        "64.2 | 36.2 | 15.4 | 84.4 | 56.5 | 71.7 | 20.3 | 35.3",
    ),
)

BASE_TOOLS = PaperTable(
    "DeepSeekMath-Base 7B, problem solving with Python and formal proof",
    "table 3, section 2.3",
    _rows(
        "GSM8K + Python, MATH + Python, miniF2F valid, miniF2F test",
        "66.9 | 31.4 | 25.8 | 24.6",
    ),
)

BASE_GENERAL = PaperTable(
    "DeepSeekMath-Base 7B, language, reasoning and code",
    "table 4, section 2.3",
    _rows("MMLU, BBH, HumanEval, MBPP", "54.9 | 59.5 | 40.9 | 52.6"),
)

INSTRUCT_AND_RL = PaperTable(
    "DeepSeekMath-Instruct and -RL 7B, greedy",
    "table 5, sections 3 and 4",
    _rows(
        "model, method, GSM8K, MATH, MGSM-zh, CMATH",
        "Instruct (SFT) | chain-of-thought | 82.9 | 46.8 | 73.2 | 84.6",
        "RL (GRPO) | chain-of-thought | 88.2 | 51.7 | 79.6 | 88.8",
        "Instruct (SFT) | tool-integrated | 83.7 | 57.4 | 72.0 | 84.3",
        "RL (GRPO) | tool-integrated | 86.7 | 58.8 | 78.4 | 87.6",
    ),
    "With 64 samples and a majority vote the RL model reaches 60.9 on MATH (abstract).",
)

LOOP = PaperTable(
    "The corpus loop",
    "sections 2.1 and 5.1",
    _rows(
        "what, value",
        "pages ranked after deduplication | 40 B",
        "tokens collected by iteration 1 | 40 B",
        "tokens after iteration 2 | 89 B",
        "pages after iteration 4 | 35.5 M",
        "tokens after iteration 4 | 120 B",
        "share of iteration 4 that iteration 3 had | nearly 98 %",
    ),
)

TABLES = (LOOP, CORPORA, BASE, BASE_TOOLS, BASE_GENERAL, INSTRUCT_AND_RL)

BENCHMARK_TITLES = {
    "gsm8k": "GSM8K", "math": "MATH", "ocw": "OCW", "sat": "SAT", "mmlu_stem": "MMLU-STEM", "cmath": "CMATH",
    "gaokao_mathcloze": "Gaokao-MathCloze", "gaokao_mathqa": "Gaokao-MathQA", "mgsm_zh": "MGSM-zh",
    "minif2f_validation": "miniF2F valid", "minif2f_test": "miniF2F test", "mmlu": "MMLU", "bbh": "BBH",
    "humaneval": "HumanEval", "mbpp": "MBPP",
}  # fmt: skip
"""The paper's name of each benchmark of this project."""

_BASE_TABLES = {"cot": (BASE, ""), "pot": (BASE_TOOLS, " + Python"), "proof": (BASE_TOOLS, ""),
                "general": (BASE_GENERAL, "")}  # fmt: skip
_TUNED_METHODS = {"cot": "chain-of-thought", "tool": "tool-integrated"}


def published(benchmark: str, method: str) -> dict[str, float]:
    """The paper's accuracy in percent of its base, SFT and RL model by this method; only those it prints."""
    title = BENCHMARK_TITLES.get(benchmark, "")
    table, suffix = _BASE_TABLES.get(method, (BASE, " not printed"))
    found = {"base": table.rows[0].get(title + suffix)}
    for model, row in zip(("sft", "rl"), _tuned_rows(method), strict=False):
        found[model] = row.get(title)
    return {model: value for model, value in found.items() if isinstance(value, float)}


def _tuned_rows(method: str) -> list[dict[str, str | float | None]]:
    """The rows of table 5 for SFT and RL by a method, in this order."""
    return [row for row in INSTRUCT_AND_RL.rows if row["method"] == _TUNED_METHODS.get(method)]


GREEDY = {
    model: {BENCHMARK_TITLES[name]: published(name, "cot")[model] for name in ("gsm8k", "math", "cmath")}
    for model in ("base", "sft", "rl")
}
"""Accuracy by chain-of-thought of the paper's 7B models (tables 2 and 5), in percent, under this project's names."""
