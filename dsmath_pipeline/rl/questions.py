"""The questions of reinforcement learning: the distinct training problems, without their solutions.

Section 4.2 takes the chain-of-thought questions of the fine-tuning data. A folder's `train.parquet` alone is read.
"""

import hashlib
from random import Random

from ..records import Problem
from ..storage import Folder
from ..tokens.inputs import training_problems


def load_questions(problems: Folder) -> list[Problem]:
    """One Problem for each distinct text, in file order. Raises ArtifactError when there is none."""
    found: dict[str, Problem] = {}
    for row in training_problems(problems):
        question = Problem(
            row["id"], row["problem"], row["answer"], language=row["language"], source=row["source"],
            options=tuple(row["options"]),
        )  # fmt: skip
        found.setdefault(question.problem, question)
    return list(found.values())


def questions_of_step(questions: list[Problem], step: int, num: int, seed: int) -> list[Problem]:
    """The `num` questions of exploration stage `step` (from 0): pass after pass through all questions, each pass in
    its own order. A function of the step alone, so a resumed run meets the same questions.

    Raises ValueError when there are fewer than `num` questions.
    """
    per_pass = len(questions) // num
    if per_pass == 0:
        raise ValueError(f"a step needs {num} questions, there are {len(questions)}: lower rl.batch_completions")
    epoch, position = divmod(step, per_pass)
    order = list(range(len(questions)))
    Random(f"{seed}:questions:{epoch}").shuffle(order)
    return [questions[i] for i in order[position * num : (position + 1) * num]]


def split_held_out(questions: list[Problem], num: int) -> tuple[list[Problem], list[Problem]]:
    """(questions to train on, `num` held-out ones): those with the lowest hashes of their texts, so that every seed and
    method of an experiment is measured on the same ones."""
    if num == 0:
        return questions, []
    held_out = set(sorted((q.problem for q in questions), key=_hash)[:num])
    return [q for q in questions if q.problem not in held_out], [q for q in questions if q.problem in held_out]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
