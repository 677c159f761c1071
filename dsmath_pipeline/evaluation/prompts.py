"""What the model reads: zero-shot chat for fine-tuned models, worked examples in front for base models.

The examples are text files in `prompts/`, one per kind of benchmark, in our own words: the paper names how many it
uses (section 2.3) but prints none.
"""

from importlib import resources

from ..records import Problem
from ..tokens.chat import prompt_text
from .benchmarks.files import BenchmarkError
from .benchmarks.registry import Benchmark

_QUESTION = {"en": "Question: ", "zh": "问题："}
_ANSWER = {"en": "Answer:", "zh": "解答："}
_PROGRAM = "```python\n"


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
    """Worked examples, then the problem. Raises BenchmarkError where there are none for this method."""
    if method == "tool" or not benchmark.prompt:
        raise BenchmarkError(f"no worked examples for method {method!r} here: set evaluation.prompt=chat")
    if method == "pot":
        name = "math_pot" if benchmark.prompt == "math" else "gsm8k_pot"
        return f"{read_examples(name)}\n\n{_QUESTION['en']}{statement(problem)}\n{_PROGRAM}"
    name = benchmark.prompt
    if name == "gsm8k" and problem.language == "zh":
        name = "cmath"  # benchmarks that hold both languages
    examples = read_examples(name)
    language = "zh" if examples.startswith(_QUESTION["zh"]) else "en"
    return f"{examples}\n\n{_QUESTION[language]}{statement(problem)}\n{_ANSWER[language]}"


def read_examples(name: str) -> str:
    """The worked examples of a prompt file, separated by blank lines."""
    file = resources.files("dsmath_pipeline.evaluation").joinpath("prompts", f"{name}.txt")
    return file.read_text(encoding="utf-8").strip()


def num_examples(name: str) -> int:
    return sum(read_examples(name).count(mark) for mark in ("Question: ", "问题："))


def stop_texts(style: str, method: str) -> tuple[str, ...]:
    """Texts after which a completion is over: the next question of a base model, a program's end, a tool call."""
    if style == "few_shot":
        return ("\nQuestion:", "\n问题", *(("```",) if method == "pot" else ()))
    return ("```output",) if method == "tool" else ()
