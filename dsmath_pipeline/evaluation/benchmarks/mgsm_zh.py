"""MGSM-zh: 250 GSM8K problems in Chinese. `mgsm_zh/test.jsonl`: messages (the first is the problem), answer."""

from ...records import Problem
from ...storage import Folder
from .files import read_rows

FILE = "mgsm_zh/test.jsonl"


def load(data: Folder) -> list[Problem]:
    return [
        Problem(f"mgsm_zh-{number}", row["messages"][0]["content"], str(row["answer"]), language="zh", source="mgsm_zh")
        for number, row in enumerate(read_rows(data / FILE, "messages", "answer"))
    ]
