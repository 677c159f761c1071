"""The questions of reinforcement learning: the distinct training problems, without their solutions.

Section 4.2 takes the chain-of-thought questions of the fine-tuning data. Only `train.parquet` is read.
"""

from random import Random

from ..records import Problem
from ..storage import ArtifactError, Folder, read_table


def load_questions(problems: Folder) -> list[Problem]:
    """One Problem for each distinct text, in file order. Raises ArtifactError when there is none."""
    rows = read_table(problems / "train.parquet", ["id", "problem", "answer", "language", "source"]).to_pylist()
    found = {row["problem"]: row for row in reversed(rows)}
    questions = [
        Problem(row["id"], row["problem"], row["answer"], language=row["language"], source=row["source"] or "")
        for row in reversed(found.values())
    ]
    if not questions:
        raise ArtifactError(f"no problem in {problems / 'train.parquet'}")
    return questions


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
