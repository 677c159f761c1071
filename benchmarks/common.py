"""What the benchmarks share: pages to work on, child processes that take turns, CPU time, result files and tables.

Every contender runs in a child process of its own (worker.py), pinned to the same core, in the interpreter that has its
packages. Contenders take turns round by round, so that a busy machine slows all of them; what counts is CPU time, the
median of the rounds. Results go to benchmarks/results/*.json.

Inputs: the WARC files in `$DSMATH_REAL_DATA/crawl`, or, where there are none, a generated mini web.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
"""The interpreter that has datatrove, whose pins clash with ours; `DSMATH_BENCH_PYTHON` names another."""
PACKAGES = ("warcio", "fastwarc", "resiliparse", "trafilatura", "datatrove", "lxml", "selectolax", "numba", "pyarrow")


class MissingPackage(RuntimeError):
    """A contender's package or interpreter is not installed; the message names it."""


@dataclass(frozen=True)
class Contender:
    """One thing to measure: `call` is a function of contenders.py, or "module:function"; `arguments` go to it."""

    name: str
    call: str
    arguments: dict[str, Any]
    is_peer: bool = False
    """Runs in the interpreter of the peers (benchmarks/requirements.txt) instead of ours."""

    @property
    def python(self) -> str:
        return os.environ.get("DSMATH_BENCH_PYTHON", str(PEERS_PYTHON)) if self.is_peer else sys.executable


class Worker:
    """A child process that calls functions of contenders.py, one after the other, and says what they cost.

    Use as a context manager. `call` raises MissingPackage when the contender cannot run here, and RuntimeError with the
    child's last lines when it failed.
    """

    def __init__(self, contender: Contender) -> None:
        if not Path(contender.python).exists():
            raise MissingPackage(f"{contender.name}: no interpreter {contender.python}; make it with `make bench`")
        self.contender = contender
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            [contender.python, "-m", "benchmarks.worker"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, env=worker_environment(),
        )  # fmt: skip

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        self._child.wait(timeout=60)
        self._child.stdout.close()
        self._errors.close()

    def call(self, **extra: Any) -> dict[str, Any]:
        """Call the contender with its arguments and `extra`. Returns its counts, cpu_seconds and wall_seconds."""
        assert self._child.stdin and self._child.stdout
        request = {"call": self.contender.call, "arguments": {**self.contender.arguments, **extra}}
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        answer = json.loads(self._child.stdout.readline() or '{"error": "the process died"}')
        if "missing" in answer:
            raise MissingPackage(f"{self.contender.name}: {answer['missing']}")
        if "error" in answer:
            self._errors.seek(0)
            raise RuntimeError(f"{self.contender.name}: {answer['error']}\n{self._errors.read()[-2000:]}")
        return answer


