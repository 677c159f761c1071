"""What the model reads: zero-shot chat for fine-tuned models, worked examples in front for base models.

The examples are text files in `prompts/`, for each kind of benchmark one by chain-of-thought, one by programs (`_pot`)
and one by tool-integrated reasoning (`_tool`), in our own words: the paper names how many it uses (section 2.3) but
prints none, and gives none at all for tool-integrated reasoning, where we use as many.
"""

from importlib import resources

from ..records import Problem
from ..tokens.chat import prompt_text
from .benchmarks.files import BenchmarkError
from .benchmarks.registry import Benchmark

_QUESTION = {"en": "Question: ", "zh": "问题："}
_ANSWER = {"en": "Answer:", "zh": "解答："}
_PROGRAM = "```python\n"
_NEXT_QUESTION = ("\nQuestion:", "\n问题")
OUTPUT_CALL = "```output"
"""Where a tool-integrated solution waits for what its program prints."""


def statement(problem: Problem) -> str:
    """The problem with its options, if it has any, on the next line."""
    if not problem.options:
        return problem.problem
    options = " ".join(f"({letter}) {text}" for letter, text in zip("ABCDEFGHIJ", problem.options, strict=False))
    return f"{problem.problem}\n{options}"


def chat_prompt(problem: Problem, method: str) -> str:
    """`User: ... Assistant:`, the format of fine-tuning."""
    return prompt_text(statement(problem), method, problem.language)


def few_shot_prompt(problem: Problem, benchmark: Benchmark, method: str) -> str:
    """Worked examples, then the problem. Raises BenchmarkError for a benchmark without any (formal proofs)."""
    if not benchmark.prompt:
        raise BenchmarkError(f"no worked examples for {problem.source or 'this benchmark'}: set evaluation.prompt=chat")
    examples = read_examples(_examples_for(problem, benchmark) + ("" if method == "cot" else f"_{method}"))
    language = "zh" if examples.startswith(_QUESTION["zh"]) else "en"
    begin = _PROGRAM if method == "pot" else _ANSWER[language]
    return f"{examples}\n\n{_QUESTION[language]}{statement(problem)}\n{begin}"


def _examples_for(problem: Problem, benchmark: Benchmark) -> str:
    """The prompt's name; files of any making, which share one prompt, are told apart by language and options."""
    if benchmark.prompt != "gsm8k":
        return benchmark.prompt
    if problem.options:
        return "choice_zh" if problem.language == "zh" else "choice_en"
    return "cmath" if problem.language == "zh" else "gsm8k"


def read_examples(name: str) -> str:
    """The worked examples of a prompt file, separated by blank lines."""
    file = resources.files("dsmath_pipeline.evaluation").joinpath("prompts", f"{name}.txt")
    return file.read_text(encoding="utf-8").strip()


def num_examples(name: str) -> int:
    return sum(read_examples(name).count(mark) for mark in _QUESTION.values())


def stop_texts(style: str, method: str) -> tuple[str, ...]:
    """Texts after which a completion is over: the next question of a base model, a program's end, a tool call."""
    texts = _NEXT_QUESTION if style == "few_shot" else ()
    if method == "tool":
        return (OUTPUT_CALL, *texts)
    return (*texts, "```") if method == "pot" and style == "few_shot" else texts
