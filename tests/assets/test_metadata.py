"""What the UI plots of an artifact: throughput and losses, for every partition its own."""

import dataclasses

import dagster as dg
import pytest

from assets import refresh
from assets.metadata import figures
from assets.resources import ContextProgress, Pipeline
from dsmath_pipeline.storage import Manifest

LOSSY = {"dropped": {"no_text": 6, "timeout": 4}, "lost": 2}


def manifest(num_rows: int, **counts) -> Manifest:
    return Manifest("documents", "1", f"key-{num_rows}", num_rows=num_rows, counts=counts, elapsed_seconds=4.0)


def test_throughput_counts_what_was_looked_at_and_losses_are_shares_of_it():
    found = figures(manifest(30, **LOSSY))
    assert {name: found[name] for name in ("rows_per_second", "num_dropped", "dropped_share", "lost")} == {
        "rows_per_second": 10.0, "num_dropped": 10, "dropped_share": 0.25, "lost": 2,
    }  # fmt: skip
    assert "| no_text | 6 |" in found["dropped"].value
    plain = figures(manifest(30))
    assert plain["rows_per_second"] == 7.5 and "num_dropped" not in plain


def test_a_run_over_several_crawls_gives_each_its_own_figures(tmp_path, monkeypatch):
    made = {"A": manifest(30, **LOSSY), "B": manifest(90)}
    asset = refresh._partitioned("documents", lambda given: made[given.name], [], "Text of pages.")
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(str(refresh.CRAWLS.name), list(made))
        job = dg.Definitions(
            [asset], resources={"pipeline": Pipeline(root=str(tmp_path), preset="demo")}
        ).resolve_implicit_global_asset_job_def()
        tags = {"dagster/asset_partition_range_start": "A", "dagster/asset_partition_range_end": "B"}
        monkeypatch.setattr(refresh, "refresh_of", _numbered(refresh.refresh_of, made))
        result = job.execute_in_process(instance=instance, tags=tags)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    shown = {event.partition: event.metadata["rows_per_second"].value for event in events}
    assert shown == {"A": pytest.approx(10.0), "B": pytest.approx(22.5)}


def _numbered(refresh_of, made):
    """`refresh_of` whose part has the name of the partition."""
    return lambda run, crawl: dataclasses.replace(refresh_of(run, "CC-MAIN-2024-18"), name=crawl)


class Log:
    def __init__(self):
        self.lines = []
        self.log = self

    def info(self, line):
        self.lines.append(line)


def test_a_long_step_says_every_few_minutes_how_long_it_will_take(monkeypatch):
    now, log = [0.0], Log()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = ContextProgress(log)
    progress._time_left._clock = lambda: now[0]
    for done in range(101):
        progress.update("extract files", done, 1000)
        now[0] += 36
    assert log.lines[:2] == ["extract files: 0/1000", "extract files: 9/1000, 9 h 55 min left"]
    assert len(log.lines) == 12  # the first, then one every nine updates, which is the first after five minutes
