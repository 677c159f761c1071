"""`dsmath sandbox`: a file of programs in, the same file with results out."""

import json

import pytest

from dsmath_pipeline.cli import main
from dsmath_pipeline.grading import sandbox_file
from dsmath_pipeline.grading.sandbox import Limits, ProgramResult, available_walls
from dsmath_pipeline.grading.sandbox_file import run_file, unfinished_file

ROWS = [
    '{"program": "print(1)", "id": 7, "status": "old", "stdout": "old"}',
    "",
    "not json",
    '{"program": "print(int(input()) + 1)", "stdin": "41"}',
    '{"program": 3, "id": 8}',
    "[1]",
    '{"program": "1/0", "stdin": null}',
    '{"program": "print(2)", "stdin": 5}',
    '{"program": "print(3)", "note": "\\ud800 数"}',
]


class FakeSandbox:
    """Gives each program back as its own output, and dies at a program of a given name."""

    tier = "fake"
    runs: list[str]

    def __init__(self, deadly=""):
        self.deadly, self.runs = deadly, []

    def __call__(self, workers, limits, *, accept=None):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, programs, *, stdins):
        if self.deadly in programs:
            raise OSError("the machine is gone")
        self.runs += programs
        return [ProgramResult("ok", program + stdin, "", 0.0) for program, stdin in zip(programs, stdins, strict=True)]


@pytest.fixture
def fake(monkeypatch):
    def install(deadly=""):
        sandbox = FakeSandbox(deadly)
        monkeypatch.setattr(sandbox_file, "Sandbox", sandbox)
        monkeypatch.setattr(sandbox_file, "CHUNK_ROWS", 3)
        return sandbox

    return install


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(not available_walls()["bubblewrap"], reason="no bubblewrap jail on this machine")
def test_the_command_runs_every_program_and_reports_bad_rows_by_line(tmp_path, capsys):
    (tmp_path / "in.jsonl").write_text("\n".join(ROWS) + "\n")
    with pytest.raises(SystemExit) as leaving:
        main(["sandbox", "--input", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out" / "x.jsonl")])
    assert leaving.value.code == 1
    rows = read(tmp_path / "out" / "x.jsonl")
    assert [row["status"] for row in rows] == ["ok", None, "ok", None, None, "error", None, "ok"]
    assert (rows[0]["stdout"], rows[0]["id"], rows[2]["stdout"]) == ("1\n", 7, "42\n")
    assert rows[1]["line"] == "not json" and rows[3]["id"] == 8 and "error" not in rows[0]
    assert "ZeroDivisionError" in rows[5]["stderr"] and rows[5]["seconds"] > 0
    assert rows[7]["note"] == "\ud800 数"
    said = capsys.readouterr()
    assert "8 programs in the bubblewrap sandbox: 4 bad row, 1 error, 3 ok" in said.out
    for problem in ("line 3: not JSON", "line 5: program missing", "line 6: not an object", "line 8: stdin is not"):
        assert problem in said.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["x.jsonl"]


def test_a_killed_run_goes_on_behind_its_last_whole_row(tmp_path, fake):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"program": f"p{n}"}) + "\n" for n in range(8)))
    fake(deadly="p7")
    with pytest.raises(OSError, match="machine is gone"):
        run_file(source, out)
    assert not out.exists()
    unfinished = unfinished_file(out, Limits(), "fake")
    assert len(read(unfinished)) == 6
    with unfinished.open("a") as file:
        file.write('{"program": "p6", "sta')  # what a killed write leaves
    sandbox = fake()
    counts = run_file(source, out)
    assert sandbox.runs == ["p6", "p7"]
    assert (counts["num_rows"], counts["num_resumed"], counts["statuses"]) == (8, 6, {"ok": 8})
    assert [row["stdout"] for row in read(out)] == [f"p{n}" for n in range(8)]
    assert not unfinished.exists()


def test_rows_of_another_input_or_other_limits_are_not_taken_over(tmp_path, fake):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"program": f"p{n}"}) + "\n" for n in range(8)))
    fake(deadly="p7")
    with pytest.raises(OSError):
        run_file(source, out)
    source.write_text("".join(json.dumps({"program": f"p{n}", "id": int(n > 1)}) + "\n" for n in range(8)))
    sandbox = fake(deadly="p7")
    with pytest.raises(OSError):
        run_file(source, out)
    assert sandbox.runs == [f"p{n}" for n in range(6)]  # the first row already is another one
    sandbox = fake()
    assert run_file(source, out, limits=Limits(cpu_seconds=1))["num_resumed"] == 0
    assert sandbox.runs == [f"p{n}" for n in range(8)]


def test_bad_rows_survive_a_resumption(tmp_path, fake):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(ROWS))
    fake(deadly="print(3)")
    with pytest.raises(OSError):
        run_file(source, out)
    fake()
    counts = run_file(source, out)
    assert (counts["num_rows"], counts["num_resumed"], counts["num_errors"]) == (8, 6, 4)
    assert [error.split(":")[0] for error in counts["errors"]] == ["line 3", "line 5", "line 6", "line 8"]


def test_an_empty_file_gives_an_empty_file(tmp_path, fake):
    fake()
    (tmp_path / "in.jsonl").write_text("\n\n")
    assert run_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")["num_rows"] == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""
