import pytest

from dsmath_pipeline.evaluation.solve import extract_program, solve
from dsmath_pipeline.recipe.schema import EvaluationSettings
from tests.evaluation.fakes import FakeSandbox, ScriptedEngine, ok

SETTINGS = EvaluationSettings(max_completion_tokens=100, max_tool_rounds=3)


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
    # People read the output behind the program; an open fence is closed.
    assert first.text == "```python\nA\n```\n```output\nhalf\n21\n```\n"
    assert third.text == "```python\nC\n```\n```output\nKeyError: no such program\n```\n"


def test_programs_need_a_sandbox_and_methods_a_name():
    with pytest.raises(ValueError, match="needs a sandbox"):
        solve(ScriptedEngine(), [], "pot", SETTINGS, temperature=0, num_samples=1, seed=0)
    with pytest.raises(ValueError, match="unknown method 'prolog'"):
        solve(ScriptedEngine(), [], "prolog", SETTINGS, temperature=0, num_samples=1, seed=0)


def test_the_program_is_the_last_fenced_block_or_everything():
    assert extract_program("x\n```python\na\n```\n```python\nb\n```") == "b\n"
    assert extract_program("print(1)\n```") == "print(1)\n"
