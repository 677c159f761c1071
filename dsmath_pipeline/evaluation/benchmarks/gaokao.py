"""Gaokao (AGIEval): Chinese university entrance questions, 118 with blanks and 351 multiple-choice.

`gaokao/gaokao-mathcloze.jsonl`: question, answer (several blanks are separated by ";");
`gaokao/gaokao-mathqa.jsonl`: question, options ("(A)..."), label (a letter, in seven questions several).
"""

import re

from ...records import Problem
from ...storage import Folder
from .files import read_rows

CLOZE_FILE = "gaokao/gaokao-mathcloze.jsonl"
CHOICE_FILE = "gaokao/gaokao-mathqa.jsonl"
_LETTER = re.compile(r"^\s*[(（]?[A-D][)）.]?\s*")


def load_cloze(data: Folder) -> list[Problem]:
    return [
        Problem(f"gaokao_mathcloze-{number}", row["question"].strip(), str(row["answer"]), language="zh",
                source="gaokao_mathcloze")
        for number, row in enumerate(read_rows(data / CLOZE_FILE, "question", "answer"))
    ]  # fmt: skip


def load_choice(data: Folder) -> list[Problem]:
    problems = []
    for number, row in enumerate(read_rows(data / CHOICE_FILE, "question", "options", "label")):
        options = tuple(_LETTER.sub("", option, count=1) for option in row["options"])
        answer = re.sub(r"[^A-D]", "", row["label"])
        problems.append(
            Problem(f"gaokao_mathqa-{number}", row["question"].strip(), answer, language="zh", source="gaokao_mathqa",
                    options=options)
        )  # fmt: skip
    return problems
