"""Rewards of completions: a rule (is the answer right?), the reward model's probability, format and length, and their
weighted sum.

The paper rewards with a model only (section 4.2); its figure 5 shows the rule as well. Grading is passed in as a
function, so this file depends on no grader.
"""

from collections.abc import Callable, Sequence

from ..grading.answers import last_boxed
from ..recipe.schema import RlSettings
from ..records import Completion, Grade, Problem

Grader = Callable[[str, str], Grade]
"""grade(reference answer, solution text)."""


def grade_completions(
    problems: Sequence[Problem], groups: Sequence[Sequence[Completion]], grade: Grader | None = None
) -> list[list[Grade]]:
    """The grade of every completion, grouped as given. A completion that was cut off is graded by what is there."""
    grader = grade or _default_grader()
    cache: dict[tuple[str, str], Grade] = {}
    grades = []
    for problem, group in zip(problems, groups, strict=True):
        row = []
        for completion in group:
            key = (problem.answer, completion.text)
            if key not in cache:
                cache[key] = grader(*key)
            row.append(cache[key])
        grades.append(row)
    return grades


def _default_grader() -> Grader:
    """Exact comparison where the reference is a number, so that no odd answer starts an algebra process; else full."""
    from ..grading.equality import grade
    from ..grading.numbers import parse_number

    return lambda reference, solution: grade(reference, solution, symbolic=parse_number(reference) is None)


def rule_rewards(grades: Sequence[Sequence[Grade]]) -> list[list[float]]:
    """1 for a correct solution, 0 for every other verdict."""
    return [[1.0 if grade.is_correct else 0.0 for grade in row] for row in grades]


def format_rewards(groups: Sequence[Sequence[Completion]]) -> list[list[float]]:
    """1 for a completion that ended by itself and holds a boxed answer, else 0. Not in the paper."""
    return [[float(c.finish == "stop" and last_boxed(c.text) is not None) for c in group] for group in groups]


def length_penalties(groups: Sequence[Sequence[Completion]], max_completion_tokens: int) -> list[list[float]]:
    """Minus the length as a share of the longest allowed one, -1 to 0. Not in the paper."""
    return [[-len(c.token_ids) / max_completion_tokens for c in group] for group in groups]


def mix_rewards(
    rule: Sequence[Sequence[float]], model: Sequence[Sequence[float]] | None, settings: RlSettings,
    groups: Sequence[Sequence[Completion]] = (),
) -> list[list[float]]:  # fmt: skip
    """Weighted sum of rule rewards and reward-model probabilities, both 0-1, and of the format and length parts of
    `groups` where the recipe gives them a weight.

    Raises ValueError when the recipe gives the reward model a weight and no scores are there.
    """
    if model is None:
        if settings.model_reward_weight:
            raise ValueError(
                f"rl.model_reward_weight is {settings.model_reward_weight}, but no reward model was given: "
                "train one first, or set the weight to 0"
            )
        model = [[0.0] * len(row) for row in rule]
    mixed = [
        [settings.rule_reward_weight * r + settings.model_reward_weight * m for r, m in zip(a, b, strict=True)]
        for a, b in zip(rule, model, strict=True)
    ]
    for weight, parts in (
        (settings.format_reward_weight, format_rewards(groups)),
        (settings.length_penalty_weight, length_penalties(groups, settings.max_completion_tokens)),
    ):
        if weight:
            mixed = [[m + weight * p for m, p in zip(a, b, strict=True)] for a, b in zip(mixed, parts, strict=True)]
    return mixed
