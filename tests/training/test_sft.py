import pyarrow.parquet as pq
import pytest
import torch

from dsmath_pipeline.recipe.schema import SftSettings
from dsmath_pipeline.tokens.chat import completion_text, prompt_text
from dsmath_pipeline.tokens.tokenizer import EOS_ID, load_tokenizer
from dsmath_pipeline.training.models import ModelError, load_model
from dsmath_pipeline.training.sft import IGNORED, EpochDataset, SftExample, encode_example, row_collator, train_sft
from tests.tiny_model import build_model_artifact

SETTINGS = SftSettings(
    num_steps=6, batch_examples=8, max_examples=20, context_tokens=256, learning_rate=5e-3, micro_batch_examples=4
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("sft"))


@pytest.fixture(scope="module")
def examples(base):
    tokenizer = load_tokenizer(base)
    rows = pq.read_table(base.parent / "problems" / "train.parquet").to_pylist()
    return [encode_example(row, tokenizer, EOS_ID) for row in rows]


def test_only_the_completion_and_its_end_token_are_learned(base, examples):
    tokenizer = load_tokenizer(base)
    row = pq.read_table(base.parent / "problems" / "train.parquet").to_pylist()[0]
    batch = row_collator(256)([examples[0]])
    learned = [int(t) for t in batch["labels"][0] if t != IGNORED]
    assert learned[-1] == EOS_ID and tokenizer.decode(learned) == completion_text(row["solution"])
    prompt = batch["input_ids"][0][batch["labels"][0] == IGNORED].tolist()
    assert tokenizer.decode(prompt) == prompt_text(row["problem"], row["method"], row["language"])


def test_examples_of_one_row_do_not_see_each_other(base, examples):
    model = load_model(base, "cpu")
    together = row_collator(512)(examples[:2])
    assert together["input_ids"].shape[0] == 1
    with torch.no_grad():
        # no cache, as in training: with one, transformers would ignore where the examples begin
        logits = model(input_ids=together["input_ids"], position_ids=together["position_ids"], use_cache=False).logits[
            0
        ]
        alone = [model(input_ids=torch.tensor([example.ids])).logits[0] for example in examples[:2]]
    assert torch.allclose(logits[: len(alone[0]) + len(alone[1])], torch.cat(alone), atol=1e-5)


def test_rows_are_filled_first_fit_and_no_example_is_cut_or_lost():
    made = [SftExample(tuple(range(10 * n, 10 * n + size)), 1) for n, size in enumerate((6, 5, 4, 3), 1)]
    batch = row_collator(10)(made)
    # 6 opens row 0, 5 opens row 1, 4 fits into row 0 (6 + 4 = 10), 3 fits into row 1 (5 + 3 = 8)
    assert batch["input_ids"].tolist() == [
        [10, 11, 12, 13, 14, 15, 30, 31, 32, 33],
        [20, 21, 22, 23, 24, 40, 41, 42, 0, 0],
    ]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 0, 1, 2, 3], [0, 1, 2, 3, 4, 0, 1, 2, 0, 0]]


def test_the_first_token_of_an_example_is_never_a_target():
    # the loss shifts labels by one: a label on the first token would ask one example to predict the next
    batch = row_collator(16)([SftExample((5, 6, 7), 2), SftExample((8, 9, 4), 2)])
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 7, IGNORED, IGNORED, 4]]


def test_an_epoch_holds_every_example_once_and_epochs_differ():
    dataset = EpochDataset(list(range(10)), 25, seed=0)
    items = [dataset[i] for i in range(25)]
    assert sorted(items[:10]) == sorted(items[10:20]) == list(range(10))
    assert items[:10] != items[10:20] and len(dataset) == 25


def test_fine_tuning_lowers_the_loss_and_counts_what_it_used(base):
    manifest = train_sft(base, base.parent / "problems", base.parent / "sft", SETTINGS, 0, device="cpu")
    assert manifest.counts["last_loss"] < manifest.counts["first_loss"]
    assert manifest.counts["examples"] == 20 and manifest.counts["epochs"] == 2.4  # 6 * 8 / 20
    config = load_model(base.parent / "sft", "cpu").config
    assert config.vocab_size == 400 and config.use_cache  # training turns the cache off, the saved model has it


def test_the_loss_of_a_step_does_not_depend_on_the_micro_batch(base):
    settings = SETTINGS.model_copy(update={"micro_batch_examples": 8, "num_steps": 2})
    split = SETTINGS.model_copy(update={"num_steps": 2, "weight_decay": 0.05})
    whole = settings.model_copy(update={"weight_decay": 0.05})
    problems = base.parent / "problems"
    train_sft(base, problems, base.parent / "split", split, 0, device="cpu")
    train_sft(base, problems, base.parent / "whole", whole, 0, device="cpu")
    losses = [pq.read_table(base.parent / name / "metrics.parquet")["loss"].to_pylist() for name in ("split", "whole")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_context_that_no_example_fits_into_is_a_clear_error(base):
    settings = SETTINGS.model_copy(update={"context_tokens": 8})
    with pytest.raises(ModelError, match="context_tokens=8"):
        train_sft(base, base.parent / "problems", base.parent / "none", settings, 0)
