import shutil
import time
from pathlib import Path

import pytest

from dsmath_pipeline.evaluation.formal.jail import WALLS_BUBBLEWRAP, WALLS_LIMITS, choose_walls, run_jailed
from dsmath_pipeline.evaluation.formal.prover import ProofLimits
from dsmath_pipeline.grading.sandbox import available_walls

pytestmark = pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit (util-linux)")
needs_bubblewrap = pytest.mark.skipif(not available_walls()["bubblewrap"], reason="bubblewrap cannot make a jail here")
LIMITS = ProofLimits(cpu_seconds=1, wall_seconds=20.0, memory_bytes=1 << 30, file_bytes=1 << 20)
EVERY_WALL = pytest.mark.parametrize("walls", [pytest.param(WALLS_BUBBLEWRAP, marks=needs_bubblewrap), WALLS_LIMITS])


@pytest.fixture
def jail(tmp_path):
    for name in ("scratch", "trusted"):
        (tmp_path / name).mkdir()
    (tmp_path / "trusted" / "given").write_text("given")

    def run(script, walls=WALLS_BUBBLEWRAP, wall_seconds=20.0):
        command = ["/bin/sh", "-c", script]
        return run_jailed(command, tmp_path / "scratch", tmp_path / "trusted", LIMITS, wall_seconds, walls)

    run.folder = tmp_path
    return run


@EVERY_WALL
def test_a_program_reads_the_trusted_folder_and_writes_its_own(jail, walls):
    done = jail(f"cat {jail.folder}/trusted/given; echo made > made; env | cut -d= -f1 | sort | tr '\\n' ' '", walls)
    assert done.code == 0 and done.output.startswith("given")
    assert (jail.folder / "scratch" / "made").read_text() == "made\n"
    assert not {"DSMATH_REAL_DATA", "USER", "VIRTUAL_ENV"} & set(done.output.split())


@needs_bubblewrap
@pytest.mark.parametrize(
    "attack",
    [
        "cat /etc/passwd",
        f"ls {Path(__file__).parent}",
        "echo x > $HOME/../trusted/given",
        "echo x > /usr/made",
        "echo x > /made",
        "ls /proc/1",
        "/usr/bin/python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 1)'",
    ],
)
def test_the_host_cannot_be_reached(jail, attack):
    assert jail(attack).code not in (0, 127)
    assert (jail.folder / "trusted" / "given").read_text() == "given"


@EVERY_WALL
def test_deadline_cpu_and_output_are_bounded(jail, walls):
    started = time.monotonic()
    asleep = jail("sleep 600 & sleep 600", walls, wall_seconds=0.5)
    assert asleep.code == -1 and asleep.is_timeout and time.monotonic() - started < 30
    busy = jail("while :; do :; done", walls)
    assert busy.is_timeout and busy.code > 128
    loud = jail("yes", walls)
    assert loud.code == 128 + 25 and not loud.is_timeout  # SIGXFSZ after 1 MiB
    assert len(loud.output) <= 64 << 10


def test_the_strongest_wall_is_chosen():
    assert choose_walls() == (WALLS_BUBBLEWRAP if available_walls()["bubblewrap"] else WALLS_LIMITS)
