"""Datasets in the layout of the Hugging Face hub, read without the `datasets` package.

`hf:NAME[@CONFIG][:SPLIT]`, for instance `hf:openai/gsm8k@main:test` or `hf:EleutherAI/hendrycks_math@*:test` (all
configurations). NAME is looked for below the data folder (`NAME`, `owner--name`, or the hub's own cache layout) and
only then on the hub. Files are Parquet or JSON lines; the head of README.md says which belong to a configuration and a
split, else their folders and names do (`main/test-00000-of-00001.parquet`, `data/test.jsonl`).
"""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from ...records import Problem
from ...storage import Folder, folder, read_table
from .files import BenchmarkError, read_rows
from .row_fields import to_problem

ALL = "*"
_PATTERNS = ["*.parquet", "*.jsonl", "README.md"]
_DEFAULT_CONFIGS = ("default", "main", "all")
_PLAIN_FOLDERS = ("", "data")


def parse_name(name: str) -> tuple[str, str, str]:
    """Dataset, configuration ("" when not named) and split of `NAME[@CONFIG][:SPLIT]`."""
    rest, _, split = name.partition(":")
    dataset, _, config = rest.partition("@")
    if not dataset:
        raise BenchmarkError(f"hf:{name}: name a dataset, hf:OWNER/NAME[@CONFIG][:SPLIT]")
    return dataset, config, split or "test"


def load(name: str, data: Folder) -> list[Problem]:
    """The problems of `NAME[@CONFIG][:SPLIT]`. Raises BenchmarkError when it cannot be had or read."""
    files = dataset_files(name, data)
    source = parse_name(name)[0].rpartition("/")[2]
    rows = [(f"{file}, row {n + 1}", row) for file in files for n, row in enumerate(_rows(file))]
    language = "zh" if _is_chinese(row for _, row in rows) else "en"
    problems = [to_problem(row, number, source, place, language) for number, (place, row) in enumerate(rows)]
    if len({problem.id for problem in problems}) < len(problems):  # ids that start anew in every file
        numbered = [{**row, "id": f"{source}-{number}"} for number, (_, row) in enumerate(rows)]
        problems = [to_problem(row, n, source, rows[n][0], language) for n, row in enumerate(numbered)]
    return list(problems)


def dataset_files(name: str, data: Folder) -> list[Folder]:
    """The files of `NAME[@CONFIG][:SPLIT]`, in the order of their paths."""
    dataset, config, split = parse_name(name)
    root = find_dataset(dataset, data) or fetch_dataset(dataset, data)
    by_config = _described(root, split) or _by_path(root, split)
    if not by_config:
        raise BenchmarkError(f"{root} holds no Parquet or JSON-lines file of the split {split!r}")
    if config == ALL:
        return [file for files in by_config.values() for file in files]
    if not config:
        config = next((c for c in _DEFAULT_CONFIGS if c in by_config), next(iter(by_config)))
        if len(by_config) > 1 and config not in _DEFAULT_CONFIGS:
            raise BenchmarkError(f"hf:{name}: choose a configuration with @NAME, or all of them with @*: "
                                 f"{', '.join(by_config)}")  # fmt: skip
    if config not in by_config:
        raise BenchmarkError(f"hf:{name}: no configuration {config!r}; there are {', '.join(by_config)}")
    return by_config[config]


def find_dataset(dataset: str, data: Folder) -> Folder | None:
    """The local folder of a dataset, None when there is none below `data`."""
    cached = data / f"datasets--{dataset.replace('/', '--')}" / "snapshots"
    snapshots = sorted(cached.glob("*"), key=lambda p: p.name) if cached.is_dir() else []
    for path in (data / dataset, data / dataset.replace("/", "--"), *snapshots[-1:]):
        if path.is_dir():
            return path
    return None


def fetch_dataset(dataset: str, data: Folder) -> Folder:
    """The dataset from the hub's cache of this machine, or from the hub.

    Raises BenchmarkError that says how to bring the files along when the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return folder(snapshot_download(dataset, repo_type="dataset", allow_patterns=_PATTERNS))
    except (HfHubHTTPError, HFValidationError, OSError, RuntimeError) as error:
        raise BenchmarkError(
            f"no dataset folder {data / dataset}, and the Hugging Face hub did not give {dataset} "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). On a machine that reaches "
            f"it: hf download --repo-type dataset {dataset} --local-dir {data / dataset}"
        ) from error


def _rows(file: Folder) -> list[dict[str, Any]]:
    return read_table(file).to_pylist() if file.name.endswith(".parquet") else read_rows(file)


def _data_files(root: Folder) -> list[tuple[str, Folder]]:
    """(path below the root, file) of all data files, by path."""
    files = [file for pattern in ("*.parquet", "*.jsonl") for file in root.rglob(pattern)]
    start = len(str(root)) + 1
    return sorted((str(file)[start:], file) for file in files)


def _described(root: Folder, split: str) -> dict[str, list[Folder]]:
    """Files of the split by configuration, as the YAML head of README.md says; empty when it says nothing."""
    readme = root / "README.md"
    if not readme.is_file():
        return {}
    head = readme.read_text(encoding="utf-8").split("---")
    if len(head) < 3 or head[0].strip():
        return {}
    import yaml

    try:
        described = yaml.safe_load(head[1])
    except yaml.YAMLError:
        return {}
    files = _data_files(root)
    found: dict[str, list[Folder]] = {}
    for config in (described or {}).get("configs") or ():
        patterns = list(_patterns(config.get("data_files"), split))
        chosen = [file for path, file in files if any(fnmatch(path, pattern) for pattern in patterns)]
        if chosen:
            found[str(config.get("config_name", "default"))] = chosen
    return found


def _patterns(data_files: Any, split: str) -> Iterator[str]:
    for entry in data_files if isinstance(data_files, list) else ():
        if isinstance(entry, dict) and entry.get("split") == split:
            paths = entry.get("path")
            yield from paths if isinstance(paths, list) else [str(paths)]


def _by_path(root: Folder, split: str) -> dict[str, list[Folder]]:
    """Files whose name begins with the split, by the folder they lie in."""
    found: dict[str, list[Folder]] = {}
    for path, file in _data_files(root):
        place, _, name = path.rpartition("/")
        stem = name.split(".")[0]
        if stem == split or stem.startswith((f"{split}-", f"{split}_")):
            found.setdefault("default" if place in _PLAIN_FOLDERS else place, []).append(file)
    return found


def _is_chinese(rows: Iterator[dict[str, Any]]) -> bool:
    """Does most of the first rows hold Chinese characters?"""
    some = [any("\u4e00" <= c <= "\u9fff" for c in str(row)) for _, row in zip(range(20), rows, strict=False)]
    return sum(some) * 2 > len(some)
