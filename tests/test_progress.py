"""The time that work will still take: exact paces on a clock of our own, resumed work, and how it is said."""

import pytest

from dsmath_pipeline.progress import TimeLeft, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def estimates(updates: list[tuple[float, int]], total: int, window: int = 50) -> list[float | None]:
    clock = Clock()
    left = TimeLeft(window, clock)
    found = []
    for clock.now, done in updates:
        found.append(left.seconds("files", done, total))
    return found


def test_a_steady_pace_gives_the_time_left() -> None:
    assert estimates([(0, 0), (10, 1), (20, 2), (50, 5)], 10) == [None, 90.0, 80.0, 50.0]


def test_finished_shards_that_are_passed_over_are_forgotten() -> None:
    resumed = [(n / 1000, n) for n in range(100)]  # a hundred shards are there already
    work = [(0.099 + 10.0 * n, 100 + n) for n in range(1, 12)]
    found = estimates([*resumed, *work], 200, window=5)
    assert found[-1] == pytest.approx(10.0 * (200 - 111))


def test_work_that_begins_anew_and_work_of_unknown_size() -> None:
    assert estimates([(0, 0), (1, 9), (100, 0), (110, 1)], 10)[2:] == [None, 90.0]
    assert TimeLeft().seconds("files", 3, None) is None


def test_the_text_says_nothing_of_the_last_seconds() -> None:
    clock = Clock()
    left = TimeLeft(clock=clock)
    assert left.text("files", 0, 100) == ""
    clock.now = 60.0
    assert left.text("files", 1, 100) == ", 1 h 39 min left"
    clock.now = 66.0
    assert left.text("files", 99, 100) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3540, "59 min"), (3600, "1 h 00 min"), (7500, "2 h 05 min"),
     (3600 * 47.5, "47 h 30 min"), (3600 * 49, "2 d 01 h")],
)  # fmt: skip
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
