"""The command: serving for real, exporting, importing."""

import argparse
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dsmath_pipeline.annotation_app.command import add_annotate_command, label_file
from dsmath_pipeline.annotation_app.label_store import Event, LabelStore
from dsmath_pipeline.storage import folder

ROOT = Path(__file__).parents[2]
COMMAND = """
import argparse, sys
from dsmath_pipeline.annotation_app.command import add_annotate_command
parser = argparse.ArgumentParser()
args = add_annotate_command(parser.add_subparsers()) and parser.parse_args(sys.argv[1:])
args.function(args)
"""


def call(*arguments):
    parser = argparse.ArgumentParser()
    add_annotate_command(parser.add_subparsers())
    args = parser.parse_args(["annotate", *map(str, arguments)])
    args.function(args)


def test_labels_go_out_and_in_by_the_command(database, tmp_path, capsys):
    LabelStore(database).add(Event("1", "label", "a.org", "math", "ana"))
    out, other = tmp_path / "out.jsonl", tmp_path / "other.sqlite"
    call("--labels", database, "--export", out)
    call("--labels", other, "--import", out)
    assert [event.url_prefix for event in LabelStore(other).events()] == ["a.org"]
    assert capsys.readouterr().out.splitlines()[1] == "1 labels added, 0 known before or older, 0 of auto"


def test_the_label_file_lies_in_the_run_and_must_be_local(tmp_path):
    assert label_file(tmp_path, None) == tmp_path / "labels.sqlite"
    assert label_file(folder("memory://run"), str(tmp_path / "x")) == tmp_path / "x"
    with pytest.raises(ValueError, match="give --labels"):
        label_file(folder("memory://run"), None)


def start(*arguments, **environment):
    server = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "annotate", "--port", "0", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environment,
    )  # fmt: skip
    printed = ""
    while "Ctrl+C" not in printed:
        line = server.stdout.readline()
        assert line, server.stderr.read()
        printed += line
    return server, int(re.search(r":(\d+)/", printed)[1])


def status(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_the_server_serves_and_ends_on_interrupt(run, database):
    server, port = start("--root", run, "--labels", database)
    assert status(f"http://127.0.0.1:{port}/") == 200  # the sign-in page
    assert status(f"http://127.0.0.1:{port}/", Host="evil.example") == 403
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=60)
    assert server.returncode == 0 and "Traceback" not in err and "Access token" not in out


@pytest.mark.slow
def test_all_interfaces_print_a_token_and_a_taken_port_is_explained(run, database):
    server, port = start("--root", run, "--labels", database, "--host", "0.0.0.0")
    try:
        assert re.fullmatch(r"Access token: [\w-]{32}\n", server.stdout.readline())
        taken = subprocess.run(
            [sys.executable, "-c", COMMAND, "annotate", "--root", run, "--labels", database, "--port", str(port)],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert taken.returncode == 1 and "try another --port" in taken.stderr
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
