"""Generated arithmetic word problems, and the paragraphs from which a small model learns arithmetic.

A problem is a chain of one to four operations (+, -, *, exact division) on small whole numbers, told in English or
Chinese in several sentence shapes. Three solutions are written for it: chain-of-thought (`cot`), a Python program that
prints the answer (`pot`) and tool-integrated reasoning (`tool`), as in the paper's fine-tuning data (section 3).

Two populations that never mix: problems and web paragraphs use different names and things, so that a ten-gram shared
by a page and a problem is always a real copy; train and test problems are told apart by a hash of their text. It does
not build web pages and draws no benchmark: see `mini_web`.

Writes train.parquet and test.parquet (records.PROBLEM_SCHEMA). Not in the paper: the demonstration's own data.
"""

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ..progress import SILENT, Progress
from ..recipe.schema import MiniWebSettings
from ..records import PROBLEM_SCHEMA, Problem
from ..storage import Folder, Manifest, stage
from .word_problem_texts import Place, Wording, wording

WORD_PROBLEMS_VERSION = "1"
"""1 (2026-11): first version."""

Language = Literal["en", "zh"]
Method = Literal["cot", "pot", "tool"]
Split = Literal["train", "test"]

STEP_WEIGHTS = (50, 30, 14, 6)
"""How often a problem has one, two, three, four steps: easy ones are frequent, so that a tiny model finds rewards."""
METHOD_WEIGHTS = {"cot": 80, "pot": 10, "tool": 10}
"""How the reference solution of a training problem is written."""
MAX_OPERAND = 12
MAX_TOTAL = 60
_TEST_ONE_IN = 5


@dataclass(frozen=True, slots=True)
class Equation:
    """One step: `left` `operator` `right` = `result`, all whole numbers, the division exact."""

    left: int
    operator: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left}{self.operator}{self.right}={self.result}"


@dataclass(frozen=True, slots=True)
class Story:
    """A problem before it is written out: one sentence for each quantity, a question, and the steps."""

    sentences: tuple[str, ...]
    question: str
    equations: tuple[Equation, ...]
    language: Language

    @property
    def answer(self) -> int:
        return self.equations[-1].result

    @property
    def text(self) -> str:
        glue = " " if self.language == "en" else ""
        return glue.join((*self.sentences, self.question))


def generate_problems(num: int, seed: int, split: Split) -> list[Problem]:
    """`num` distinct problems of a split, about half English and half Chinese.

    A problem's split is decided by a hash of its text, so train and test are disjoint for every pair of seeds. Test
    problems carry chain-of-thought solutions; training problems carry one of the three methods (METHOD_WEIGHTS).
    """
    rng = random.Random(f"{seed}:word_problems:{split}")
    problems: dict[str, Problem] = {}
    while len(problems) < num:
        language: Language = "en" if rng.random() < 0.5 else "zh"
        story = tell_story(rng, language, "problem")
        method: Method = "cot"
        if split == "train":
            method = rng.choices(list(METHOD_WEIGHTS), list(METHOD_WEIGHTS.values()))[0]  # type: ignore[assignment]
        digest = hashlib.blake2b(story.text.encode(), digest_size=8).hexdigest()
        if (int(digest, 16) % _TEST_ONE_IN == 0) != (split == "test") or story.text in problems:
            continue
        problems[story.text] = Problem(
            id=f"word-{digest}", problem=story.text, answer=str(story.answer), solution=write_solution(story, method),
            method=method, language=language, source="word_problems",
        )  # fmt: skip
    return list(problems.values())


def write_problems(out: Folder, settings: MiniWebSettings, seed: int, progress: Progress = SILENT) -> Manifest:
    """Write the training and the held-out problems. Counts: problems by language and method."""
    identity = {"num_train": settings.num_train_problems, "num_test": settings.num_test_problems, "seed": seed}
    with stage(out, "word_problems", WORD_PROBLEMS_VERSION, identity, {}) as run:
        if run.artifact:
            splits: tuple[tuple[Split, int], ...] = (
                ("train", settings.num_train_problems), ("test", settings.num_test_problems),
            )  # fmt: skip
            for split, num in splits:
                problems = generate_problems(num, seed, split)
                run.artifact.write_table(f"{split}.parquet", problem_table(problems))
                run.artifact.counts[split] = _count(problems)
                progress.log(f"{num} {split} problems")
    assert run.manifest is not None
    return run.manifest


