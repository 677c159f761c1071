"""New crawls in Dagster: what adds them, what runs, what only then is materialized, and when the corpus is too old."""

import itertools
from datetime import UTC, datetime

import dagster as dg
import pytest

from assets.refresh import CORPUS, CRAWLS, PART, corpus_is_fresh, defs, refresh_of
from assets.resources import Pipeline
from dsmath_pipeline.corpus.patience import DownloadError
from tests.corpus.misbehaving_server import serve, status
from tests.corpus.refresh_webs import NEW, OVERRIDES, THIRD, build_base, hashes, listing, second_crawl, web_pages
from tests.corpus.refresh_webs import write_layout as write_release
from tests.corpus.test_corpus_parts import write_base

BASE_CRAWL = ("CC-MAIN-2024-10", "2024-02-20T21:10:47", "2024-03-05T18:33:42")  # the base's newest page is in it
APRIL = (NEW, "2024-04-12T10:00:00", "2024-04-25T18:00:00")
MAY = (THIRD, "2024-05-18T05:58:10", "2024-05-31T00:00:00")


@pytest.fixture(scope="module")
def repository():
    return defs().get_repository_def()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A list of crawls on loopback, asked anew whenever it is wanted."""
    monkeypatch.setenv("DSMATH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dsmath_pipeline.corpus.commoncrawl._LISTING_SECONDS", -1.0)
    write_base(tmp_path / "run")
    with serve({"collinfo.json": listing(APRIL, BASE_CRAWL)}) as found:
        yield found


def pipeline_of(tmp_path, server) -> Pipeline:
    fetch = {"index_url": server.address, "requests_per_second": 1000, "give_up_seconds": 1, "max_wait_seconds": 0.02}
    overrides = [f"fetch.{name}={value}" for name, value in fetch.items()]
    return Pipeline(root=str(tmp_path / "run"), preset="demo", overrides=overrides)


def look(repository, instance, pipeline):
    """One look of the sensor, as the daemon takes it: partitions are added, then runs requested."""
    sensor = repository.get_sensor_def("new_crawl")
    with dg.build_sensor_context(
        instance,
        resources={"pipeline": pipeline},
        repository_def=repository,
        sensor_name="new_crawl",
        instance_ref=instance.get_ref(),
    ) as context:
        found = sensor.evaluate_tick(context)
    for request in found.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return [(run.run_key, run.partition_key) for run in found.run_requests or ()], found.skip_message


def test_the_sensor_adds_and_runs_each_crawl_that_is_newer_than_the_base_once(repository, server, tmp_path):
    pipeline = pipeline_of(tmp_path, server)
    with dg.instance_for_test() as instance:
        assert look(repository, instance, pipeline) == ([(f"refresh-{NEW}", NEW)], None)
        assert instance.get_dynamic_partitions("crawls") == [NEW]
        requests, reason = look(repository, instance, pipeline)
        assert not requests and "no crawl that is newer" in reason
        server.files["collinfo.json"] = listing(MAY, APRIL, BASE_CRAWL)
        assert look(repository, instance, pipeline)[0] == [(f"refresh-{THIRD}", THIRD)]
        assert instance.get_dynamic_partitions("crawls") == [NEW, THIRD]
    assert server.asked() == {"/collinfo.json": 3}


def test_a_list_that_does_not_come_fails_the_look_and_adds_nothing(repository, server, tmp_path):
    server.faults += [status(404)] * 9
    with dg.instance_for_test() as instance:
        with pytest.raises(Exception) as failed:
            look(repository, instance, pipeline_of(tmp_path, server))
        assert isinstance(failed.value.__cause__ or failed.value, DownloadError)
        assert instance.get_dynamic_partitions("crawls") == []


def test_without_a_finished_base_nobody_is_asked(repository, server, tmp_path):
    overrides = pipeline_of(tmp_path, server).overrides
    pipeline = Pipeline(root=str(tmp_path / "nothing"), preset="demo", overrides=overrides)
    with dg.instance_for_test() as instance:
        requests, reason = look(repository, instance, pipeline)
    assert not requests and "there is no base yet" in reason and not server.requests


def test_nothing_goes_to_the_network_before_somebody_switches_it_on(repository):
    assert repository.get_sensor_def("new_crawl").default_status is dg.DefaultSensorStatus.STOPPED
    for name in ("monthly_new_crawls", "daily_corpus_freshness"):
        assert repository.get_schedule_def(name).default_status is dg.DefaultScheduleStatus.STOPPED
    assert repository.get_sensor_def("new_crawl").minimum_interval_seconds == 24 * 3600


def test_the_monthly_schedule_runs_what_has_no_part_yet(repository, server, tmp_path):
    server.files["collinfo.json"] = listing(MAY, APRIL, BASE_CRAWL)
    schedule = repository.get_schedule_def("monthly_new_crawls")
    assert schedule.cron_schedule == "0 3 5 * *"

    def requested(instance):
        when = datetime(2024, 7, 5, 3, tzinfo=UTC)
        resources = {"pipeline": pipeline_of(tmp_path, server)}
        with dg.build_schedule_context(instance, when, resources=resources, repository_def=repository) as context:
            found = schedule.evaluate_tick(context)
        return [(run.run_key, run.partition_key) for run in found.run_requests or ()]

    with dg.instance_for_test() as instance:
        assert requested(instance) == [(f"{NEW} 2024-07", NEW), (f"{THIRD} 2024-07", THIRD)]
        instance.report_runless_asset_event(dg.AssetMaterialization(PART, partition=NEW))
        assert requested(instance) == [(f"{THIRD} 2024-07", THIRD)]
        instance.report_runless_asset_event(dg.AssetMaterialization(PART, partition=THIRD))
        assert requested(instance) == []


@pytest.mark.parametrize(("limit", "is_fresh"), [(90, False), (93, True)])
def test_a_corpus_whose_newest_page_is_too_old_is_warned_of(tmp_path, limit, is_fresh):
    write_base(tmp_path)  # newest page: 1 March 2024, 92.5 days before
    pipeline = Pipeline(root=str(tmp_path), preset="demo", overrides=[f"refresh.max_age_days={limit}"])
    check = corpus_is_fresh(now=lambda: datetime(2024, 6, 1, 12, tzinfo=UTC))
    result = dg.materialize(
        [dg.AssetSpec(CORPUS), check], resources={"pipeline": pipeline}, selection=dg.AssetSelection.all_asset_checks()
    )
    (found,) = result.get_asset_check_evaluations()
    assert found.passed is is_fresh and found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["age_days"].value == pytest.approx(92.5)


def test_a_partition_is_a_release_or_some_of_its_files(tmp_path):
    pipeline = Pipeline(root=str(tmp_path), preset="demo", optout="list.txt", earlier=["runs/old"], benchmarks="bench")
    refresh = refresh_of(pipeline.run(dg.build_asset_context()), "CC-MAIN-2024-18/0-9")
    assert refresh.crawl == ("cc:CC-MAIN-2024-18/0-9",)
    assert refresh.folder("scores") == tmp_path / "refresh" / "CC-MAIN-2024-18_0-9" / "scores"
    assert (refresh.optout, refresh.earlier, str(refresh.benchmarks)) == ("list.txt", ("runs/old",), "bench")


def test_every_asset_is_described_and_partitioned_by_crawl_but_the_whole(repository):
    graph = repository.asset_graph
    own = {key for key in graph.get_all_asset_keys() if graph.get(key).is_materializable}
    assert {key.path[-1] for key in own} == {"documents", "unique_documents", "scores", "part", "corpus"}
    assert all(len(graph.get(key).description or "") > 30 for key in own)
    assert {key for key in own if graph.get(key).partitions_def == CRAWLS} == own - {CORPUS}


@pytest.mark.slow
def test_a_second_and_a_third_crawl_materialize_their_own_partitions_and_nothing_else(tmp_path, monkeypatch):
    run = build_base(tmp_path / "run")
    write_release(tmp_path / "mirror", NEW, list(itertools.chain(*second_crawl(run).values())))
    write_release(tmp_path / "mirror", THIRD, web_pages(2, 60), seed=11, num_files=1)
    monkeypatch.setenv("DSMATH_ROOT", str(run.root))
    monkeypatch.setenv("DSMATH_SET", " ".join([*OVERRIDES, f"fetch.base_url={tmp_path / 'mirror'}"]))
    job = defs().get_repository_def().get_job("refresh_with_new_crawl")
    before = hashes(tmp_path / "run")

    def expected(crawl):
        names = ("documents", "unique_documents", "scores", "part")
        return [*((f"refresh/{name}", crawl) for name in names), ("refresh/corpus", None)]

    with dg.instance_for_test() as instance:

        def materialized(crawl):
            instance.add_dynamic_partitions(str(CRAWLS.name), [crawl])
            result = job.execute_in_process(instance=instance, partition_key=crawl)
            assert [check.check_name for check in result.get_asset_check_evaluations()] == ["corpus_is_fresh"]
            events = [event.materialization for event in result.get_asset_materialization_events()]
            return [(e.asset_key.to_user_string(), e.partition) for e in events], events[-1].metadata

        events, _ = materialized(NEW)
        assert events == expected(NEW)
        second = hashes(tmp_path / "run" / "refresh" / NEW)
        events, shown = materialized(THIRD)
        assert events == expected(THIRD)
        assert f"| {NEW} | cc:{NEW} |" in shown["table"].value and f"| {THIRD} |" in shown["table"].value
        assert hashes(tmp_path / "run") == before and hashes(tmp_path / "run" / "refresh" / NEW) == second
        assert {key.path[0] for key in instance.all_asset_keys()} == {"refresh"}
        assert instance.get_materialized_partitions(PART) == {NEW, THIRD}
