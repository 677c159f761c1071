"""Every artifact of a run: where it lies, what it reads, which library function makes it.

One function per artifact. `dsmath demo` and `dsmath corpus` call them in order, the Dagster assets call them one by
one; both therefore write the same folders. This file holds the wiring and nothing else.

    <root>/mini_web  word_problems  seed  documents  unique_documents
           iteration_1..N/{seed_set, classifier, scores, collected, domains, annotations}
           math_corpus  natural_language  tokenizer  tokens
           models/{base, sft, reward, rl}  evaluation/{base, sft, rl}  report
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from . import storage
from .progress import SILENT, Progress
from .recipe.schema import Recipe
from .storage import Folder, Manifest

MODELS = ("base", "sft", "rl")
"""Models that are evaluated, in the order of training."""


@dataclass(frozen=True)
class Inputs:
    """What people bring. An empty `crawl` means the generated mini web, which also brings seed and benchmarks."""

    crawl: tuple[str, ...] = ()
    seed_file: str = ""
    benchmarks: str = ""
    annotations: str = "auto"

    @property
    def is_mini_web(self) -> bool:
        return not self.crawl


@dataclass(frozen=True)
class Run:
    """One run: its folder, its numbers, its inputs, and how it is executed."""

    root: Folder
    recipe: Recipe
    inputs: Inputs = field(default_factory=Inputs)
    workers: int = 0
    progress: Progress = SILENT
    force: bool = False
    """Make the artifact again although it is current."""

    def folder(self, *names: str) -> Folder:
        """The folder of an artifact, such as `folder("iteration_1", "scores")`."""
        return self.root.joinpath(*names)

    def to_json(self) -> dict[str, Any]:
        """Everything another process needs to go on with this run (see `from_json`)."""
        return {
            "root": str(self.root), "recipe": self.recipe.model_dump(mode="json"), "inputs": asdict(self.inputs),
            "workers": self.workers, "force": self.force,
        }  # fmt: skip

    @staticmethod
    def from_json(value: Mapping[str, Any], progress: Progress = SILENT) -> "Run":
        inputs = Inputs(**{**value["inputs"], "crawl": tuple(value["inputs"]["crawl"])})
        recipe = Recipe.model_validate(value["recipe"])
        return Run(storage.folder(value["root"]), recipe, inputs, value["workers"], progress, value["force"])

    @property
    def options(self) -> dict[str, Any]:
        return {"progress": self.progress, "force": self.force}

    @property
    def crawl(self) -> list[str]:
        return [str(self.folder("mini_web", "crawl"))] if self.inputs.is_mini_web else list(self.inputs.crawl)

    @property
    def seed_file(self) -> str:
        return self.inputs.seed_file or str(self.folder("mini_web", "seed", "seed.jsonl.gz"))

    @property
    def benchmarks(self) -> str:
        return self.inputs.benchmarks or str(self.folder("mini_web", "benchmarks"))

    @property
    def iterations(self) -> range:
        return range(1, self.recipe.iteration.max_iterations + 1)


# Sources -------------------------------------------------------------------------------------------------------------


def mini_web(run: Run) -> Manifest:
    from .demo.mini_web import write_mini_web

    return write_mini_web(
        run.folder("mini_web"), run.recipe.mini_web, run.recipe.seed, truth=run.folder("truth"), **run.options
    )


def word_problems(run: Run) -> Manifest:
    from .demo.word_problems import write_problems

    return write_problems(run.folder("word_problems"), run.recipe.mini_web, run.recipe.seed, **run.options)


def seed(run: Run) -> Manifest:
    from .corpus.seeds import write_seed

    return write_seed(run.seed_file, run.folder("seed"), **run.options)


# Corpus --------------------------------------------------------------------------------------------------------------


def documents(run: Run) -> Manifest:
    from .corpus.pages import extract_files

    return extract_files(
        run.crawl, run.folder("documents"), run.recipe.extract, workers=run.workers, **run.options
    )


def unique_documents(run: Run) -> Manifest:
    from .corpus.dedup import deduplicate

    return deduplicate(run.folder("documents"), run.folder("unique_documents"), run.recipe.dedup, **run.options)