def worker_environment() -> dict[str, str]:
    """The environment of a child: one thread, one core (the last of ours), no telemetry."""
    core = str(max(os.sched_getaffinity(0)))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
    return {**os.environ, **threads, "DSMATH_BENCH_CORE": core, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


def take_turns(contenders: Sequence[Contender], rounds: int, warm_up: dict[str, Any]) -> dict[str, list[dict]]:
    """Run every contender `rounds` times in turns, the order reversed every other round; one entry a round each.

    A first call with the arguments `warm_up` compiles, imports and fills caches and does not count. Contenders that
    cannot run here are left out, with a line on stderr.
    """
    workers: list[Worker] = []
    found: dict[str, list[dict]] = {}
    try:
        for contender in contenders:
            try:
                worker = Worker(contender)
                workers.append(worker)
                worker.call(**warm_up)
            except MissingPackage as missing:
                print(f"left out: {missing}", file=sys.stderr)
                if workers and workers[-1].contender is contender:
                    workers.pop().__exit__()
                continue
            found[contender.name] = []
        for number in range(rounds):
            for worker in workers if number % 2 == 0 else workers[::-1]:
                answer = worker.call()
                found[worker.contender.name].append(answer)
                print(f"round {number + 1}: {worker.contender.name}: {answer['cpu_seconds']:.2f} s", file=sys.stderr)
    finally:
        for worker in workers:
            worker.__exit__()
    return found


def start_up(contender: Contender, arguments: dict[str, Any], rounds: int) -> dict[str, float] | None:
    """Seconds from the start of a fresh process until its first document is done; None when it cannot run here."""
    wall, cpu = [], []
    for _ in range(rounds):
        try:
            before, started = os.times(), time.perf_counter()
            with Worker(contender) as worker:
                worker.call(**arguments)
                wall.append(time.perf_counter() - started)
            after = os.times()
        except MissingPackage:
            return None
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return {"wall_seconds": rounded(statistics.median(wall)), "cpu_seconds": rounded(statistics.median(cpu))}


def speeds(rounds: Sequence[dict[str, Any]], amounts: dict[str, float]) -> dict[str, Any]:
    """Amounts a CPU-second: for each name in `amounts` the median of the rounds; lowest and highest for the first."""
    seconds = [entry["cpu_seconds"] for entry in rounds]
    first = next(iter(amounts))
    found: dict[str, Any] = {
        f"{name}_per_cpu_second": rounded(amount / statistics.median(seconds)) for name, amount in amounts.items()
    }
    found[f"{first}_per_cpu_second_lowest"] = rounded(amounts[first] / max(seconds))
    found[f"{first}_per_cpu_second_highest"] = rounded(amounts[first] / min(seconds))
    found["cpu_seconds"] = [round(value, 4) for value in seconds]
    return found


def ratios(measured: dict[str, dict[str, Any]], ours: str) -> dict[str, float]:
    """CPU time of each of the others over that of ours: the median over the rounds.

    Rounds are paired, because neighbours in time suffer the same neighbours on the machine.
    """
    own = measured[ours]["cpu_seconds"]
    return {
        name: rounded(statistics.median(theirs / mine for theirs, mine in zip(row["cpu_seconds"], own, strict=True)))
        for name, row in measured.items()
        if name != ours
    }


def rounded(value: float) -> float:
    """Three significant digits, whole from 100 on."""
    return round(value) if value >= 100 else float(f"{value:.3g}")


def arguments(description: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=defaults.get("rounds", 5), help="rounds of every contender")
    parser.add_argument("--files", type=int, default=defaults.get("files", 2), help="WARC files; 0: all there are")
    parser.add_argument("--quick", action="store_true", help="60 pages and 2 rounds: seconds, for a first look")
    parser.add_argument("--generated", action="store_true", help="the generated mini web even where real pages are")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    return parser


def real_data() -> Path | None:
    """The folder in `DSMATH_REAL_DATA` (relative: to the repository); None when the variable is not set."""
    name = os.environ.get("DSMATH_REAL_DATA")
    return ROOT / name if name else None


def crawl_files(scratch: Path, options: argparse.Namespace) -> tuple[str, list[Path]]:
    """("real" or "generated", the WARC files to read) for a benchmark's options; written below `scratch` if made."""
    data = real_data()
    real = sorted(data.glob("crawl/*.warc.gz")) if data else []
    kind = "real" if real and not options.generated else "generated"
    files = real if kind == "real" else _mini_web(scratch, 300 if options.quick else 3000)
    if options.quick:
        return kind, [first_pages(files[0], scratch / "first.warc.gz", 60)]
    return kind, files[: options.files or None]


def _mini_web(scratch: Path, num_pages: int) -> list[Path]:
    from dsmath_pipeline.demo.mini_web import write_mini_web
    from dsmath_pipeline.recipe.presets import load_recipe
    from dsmath_pipeline.storage import folder

    recipe = load_recipe("demo", [f"mini_web.num_pages={num_pages}"])
    write_mini_web(folder(scratch / "web"), recipe.mini_web, 0)
    return sorted((scratch / "web").rglob("*.warc.gz"))


def first_pages(file: Path, out: Path, num_pages: int) -> Path:
    """A copy of a WARC file with one gzip member a record that ends after `num_pages` pages."""
    pages = [page.offset for page, _ in zip(read(file), range(num_pages + 1), strict=False)]
    data = file.read_bytes()
    out.write_bytes(data[: pages[num_pages]] if len(pages) > num_pages else data)
    return out


def read(file: Path) -> Any:
    """The pages of a WARC file, read by this project."""
    from dsmath_pipeline.corpus.warc import ReadReport, read_pages
    from dsmath_pipeline.recipe.schema import ExtractSettings
    from dsmath_pipeline.storage import folder

    return read_pages(folder(file), ExtractSettings(), ReadReport())


def environment() -> dict[str, Any]:
    """Date, machine and the versions of every package compared."""
    with Path("/proc/cpuinfo").open() as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    peers: dict[str, str] = {}
    try:
        with Worker(Contender("peers", "versions", {"packages": PACKAGES}, is_peer=True)) as worker:
            peers = worker.call()["versions"]
    except MissingPackage:
        pass
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {
            "processor": model, "cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()[0],
            "python": platform.python_version(),
        },
        "versions": versions(PACKAGES),
        "versions_of_the_peers": peers,
    }  # fmt: skip


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed version of each package that is installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_result(folder: Path, name: str, result: dict[str, Any]) -> Path:
    """Put the parts of `result`, each with its environment, into `<folder>/<name>.json`; other parts there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    where = environment()
    known |= {part: {**figures, "environment": where} for part, figures in result.items()}
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    return path


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers to the right, padded so that it reads well as plain text too."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]

    def line(row: Sequence[str], pad: Callable[[str, int], str]) -> str:
        first = row[0].ljust(widths[0])
        return "| " + " | ".join([first, *(pad(cell, width) for cell, width in zip(row[1:], widths[1:]))]) + " |"  # noqa: B905

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(cells[0], str.rjust), rule, *(line(row, str.rjust) for row in cells[1:])])
