"""Every artifact of a run: where it lies, what it reads, which library function makes it.

One function per artifact. `dsmath demo` and `dsmath corpus` call them in order, the Dagster assets call them one by
one; both therefore write the same folders. This file holds the wiring and nothing else.

    <root>/mini_web  word_problems  seed  documents  unique_documents  near_duplicates  held_out
           iteration_1..N/{seed_set, classifier, scores, collected, domains, annotations, contamination}
           volume/<budget>  math_corpus  natural_language  tokenizer  tokens
           validation/<corpus>  models/{base, sft, reward, rl}  methods/<name>  evaluation/{base, sft, rl}  report
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import storage
from .progress import SILENT, Progress
from .recipe.schema import Recipe
from .storage import Folder, Manifest
from .training.validation_run import Validation

MODELS = ("base", "sft", "rl")
"""Models that are evaluated, in the order of training."""


@dataclass(frozen=True)
class Inputs:
    """What people bring. An empty `crawl` means the generated mini web, which also brings seed and benchmarks."""

    crawl: tuple[str, ...] = ()
    seed_file: str = ""
    benchmarks: str = ""
    annotations: str = ""
    """A label file, `auto`, `people`; empty: the round that people finished for an iteration, else `auto`."""
    held_out: str = ""
    """Texts that people judged (JSONL: url, text, is_math): measured beside the held-out set, never trained on."""
    optout: str = ""
    """A list of domains and addresses that may not be used (corpus/optout_list.py)."""
    earlier: tuple[str, ...] = ()
    """Folders of runs on earlier crawls, oldest first: near-duplicates of their pages do not enter the corpus again."""
    sources: tuple[str, ...] = ()
    """Further texts for pretraining, as `name=path` with a name of the mixture: `arxiv=/data/arxiv`, `code=owner/name`
    on the hub (tokens/sources.py). A source of the run itself is replaced by one of its name."""
    corpora: tuple[str, ...] = ()
    """Further corpora to validate, as `name=path`."""

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
        lists = {name: tuple(value["inputs"].get(name, ())) for name in ("crawl", "earlier", "sources", "corpora")}
        inputs = Inputs(**value["inputs"] | lists)
        recipe = Recipe.model_validate(value["recipe"])
        return Run(storage.folder(value["root"]), recipe, inputs, value["workers"], progress, value["force"])

    def out(self, *names: str) -> Folder:
        """The folder that a stage writes; emptied first when the artifact is to be made again."""
        path = self.folder(*names)
        if self.force:
            storage.remove(path)
        return path

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

    recipe = run.recipe
    return write_mini_web(
        run.out("mini_web"), recipe.mini_web, recipe.seed, truth=run.folder("truth"), progress=run.progress
    )


def word_problems(run: Run) -> Manifest:
    from .demo.word_problems import write_problems

    return write_problems(run.out("word_problems"), run.recipe.mini_web, run.recipe.seed, progress=run.progress)


# Corpus --------------------------------------------------------------------------------------------------------------


def seed(run: Run) -> Manifest:
    from .corpus.seeds import write_seed

    write_seed(run.seed_file, run.out("seed"), progress=run.progress)
    return _without_removed(run, "seed")


def documents(run: Run) -> Manifest:
    from .corpus.pages import extract_files

    extract_files(
        run.crawl, run.out("documents"), run.recipe.extract, run.recipe.opt_out, fetch=run.recipe.fetch,
        workers=run.workers, progress=run.progress,
    )  # fmt: skip
    return _without_removed(run, "documents")


def unique_documents(run: Run) -> Manifest:
    from .corpus.dedup import deduplicate

    return deduplicate(
        run.folder("documents"), run.out("unique_documents"), run.recipe.dedup, opted_out=_opted_out(run),
        workers=run.workers, progress=run.progress,
    )  # fmt: skip


def _opted_out(run: Run) -> Folder | None:
    """The pages that the opt-out list covers; None without a list."""
    from .corpus.optout_pages import find_opted_out

    if not run.inputs.optout:
        return None
    find_opted_out(
        run.folder("documents"), storage.folder(run.inputs.optout), run.out("opt_out"), run.recipe.opt_out,
        workers=run.workers, progress=run.progress,
    )  # fmt: skip
    return run.folder("opt_out")


def _without_removed(run: Run, name: str) -> Manifest:
    """What was read from files outside of the run loses the pages that were removed on request before."""
    from .corpus.removal import without_removed

    return without_removed(run.root, run.folder(name))


def held_out(run: Run) -> Manifest:
    from .corpus.iteration import stage_held_out

    run.out("held_out")
    stage_held_out(run.root, run.recipe, judged=run.inputs.held_out, progress=run.progress)
    return _without_removed(run, "held_out")


def seed_set(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_seed_set

    run.out(f"iteration_{k}", "seed_set")
    return stage_seed_set(run.root, k, run.recipe, progress=run.progress)


def classifier(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_classifier

    run.out(f"iteration_{k}", "classifier")
    return stage_classifier(run.root, k, run.recipe, workers=run.workers, progress=run.progress)


def scores(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_scores

    run.out(f"iteration_{k}", "scores")
    return stage_scores(run.root, k, run.recipe, workers=run.workers, progress=run.progress)


def collected(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_collected

    run.out(f"iteration_{k}", "collected")
    return stage_collected(run.root, k, run.recipe, workers=run.workers, progress=run.progress)


def domains(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_domains

    run.out(f"iteration_{k}", "domains")
    return stage_domains(run.root, k, run.recipe, workers=run.workers, progress=run.progress)


def annotations(run: Run, k: int) -> Manifest:
    from .annotation_app.rounds import labels_of_iteration
    from .corpus.annotation import AUTO
    from .corpus.iteration import has_converged, stage_annotations

    run.out(f"iteration_{k}", "annotations")
    is_carried = has_converged(run.root, k - 1, run.recipe.iteration)  # nobody is asked again
    labels = AUTO if is_carried else labels_of_iteration(run.root, k, run.inputs.annotations)
    return stage_annotations(run.root, k, run.recipe, labels=labels, progress=run.progress)


def contamination(run: Run, k: int) -> Manifest:
    from .corpus.iteration import stage_contamination

    run.out(f"iteration_{k}", "contamination")
    return stage_contamination(
        run.root, k, run.recipe, benchmarks=storage.folder(run.benchmarks), workers=run.workers, progress=run.progress
    )


def volume(run: Run, token_budget: int) -> Manifest:
    from .corpus.volume import budget_name, collect_volume

    out = run.out("volume", budget_name(token_budget))
    scores = run.folder("iteration_1", "scores")
    return collect_volume(scores, out, token_budget, workers=run.workers, progress=run.progress)


def near_duplicates(run: Run) -> Manifest:
    from .corpus.near_dedup import find_near_duplicates

    earlier = [storage.folder(path) / "near_duplicates" for path in run.inputs.earlier]
    return find_near_duplicates(
        run.folder("unique_documents"), run.out("near_duplicates"), run.recipe.dedup, known=earlier,
        workers=run.workers, progress=run.progress,
    )  # fmt: skip


def math_corpus(run: Run) -> Manifest:
    from .corpus.final import assemble_corpus

    collected = [run.folder(f"iteration_{k}", "collected") for k in run.iterations]
    return assemble_corpus(
        run.folder("unique_documents"), collected, storage.folder(run.benchmarks), run.out("math_corpus"),
        run.recipe.dedup, run.recipe.decontamination,
        near_duplicates=run.folder("near_duplicates") if run.inputs.earlier else None, workers=run.workers,
        progress=run.progress,
    )  # fmt: skip


def natural_language(run: Run) -> Manifest:
    from .corpus.natural_language import select_natural_language

    return select_natural_language(
        run.folder("unique_documents"), run.folder(f"iteration_{run.iterations[-1]}", "collected"),
        run.out("natural_language"), progress=run.progress,
    )  # fmt: skip


# Training ------------------------------------------------------------------------------------------------------------


def tokenizer(run: Run) -> Manifest:
    from .tokens.tokenizer import train_tokenizer

    return train_tokenizer(
        run.folder("math_corpus"), run.out("tokenizer"), run.recipe.tokenizer, run.recipe.seed,
        problems=run.folder("word_problems"), extra=_further_sources(run), progress=run.progress,
    )  # fmt: skip


def tokens(run: Run) -> Manifest:
    from .tokens.packing import pack_tokens

    sources = {"corpus": run.folder("math_corpus"), "natural_language": run.folder("natural_language")}
    recipe = run.recipe
    return pack_tokens(
        sources | _further_sources(run), run.folder("tokenizer"), run.out("tokens"), recipe.mixture, recipe.pretrain,
        recipe.seed, workers=run.workers, progress=run.progress,
    )  # fmt: skip


def _further_sources(run: Run) -> dict[str, str]:
    """Sources of the mixture that people brought, by name."""
    return named_paths(run.inputs.sources)


def named_paths(values: Sequence[str]) -> dict[str, str]:
    """`name=path` texts as a dictionary. Raises ValueError for one of another form, or a name given twice."""
    found: dict[str, str] = {}
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise ValueError(f"{value!r}: write name=path, such as arxiv=/data/arxiv")
        if name in found:
            raise ValueError(f"{name} is given twice: {found[name]} and {path}")
        found[name] = path
    return found


def base_model(run: Run) -> Manifest:
    from .training.pretrain import pretrain

    recipe = run.recipe
    return pretrain(
        run.folder("tokens"), run.folder("tokenizer"), run.out("models", "base"), recipe.model, recipe.pretrain,
        recipe.seed, progress=run.progress,
    )  # fmt: skip


def sft_model(run: Run) -> Manifest:
    from .training.sft import train_sft

    return train_sft(
        run.folder("models", "base"), run.folder("word_problems"), run.out("models", "sft"), run.recipe.sft,
        run.recipe.seed, progress=run.progress,
    )  # fmt: skip


def reward_model(run: Run) -> Manifest:
    from .rl.reward_model import train_reward_model

    return train_reward_model(
        run.folder("models", "sft"), run.folder("models", "base"), run.folder("word_problems"),
        run.out("models", "reward"), run.recipe.reward_model, run.recipe.seed, progress=run.progress,
    )  # fmt: skip


def rl_model(run: Run) -> Manifest:
    from .rl.experiment import reward_of
    from .rl.trainer import train_rl

    return train_rl(
        run.folder("models", "sft"), reward_of(run.root, run.recipe, progress=run.progress),
        run.folder("word_problems"), run.out("models", "rl"), run.recipe.rl, run.recipe.seed, progress=run.progress,
    )  # fmt: skip


def method_policy(run: Run, name: str) -> Manifest:
    """One policy of the comparison of methods."""
    from .rl.experiment import train_method

    run.out("methods", name)
    return train_method(run.root, run.recipe, name, progress=run.progress)


def validation(run: Run, name: str) -> Manifest:
    """Train on one corpus of the validation, measure its perplexity and, where benchmarks are named, its accuracy."""
    from .evaluation.harness import evaluate_model
    from .training.validate import validate_corpus
    from .training.validation_run import model_folder, seed_folders

    asked = validation_of(run)
    if run.force:
        for path in seed_folders(asked, name):
            storage.remove(path)
    manifest = validate_corpus(asked, name)
    settings = run.recipe.evaluation.model_copy(update={"prompt": "few_shot", "max_sampled_problems": 0})
    for number, path in enumerate(seed_folders(asked, name) if asked.settings.benchmarks else ()):
        evaluate_model(
            storage.folder(model_folder(asked, name, path)), asked.settings.benchmarks, storage.folder(run.benchmarks),
            path / "evaluation", settings, "cot", run.recipe.seed + number, progress=run.progress,
        )  # fmt: skip
    return manifest


def validation_of(run: Run) -> Validation:
    """What the validation needs of a run."""
    return Validation(run.root, run.recipe, named_paths(run.inputs.corpora), run.inputs.held_out, progress=run.progress)


# Evaluation and report -----------------------------------------------------------------------------------------------


def evaluation(run: Run, model: str) -> Manifest:
    from .evaluation.harness import evaluate_model

    return evaluate_model(
        run.folder("models", model), ["word_problems"], run.folder("word_problems"), run.out("evaluation", model),
        run.recipe.evaluation, "cot", run.recipe.seed, progress=run.progress,
    )  # fmt: skip


def report(run: Run) -> Manifest:
    from .reporting.page import write_report

    return write_report(run.root, run.out("report"), truth=run.folder("truth"), progress=run.progress)
