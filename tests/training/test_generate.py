from typing import Any

import pytest
import torch

from dsmath_pipeline.tokens.tokenizer import EOS_ID, PAD_ID, load_tokenizer
from dsmath_pipeline.training import generate_rows
from dsmath_pipeline.training.generate import _inverse_cdf, generate
from dsmath_pipeline.training.generate_rows import left_pad, read_beginning
from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_model_artifact

PROMPTS = ["1+2=", "Tom has 12 apples. Tom buys 3 more.", "小明有3个苹果。", "User: 7*8?\n\nAssistant:"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    base = build_model_artifact(tmp_path_factory.mktemp("generate"))
    return load_model(base, "cpu"), load_tokenizer(base)


def sample(loaded, prompts=PROMPTS, **options):
    model, tokenizer = loaded
    settings: dict[str, Any] = {"max_new_tokens": 12, "end_id": EOS_ID, "pad_id": PAD_ID} | options
    return generate(model, tokenizer, prompts, **settings)


def test_greedy_sampling_equals_generate_of_transformers(loaded):
    model, tokenizer = loaded
    encoded = [tokenizer.encode(prompt).ids for prompt in PROMPTS]
    ids, mask = left_pad(encoded, PAD_ID)
    theirs = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=12, do_sample=False, eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )  # fmt: skip
    for row, (completion,) in zip(theirs[:, ids.shape[1] :].tolist(), sample(loaded), strict=True):
        ended = row[: row.index(EOS_ID) + 1] if EOS_ID in row else row
        assert list(completion.token_ids) == ended


def test_every_prompt_gets_its_group_in_the_order_of_the_prompts(loaded):
    groups = sample(loaded, temperature=1.0, num_samples=5)
    assert [len(group) for group in groups] == [5] * 4
    alone = sample(loaded, temperature=0.0)
    shuffled = sample(loaded, prompts=PROMPTS[::-1], temperature=0.0)
    assert [c[0].token_ids for c in shuffled] == [c[0].token_ids for c in alone][::-1]


def check_logprobs(loaded, prompt, group, temperature):
    """Every token's log-probability is that of one forward pass over prompt and completion."""
    model, tokenizer = loaded
    start = tokenizer.encode(prompt).ids
    for completion in group:
        ids = torch.tensor([start + list(completion.token_ids)])
        with torch.no_grad():
            logprobs = torch.log_softmax(model(input_ids=ids).logits[0] / temperature, -1)
        expected = [float(logprobs[len(start) - 1 + t, token]) for t, token in enumerate(completion.token_ids)]
        assert completion.logprobs == pytest.approx(expected, abs=1e-4)


def test_logprobs_are_those_of_one_forward_pass_at_the_sampling_temperature(loaded):
    for prompt, group in zip(PROMPTS, sample(loaded, temperature=0.7, num_samples=3), strict=True):
        check_logprobs(loaded, prompt, group, 0.7)


def test_samples_are_drawn_in_proportion_to_their_probability(loaded):
    model, tokenizer = loaded
    with torch.no_grad():
        probabilities = torch.softmax(model(input_ids=torch.tensor([tokenizer.encode("1+2=").ids])).logits[0, -1], -1)
    likely = int(probabilities.argmax())
    (group,) = sample(loaded, prompts=["1+2="], max_new_tokens=1, temperature=1.0, num_samples=2000)
    share = sum(c.token_ids[0] == likely for c in group) / 2000
    p = float(probabilities[likely])
    assert abs(share - p) < 4 * (p * (1 - p) / 2000) ** 0.5  # four standard errors


