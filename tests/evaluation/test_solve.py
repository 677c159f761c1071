from collections.abc import Sequence

import pytest

from dsmath_pipeline.evaluation.solve import cut_at, extract_program, shorten, solve
from dsmath_pipeline.grading.sandbox import ProgramResult, Sandbox, available_walls
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.records import Completion

SETTINGS = EvaluationSettings(max_completion_tokens=100, max_tool_rounds=3)


class ScriptedEngine:
    """Answers each call with the next list of texts and remembers the prompts."""

    def __init__(self, *calls: Sequence[str]):
        self.calls = list(calls)
        self.prompts: list[list[str]] = []

    def complete(self, prompts, *, max_new_tokens, temperature, num_samples, seed, stop_texts=()):
        self.prompts.append(list(prompts))
        texts = iter(self.calls.pop(0))
        return [[Completion(next(texts), tuple(range(10))) for _ in range(num_samples)] for _ in prompts]


class FakeSandbox:
    """Evaluates nothing: maps programs to prepared results."""

    def __init__(self, results):
        self.results = results

    def run(self, programs, limits=None):
        return [self.results.get(p, ProgramResult("error", "", "KeyError: no such program", 0.0)) for p in programs]


def ok(stdout):
    return ProgramResult("ok", stdout, "", 0.0)


def test_chain_of_thought_reads_the_answer_before_the_next_question():
    engine = ScriptedEngine(["2+2=4. The answer is 4.\n\nQuestion: and 3+3?\nAnswer: The answer is 6."])
    ((solution,),) = solve(engine, ["p"], "cot", SETTINGS, temperature=0, num_samples=1, seed=0,
                           stop_texts=("\nQuestion:",))  # fmt: skip
    assert solution.answer == "4" and solution.text == "2+2=4. The answer is 4.\n"


def test_program_of_thought_takes_the_last_printed_line_and_no_answer_from_a_failure():
    engine = ScriptedEngine(["```python\nA\n```", "B", "```python\nC"])
    sandbox = FakeSandbox({"A\n": ok("half\n21\n"), "B": ok("")})
    ((first, second, third),) = solve(engine, ["p"], "pot", SETTINGS, temperature=1, num_samples=3, seed=0,
                                      sandbox=sandbox)  # type: ignore[arg-type] # fmt: skip
    assert [s.answer for s in (first, second, third)] == ["21", "", ""]
    assert [s.program_status for s in (first, second, third)] == ["ok", "ok", "error"]


def test_tool_integrated_reasoning_runs_every_block_and_shows_only_what_is_new():
    engine = ScriptedEngine(
        ["Sum.\n```python\nA\n```\n```output", "By hand: \\boxed{3}"],
        ["Again.\n```python\nB\n```\n```output"],
        ["So \\boxed{5}."],
    )
    # The second round runs both blocks, so its output starts with the first one's: only "5" is new.
    sandbox = FakeSandbox({"A\n": ok("2\n"), "A\n\nB\n": ok("2\n5\n")})
    (first,), (second,) = solve(engine, ["p", "q"], "tool", SETTINGS, temperature=0, num_samples=1, seed=0,
                                sandbox=sandbox)  # type: ignore[arg-type] # fmt: skip
    assert first.text == (
        "Sum.\n```python\nA\n```\n```output\n2\n```\nAgain.\n```python\nB\n```\n```output\n5\n```\nSo \\boxed{5}."
    )
    assert (first.answer, second.answer, second.program_status) == ("5", "3", "")
    # Only the attempt that called the tool goes on, from all it has written.
    assert engine.prompts[1] == ["pSum.\n```python\nA\n```\n```output\n2\n```\n"]
    assert first.num_tokens == 30


def test_an_error_is_shown_to_the_model_and_rounds_end():
    call = "```python\nbad\n```\n```output"
    engine = ScriptedEngine([call], [call], [call], [call])
    ((solution,),) = solve(engine, ["p"], "tool", SETTINGS, temperature=0, num_samples=1, seed=0,
                           sandbox=FakeSandbox({}))  # type: ignore[arg-type] # fmt: skip
    # First call plus one for each of the three rounds; the fourth tool call is not served.
    assert len(engine.prompts) == 4
    assert solution.text.count("KeyError: no such program") == 3
    assert solution.program_status == "error"


def test_a_model_that_stops_right_behind_its_block_gets_the_output_too():
    engine = ScriptedEngine(["```python\nA\n```"], ["\\boxed{2}"])
    ((solution,),) = solve(engine, ["p"], "tool", SETTINGS, temperature=0, num_samples=1, seed=0,
                           sandbox=FakeSandbox({"A\n": ok("2\n")}))  # type: ignore[arg-type] # fmt: skip
    assert solution.text == "```python\nA\n```\n```output\n2\n```\n\\boxed{2}"


def test_programs_need_a_sandbox_and_methods_a_name():
    with pytest.raises(ValueError, match="needs a sandbox"):
        solve(ScriptedEngine(), [], "pot", SETTINGS, temperature=0, num_samples=1, seed=0)
    with pytest.raises(ValueError, match="unknown method 'prolog'"):
        solve(ScriptedEngine(), [], "prolog", SETTINGS, temperature=0, num_samples=1, seed=0)


def test_small_pieces():
    assert cut_at("abc STOP def", ("STOP", "zzz")) == "abc "
    assert extract_program("x\n```python\na\n```\n```python\nb\n```") == "b\n"
    assert extract_program("print(1)\n```") == "print(1)\n"
    assert shorten("0123456789", 4) == "01...89" and shorten("0123", 4) == "0123"


def test_real_programs_run_in_the_real_sandbox():
    walls = available_walls()
    if not (walls["bubblewrap"] and walls["seccomp"]):
        pytest.skip(f"no bubblewrap jail on this machine: {walls}")
    engine = ScriptedEngine(["```python\nn = 6 * 7\nprint(n)\n```\n```output"], ["The answer is \\boxed{42}."])
    with Sandbox() as sandbox:
        ((solution,),) = solve(engine, ["p"], "tool", SETTINGS, temperature=0, num_samples=1, seed=0, sandbox=sandbox)
    assert "```output\n42\n```\n" in solution.text and solution.answer == "42"
