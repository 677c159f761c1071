"""Tool-integrated rollouts with a scripted policy: what is run, what the policy reads, what is masked."""

import pytest

from dsmath_pipeline.grading.sandbox import ProgramResult
from dsmath_pipeline.records import Completion, Problem
from dsmath_pipeline.rl import tool_rollout
from dsmath_pipeline.rl.rollout import completion_logprobs, sampler_gap
from dsmath_pipeline.rl.tool_rollout import sample_tool_groups
from dsmath_pipeline.tokens.chat import prompt_text
from dsmath_pipeline.tokens.tokenizer import EOS_ID, PAD_ID, load_tokenizer
from dsmath_pipeline.training.models import load_model
from tests.tiny_model import build_model_artifact

PROBLEM = Problem("a", "Tom has 3 eggs. How many?", "5")
CALL = " Sum.\n```python\nprint(2+3)\n```\n```output"


class FakeSandbox:
    """Prints 5 whatever it is given, and remembers what that was."""

    def __init__(self):
        self.programs = []

    def run(self, programs, limits=None):
        self.programs += programs
        return [ProgramResult("ok", "5\n", "", 0.0) for _ in programs]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("tool"))


@pytest.fixture
def scripted(base, monkeypatch):
    """`generate` that answers by script: script[round][row] is (text, finish); notes the ids it was given."""
    tokenizer = load_tokenizer(base)
    given = []

    def install(script):
        rounds = iter(script)

        def generate(policy, prompts, numbers, *, max_new_tokens, end_id, **options):
            given.append([encoded.ids for encoded in prompts.encode_batch(numbers)])
            found = []
            for (text, finish), limit in zip(next(rounds), max_new_tokens, strict=True):
                ids = [*tokenizer.encode(text).ids, *([end_id] if finish == "end" else [])][:limit]
                found.append(
                    [Completion(text, tuple(ids), "stop" if finish != "length" else "length", (-1.0,) * len(ids))]
                )
            return found

        monkeypatch.setattr(tool_rollout, "generate", generate)
        return given

    return tokenizer, install


def sample(tokenizer, sandbox, group_size=2, max_tokens=200, rounds=3, policy=None):
    return sample_tool_groups(
        policy, tokenizer, [PROBLEM], sandbox, group_size=group_size, max_completion_tokens=max_tokens,
        max_tool_rounds=rounds, temperature=1.0, end_id=EOS_ID, pad_id=PAD_ID, seed=0,
    )  # fmt: skip


def test_the_output_is_put_in_masked_and_read_by_the_policy(scripted):
    tokenizer, install = scripted
    given = install([[(CALL, "call"), (" 5.", "end")], [(" So 5.", "end")]])
    sandbox = FakeSandbox()
    ((first, second),), sequences = sample(tokenizer, sandbox)
    assert sandbox.programs == ["print(2+3)\n"]
    assert first.text == CALL + "\n5\n```\n So 5." and second.text == " 5."
    assert first.finish == second.finish == "stop"
    output = tokenizer.encode("\n5\n```\n").ids
    call, rest = tokenizer.encode(CALL).ids, [*tokenizer.encode(" So 5.").ids, EOS_ID]
    assert sequences.completions[0] == call + output + rest
    assert sequences.masks == [[1] * len(call) + [0] * len(output) + [1] * len(rest), [1] * len(second.token_ids)]
    assert first.logprobs == (-1.0,) * len(call) + (0.0,) * len(output) + (-1.0,) * len(rest)
    # the second round went on from the very ids, output and all
    prompt = tokenizer.encode(prompt_text(PROBLEM.problem, "tool")).ids
    assert given[1] == [prompt + call + output]


def test_a_second_program_knows_the_first_and_rounds_are_limited(scripted):
    tokenizer, install = scripted
    install([[(CALL, "call")], [(CALL, "call")]])
    sandbox = FakeSandbox()
    ((only,),), _ = sample(tokenizer, sandbox, group_size=1, rounds=1)
    assert len(sandbox.programs) == 1 and only.finish == "length"
    install([[(CALL, "call")], [(CALL, "call")], [(" 5", "end")]])
    sandbox = FakeSandbox()
    ((only,),), _ = sample(tokenizer, sandbox, group_size=1, rounds=2)
    assert only.finish == "stop" and len(sandbox.programs) == 2
    assert sandbox.programs[1].count("print(2+3)") == 2  # the earlier block is run again in front


def test_output_stops_at_the_length_limit(scripted):
    tokenizer, install = scripted
    limit = len(tokenizer.encode(CALL).ids) + 2
    install([[(CALL, "call")]])
    ((only,),), sequences = sample(tokenizer, FakeSandbox(), group_size=1, max_tokens=limit)
    assert len(only.token_ids) == limit and only.finish == "length" and sequences.masks == [[1] * (limit - 2) + [0, 0]]


def test_masked_tokens_have_no_part_in_training(base):
    model, tokenizer = load_model(base, "cpu"), load_tokenizer(base)
    ((first, second),), sequences = sample(tokenizer, FakeSandbox(), max_tokens=8, policy=model)
    logprobs, mask = completion_logprobs(model, sequences, [0, 1], 1.0, PAD_ID)
    assert sampler_gap(logprobs, mask, [first.logprobs, second.logprobs]) < 1e-4  # sampled as trained
    assert sequences.masks is not None
    sequences.masks[0][2] = 0
    _, masked = completion_logprobs(model, sequences, [0, 1], 1.0, PAD_ID)
    assert float(mask.sum() - masked.sum()) == 1
