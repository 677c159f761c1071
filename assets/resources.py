"""The one resource of the code location: where the run lies, which recipe and which inputs it uses.

Everything can be set from the environment:

    DSMATH_ROOT         folder of the artifacts (default: runs/dagster in the checkout)
    DSMATH_PRESET       recipe preset (default: demo)
    DSMATH_SET          overrides, separated by spaces: "seed=1 ranking.token_budget=3000000"
    DSMATH_CRAWL        WARC files, folders or cc:CRAWL, separated by ":"; unset: the generated mini web
    DSMATH_SEED         seed file; DSMATH_BENCHMARKS  benchmark folder
    DSMATH_HELD_OUT     texts that people judged, measured in every iteration beside the held-out set
    DSMATH_OPTOUT       opt-out list: domains and addresses that may not be used
    DSMATH_EARLIER      folders of runs on earlier crawls, separated by ":", oldest first
    DSMATH_SOURCES      further texts for pretraining, separated by spaces: "arxiv=/data/arxiv code=owner/name"
    DSMATH_CORPORA      further corpora to validate, separated by spaces: "mine=/data/corpus"
    DSMATH_ACCELERATE   accelerate config of all trainings (deploy/accelerate/); unset: one process
    DSMATH_ANNOTATIONS  label file, "auto" or "people"; unset: rounds that people finished, else the rule
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from dsmath_pipeline.progress import TimeLeft
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.recipe.schema import Recipe, Section
from dsmath_pipeline.stages import Inputs, Run

CHECKOUT = Path(__file__).parent.parent


class Pipeline(dg.ConfigurableResource):
    """Root folder, preset and inputs of the run."""

    root: str = Field(description="folder of the artifacts")
    preset: str = Field(description="recipe preset: demo, small_crawl, one_gpu or paper")
    overrides: list[str] = Field(default=[], description="settings that differ from the preset: section.field=value")
    crawl: list[str] = Field(default=[], description="WARC files or folders; empty: the generated mini web")
    seed_file: str = Field(default="", description="seed texts (JSONL: url, text, date)")
    benchmarks: str = Field(default="", description="folder of benchmark JSONL files")
    annotations: str = Field(
        default="", description="label file (JSONL), auto, or people; empty: rounds that people finished, else auto"
    )
    held_out: str = Field(default="", description="judged texts (JSONL: url, text, is_math), never trained on")
    optout: str = Field(default="", description="opt-out list: domains and addresses that may not be used")
    earlier: list[str] = Field(default=[], description="folders of runs on earlier crawls, oldest first")
    sources: list[str] = Field(default=[], description="further texts for pretraining: name=path, such as arxiv=/data")
    corpora: list[str] = Field(default=[], description="further corpora to validate: name=path")
    workers: int = Field(default=0, description="worker processes; 0: one per core")

    def run(
        self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
        sections: Mapping[str, dg.Config] | None = None, force: bool = False,
    ) -> Run:  # fmt: skip
        """The library's view of this run; `sections` are the launchpad's values of single recipe sections."""
        recipe = with_sections(self.recipe(), sections or {})
        return Run(Path(self.root), recipe, self.inputs(), self.workers, ContextProgress(context), force)

    def recipe(self) -> Recipe:
        """The preset with its overrides."""
        return load_recipe(self.preset, self.overrides)

    def inputs(self) -> Inputs:
        return Inputs(
            tuple(self.crawl), self.seed_file, self.benchmarks, self.annotations, self.held_out, self.optout,
            tuple(self.earlier), tuple(self.sources), tuple(self.corpora),
        )  # fmt: skip


class ContextProgress:
    """`progress.Progress` as log lines of a Dagster step: one every `step_share` of the work, or every five minutes."""

    def __init__(
        self,
        context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
        step_share: float = 0.2,
        step_seconds: float = 300,
    ):
        self._log = context.log
        self._share = step_share
        self._seconds = step_seconds
        self._last: dict[str, tuple[float, float]] = {}
        self._time_left = TimeLeft()

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        left = self._time_left.text(what, done, total)
        if total is None:
            return
        share, now = done / max(total, 1), time.monotonic()
        last_share, last_time = self._last.get(what, (-1.0, now))
        if share < 1 and share - last_share < self._share and now - last_time < self._seconds:
            return
        self._last[what] = share, now
        self._log.info(f"{what}: {done}/{total}{left} {note}".rstrip())

    def log(self, message: str) -> None:
        self._log.info(message)


def with_sections(recipe: Recipe, sections: Mapping[str, dg.Config]) -> Recipe:
    """The recipe with some sections replaced by run config; values are validated by the section's own limits."""
    current = recipe.model_dump()
    return Recipe.model_validate(current | {name: config.model_dump() for name, config in sections.items()})


def sections_config(name: str, sections: Sequence[tuple[str, Section]]) -> type[dg.Config]:
    """A run-config class with one group of fields for each recipe section.

    Fields, defaults and descriptions are the section's, so the launchpad shows every number with its source.
    """
    groups: dict[str, Any] = {}
    for section_name, section in sections:
        fields: dict[str, Any] = {
            key: (field.annotation, Field(getattr(section, key), description=_describe(field)))
            for key, field in type(section).model_fields.items()
        }
        config = create_model(f"{name}_{section_name}", __base__=dg.Config, **fields)
        groups[section_name] = (config, config())
    return create_model(f"{name}_config", __base__=dg.Config, **groups)


def _describe(field: object) -> str:
    extra = getattr(field, "json_schema_extra", None) or {}
    return f"{getattr(field, 'description', '')} [{extra.get('source', '')}]"


def paths_of(text: str) -> list[str]:
    """Paths and names separated by colons; the colons of `cc:CC-MAIN-2024-10` and `s3://bucket` separate nothing.

    >>> paths_of("a.warc.gz:cc:CC-MAIN-2024-10/0-9:s3://bucket/b:folder")
    ['a.warc.gz', 'cc:CC-MAIN-2024-10/0-9', 's3://bucket/b', 'folder']
    """
    return [path for path in re.split(r"(?<!^cc)(?<!:cc):(?!//)", text) if path]


def pipeline_from_environment() -> Pipeline:
    """The resource with every value taken from the environment or its default."""
    env = os.environ.get
    return Pipeline(
        root=env("DSMATH_ROOT", str(CHECKOUT / "runs" / "dagster")),
        preset=env("DSMATH_PRESET", "demo"),
        overrides=env("DSMATH_SET", "").split(),
        crawl=paths_of(env("DSMATH_CRAWL", "")),
        seed_file=env("DSMATH_SEED", ""),
        benchmarks=env("DSMATH_BENCHMARKS", ""),
        annotations=env("DSMATH_ANNOTATIONS", ""),
        held_out=env("DSMATH_HELD_OUT", ""),
        optout=env("DSMATH_OPTOUT", ""),
        earlier=paths_of(env("DSMATH_EARLIER", "")),
        sources=env("DSMATH_SOURCES", "").split(),
        corpora=env("DSMATH_CORPORA", "").split(),
    )
