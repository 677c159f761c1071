"""The validation of corpora on a made-up run: mathematics and other pages, seconds to train on."""

import json
import random
from itertools import pairwise

import pyarrow as pa
import pytest
import torch

from dsmath_pipeline import stages, storage
from dsmath_pipeline.cli import main
from dsmath_pipeline.corpus.held_out import is_held_out
from dsmath_pipeline.demo.word_problems import worked_example
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.reporting.validation_table import validation_figure, validation_table
from dsmath_pipeline.storage import ArtifactError, read_manifest, read_table
from dsmath_pipeline.training.validate import held_out_windows, mean_loss, validate_corpus
from dsmath_pipeline.training.validation_run import Validation, corpus_names, repeated
from dsmath_pipeline.training.validation_texts import hold_out_mathematics, write_corpus_texts

SHARE = 0.3
WORDS = ["river", "house", "green", "walk", "table", "music", "cloud", "paper", "letter", "winter", "horse", "simple"]
OVERRIDES = [
    "validation.vocab_size=400", "validation.hidden_size=32", "validation.intermediate_size=64",
    "validation.num_tokens=24576", "validation.batch_tokens=1024", "validation.context_tokens=128",
    "validation.micro_batch_sequences=8", "validation.num_seeds=2", f"validation.held_out_share={SHARE}",
    "validation.held_out_tokens=2000", "iteration.max_iterations=2",
]  # fmt: skip


def artifact(path, columns, counts=None):
    with storage.stage(path, path.name, "1", {}, {}) as run:
        assert run.artifact
        run.artifact.write_table("part-00000.parquet", pa.table(columns))
        run.artifact.counts |= counts or {}


def mathematics(rng):
    return "\n".join(worked_example(rng, "en") for _ in range(8))


def prose(rng):
    return " ".join(rng.choice(WORDS) for _ in range(200))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build_run(tmp_path_factory.mktemp("run"))


def build_run(path):
    """A crawl of 120 pages, every fourth mathematics; iteration 1 found half of those, iteration 2 all."""
    rng = random.Random(0)
    pages = [
        {"id": f"{i:03d}", "url": f"https://a.org/{i}", "text": mathematics(rng) if i % 4 == 0 else prose(rng)}
        for i in range(120)
    ]
    columns = {name: [page[name] for page in pages] for name in ("id", "url", "text")}
    artifact(path / "unique_documents", columns)
    seed = {"url": [f"https://seed.org/{i}" for i in range(40)], "text": [mathematics(rng) for _ in range(40)]}
    artifact(path / "seed", seed)
    found = [page for page in pages if int(page["id"]) % 4 == 0]
    artifact(path / "iteration_1" / "collected", {"id": [page["id"] for page in found[::2]]})
    artifact(path / "iteration_2" / "collected", {"id": [page["id"] for page in found]}, {"carried_forward": False})
    artifact(path / "math_corpus", {name: [page[name] for page in found] for name in ("id", "url", "text")})
    return path


@pytest.fixture(scope="module")
def validation(root):
    recipe = load_recipe("small_crawl", OVERRIDES)
    return Validation(root, recipe, device="cpu")