def problem_table(problems: list[Problem]) -> pa.Table:
    """Problems as a table of records.PROBLEM_SCHEMA."""
    rows = [{name: getattr(p, name) for name in PROBLEM_SCHEMA.names} | {"options": list(p.options)} for p in problems]
    return pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA)


def _count(problems: list[Problem]) -> dict[str, int]:
    counts: dict[str, int] = {"problems": len(problems)}
    for problem in problems:
        for name in (problem.language, problem.method):
            counts[name] = counts.get(name, 0) + 1
    return counts


# --- stories


def tell_story(rng: random.Random, language: Language, place: Place) -> Story:
    """A random chain of one to four steps with the names and things of `place` ("problem" or "web")."""
    words = wording(language, place)
    slots = words.draw_slots(rng)
    num_steps = rng.choices((1, 2, 3, 4), STEP_WEIGHTS)[0]
    sentences, equations = [], []
    if rng.random() < 0.28:
        left, right = rng.randint(2, 9), rng.randint(2, 5)
        equations.append(Equation(left, "*", right, left * right))
        sentences.append(words.sentence(rng, "start_times", slots, a=left, b=right))
        total = left * right
    else:
        operator = _draw_operator(rng)
        total, divisor = rng.randint(2, MAX_OPERAND), 0
        if operator == "/":
            divisor = rng.randint(2, 4)
            total = divisor * rng.randint(2, 6)
        sentences.append(words.sentence(rng, "start", slots, a=total))
        total = _append_step(rng, words, slots, sentences, equations, total, operator, divisor)
    while len(equations) < num_steps:
        total = _append_step(rng, words, slots, sentences, equations, total, _draw_operator(rng))
    question = words.sentence(rng, "question", slots)
    return Story(tuple(sentences), question, tuple(equations), language)


def _draw_operator(rng: random.Random) -> str:
    return rng.choices("+-*/", (40, 36, 10, 14))[0]


