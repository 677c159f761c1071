"""Batches of a stream."""

import pytest

from dsmath_pipeline.batches import batches


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ab", "c", "def", "g"], [["ab", "c"], ["def"], ["g"]]),
        (["abcdef", "a", "bc"], [["abcdef"], ["a", "bc"]]),
        (["", "", "a"], [["", "", "a"]]),
        ([], []),
    ],
)
def test_a_batch_ends_with_the_item_that_reaches_the_limit(words: list[str], expected: list[list[str]]) -> None:
    assert list(batches(words, 3, len)) == expected


def test_one_batch_is_read_at_a_time() -> None:
    read: list[int] = []
    stream = batches((read.append(i) or i for i in range(10)), 2, lambda _: 1)
    assert next(stream) == [0, 1] and read == [0, 1]