@pytest.fixture(scope="module")
def held_out(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("held_out") / "held_out"
    hold_out_mathematics(root / "seed", root / "unique_documents", root / "iteration_2" / "collected", out, SHARE)
    return out


def test_held_out_are_the_mathematics_whose_urls_the_hash_chooses(root, held_out):
    rows = read_table(held_out).to_pylist()
    expected = [("seed", f"https://seed.org/{i}") for i in range(40)]
    expected += [("crawl", f"https://a.org/{i}") for i in range(0, 120, 4)]
    expected = [(name, url) for name, url in expected if is_held_out(url, SHARE)]
    assert [(row["held_out"], row["url"]) for row in rows] == expected
    assert len({name for name, _ in expected}) == 2


def test_judged_texts_take_the_place_of_the_pages_that_the_loop_collected(root, tmp_path):
    lines = [{"url": "https://j.org/1", "text": "2+2=4", "is_math": True}]
    lines += [{"url": "https://j.org/2", "text": "a house", "is_math": False}]
    (tmp_path / "judged.jsonl").write_text("\n".join(map(json.dumps, lines)))
    manifest = hold_out_mathematics(
        root / "seed", root / "unique_documents", root / "iteration_2" / "collected", tmp_path / "out", SHARE,
        judged=str(tmp_path / "judged.jsonl"),
    )  # fmt: skip
    assert set(manifest.counts) == {"judged", "seed"} and manifest.counts["judged"] == 1


def test_no_corpus_keeps_a_held_out_text_a_copy_or_a_near_copy(root, held_out, tmp_path):
    secret = read_table(held_out)["text"].to_pylist()
    near = secret[0].split(" ")
    near[len(near) // 2] = "seventeen"  # one word of a few hundred
    texts = [secret[0], " ".join(near), prose(random.Random(5)), secret[-1]]
    (tmp_path / "mine.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    manifest = write_corpus_texts(str(tmp_path / "mine.jsonl"), tmp_path / "mine", held_out)
    assert manifest.counts["dropped"] == {"copy": 2, "near_copy": 1} and manifest.counts["num_kept"] == 1
    assert read_table(tmp_path / "mine")["text"].to_pylist() == [texts[2]]
    for source in ("unique_documents", "seed", "math_corpus"):
        counts = write_corpus_texts(root / source, tmp_path / source, held_out).counts
        assert counts["dropped"]["held_out"] > 0
        assert not set(secret) & set(read_table(tmp_path / source)["text"].to_pylist())


def test_an_iteration_is_the_documents_that_it_collected(root, held_out, tmp_path):
    collected = root / "iteration_1" / "collected"
    write_corpus_texts(root / "unique_documents", tmp_path / "one", held_out, collected=collected)
    pages = {row["id"]: row for row in read_table(root / "unique_documents").to_pylist()}
    rows = [pages[one["id"]] for one in read_table(collected).to_pylist()]
    expected = [row["text"] for row in rows if not is_held_out(row["url"], SHARE)]
    assert read_table(tmp_path / "one")["text"].to_pylist() == expected


def test_a_corpus_of_nothing_but_held_out_texts_is_an_error(held_out, tmp_path):
    text = read_table(held_out)["text"].to_pylist()[0]
    (tmp_path / "mine.jsonl").write_text(json.dumps({"text": text}))
    with pytest.raises(ArtifactError, match="left to train on"):
        write_corpus_texts(str(tmp_path / "mine.jsonl"), tmp_path / "mine", held_out)


def test_corpora_of_a_run_and_names_that_cannot_be():
    recipe = load_recipe("small_crawl", ["iteration.max_iterations=2"])
    assert corpus_names(recipe, {"web": "x"}) == ["crawl", "seed", "iteration_1", "iteration_2", "final", "web"]
    assert corpus_names(load_recipe("paper", ["validation.init=a/b"]))[0] == "none"
    with pytest.raises(ValueError, match="called seed"):
        corpus_names(recipe, {"seed": "x"})
    for name in ("a/b", "..", "held_out", ""):
        with pytest.raises(ValueError, match="corpus name"):
            corpus_names(recipe, {name: "x"})


def test_an_iteration_that_was_carried_forward_is_not_trained_again(tmp_path):
    for number, is_carried in ((1, False), (2, False), (3, True), (4, True)):
        artifact(tmp_path / f"iteration_{number}" / "collected", {"id": ["a"]}, {"carried_forward": is_carried})
    asked = Validation(tmp_path, load_recipe("small_crawl"))
    names = ["iteration_1", "iteration_2", "iteration_3", "iteration_4", "final"]
    assert [repeated(asked, name) for name in names] == [*names[:2], "iteration_2", "iteration_2", "final"]


class _Fixed(torch.nn.Module):
    """Predicts every token with a probability that depends on the token before it alone."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(7, 7, generator=torch.Generator().manual_seed(0)))

    def forward(self, input_ids, use_cache):
        return type("Output", (), {"logits": self.table[input_ids]})


def test_the_mean_loss_weighs_every_target_alike():
    model, windows = _Fixed(), [[1, 2, 3, 4], [5, 6], [1, 1, 1, 0], [2, 3, 4]]
    log_probs = model.table.log_softmax(-1)
    losses = [-log_probs[a, b].item() for row in windows for a, b in pairwise(row)]
    loss, count = mean_loss(model, windows, batch_rows=3)
    assert count == 9 and loss == pytest.approx(sum(losses) / 9, rel=1e-5)


@pytest.fixture(scope="module")
def trained(validation):
    """Every corpus of the run and one of a user's, trained."""
    mine = validation.root / "mine.jsonl"
    rng = random.Random(9)
    mine.write_text("\n".join(json.dumps({"text": prose(rng)}) for _ in range(50)))
    asked = Validation(validation.root, validation.recipe, {"mine": str(mine)}, device="cpu")
    for name in corpus_names(asked.recipe, asked.corpora):
        validate_corpus(asked, name)
    return asked


@pytest.mark.slow
def test_mathematics_teaches_mathematics(trained):
    names = corpus_names(trained.recipe, trained.corpora)
    rows = {row["corpus"]: row for row in validation_table(trained, names)}
    assert list(rows) == ["crawl", "seed", "iteration_1", "iteration_2", "final", "mine"]
    for name in ("seed", "iteration_2", "final"):
        assert rows[name]["ratio_to_crawl"] < 0.9
    assert rows["mine"]["ratio_to_crawl"] > 1
    assert all(row["num_seeds"] == 2 and row["mathematics_perplexity_sd"] is not None for row in rows.values())
    # iteration 2 and the corpus hold the same pages: the same texts in the same order give the same model
    assert rows["final"]["mathematics_perplexity"] == rows["iteration_2"]["mathematics_perplexity"]
    both = [rows["final"][f"{name}_perplexity"] for name in ("seed", "crawl")]
    assert min(both) < rows["final"]["mathematics_perplexity"] < max(both)
    assert validation_figure(list(rows.values())).startswith("<svg")


@pytest.mark.slow
def test_a_second_run_trains_nothing(trained):
    path = trained.folder("final", "seed_1", "model")
    before = read_manifest(path).created_seconds
    validate_corpus(trained, "final")
    assert read_manifest(path).created_seconds == before


@pytest.mark.slow
def test_no_held_out_window_is_measured_beyond_the_limit(trained):
    windows = held_out_windows(trained.folder("held_out"), trained.folder("tokenizer"), trained.settings)
    assert {name: sum(map(len, rows)) for name, rows in windows.items()} == {"crawl": 2000, "seed": 2000}


def test_an_unknown_corpus_is_named(validation):
    with pytest.raises(ValueError, match="unknown corpus 'finale'; corpora are crawl, seed"):
        validate_corpus(validation, "finale")


@pytest.mark.slow
def test_the_stage_evaluates_with_worked_examples_where_benchmarks_are_named(root, tmp_path):
    folder = tmp_path / "benchmarks" / "gsm8k"
    folder.mkdir(parents=True)
    rows = [{"question": f"What is {n}+1?", "answer": f"#### {n + 1}"} for n in range(2)]
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    overrides = [
        *OVERRIDES, 'validation.benchmarks=["gsm8k"]', "validation.num_seeds=1", "validation.num_tokens=2048",
        "evaluation.max_completion_tokens=4",
    ]  # fmt: skip
    run_root = tmp_path / "run"
    run_root.mkdir()
    for name in ("seed", "unique_documents", "iteration_1", "iteration_2", "math_corpus"):
        (run_root / name).symlink_to(root / name)
    inputs = stages.Inputs(crawl=("x",), benchmarks=str(tmp_path / "benchmarks"))
    run = stages.Run(run_root, load_recipe("small_crawl", overrides), inputs)
    stages.validation(run, "final")
    evaluation = read_manifest(run_root / "validation" / "final" / "seed_0" / "evaluation")
    assert evaluation.settings["prompt"] == "few_shot" and evaluation.counts["num_problems"] == 2
    (row,) = validation_table(stages.validation_of(run), ["final"])
    assert row["GSM8K_share"] == evaluation.counts["greedy"] and row["paper: GSM8K, %"] == 23.8


@pytest.mark.slow
def test_the_command_prints_one_row_for_each_corpus(trained, capsys):
    settings = [argument for override in OVERRIDES for argument in ("--set", override)]
    with pytest.raises(SystemExit) as stopped:
        main(["validate", "--root", str(trained.root), "--only", "final", *settings])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("crawl", "iteration_1", "final", "DeepSeekMath Corpus"))
