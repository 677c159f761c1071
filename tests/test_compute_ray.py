"""The Ray engine without a cluster: its settings, what it checks on a node, how a task judges its shard.

The engine on real clusters: tests/faults/test_ray_runs.py.
"""

import functools
import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsmath_pipeline import compute, compute_ray
from dsmath_pipeline.compute import EngineError, LeftOut, ShardError
from tests import deadly
from tests.test_compute import die_on_two, fail_on_three, square


@pytest.fixture(autouse=True)
def no_child_stays():
    yield
    while compute_ray._CHILD:
        compute_ray._CHILD.pop()[1].close()


@pytest.fixture
def ray_engine(monkeypatch):
    monkeypatch.setenv("DSMATH_ENGINE", "ray")
    for name in ("DSMATH_RAY_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def job(function, *, guarded=False, **changes):
    values = {"function": pickle.dumps(function), "guarded": guarded, "what": "numbers", "cwd": os.getcwd(),
              "folders": (), "code": compute_ray._code_digest()}  # fmt: skip
    return compute_ray._Job(**values | changes)


def run_task(the_job, shard):
    return compute_ray._run_task(the_job, compute_ray._Packed(str(shard), pickle.dumps(shard)))


def test_ray_wants_an_explicit_address(ray_engine):
    for address in ("", "auto"):
        ray_engine.setenv("RAY_ADDRESS", address)
        with pytest.raises(EngineError, match="DSMATH_RAY_ADDRESS: host:port"):
            compute.map_shards(square, [1, 2])


def test_a_missing_ray_says_what_to_install(ray_engine):
    ray_engine.setenv("DSMATH_RAY_ADDRESS", "127.0.0.1:6379")
    ray_engine.setitem(sys.modules, "ray", None)  # as if it were not installed
    with pytest.raises(EngineError, match=r"pip install 'dsmath-pipeline\[ray\]'"):
        compute.num_slots()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DSMATH_RAY_CPUS_PER_TASK", "0"), ("DSMATH_RAY_CPUS_PER_TASK", "two"), ("DSMATH_RAY_GB_PER_TASK", "-1")],
)
def test_reservations_are_numbers(ray_engine, variable, value):
    ray_engine.setenv("DSMATH_RAY_ADDRESS", "127.0.0.1:6379")
    ray_engine.setenv(variable, value)
    with pytest.raises(EngineError, match=variable):
        compute_ray._settings()


def test_one_worker_and_the_local_engine_need_no_ray(ray_engine):
    assert compute.map_shards(square, [3, 1], workers=1) == [9, 1]
    ray_engine.setenv("DSMATH_ENGINE", "local")
    assert compute.map_shards(square, [3]) == [9]
    assert "ray" not in sys.modules or os.environ.get("DSMATH_TEST_RAY") == "1"


def test_slots_are_what_living_nodes_have_cores_and_memory_for():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "memory": 10e9}},  # 4 by cores, 3 by memory
        {"Alive": True, "Resources": {"CPU": 3.0, "memory": 64e9}},  # 1 by cores
        {"Alive": True, "Resources": {"memory": 64e9}},  # a head without cores
        {"Alive": False, "Resources": {"CPU": 99.0, "memory": 99e9}},
    ]
    settings = compute_ray._Settings("x:1", 2.0, int(3e9))
    assert compute_ray._slots(SimpleNamespace(nodes=lambda: nodes), settings) == 4
    assert compute_ray._slots(SimpleNamespace(nodes=lambda: nodes), compute_ray._Settings("x:1", 2.0, 0)) == 5


def test_a_task_refuses_a_node_with_other_sources_or_without_the_run_s_folder(tmp_path):
    assert "another version" in run_task(job(square, code="other"), 3)[1]
    missing = str(tmp_path / "run")
    kind, problem = run_task(job(square, folders=(str(tmp_path), missing)), 3)
    assert kind == "engine" and f"does not see {missing}:" in problem


def test_the_folders_a_node_must_see_are_those_among_the_arguments_that_exist(tmp_path):
    inner = functools.partial(square, out=tmp_path, later=tmp_path / "later", number=3)
    outer = functools.partial(inner, tmp_path / "..")
    file = tmp_path / "shard.parquet"
    file.write_bytes(b"")
    assert compute_ray._folders(outer, [file]) == tuple(sorted(map(str, (tmp_path, tmp_path / "..", file))))


