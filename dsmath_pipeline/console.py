"""What the command line shows: progress bars and tables on standard error and output."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from .progress import TimeLeft


class Bars:
    """`progress.Progress` as bars on a terminal, or as one line every few seconds where output is not a terminal."""

    def __init__(self, seconds_between_lines: float = 10.0):
        self._console = Console(stderr=True)
        self._bars = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(compact=True), TextColumn("{task.fields[note]}"), console=self._console,
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}
        self._is_terminal = self._console.is_terminal
        self._every = seconds_between_lines
        self._last_line: dict[str, float] = {}
        self._time_left = TimeLeft()

    def __enter__(self) -> "Bars":
        if self._is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._bars.stop()

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        if not self._is_terminal:
            self._line(what, done, total, note)
            return
        if what not in self._tasks or (done == 0 and self._bars.tasks[self._tasks[what]].finished):
            self._tasks[what] = self._bars.add_task(what, total=total, note=note)
        self._bars.update(self._tasks[what], completed=done, total=total, note=note)

    def _line(self, what: str, done: int, total: int | None, note: str) -> None:
        now, left = time.monotonic(), self._time_left.text(what, done, total)
        finished = total is not None and done >= total
        if what in self._last_line and not finished and now - self._last_line[what] < self._every:
            return
        self._last_line[what] = now
        count = f"{done}{'' if total is None else f'/{total}'}"
        print(f"{what}: {count}{left} {note}".rstrip(), file=sys.stderr, flush=True)

    def log(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False)


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows (all with the same keys) as a table; floats with three decimals."""
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], (int, float)) or row[name] is None for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console.width = 160  # a log file has no width; do not squeeze
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
