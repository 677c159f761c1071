"""Which corpora of a run are validated, and where everything lies. No torch: tables and assets read it too.

<root>/validation/held_out  tokenizer  <corpus>/texts
       validation/<corpus>/seed_<n>/{tokens, model, perplexity, evaluation}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..progress import SILENT, Progress
from ..recipe.schema import Recipe, ValidationSettings
from ..storage import MANIFEST, Folder, read_manifest

NONE, CRAWL, SEED, FINAL = "none", "crawl", "seed", "final"
_NAME = re.compile(r"(?!held_out$|tokenizer$)\w[\w.-]*")


@dataclass(frozen=True)
class Validation:
    """One run's folder and numbers, and what people bring: `corpora` (name -> path) and judged texts (a file)."""

    root: Folder
    recipe: Recipe
    corpora: Mapping[str, str] = field(default_factory=dict)
    judged: str = ""
    device: str = ""
    progress: Progress = SILENT

    @property
    def settings(self) -> ValidationSettings:
        return self.recipe.validation

    def folder(self, *names: str) -> Folder:
        return self.root.joinpath("validation", *names)

    def collected(self, number: int) -> Folder:
        return self.root / f"iteration_{number}" / "collected"

    @property
    def last_collected(self) -> Folder:
        return self.collected(self.recipe.iteration.max_iterations)


def corpus_names(recipe: Recipe, corpora: Mapping[str, str] | None = None) -> list[str]:
    """The corpora of a run in the order of the table: `none` (where training starts from a model), `crawl`, `seed`,
    `iteration_1`, ..., `final`, then the user's. Raises ValueError for a user's name that is taken or cannot be a
    folder."""
    iterations = [f"iteration_{k}" for k in range(1, recipe.iteration.max_iterations + 1)]
    own = [*([NONE] if recipe.validation.init else []), CRAWL, SEED, *iterations, FINAL]
    for name in corpora or ():
        if name in (NONE, *own):
            raise ValueError(f"a corpus of the run itself is called {name}: give yours another name")
        if not _NAME.fullmatch(name):
            raise ValueError(f"corpus name {name!r}: use letters, digits, dots, dashes and underscores")
    return [*own, *(corpora or ())]


def repeated(validation: Validation, name: str) -> str:
    """The corpus that `name` repeats: an iteration that was carried forward has the pages of the one before it."""
    number = int(name.removeprefix("iteration_")) if name.startswith("iteration_") else 0
    while number > 1 and _is_carried_forward(validation.collected(number)):
        number -= 1
    return f"iteration_{number}" if number else name


def seed_folders(validation: Validation, name: str) -> list[Folder]:
    """The folder of each training on a corpus (`model`, `perplexity`, `evaluation` below it)."""
    seeds = 1 if name == NONE else validation.settings.num_seeds
    return [validation.folder(repeated(validation, name), f"seed_{n}") for n in range(seeds)]


def model_folder(validation: Validation, name: str, folder: Folder) -> str:
    """The model of one of `seed_folders`; a hub name is possible for `none`."""
    return validation.settings.init if name == NONE else str(folder / "model")


def _is_carried_forward(collected: Folder) -> bool:
    return (collected / MANIFEST).exists() and bool(read_manifest(collected).counts.get("carried_forward"))