@pytest.mark.slow
def test_a_task_gives_results_errors_and_verdicts_as_the_local_engine_does(tmp_path, monkeypatch):
    kind, value = run_task(job(square), 3)
    assert (kind, pickle.loads(value)) == ("result", 9)
    kind, (said, notes) = run_task(job(fail_on_three), 3)
    assert kind == "error" and said == "3: ValueError: three is bad"
    assert 'raise ValueError("three is bad")' in notes[0] and notes[-1].startswith("on ")
    kind, lost = run_task(job(die_on_two), 2)
    assert kind == "left_out" and isinstance(lost, LeftOut) and "exit code 9" in lost.reason
    assert pickle.loads(run_task(job(die_on_two), 1)[1]) == 1  # the next shard finds a new process
    kind, value = run_task(job(deadly.squares, guarded=True), "abort:3")
    assert pickle.loads(value) == {item: item * item for item in deadly.ITEMS} | {3: "crash"}


@pytest.mark.slow
def test_relative_paths_are_those_of_the_driver_s_folder(tmp_path):
    (tmp_path / "here").write_text("")
    kind, value = run_task(job(is_there, cwd=str(tmp_path)), Path("here"))
    assert kind == "result" and pickle.loads(value) is True


def is_there(path: Path) -> bool:
    return path.exists()


class FakeRay:
    """Ray's calls, each task run at once in this process; `fate` says how its result is lost."""

    class exceptions:
        WorkerCrashedError = type("WorkerCrashedError", (Exception,), {})
        NodeDiedError = type("NodeDiedError", (Exception,), {})
        OutOfMemoryError = type("OutOfMemoryError", (Exception,), {})
        ObjectLostError = type("ObjectLostError", (Exception,), {})

    def __init__(self, lost=()):
        self.lost, self.under_way, self.most_under_way, self.options = lost, 0, 0, {}

    def put(self, value):
        return value

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def remote(self, **options):
        self.options = options
        return lambda function: SimpleNamespace(remote=self._submit)

    def _submit(self, the_job, shard):
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        return (pickle.loads(the_job.function), pickle.loads(shard.data))

    def wait(self, references, timeout):
        return [references[-1]], references[:-1]  # the last first: results must be put in order

    def get(self, reference):
        function, shard = reference
        self.under_way -= 1
        if shard in self.lost:
            raise self.exceptions.NodeDiedError("the node died\nmore")
        return ("result", pickle.dumps(function(shard)))


@pytest.fixture
def fake(monkeypatch, ray_engine):
    fake = FakeRay()
    monkeypatch.setattr(compute_ray, "_connect", lambda: (fake, compute_ray._Settings("x:1", 1.0, 0)))
    return fake


def test_results_are_in_input_order_and_tasks_under_way_are_bounded(fake):
    shards = list(range(40))
    assert compute.map_shards(square, shards) == [n * n for n in shards]
    assert fake.most_under_way == 4  # two for each of the two cores
    assert compute.map_shards(square, shards, workers=3) == [n * n for n in shards]
    assert fake.most_under_way == 4 and fake.under_way == 0
    assert fake.options == {"num_cpus": 1.0, "max_retries": 10, "scheduling_strategy": "SPREAD"}


def test_a_shard_that_is_lost_for_good_is_given_up_as_a_poisoned_one(fake, monkeypatch):
    fake.lost = (7,)
    with pytest.raises(ShardError, match=r"^7: Ray lost its worker or node.*\(the node died\); start again"):
        compute.map_shards(square, list(range(9)))
    monkeypatch.setenv("DSMATH_POISONED_SHARDS", "leave_out")
    results = compute.map_or_leave_out(square, list(range(9)))
    assert isinstance(results.pop(7), LeftOut) and results == [0, 1, 4, 9, 16, 25, 36, 64]


def test_progress_is_told(fake):
    told = []
    progress = SimpleNamespace(update=lambda what, done, total: told.append((what, done, total)), log=told.append)
    compute.map_shards(square, [1, 2, 3], what="numbers", progress=progress)
    assert told == [("numbers", done, 3) for done in range(4)]
