"""Labels of URL prefixes: read from a file that people wrote, or given by a rule that signs `auto` (section 2.1).

The paper has people mark URLs inside mathematical domains, such as mathoverflow.net/questions. A prefix is a host
without "www." and any number of whole path segments; it covers itself and everything below. The longest prefix decides.

Writes the artifact `annotations`: ANNOTATION_SCHEMA, one row per prefix, sorted. The page on which people mark prefixes
writes the same file format that `read_label_file` reads.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from .. import storage
from ..progress import SILENT, Progress
from ..recipe.schema import AnnotationSettings
from ..records import UrlLabel
from ..storage import Folder, Manifest
from .urls import normal_prefix, url_prefixes

ANNOTATION_VERSION = "2"
AUTO = "auto"
LABELS = ("math", "not_math", "unsure")

ANNOTATION_SCHEMA = pa.schema(
    [
        pa.field("url_prefix", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),  # math | not_math | unsure
        pa.field("annotator", pa.string(), nullable=False),  # a person's name, or auto
        pa.field("iteration", pa.int32(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


class AnnotationError(ValueError):
    """A label file cannot be read; the message names file, line and what is expected."""


class UrlLabels:
    """Looks up the label of a URL. A person's label beats `auto`, then a later iteration or line beats an earlier."""

    def __init__(self, labels: Iterable[UrlLabel]):
        self._labels: dict[str, UrlLabel] = {}
        for label in labels:
            known = self._labels.get(label.url_prefix)
            if known is None or _weight(label) >= _weight(known):
                self._labels[label.url_prefix] = label

    def label_of(self, url: str) -> str:
        """The label of the longest matching prefix, or "" when none matches."""
        if not self._labels:
            return ""
        for prefix in reversed(url_prefixes(url)):
            if prefix in self._labels:
                return self._labels[prefix].label
        return ""


def _weight(label: UrlLabel) -> tuple[bool, int]:
    return label.annotator != AUTO, label.iteration


def read_label_file(path: Folder, iteration: int = 0) -> list[UrlLabel]:
    """Labels from a JSONL file with url_prefix, label, annotator and, if given, note.

    Raises AnnotationError with file and line for anything that is not such a row: a label that is silently lost would
    change the corpus.
    """
    if not path.is_file():
        raise AnnotationError(f"the label file {path} does not exist; give a JSONL file, or `{AUTO}` for the rule")
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            found.append(_parse_label(line, f"{path}, line {number}", iteration))
    return found


def _parse_label(line: bytes, where: str, iteration: int) -> UrlLabel:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise AnnotationError(f"{where}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: expected an object with url_prefix, label and annotator")
    for name in ("url_prefix", "label", "annotator"):
        if not isinstance(value.get(name), str) or not value[name].strip():
            raise AnnotationError(f"{where}: no {name}; every row needs url_prefix, label and annotator")
    if value["label"] not in LABELS:
        raise AnnotationError(f"{where}: label {value['label']!r} is unknown; use {', '.join(LABELS)}")
    prefix = normal_prefix(value["url_prefix"])
    if not prefix.partition("/")[0]:
        raise AnnotationError(f"{where}: url_prefix {value['url_prefix']!r} has no host")
    return UrlLabel(prefix, value["label"], value["annotator"].strip(), iteration, str(value.get("note") or ""))


def auto_labels(prefixes: Sequence[dict[str, Any]], settings: AnnotationSettings, iteration: int) -> list[UrlLabel]:
    """The rule-based annotator: a prefix is math when enough of its pages were collected.

    `prefixes` are rows of domains.PREFIX_SCHEMA. Prefixes with fewer than `min_prefix_pages` pages get no label, so
    the label of their parent holds. Not in the paper: the rule stands in for people where there are none.
    """
    found = []
    for row in prefixes:
        if row["num_pages"] >= settings.min_prefix_pages:
            label = "math" if row["collected_share"] >= settings.min_collected_share else "not_math"
            note = f"{row['num_collected']} of {row['num_pages']} pages collected"
            found.append(UrlLabel(row["url_prefix"], label, AUTO, iteration, note))
    return found


def annotate(
    domains: Folder,
    out: Folder,
    settings: AnnotationSettings,
    *,
    labels: str = AUTO,
    iteration: int = 1,
    progress: Progress = SILENT,
    force: bool = False,
) -> Manifest:
    """Write the artifact `annotations`: the labels that hold inside the mathematical domains of this iteration.

    `labels` is `auto` or the path of a label file. Labels for other domains are left out and counted in
    `num_outside_domains`; `labelled_by` counts rows by annotator, `labels` names the file. Raises AnnotationError for a
    label file that cannot be read.
    """
    source = None if labels == AUTO else storage.folder(labels)
    given = read_label_file(source, iteration) if source else []
    inputs: dict[str, Folder | str] = {"domains": domains, "iteration": str(iteration)}
    inputs["labels"] = storage.file_key([source]) if source else AUTO
    with storage.stage(out, "annotations", ANNOTATION_VERSION, settings, inputs, force=force) as run:
        if run.artifact:
            rows = storage.read_table(domains / "prefixes").to_pylist()
            if source is None:
                given = auto_labels(rows, settings, iteration)
            hosts = {row["url_prefix"] for row in rows if "/" not in row["url_prefix"]}
            kept = [label for label in given if label.url_prefix.partition("/")[0] in hosts]
            table = [asdict(label) for label in sorted(kept, key=lambda label: label.url_prefix)]
            run.artifact.write_table("part-00000.parquet", pa.Table.from_pylist(table, ANNOTATION_SCHEMA))
            run.artifact.counts |= {f"num_{name}": sum(row["label"] == name for row in table) for name in LABELS}
            run.artifact.counts["num_outside_domains"] = len(given) - len(kept)
            run.artifact.counts["labelled_by"] = dict(Counter(row["annotator"] for row in table))
            run.artifact.counts["labels"] = labels
            progress.log(f"{run.artifact.counts['num_math']} URL prefixes labelled math")
    assert run.manifest is not None
    return run.manifest


def read_annotations(path: Folder) -> list[UrlLabel]:
    """The labels of an `annotations` artifact. Raises ArtifactError when it is missing or unfinished."""
    storage.read_manifest(path)
    return [UrlLabel(**row) for row in storage.read_table(path).to_pylist()]
