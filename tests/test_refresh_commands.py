"""`dsmath refresh` and `dsmath parts`: what they print and what they refuse."""

import pytest

from tests.corpus.test_corpus_parts import write_base, write_part
from tests.test_cli import run


@pytest.mark.parametrize("command", ["refresh", "parts"])
def test_help(command, capsys):
    assert run(command, "--help") == 0
    assert f"usage: dsmath {command}" in capsys.readouterr().out


def test_a_run_that_is_not_finished_is_named(tmp_path, capsys):
    assert run("refresh", "--out", tmp_path, "--crawl", "cc:CC-MAIN-2024-18") == 1
    assert f"{tmp_path}/math_corpus does not exist" in capsys.readouterr().err


def test_settings_of_the_run_cannot_be_changed(tmp_path, capsys):
    assert run("refresh", "--out", tmp_path, "--crawl", "cc:CC-MAIN-2024-18", "--set", "dedup.min_jaccard=0.5") == 1
    assert "but for fetch.*" in capsys.readouterr().err


def test_several_inputs_need_a_name(tmp_path, capsys):
    assert run("refresh", "--out", tmp_path, "--crawl", "a.warc.gz", "b.warc.gz") == 1
    assert "--name" in capsys.readouterr().err


def test_parts_are_listed_and_one_that_is_out_of_date_is_not_written(tmp_path, capsys):
    base = write_base(tmp_path)
    write_part(tmp_path, "A", {"base": base})
    assert run("parts", "--root", tmp_path) == 0
    assert "cc:A" in capsys.readouterr().out
    write_part(tmp_path, "B", {"base": base})
    assert run("parts", "--root", tmp_path, "--out", tmp_path / "whole") == 1
    output = capsys.readouterr()
    assert "out of date" in output.out and "dsmath refresh --out" in output.err
    assert not (tmp_path / "whole").exists()