def _append_step(
    rng: random.Random, words: Wording, slots: dict[str, str], sentences: list[str], equations: list[Equation],
    total: int, operator: str, divisor: int = 0,
) -> int:  # fmt: skip
    """Add one step; an operator that would leave 1..MAX_TOTAL or give a fraction becomes an addition or subtraction."""
    divisors = [divisor] if divisor else [k for k in (2, 3, 4) if total % k == 0 and k < total <= 24]
    if (operator == "*" and total > 12) or (operator == "/" and not divisors):
        operator = "+" if total < 12 else "-"
    if operator == "+" and total > MAX_TOTAL - MAX_OPERAND:
        operator = "-"
    if operator == "-" and total < 3:
        operator = "+"
    if operator == "+":
        operand = rng.randint(2, MAX_OPERAND)
    elif operator == "-":
        operand = rng.randint(2, min(MAX_OPERAND, total - 1))
    elif operator == "*":
        operand = rng.randint(2, 3)
    else:
        operand = rng.choice(divisors)
    result = {"+": total + operand, "-": total - operand, "*": total * operand, "/": total // operand}[operator]
    kind = {"+": "add", "-": "take", "*": "times", "/": "share"}[operator]
    equations.append(Equation(total, operator, operand, result))
    sentences.append(words.sentence(rng, kind, slots, b=operand))
    return result


# --- solutions


def write_solution(story: Story, method: Method) -> str:
    """The reference solution of a story. `cot` ends with a boxed answer, `pot` is a program, `tool` has both."""
    if method == "cot":
        steps = "; ".join(map(str, story.equations))
        return f"{steps}. {_boxed(story)}"
    program = f"```python\n{write_program(story.equations)}\n```"
    if method == "pot":
        return program
    lead = "A program does the sums." if story.language == "en" else "用程序计算。"
    return f"{lead}\n{program}\n```output\n{story.answer}\n```\n{_boxed(story)}"


def write_program(equations: tuple[Equation, ...]) -> str:
    """A Python program that prints the result of a chain of equations."""
    first, *rest = equations
    lines = [f"n = {first.left} {_python(first.operator)} {first.right}"]
    lines += [f"n = n {_python(step.operator)} {step.right}" for step in rest]
    return "\n".join([*lines, "print(n)"])


def _python(operator: str) -> str:
    return "//" if operator == "/" else operator


def _boxed(story: Story) -> str:
    if story.language == "en":
        return f"The answer is \\boxed{{{story.answer}}}."
    return f"答案是\\boxed{{{story.answer}}}。"


# --- web paragraphs


def worked_example(rng: random.Random, language: str) -> str:
    """One paragraph of a mathematics page: a solved word problem, a running count, or a list of sums.

    Never in the format of the fine-tuning data (no prompt, no box). `language` is "en" or "zh"; other languages
    raise ValueError.
    """
    if language not in ("en", "zh"):
        raise ValueError(f"no worked examples in language {language!r}; use 'en' or 'zh'")
    shape = rng.choices((_solved, _counted, _sums, _expression), (50, 22, 22, 6))[0]
    return shape(rng, language)  # type: ignore[arg-type]


def _solved(rng: random.Random, language: Language) -> str:
    story = tell_story(rng, language, "web")
    steps, answer = list(map(str, story.equations)), story.answer
    if language == "en":
        head = rng.choice(("", "Problem: ", f"Example {rng.randint(1, 60)}. ", "Q: "))
        tail = rng.choice((
            f"Solution: {'; '.join(steps)}.", f"{'; '.join(steps)}. So {answer}.", f"Answer: {'; '.join(steps)}.",
            f"We get {' and '.join(steps)}, that is {answer}.", f"A: {', '.join(steps)}, so {answer}.",
        ))  # fmt: skip
        return f"{head}{story.text} {tail}"
    head = rng.choice(("", "题目:", f"例{rng.randint(1, 60)}:", "问:"))
    tail = rng.choice((
        f"解:{'; '.join(steps)}。", f"{'; '.join(steps)}。得{answer}。", f"答:{'; '.join(steps)}。",
        f"解法:{','.join(steps)},即{answer}。", f"列式得{'; '.join(steps)},所以是{answer}。",
    ))  # fmt: skip
    return f"{head}{story.text}{tail}"


def _counted(rng: random.Random, language: Language) -> str:
    """A story in which every sentence is followed by its sum."""
    story = tell_story(rng, language, "web")
    equations = list(map(str, story.equations))
    sums = equations if len(story.sentences) == len(equations) else ["", *equations]
    parts = [
        f"{sentence} ({s})" if s else sentence for sentence, s in zip(story.sentences, sums, strict=True)
    ]  # fmt: skip
    end = f"In the end {story.answer}." if language == "en" else f"最后是{story.answer}。"
    return " ".join([*parts, end])


def _sums(rng: random.Random, language: Language) -> str:
    sums = [str(_draw_equation(rng)) for _ in range(rng.randint(3, 8))]
    joiner = rng.choice((", ", "; ", " "))
    head = rng.choice(("", "Sums: ", "Practice. ")) if language == "en" else rng.choice(("", "口算:", "练习:"))
    return head + joiner.join(sums) + ("." if language == "en" else "。")


def _expression(rng: random.Random, language: Language) -> str:
    """A chain of sums without a story; the operations are applied from left to right."""
    chain = [_draw_equation(rng)]
    for _ in range(rng.randint(0, 2)):
        chain.append(_draw_equation(rng, chain[-1].result))
    asked = f"{chain[0].left}" + "".join(f", {step.operator}{step.right}" for step in chain)
    steps = "; ".join(map(str, chain))
    if language == "en":
        return f"Start from {asked}: {steps}. Result {chain[-1].result}."
    return f"从左到右{asked}:{steps}。结果{chain[-1].result}。"


def _draw_equation(rng: random.Random, left: int | None = None) -> Equation:
    """A random sum whose numbers stay in 1..MAX_TOTAL; `left` fixes the first number."""
    operator = rng.choice("++--*/")
    if left is None:
        if operator == "*":
            a, b = rng.randint(2, 12), rng.randint(2, 5)
            return Equation(a, "*", b, a * b)
        if operator == "/":
            b, result = rng.randint(2, 4), rng.randint(2, 8)
            return Equation(b * result, "/", b, result)
        left = rng.randint(2, MAX_TOTAL - MAX_OPERAND)
    if left > MAX_TOTAL - MAX_OPERAND or (operator in "-*/" and left > 2):
        b = rng.randint(2, min(MAX_OPERAND, left - 1))
        return Equation(left, "-", b, left - b)
    b = rng.randint(2, MAX_OPERAND)
    return Equation(left, "+", b, left + b)
