from typing import Any

import pytest
import torch

from dsmath_pipeline.tokens.tokenizer import EOS_ID, PAD_ID, load_tokenizer
from dsmath_pipeline.training.generate import generate, left_pad
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


def test_logprobs_are_those_of_one_forward_pass_at_the_sampling_temperature(loaded):
    model, tokenizer = loaded
    for prompt, group in zip(PROMPTS, sample(loaded, temperature=0.7, num_samples=3), strict=True):
        start = tokenizer.encode(prompt).ids
        for completion in group:
            ids = torch.tensor([start + list(completion.token_ids)])
            with torch.no_grad():
                logprobs = torch.log_softmax(model(input_ids=ids).logits[0] / 0.7, -1)
            expected = [float(logprobs[len(start) - 1 + t, token]) for t, token in enumerate(completion.token_ids)]
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)


def test_samples_are_drawn_in_proportion_to_their_probability(loaded):
    model, tokenizer = loaded
    with torch.no_grad():
        probabilities = torch.softmax(model(input_ids=torch.tensor([tokenizer.encode("1+2=").ids])).logits[0, -1], -1)
    likely = int(probabilities.argmax())
    (group,) = sample(loaded, prompts=["1+2="], max_new_tokens=1, temperature=1.0, num_samples=2000)
    share = sum(c.token_ids[0] == likely for c in group) / 2000
    p = float(probabilities[likely])
    assert abs(share - p) < 4 * (p * (1 - p) / 2000) ** 0.5  # four standard errors


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
