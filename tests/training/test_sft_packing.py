import os
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from dsmath_pipeline.recipe.schema import SftSettings, TokenizerSettings
from dsmath_pipeline.tokens.inputs import training_problems
from dsmath_pipeline.tokens.tokenizer import EOS_ID, train_bpe
from dsmath_pipeline.training.sft_masks import SftExample, encode_examples
from dsmath_pipeline.training.sft_packing import (
    IGNORED,
    EpochDataset,
    SequenceDataset,
    collate_sequences,
    pack_best_fit,
)

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
GSM8K = REAL / "benchmarks" / "gsm8k" / "train.jsonl"


def example(ids, num_prompt=1) -> SftExample:
    return SftExample(np.asarray(ids, np.int32), np.arange(len(ids)) >= num_prompt)


def test_an_example_goes_where_it_leaves_the_least_room():
    # 6 opens a sequence (4 free), 5 another (5 free), 4 fits both: into the first (0 free); 3 only into the second
    assert pack_best_fit([6, 5, 4, 3], 10) == [[0, 2], [1, 3]]
    # first fit would put 3 to the 6 (1 free), and 4 would open a third sequence
    assert pack_best_fit([6, 7, 3, 4], 10) == [[0, 3], [1, 2]]


def test_an_example_that_is_too_long_is_an_error():
    with pytest.raises(ValueError, match="11 tokens does not fit into 10"):
        pack_best_fit([3, 11], 10)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 20), max_size=60))
def test_no_example_is_lost_and_none_fits_into_an_earlier_sequence_with_less_room(lengths):
    packed = pack_best_fit(lengths, 20)
    assert sorted(i for sequence in packed for i in sequence) == list(range(len(lengths)))
    slow: list[list[int]] = []  # the definition, slowly
    for i, length in enumerate(lengths):
        free = [20 - sum(lengths[k] for k in sequence) for sequence in slow]
        fitting = [(room, number) for number, room in enumerate(free) if room >= length]
        if fitting:
            slow[min(fitting)[1]].append(i)
        else:
            slow.append([i])
    assert packed == slow


def test_an_epoch_holds_every_example_once_in_an_order_of_its_own():
    examples = [example([i] * size) for i, size in enumerate([3, 4, 5, 6, 7, 2, 2, 3])]  # 32 tokens
    dataset = SequenceDataset(examples, 8, 12, seed=0)
    again = SequenceDataset(examples, 8, 12, seed=0)
    assert dataset.sequences == again.sequences
    assert SequenceDataset(examples, 8, 12, seed=1).sequences != dataset.sequences
    flat = [n for sequence in dataset.sequences for n in sequence]
    assert sorted(flat[:8]) == list(range(8)) and flat[:8] != flat[8:16]
    assert all(dataset.num_tokens(i, i + 1) <= 8 for i in range(12))
    assert dataset.padding_share == pytest.approx(1 - dataset.num_tokens(0, 12) / 96)


def test_examples_shuffled_epoch_after_epoch():
    dataset = EpochDataset(list(range(10)), 25, seed=0)
    items = [dataset[i] for i in range(25)]
    assert sorted(items[:10]) == sorted(items[10:20]) == list(range(10))
    assert items[:10] != items[10:20] and len(dataset) == 25


def test_tensors_of_two_sequences():
    batch = collate_sequences([[example([5, 6, 7], 2), example([8, 9], 1)], [example([3, 4], 1)]])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [3, 4, 0, 0, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 0, 0]]
    # the loss shifts labels by one: a label on the first token would ask one example to predict the next
    x = IGNORED
    assert batch["labels"].tolist() == [[x, x, 7, x, 9], [x, 4, x, x, x]]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_loss_of_an_example_does_not_depend_on_its_neighbours(attention):
    """Example A is replaced by another one of its length: the loss of B behind it stays the same to the last bit."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM._from_config(config, attn_implementation=attention).eval()
    rng = random.Random(1)
    b = example([rng.randrange(50) for _ in range(17)], 5)
    losses, a_losses = [], []
    for _ in range(3):
        a = example([rng.randrange(50) for _ in range(11)], 4)
        c = example([rng.randrange(50) for _ in range(9)], 2)
        batch = collate_sequences([[a, b, c], [c, a, c, a]])
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        per_token = torch.nn.functional.cross_entropy(
            logits[0, :-1], batch["labels"][0, 1:], ignore_index=IGNORED, reduction="none"
        )
        a_losses.append(per_token[:10].tolist())
        losses.append(per_token[11:27].tolist())  # targets of B: positions 12 to 27
        with torch.no_grad():
            alone = model(input_ids=torch.from_numpy(b.ids).long()[None]).logits[0]
        assert torch.allclose(logits[0, 11:28], alone, atol=1e-5)
    assert losses[0] == losses[1] == losses[2]
    assert a_losses[0] != a_losses[1]  # what changed was seen


@pytest.fixture(scope="module")
def gsm8k_examples():
    if not GSM8K.exists():
        pytest.skip(f"no {GSM8K}: set DSMATH_REAL_DATA")
    rows = training_problems(GSM8K)
    tokenizer = train_bpe((row["solution"] for row in rows[:1000]), TokenizerSettings(vocab_size=4000))
    return list(encode_examples(rows, tokenizer, EOS_ID))


@pytest.mark.slow
def test_less_than_two_percent_of_gsm8ks_sequences_is_padding(gsm8k_examples):
    assert len(gsm8k_examples) == 7473
    total, context = sum(map(len, gsm8k_examples)), SftSettings().context_tokens
    dataset = SequenceDataset(gsm8k_examples, context, 10**4, seed=0)
    # an epoch ends where an example comes for the second time
    seen: set[int] = set()
    epoch = next(i for i, s in enumerate(dataset.sequences) if not seen.isdisjoint(s) or seen.update(s))
    padding = 1 - total / (epoch * context)
    print(f"{total} tokens, {epoch} sequences of {context} tokens an epoch, {padding:.4%} padding")
    assert seen == set(range(7473)) and padding < 0.01 and dataset.padding_share < 0.01
    # still random: neighbours in a sequence are not neighbours in the file, and epochs differ
    gaps = [abs(a - b) for s in dataset.sequences[:epoch] for a, b in pairwise(s)]
    assert np.median(gaps) > 1000
