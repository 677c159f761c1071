"""The `dsmath` command: every stage without Dagster.

Exit codes: 0 done, 1 bad input or a failed check, 2 bad usage, 130 interrupted (start the same command again: finished
work is kept). Set DSMATH_DEBUG=1 for tracebacks.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .annotation_app.command import add_annotate_command
from .console import Bars, print_table
from .crawl_commands import add_crawl_commands
from .grading.sandbox_file import add_sandbox_command
from .progress import SILENT, Progress
from .recipe.presets import PRESETS, RecipeError, load_recipe
from .recipe.schema import MixtureSettings, Recipe, RlMethod
from .refresh_commands import add_refresh_commands
from .storage import ArtifactError, Folder, Manifest, folder

if TYPE_CHECKING:
    from .stages import Run


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exits with the codes of the module's docstring."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    try:
        status = args.function(args)
    except RecipeError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("dsmath: interrupted; the same command goes on where this one was", file=sys.stderr)
        status = 130
    except Exception as error:
        if os.environ.get("DSMATH_DEBUG") or not is_input_error(error):
            raise
        print(f"dsmath: error: {error}", file=sys.stderr)
        status = 1
    sys.exit(status or 0)


def is_input_error(error: Exception) -> bool:
    """Is it the input's fault? The library's own exceptions and the standard ones for bad values and files are."""
    return isinstance(error, (OSError, ValueError)) or type(error).__module__.startswith("dsmath_pipeline.")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="dsmath", description="The open, runnable DeepSeekMath pipeline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_demo(commands)
    add_corpus(commands)
    add_dedup(commands)
    add_volume(commands)
    add_extract(commands)
    add_score(commands)
    add_train(commands)
    add_validate(commands)
    add_evaluate(commands)
    add_results(commands)
    add_grade(commands)
    add_sandbox_command(commands)
    add_annotate_command(commands)
    add_checks(commands)
    add_remove(commands)
    add_refresh_commands(commands)
    add_crawl_commands(commands)
    add_doctor(commands)
    return parser


def command(commands, name: str, function: Callable, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(function=function)
    return parser


def add_recipe_options(parser: argparse.ArgumentParser, preset: str) -> None:
    parser.add_argument("--preset", default=preset, choices=list(PRESETS), help=f"recipe preset (default: {preset})")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", dest="overrides",
        help="override one setting; may be repeated. `--set seed=1` changes every random choice",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=0, help="worker processes (default: one per core)")


def recipe_of(args: argparse.Namespace) -> Recipe:
    return load_recipe(args.preset, args.overrides)


# dsmath demo ---------------------------------------------------------------------------------------------------------


def add_demo(commands) -> None:
    parser = command(commands, "demo", demo, "run the whole pipeline on a generated mini web; resumes where it was")
    parser.add_argument("--out", type=folder, default="runs/demo", help="folder of the run (default: runs/demo)")
    add_recipe_options(parser, "demo")


def demo(args: argparse.Namespace) -> None:
    from .runs import run_demo
    from .stages import Run

    with Bars() as progress:
        run = Run(args.out, recipe_of(args), workers=args.workers, progress=progress)
        report = run_demo(run)
    _print_iterations(run)
    _print_accuracy(run)
    print(f"Report: {Path(str(report)).resolve()}")


def _print_iterations(run: "Run") -> None:
    from .reporting.tables import iterations_table

    names = {
        "iteration": "iteration", "num_pages": "pages", "num_tokens": "tokens",
        "already_collected_pages_share": "already collected", "num_math_domains": "math domains",
        "precision": "precision", "recall": "recall",
    }  # fmt: skip
    truth = run.folder("truth") if run.inputs.is_mini_web else None
    rows = iterations_table(run.root, truth)
    print_table("Iterations", [{new: row[old] for old, new in names.items() if old in row} for row in rows])


def _print_accuracy(run: "Run") -> None:
    from .reporting.tables import accuracy_table

    k = run.recipe.evaluation.num_samples
    names = {
        "model": "model", "num_problems": "problems", "greedy": "greedy", "maj_at_k": f"Maj@{k}",
        "pass_at_k": f"Pass@{k}",
    }  # fmt: skip
    rows = accuracy_table(run.root)
    print_table("Accuracy on held-out problems", [{new: row[old] for old, new in names.items()} for row in rows])


# dsmath corpus -------------------------------------------------------------------------------------------------------


def add_corpus(commands) -> None:
    parser = command(commands, "corpus", corpus, "build a mathematics corpus from your own WARC files and seed")
    parser.add_argument(
        "--crawl",
        nargs="+",
        required=True,
        metavar="PATH",
        help="WARC files, folders of them, or cc:CC-MAIN-2024-10[/FIRST-LAST], files of Common Crawl",
    )
    parser.add_argument("--seed", required=True, metavar="FILE", help="seed texts, JSONL with url, text, date")
    parser.add_argument("--benchmarks", required=True, metavar="DIR", help="benchmark JSONL files, for decontamination")
    parser.add_argument("--out", required=True, type=folder, metavar="DIR", help="where everything is written")
    parser.add_argument(
        "--annotations", default="", metavar="FILE|auto|people",
        help="URL-prefix labels; people: wait for a finished round (default: finished rounds, else auto)",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", default="", metavar="FILE",
        help="judged texts, JSONL with url, text, is_math, [language]: measured in every iteration, never trained on",
    )  # fmt: skip
    parser.add_argument("--optout", default="", metavar="FILE", help="domains and addresses that may not be used")
    parser.add_argument(
        "--earlier", nargs="+", default=[], metavar="DIR",
        help="folders of runs on earlier crawls, oldest first: near-duplicates of their pages are left out",
    )  # fmt: skip
    parser.add_argument("--token-budget", type=int, metavar="N", help="tokens to collect, at most")
    add_recipe_options(parser, "small_crawl")


def corpus(args: argparse.Namespace) -> None:
    from .runs import build_corpus
    from .stages import Inputs, Run

    if args.token_budget is not None:
        args.overrides.append(f"ranking.token_budget={args.token_budget}")
    inputs = Inputs(
        tuple(args.crawl), args.seed, args.benchmarks, args.annotations, args.held_out, args.optout, tuple(args.earlier)
    )  # fmt: skip
    with Bars() as progress:
        run = Run(args.out, recipe_of(args), inputs, args.workers, progress)
        report = build_corpus(run)
    _print_iterations(run)
    print(f"Corpus: {run.folder('math_corpus')} ({report['math_corpus']['num_documents']:,} documents)")


def add_dedup(commands) -> None:
    parser = command(commands, "dedup", dedup, "URLs, texts and near-duplicates of crawls, oldest first")
    parser.add_argument(
        "crawls", nargs="+", type=folder, metavar="CRAWL", help="folders of documents, or files of `dsmath extract`"
    )
    parser.add_argument("--out", required=True, type=folder, metavar="DIR", help="where everything is written")
    parser.add_argument(
        "--known", nargs="+", default=[], type=folder, metavar="DIR",
        help="near_duplicates folders of crawls before these, oldest first",
    )  # fmt: skip
    add_recipe_options(parser, "paper")


def dedup(args: argparse.Namespace) -> None:
    from .corpus.crawls import deduplicate_crawls

    with Bars() as progress:
        manifests = deduplicate_crawls(
            args.crawls, args.out, recipe_of(args).dedup, known=args.known, workers=args.workers, progress=progress
        )
    counts = manifests["kept_documents"].counts
    rows = [("documents read", counts["num_read"]), *counts["dropped"].items(), ("documents kept", counts["num_kept"])]
    print_table(f"Documents: {args.out / 'kept_documents'}", [{"what": name, "number": n} for name, n in rows])


def add_volume(commands) -> None:
    parser = command(commands, "volume", volume, "the volume experiment: one ranking cut at several token budgets")
    parser.add_argument("--root", type=folder, default="runs/demo", help="folder of the run (default: runs/demo)")
    add_recipe_options(parser, "demo")


def volume(args: argparse.Namespace) -> None:
    from . import stages
    from .corpus.volume import budget_name, volume_rows

    with Bars() as progress:
        run = stages.Run(args.root, recipe_of(args), workers=args.workers, progress=progress)
        for tokens in run.recipe.volume.token_budgets:
            stages.volume(run, tokens)
    names = [budget_name(tokens) for tokens in run.recipe.volume.token_budgets]
    print_table("Volume experiment", volume_rows([(name, run.folder("volume", name)) for name in names]))


# dsmath extract, score, grade ----------------------------------------------------------------------------------------


def add_extract(commands) -> None:
    parser = command(commands, "extract", extract, "WARC, ARC or HTML files to text with formulas")
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="WARC or HTML files (.gz or not), folders of them, or cc:CRAWL"
    )
    parser.add_argument("--out", required=True, type=folder, metavar="FILE.parquet")
    parser.add_argument(
        "--respect-opt-out", action="store_true", help="leave out pages that refuse to be training data, as corpus does"
    )
    add_recipe_options(parser, "paper")


def extract(args: argparse.Namespace) -> None:
    from .corpus.pages import extract_to_file

    with Bars() as progress:
        recipe = recipe_of(args)
        asks = recipe.opt_out if args.respect_opt_out else None
        counts = extract_to_file(
            args.inputs, args.out, recipe.extract, asks, fetch=recipe.fetch, workers=args.workers, progress=progress
        )
    print_table("Extraction", [{"figure": name, "value": str(value)} for name, value in counts.items()])


def add_score(commands) -> None:
    parser = command(commands, "score", score, "score documents with a trained classifier")
    parser.add_argument(
        "--classifier", required=True, type=folder, metavar="PATH", help="classifier folder or model.bin"
    )
    parser.add_argument(
        "--input", required=True, nargs="+", metavar="PARQUET", help="files or folders with a text column"
    )
    parser.add_argument("--out", required=True, type=folder, metavar="PARQUET")


def score(args: argparse.Namespace) -> None:
    from .corpus.scoring import score_file

    with Bars() as progress:
        num_rows = score_file(args.classifier, [folder(path) for path in args.input], args.out, progress=progress)
    print(f"{num_rows:,} documents scored: {args.out}")


def add_grade(commands) -> None:
    parser = command(commands, "grade", grade, "grade solutions against reference answers")
    parser.add_argument("--input", required=True, type=folder, metavar="FILE.jsonl", help="rows {reference, solution}")
    parser.add_argument(
        "--out", required=True, type=folder, metavar="FILE.jsonl", help="the rows with answer, grade, verdict and rule"
    )
    parser.add_argument(
        "--mode", default="strict", choices=["strict", "paper"],
        help="strict (default), or the paper's looser rules: for reported numbers, never for rewards",
    )  # fmt: skip


def grade(args: argparse.Namespace) -> int:
    from .grading.grade_file import grade_file

    with Bars() as progress:
        counts = grade_file(args.input, args.out, progress, mode=args.mode)
    print_table("Grades", [{"figure": name, "value": str(value)} for name, value in counts.items()])
    return 1 if counts.get("errors") else 0


# dsmath train, evaluate ----------------------------------------------------------------------------------------------


def add_train(commands) -> None:
    parser = commands.add_parser("train", help="train a model", description="Train a model.")
    kinds = parser.add_subparsers(required=True, metavar="tokens|pretrain|sft-data|sft|reward|rl")
    tokens = command(kinds, "tokens", train_tokens, "encode and pack the texts that a base model is trained on")
    pretrain = command(kinds, "pretrain", train_pretrain, "train a base model, on packed tokens or on texts")
    pretrain.add_argument(
        "--tokens", type=folder, metavar="DIR", help="what `dsmath train tokens` wrote, instead of texts"
    )
    for kind in (tokens, pretrain):
        add_source_options(kind)
        kind.add_argument(
            "--tokenizer", metavar="DIR|NAME",
            help="tokenizer or model folder, or hub name (default: that of --init, or a new one)",
        )  # fmt: skip
    tokens.add_argument("--init", metavar="DIR|NAME", help="model that will be trained on: its tokenizer is used")
    pretrain.add_argument("--init", metavar="DIR|NAME", help="go on from this model (default: from scratch)")
    tokens.add_argument("--out", required=True, type=folder, metavar="DIR", help="DIR/tokenizer and DIR/tokens")
    add_recipe_options(tokens, "one_gpu")
    add_sft_data(kinds)
    sft = command(kinds, "sft", train_sft, "fine-tune on problems with solutions")
    reward = command(kinds, "reward", train_reward, "train an outcome reward model")
    rl = command(kinds, "rl", train_rl, "train by reinforcement learning")
    for kind in (sft, reward, rl):
        kind.add_argument(
            "--problems",
            required=True,
            type=folder,
            metavar="PATH",
            help="Parquet or JSONL with problem, solution, answer",
        )
    sft.add_argument("--base", required=True, type=folder, metavar="DIR", help="base model")
    reward.add_argument(
        "--base", required=True, type=folder, metavar="DIR", help="model that the reward model starts from"
    )
    reward.add_argument("--sft", required=True, type=folder, metavar="DIR", help="model that samples solutions")
    rl.add_argument("--sft", required=True, type=folder, metavar="DIR", help="policy to start from, and reference")
    rl.add_argument("--reward", type=folder, metavar="DIR", help="reward model (default: rule reward alone)")
    rl.add_argument("--method", choices=get_args(RlMethod), help="default: rl.method of the recipe")
    for kind in (pretrain, sft, reward, rl):
        kind.add_argument(
            "--out", required=True, type=folder, metavar="DIR", help="folder of the model (pretrain: DIR/model)"
        )
        add_recipe_options(kind, "one_gpu")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """The sources of the pretraining mixture (`mixture` in the recipe)."""
    group = parser.add_argument_group(
        "texts", "Parquet or JSON lines (.gz, .zst) with a field text or content: a file, a folder, or OWNER/NAME on "
        "the Hugging Face hub. Shares of what is not given go to the others.",
    )  # fmt: skip
    for name, field in MixtureSettings.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}", metavar="PATH",
            help=f"{field.description} (share in the paper: {field.default:.0%})".replace("%", "%%"),
        )  # fmt: skip


def sources_of(args: argparse.Namespace) -> dict[str, str]:
    return {name: getattr(args, name) for name in MixtureSettings.model_fields if getattr(args, name)}


def train_tokens(args: argparse.Namespace) -> None:
    with Bars() as progress:
        _, manifest = _pack(args, recipe_of(args), progress)
    rows = [{"source": name, **counts} for name, counts in manifest.counts.items()]
    print_table(f"Tokens: {args.out / 'tokens'}", rows)


def _pack(args: argparse.Namespace, recipe: Recipe, progress: Progress) -> tuple[Folder, Manifest]:
    """Tokenizer and packed tokens of the sources on the command line: (tokenizer, manifest of the tokens)."""
    from .tokens.hub import TOKENIZER_FILES, local_or_hub
    from .tokens.packing import pack_tokens
    from .tokens.tokenizer import train_tokenizer

    sources = sources_of(args)
    if not sources:
        raise ValueError("no texts to train on: name at least --corpus")
    tokenizer = args.tokenizer or args.init
    if tokenizer is None:
        tokenizer = args.out / "tokenizer"
        train_tokenizer(None, tokenizer, recipe.tokenizer, recipe.seed, extra=sources, progress=progress)
    tokenizer = local_or_hub(tokenizer, TOKENIZER_FILES)
    manifest = pack_tokens(
        sources, tokenizer, args.out / "tokens", recipe.mixture, recipe.pretrain, recipe.seed, workers=args.workers,
        progress=progress,
    )  # fmt: skip
    return tokenizer, manifest


def train_pretrain(args: argparse.Namespace) -> None:
    from .training.distributed import is_main, join, main_first
    from .training.pretrain import pretrain

    recipe = recipe_of(args)
    if args.tokens and sources_of(args):
        raise ValueError("--tokens holds packed texts already: leave the texts out")
    with Bars() if is_main() else contextlib.nullcontext(SILENT) as progress:
        if args.tokens:
            tokens = args.tokens / "tokens" if (args.tokens / "tokens").exists() else args.tokens
            tokenizer = args.tokenizer or args.init or args.tokens / "tokenizer"
        else:
            join()
            tokens = args.out / "tokens"
            with main_first():
                tokenizer, _ = _pack(args, recipe, progress)
        out = args.out / "model"
        manifest = pretrain(
            tokens, folder(str(tokenizer)), out, recipe.model, recipe.pretrain, recipe.seed,
            init=folder(args.init) if args.init else None, progress=progress,
        )  # fmt: skip
    if is_main():
        _print_training(manifest, out)


def train_sft(args: argparse.Namespace) -> None:
    from .training.distributed import is_main
    from .training.sft import train_sft

    recipe = recipe_of(args)
    with Bars() if is_main() else contextlib.nullcontext(SILENT) as progress:
        manifest = train_sft(args.base, args.problems, args.out, recipe.sft, recipe.seed, progress=progress)
    if is_main():
        _print_training(manifest, args.out)


def add_sft_data(kinds) -> None:
    parser = command(kinds, "sft-data", train_sft_data, "read, check and join data for fine-tuning")
    parser.add_argument(
        "sources", nargs="+", metavar="NAME=PATH",
        help="files or folders: GSM8K, MATH, MathInstruct, Lila, ToRA, or rows of problem, solution, [answer, method]",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=folder, metavar="DIR", help="train.parquet and rejected.jsonl")
    parser.add_argument("--no-verify", action="store_true", help="neither run programs nor grade answers")
    parser.add_argument("--workers", type=int, default=2, help="programs at a time (default: 2)")


def train_sft_data(args: argparse.Namespace) -> None:
    from .stages import named_paths
    from .training.sft_data import write_sft_data

    with Bars() as progress:
        manifest = write_sft_data(
            named_paths(args.sources), args.out, is_verified=not args.no_verify, workers=args.workers, progress=progress
        )
    counts = manifest.counts
    rows = [("rows read", counts["num_read"]), ("rows kept", counts["num_kept"])]
    rows += [(f"rejected: {reason}", number) for reason, number in counts["rejected"].items()]
    rows += [(f"kept: {name}", n) for column in ("by_method", "by_language") for name, n in counts[column].items()]
    print_table(f"Data: {args.out}", [{"what": what, "number": number} for what, number in rows])


def train_reward(args: argparse.Namespace) -> None:
    from .rl.reward_model import train_reward_model

    recipe = recipe_of(args)
    with Bars() as progress:
        manifest = train_reward_model(
            args.sft, args.base, args.problems, args.out, recipe.reward_model, recipe.seed, progress=progress
        )
    _print_training(manifest, args.out)


def train_rl(args: argparse.Namespace) -> None:
    from .rl.trainer import train_rl as train

    recipe = recipe_of(args)
    settings = recipe.rl.model_copy(update={"method": args.method}) if args.method else recipe.rl
    with Bars() as progress:
        manifest = train(args.sft, args.reward, args.problems, args.out, settings, recipe.seed, progress=progress)
    _print_training(manifest, args.out)


def _print_training(manifest: Manifest, path: Folder) -> None:
    figures = {name: value for name, value in manifest.counts.items() if isinstance(value, (int, float, str))}
    print_table(f"Model: {path}", [{"figure": name, "value": value} for name, value in figures.items()])


def add_validate(commands) -> None:
    parser = command(commands, "validate", validate, "train one small model on each corpus of a run and compare them")
    parser.add_argument("--root", type=folder, default="runs/demo", help="folder of the run (default: runs/demo)")
    parser.add_argument("--corpus", nargs="+", default=[], metavar="NAME=PATH", help="further corpora to compare")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME",
        help="corpora to train on now: crawl, seed, iteration_1, ..., final, or a name of --corpus (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", default="", metavar="FILE", help="judged texts, JSONL with url, text, is_math: measured on"
    )
    parser.add_argument("--benchmarks", default="", metavar="DIR", help="benchmark folder, for validation.benchmarks")
    add_recipe_options(parser, "small_crawl")


def validate(args: argparse.Namespace) -> None:
    from . import stages
    from .reporting.validation_table import paper_corpora, validation_table
    from .training.validation_run import corpus_names

    inputs = stages.Inputs(benchmarks=args.benchmarks, held_out=args.held_out, corpora=tuple(args.corpus))
    with Bars() as progress:
        run = stages.Run(args.root, recipe_of(args), inputs, args.workers, progress)
        asked = stages.validation_of(run)
        names = corpus_names(run.recipe, asked.corpora)
        for name in args.only or names:
            stages.validation(run, name)
    _print_formatted("Validation: perplexity on held-out mathematics", validation_table(asked, names))
    _print_formatted("The paper, accuracy in percent (table 1)", paper_corpora())


def _print_formatted(caption: str, rows: Sequence[dict[str, Any]]) -> None:
    from .reporting.tables import format_cell, heading

    print_table(caption, [{heading(c): format_cell(c, value) for c, value in row.items()} for row in rows])


def add_evaluate(commands) -> None:
    parser = command(commands, "evaluate", evaluate, "accuracy, Maj@K and Pass@K of a model on benchmarks")
    parser.add_argument("--model", type=folder, metavar="DIR", help="every method but `hammer` needs one")
    parser.add_argument("--benchmark", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--data", required=True, type=folder, metavar="DIR", help="folder of the benchmarks' files")
    parser.add_argument(
        "--method", default="cot", choices=["cot", "pot", "tool", "proof", "hammer", "general"],
        help="proof: formal benchmarks; hammer: the prover alone, without a model; general: mmlu, bbh, humaneval, mbpp "
        "(default: cot)",
    )  # fmt: skip
    parser.add_argument(
        "--engine",
        default="transformers",
        choices=["transformers", "vllm"],
        help="what samples (default: transformers)",
    )
    parser.add_argument(
        "--device", default="", metavar="NAME", help="cpu, cuda, ... (default: the GPU if there is one)"
    )
    parser.add_argument(
        "--prover", default="coq", metavar="coq|COMMAND", help="proof checker of proof and hammer (default: coq)"
    )
    parser.add_argument("--out", required=True, type=folder, metavar="DIR")
    add_page_option(parser)
    add_recipe_options(parser, "one_gpu")


def add_page_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--page", type=folder, metavar="FILE.html", help="write a page of all problems with solutions, outputs, grades"
    )


def evaluate(args: argparse.Namespace) -> None:
    if args.method != "hammer" and not args.model:
        raise ValueError(f"method {args.method} evaluates a model: name its folder with --model")
    if args.method in ("proof", "hammer"):
        _print_training(_evaluate_proofs(args), args.out)
    else:
        _print_training(_evaluate_questions(args), args.out)
    _print_results([args.out], args.page)


def _evaluate_questions(args: argparse.Namespace) -> Manifest:
    from .evaluation.general.stage import evaluate_general
    from .evaluation.harness import evaluate_model

    recipe = recipe_of(args)
    with Bars() as progress:
        execution: Any = {
            "engine": args.engine, "device": args.device, "workers": args.workers or 2, "progress": progress,
        }  # fmt: skip
        settings = recipe.evaluation
        if args.method == "general":
            return evaluate_general(args.model, args.benchmark, args.data, args.out, settings, recipe.seed, **execution)
        return evaluate_model(
            args.model, args.benchmark, args.data, args.out, settings, args.method, recipe.seed, **execution
        )


def _evaluate_proofs(args: argparse.Namespace) -> Manifest:
    from .evaluation.formal.stage import evaluate_proofs, open_prover

    recipe = recipe_of(args)
    with Bars() as progress, contextlib.closing(open_prover(args.prover)) as prover:
        return evaluate_proofs(
            args.model, args.benchmark, args.data, args.out, recipe.evaluation, prover, args.method, recipe.seed,
            engine=args.engine, device=args.device, workers=args.workers or 2, progress=progress,
        )  # fmt: skip


def add_results(commands) -> None:
    parser = command(commands, "results", results, "evaluations beside each other and beside the paper's figures")
    parser.add_argument("folders", nargs="+", type=folder, metavar="DIR", help="--out folders of `dsmath evaluate`")
    add_page_option(parser)


def results(args: argparse.Namespace) -> None:
    _print_results(args.folders, args.page)


def _print_results(folders: Sequence[Folder], page: Folder | None) -> None:
    from .reporting.evaluation_tables import paper_table, read_evaluations
    from .reporting.problems_page import write_problems_page
    from .reporting.tables import format_cell, heading

    evaluations = read_evaluations(folders)
    rows = [{heading(c): format_cell(c, value) for c, value in row.items()} for row in paper_table(evaluations)]
    print_table("Accuracy beside the paper's 7B models", rows)
    if page is not None:
        num_problems = write_problems_page(evaluations, page)
        print(f"{num_problems:,} problems: {page}")


# dsmath checks, doctor -----------------------------------------------------------------------------------------------


def add_checks(commands) -> None:
    parser = command(commands, "checks", checks, "run every asset check on a run's artifacts")
    parser.add_argument("--root", type=folder, default="runs/demo", help="folder of the run (default: runs/demo)")
    parser.add_argument("--fail-on", default="error", choices=["error", "warn"], help="what counts as failure")
    parser.add_argument("--benchmarks", default="", metavar="DIR", help="benchmark folder, if the run used its own")
    parser.add_argument("--optout", default="", metavar="FILE", help="opt-out list, if the run used one")
    add_recipe_options(parser, "demo")


def checks(args: argparse.Namespace) -> int:
    from .checks import checks as all_checks
    from .stages import Inputs, Run

    recipe = recipe_of(args)
    run = Run(args.root, recipe, Inputs(benchmarks=args.benchmarks, optout=args.optout), args.workers)
    rows, failed = [], 0
    for check in all_checks(recipe.iteration.max_iterations):
        try:
            outcome = check.run(run)
            state, message = ("passed" if outcome.passed else check.severity), outcome.message
        except ArtifactError as error:
            state, message = "missing", str(error)
        failed += state in ("error", "missing") or (state == "warn" and args.fail_on == "warn")
        rows.append({"artifact": check.artifact, "check": check.name, "result": state, "message": message})
    print_table(f"Asset checks of {args.root}", rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


def add_remove(commands) -> None:
    parser = command(commands, "remove", remove, "take pages out of a finished run, and keep them out, on request")
    parser.add_argument(
        "--root", required=True, type=folder, metavar="DIR", help="folder of the run; none may be going"
    )
    parser.add_argument(
        "--requests", required=True, type=folder, metavar="FILE",
        help="JSONL with url_prefix or domain, requested_at, [requester, reason]; or one address on each line",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only count what would go")


def remove(args: argparse.Namespace) -> None:
    from .corpus.optout_list import read_requests
    from .corpus.removal import remove_pages

    with Bars() as progress:
        report = remove_pages(args.root, read_requests(args.requests), is_dry_run=args.dry_run, progress=progress)
    rows = [{"artifact": name, "rows removed": count} for name, count in report.rows.items()]
    print_table(f"Removal from {args.root}" + (" (dry run)" if args.dry_run else ""), rows)
    print_table("Rows by request", [{"request": rule, "rows": count} for rule, count in report.rules.items()])
    for name, count in report.trained.items():
        print(f"{name} was trained on {count:,} removed rows. It is kept; delete it and what follows to train it anew.")
    for name in report.deleted:
        print(f"{name} was deleted: the next run makes it again without the pages.")


# dsmath doctor -------------------------------------------------------------------------------------------------------


def add_doctor(commands) -> None:
    command(commands, "doctor", doctor, "what is installed, what is missing, and what each missing part costs")


def doctor(args: argparse.Namespace) -> int:
    from .doctor import examine

    rows = examine()
    print_table("dsmath doctor", [{"part": r.part, "state": r.state, "what it means": r.meaning} for r in rows])
    return 1 if any(r.is_required and r.state == "missing" for r in rows) else 0


if __name__ == "__main__":
    main()
