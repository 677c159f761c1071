"""Mapping over shards: the same on one process and on several, the shard that failed is named, deaths are survived."""

import os
from pathlib import Path

import pytest

from dsmath_pipeline.compute import (
    EngineError,
    ItemGuard,
    LeftOut,
    ShardError,
    map_guarded,
    map_or_leave_out,
    map_shards,
    map_threads,
    num_workers,
)
from dsmath_pipeline.compute_guard import judge_left_out
from dsmath_pipeline.compute_local import Pool
from tests import deadly


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


def die_for_the_first_time(note: str) -> str:
    if not Path(note).exists():
        Path(note).write_text("")
        os._exit(9)
    return note


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_input_order(workers):
    assert map_shards(square, [3, 1, 2], workers=workers) == [9, 1, 4]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_shard_is_named(workers):
    with pytest.raises(ShardError, match="3: ValueError: three is bad"):
        map_shards(fail_on_three, [1, 2, 3], workers=workers)


@pytest.mark.slow
def test_a_shard_whose_worker_always_dies_is_named():
    with pytest.raises(ShardError, match=r"^2: a worker process died while pages were processed.*exit code 9"):
        map_shards(die_on_two, [1, 2, 3], workers=2, what="pages")


@pytest.mark.slow
def test_a_worker_that_dies_once_costs_nothing(tmp_path):
    notes = [str(tmp_path / name) for name in "abc"]
    assert map_shards(die_for_the_first_time, notes, workers=2) == notes


def test_no_shards_is_no_work():
    assert map_shards(square, [], workers=2) == [] == map_guarded(deadly.squares, [], workers=1)


def test_a_requested_number_of_workers_is_kept_and_zero_means_the_usable_cores():
    assert num_workers(7) == 7
    assert num_workers() == len(os.sched_getaffinity(0))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_kills_its_process_is_left_out_and_nothing_else(workers):
    shards = ["abort:3", "none:0", "null:5 exit:6 abort:7"]
    undisturbed = {item: item * item for item in deadly.ITEMS}
    assert map_guarded(deadly.squares, shards, workers=workers) == [
        undisturbed | {3: "crash"},
        undisturbed,
        undisturbed | {5: "crash", 6: "crash", 7: "crash"},
    ]


@pytest.mark.slow
def test_items_that_hang_are_left_out_whether_they_use_the_processor_or_sleep():
    # 0.3 s of processor time, or ten times that by the clock while the interpreter's lock is held.
    found = map_guarded(deadly.squares, ["loop:2 sleep:4"], workers=1)
    assert found == [{item: item * item for item in deadly.ITEMS} | {2: "timeout", 4: "timeout"}]


@pytest.mark.slow
def test_time_between_items_is_not_limited():
    assert map_guarded(deadly.slow_between_items, ["a"], workers=1) == [3]


@pytest.mark.slow
def test_a_death_between_items_blames_no_item_and_ends_after_three_tries():
    with pytest.raises(ShardError, match=r"^the shard: .*died.* 0 items left out"):
        map_guarded(deadly.dies_between_items, ["the shard"], workers=1)


@pytest.mark.slow
def test_killed_from_outside_an_item_is_blamed_only_for_the_second_time(tmp_path):
    once = map_guarded(deadly.dies_once, [str(tmp_path / "note")], workers=1)
    assert once == [list(deadly.ITEMS)]
    assert map_guarded(deadly.squares, ["kill:1"], workers=1)[0][1] == "crash"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "reason"),
    [("abort", "page_crashed"), ("null", "page_crashed"), ("loop", "page_timeout"), ("raise", "error_ValueError")],
)
def test_a_deadly_page_is_dropped_with_its_reason_and_the_others_stay(how, reason):
    [(urls, dropped)] = map_guarded(deadly.extract_pages, [f"{how}:4"], workers=1)
    assert urls == [f"http://x/{i}" for i in range(10) if i != 4]
    assert dropped == {reason: 1}


@pytest.mark.slow
def test_the_time_to_compile_a_kernel_is_not_the_pages():
    assert map_guarded(deadly.extract_with_a_new_kernel, ["a"], workers=1) == [([0, 1], {})]


def test_without_a_worker_process_the_guard_limits_nothing():
    assert deadly.squares("none:0", ItemGuard()) == {item: item * item for item in deadly.ITEMS}


@pytest.mark.slow
def test_a_few_poisoned_shards_are_left_out_where_the_environment_allows_it(monkeypatch):
    shards = ["none:0", "dies", "none:1"]
    with pytest.raises(ShardError, match=r"^dies: a worker process died while pages were"):
        map_or_leave_out(squares_unless_the_shard_dies, shards, workers=2, what="pages")
    monkeypatch.setenv("DSMATH_POISONED_SHARDS", "leave_out")
    first, second, third = map_or_leave_out(squares_unless_the_shard_dies, shards, workers=2, what="pages")
    assert first == third == {item: item * item for item in deadly.ITEMS}
    assert isinstance(second, LeftOut) and "exit code -6" in second.reason  # SIGABRT


def squares_unless_the_shard_dies(shard: str, guard: ItemGuard) -> dict[int, object]:
    return os.abort() if shard == "dies" else deadly.squares(shard, guard)


def test_left_out_are_three_shards_or_one_in_a_hundred_and_never_all():
    lost = LeftOut("it died")

    def judge(num_shards: int, num_lost: int, may_leave_out: bool = True) -> None:
        judge_left_out(range(num_shards), may_leave_out, dict.fromkeys(range(num_lost), lost))

    judge(10, 3)
    judge(1000, 10)
    judge(10, 0, False)
    for too_many in ((10, 4), (1000, 11), (2, 2), (1, 1)):
        with pytest.raises(ShardError, match=f"{too_many[1]} of {too_many[0]} shards kill their process"):
            judge(*too_many)
    with pytest.raises(ShardError, match="0: it died; start again"):
        judge(10, 1, False)


def test_a_pool_serves_several_lists_of_shards_with_the_same_process():
    with Pool(process_number, guarded=False, what="numbers") as pool:
        [first], [second] = pool.map([1], 1), pool.map([2], 1)
    assert first == second != os.getpid()


def process_number(shard: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_keep_the_order_and_name_the_shard_that_failed(workers):
    assert map_threads(square, [3, 1, 2], workers=workers) == [9, 1, 4]
    with pytest.raises(ShardError, match="3: ValueError: three is bad"):
        map_threads(fail_on_three, [1, 2, 3], workers=workers)


@pytest.mark.parametrize(
    ("variable", "choices"), [("DSMATH_ENGINE", "local, ray"), ("DSMATH_POISONED_SHARDS", "retry")]
)
def test_an_unknown_choice_is_refused_with_the_known_ones(variable, choices, monkeypatch):
    monkeypatch.setenv(variable, "spark")
    with pytest.raises(EngineError, match=f"{variable}=spark: choose one of .*{choices}"):
        map_or_leave_out(deadly.squares, ["none:0"])
