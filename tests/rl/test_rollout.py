import pytest
import torch

from dsmath_pipeline.records import Problem
from dsmath_pipeline.rl.rollout import (
    Sequences,
    completion_logprobs,
    micro_batches,
    sample_groups,
    sampler_gap,
    to_sequences,
)
from dsmath_pipeline.tokens.tokenizer import EOS_ID, PAD_ID, load_tokenizer
from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_model_artifact

PROBLEMS = [
    Problem("a", "Tom has 3 eggs. How many?", "3"),
    Problem("b", "小明有12个苹果。有几个?", "12", language="zh"),
]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    base = build_model_artifact(tmp_path_factory.mktemp("rollout"))
    model, tokenizer = load_model(base, "cpu"), load_tokenizer(base)
    groups = sample_groups(
        model, tokenizer, PROBLEMS, group_size=3, max_completion_tokens=6, temperature=0.8, end_id=EOS_ID,
        pad_id=PAD_ID, seed=0,
    )  # fmt: skip
    return model, to_sequences(tokenizer, PROBLEMS, groups), groups


def test_scoring_right_padded_rows_gives_the_samplers_logprobs(sampled):
    model, sequences, groups = sampled
    rows = list(range(len(sequences)))
    logprobs, mask = completion_logprobs(model, sequences, rows, 0.8, PAD_ID)
    flat = [completion for group in groups for completion in group]
    assert sampler_gap(logprobs, mask, [c.logprobs for c in flat]) < 1e-4
    assert mask.sum(1).tolist() == [len(c.token_ids) for c in flat]


def test_another_temperature_shows_as_a_gap(sampled):
    model, sequences, groups = sampled
    logprobs, mask = completion_logprobs(model, sequences, [0, 1], 1.0, PAD_ID)
    assert sampler_gap(logprobs, mask, [c.logprobs for c in groups[0][:2]]) > 1e-3


def test_groups_lie_next_to_each_other_with_their_prompt(sampled):
    _, sequences, groups = sampled
    assert sequences.prompts[0] == sequences.prompts[2] != sequences.prompts[3]
    assert sequences.completions[4] == list(groups[1][1].token_ids)


def test_a_rows_logprobs_do_not_depend_on_its_micro_batch(sampled):
    model, sequences, _ = sampled
    together, mask = completion_logprobs(model, sequences, range(6), 1.0, PAD_ID)
    for i in range(6):
        alone, own = completion_logprobs(model, sequences, [i], 1.0, PAD_ID)
        assert torch.allclose(together[i][mask[i] > 0], alone[0][own[0] > 0], atol=1e-5)


def test_micro_batches_hold_every_sequence_once_short_ones_first():
    sequences = Sequences([[1] * n for n in (5, 2, 9, 2)], [[1]] * 4)
    assert list(micro_batches(sequences, 3)) == [[1, 3, 0], [2]]
