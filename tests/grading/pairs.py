"""Reads the hand-labelled pairs of answers in tests/grading/labelled."""

from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "labelled"


class Pair(NamedTuple):
    """Two answers and whether a person takes them for equal."""

    is_equal: bool
    kind: str
    first: str
    second: str


def read_pairs(name: str) -> list[Pair]:
    """The pairs of a file: "= ¦ kind ¦ reference ¦ answer", "!" for different ones, "#" and a space for comments."""
    pairs = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("# "):
            sign, kind, first, second = line.split(" ¦ ")
            pairs.append(Pair({"=": True, "!": False}[sign], kind, first, second))
    return pairs
