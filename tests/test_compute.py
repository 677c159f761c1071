"""Mapping over shards gives the same on one process and on several, and names the shard that failed."""

import os

import pytest

from dsmath_pipeline.compute import ShardError, map_shards, num_workers


def square(n: int) -> int:
    return n * n


def fail_on_three(n: int) -> int:
    if n == 3:
        raise ValueError("three is bad")
    return n


def die_on_two(n: int) -> int:
    if n == 2:
        os._exit(9)
    return n


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_input_order(workers):
    assert map_shards(square, [3, 1, 2], workers=workers) == [9, 1, 4]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_shard_is_named(workers):
    with pytest.raises(ShardError, match="3: ValueError: three is bad"):
        map_shards(fail_on_three, [1, 2, 3], workers=workers)


def test_a_dead_worker_is_reported_not_waited_for():
    with pytest.raises(ShardError, match="a worker process died while pages were processed"):
        map_shards(die_on_two, [1, 2, 3], workers=2, what="pages")


def test_no_shards_is_no_work():
    assert map_shards(square, [], workers=2) == []


def test_a_requested_number_of_workers_is_kept_and_zero_means_the_usable_cores():
    assert num_workers(7) == 7
    assert num_workers() == len(os.sched_getaffinity(0))