def test_every_token_is_drawn_in_proportion_and_one_of_probability_zero_never():
    probabilities = torch.tensor([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    rows = probabilities.log().expand(20_000, -1)
    tokens = _inverse_cdf(rows, torch.Generator().manual_seed(0))
    shares = torch.bincount(tokens, minlength=6) / 20_000
    assert shares[probabilities == 0].tolist() == [0, 0, 0]
    deviation = (probabilities * (1 - probabilities) / 20_000).sqrt()
    assert ((shares - probabilities).abs() <= 4 * deviation).all(), shares


def test_the_seed_decides_the_samples(loaded):
    same, again, other = (sample(loaded, temperature=1.0, seed=seed) for seed in (3, 3, 4))
    assert same == again != other


def test_finish_tells_ended_from_cut_off_completions(loaded):
    model, tokenizer = loaded
    first = sample(loaded, prompts=["1+2="])[0][0].token_ids[0]
    # with the first greedy token declared the end token, the completion is that token alone
    ((ended,),) = generate(model, tokenizer, ["1+2="], max_new_tokens=5, end_id=first, pad_id=PAD_ID)
    assert (ended.finish, ended.token_ids, ended.text) == ("stop", (first,), "")
    ((cut,),) = generate(model, tokenizer, ["1+2="], max_new_tokens=5, end_id=399, pad_id=PAD_ID)
    assert cut.finish == "length" and len(cut.token_ids) == 5


def test_a_stop_text_ends_a_row_and_stays_in_the_text(loaded):
    whole = sample(loaded, prompts=[PROMPTS[1]])[0][0]
    stop = whole.text[3:5]
    stopped = sample(loaded, prompts=[PROMPTS[1]], stop_texts=[stop])[0][0]
    assert stopped.finish == "stop" and stop in stopped.text
    assert len(stopped.token_ids) <= len(whole.token_ids) and whole.text.startswith(stopped.text)


def test_several_greedy_samples_are_refused(loaded):
    with pytest.raises(ValueError, match="all equal"):
        sample(loaded, num_samples=2)


LONG = "Tom has 12 apples. " * 12
"""More tokens than prompts must share to be read together."""


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_beginning_that_prompts_share_is_read_once_and_changes_nothing(loaded, monkeypatch, temperature):
    model, tokenizer = loaded
    prompts = [LONG + prompt for prompt in PROMPTS]
    ids = [tokenizer.encode(prompt).ids for prompt in prompts]
    shared = read_beginning(model, ids)
    assert generate_rows.SHARED_TOKENS <= shared.num_tokens < min(map(len, ids))
    assert all(row[: shared.num_tokens] == ids[0][: shared.num_tokens] for row in ids)
    options: dict[str, Any] = {"temperature": temperature, "num_samples": 3 if temperature else 1, "max_new_tokens": 6}
    together = sample(loaded, prompts, **options)
    monkeypatch.setattr(generate_rows, "SHARED_TOKENS", 10**9)
    apart = sample(loaded, prompts, **options)
    for a, b in zip(together, apart, strict=True):
        assert [c.token_ids for c in a] == [c.token_ids for c in b]
        for c, d in zip(a, b, strict=True):
            assert c.logprobs == pytest.approx(d.logprobs, abs=1e-4)


def test_equal_prompts_keep_a_token_of_their_own(loaded):
    first, second = sample(loaded, [LONG, LONG])
    (alone,) = sample(loaded, [LONG])
    assert first[0].token_ids == second[0].token_ids == alone[0].token_ids


def test_waiting_prompts_take_the_places_of_rows_that_ended(loaded):
    prompts = [f"{n}+{n}=" for n in range(23)] + [LONG, "小明有3个苹果。"]
    limits = [1 + 7 * n % 12 for n in range(25)]
    plain = sample(loaded, prompts, max_new_tokens=limits)
    refilled = sample(loaded, prompts, max_new_tokens=limits, batch_rows=4, refill=True)
    assert [c[0].token_ids for c in refilled] == [c[0].token_ids for c in plain]
    assert all(0 < len(c[0].token_ids) <= limit for c, limit in zip(plain, limits, strict=True))


def test_refilling_reads_fewer_tokens_one_by_one(loaded, monkeypatch):
    """One long row in every batch of four: without refill each batch waits for its own."""
    prompts, limits = [f"{n}+1=" for n in range(16)], [20 if n % 4 == 0 else 1 for n in range(16)]
    steps = []
    append = generate_rows.Rows.append
    monkeypatch.setattr(generate_rows.Rows, "append", lambda self, token_B: (steps.append(1), append(self, token_B)))
    counts = []
    for refill in (False, True):
        steps.clear()
        options = {"max_new_tokens": limits, "end_id": 399, "batch_rows": 4, "refill": refill}
        assert all(len(c[0].token_ids) == n for c, n in zip(sample(loaded, prompts, **options), limits, strict=True))
        counts.append(len(steps))
    # Four batches one after the other take 4 * 19 steps; refilled, the long rows run beside each other.
    assert counts[0] == 4 * 19 and counts[1] < 2 * 19


def test_refilled_samples_have_the_logprobs_of_one_forward_pass(loaded):
    prompts = [LONG, *PROMPTS, *PROMPTS]
    for prompt, group in zip(prompts, sample(loaded, prompts, temperature=0.7, num_samples=2, batch_rows=4,
                                             refill=True), strict=True):  # fmt: skip
        check_logprobs(loaded, prompt, group, 0.7)
