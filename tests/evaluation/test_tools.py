from dsmath_pipeline.evaluation.solve import solve
from dsmath_pipeline.evaluation.tools import cut_at, notebook_program, shorten
from dsmath_pipeline.grading.sandbox import ProgramResult
from dsmath_pipeline.recipe.schema import EvaluationSettings
from tests.evaluation.fakes import FakeSandbox, ScriptedEngine, ok

SETTINGS = EvaluationSettings(max_completion_tokens=100, max_tool_rounds=3)
STOPS = ("```output", "\nQuestion:")


def use_tool(engine, sandbox, prompts=("p",)):
    groups = solve(engine, list(prompts), "tool", SETTINGS, temperature=0, num_samples=1, seed=0, stop_texts=STOPS,
                   sandbox=sandbox)  # fmt: skip
    return [solution for (solution,) in groups]


def call(code):
    return f"```python\n{code}\n```\n```output"


def test_the_model_reads_what_its_program_printed_and_goes_on():
    engine = ScriptedEngine(
        ["Sum.\n```python\nA\n```\n```output", "By hand: \\boxed{3}"],
        ["Again.\n```python\nB\n```\n```output"],
        ["So \\boxed{5}."],
    )
    sandbox = FakeSandbox({"A\n": ok("2\n"), notebook_program(["A\n"], "B\n"): ok("5\n")})
    first, second = use_tool(engine, sandbox, ["p", "q"])
    assert first.text == (
        "Sum.\n```python\nA\n```\n```output\n2\n```\nAgain.\n```python\nB\n```\n```output\n5\n```\nSo \\boxed{5}."
    )
    assert (first.answer, first.num_programs, second.answer, second.program_status) == ("5", 2, "3", "")
    # Only the attempt that called the tool goes on, from all it has written.
    assert engine.prompts[1] == ["pSum.\n```python\nA\n```\n```output\n2\n```\n"]
    assert first.num_tokens == 30


def test_an_error_is_shown_to_the_model_and_rounds_end():
    engine = ScriptedEngine(*[[call("bad")]] * 4)
    (solution,) = use_tool(engine, FakeSandbox({}))
    # First call plus one for each of the three rounds; the fourth tool call is not served.
    assert len(engine.prompts) == 4
    assert solution.text.count("KeyError: no such program") == 3
    assert (solution.program_status, solution.num_programs) == ("error", 3)


def test_a_model_that_stops_right_behind_its_block_gets_the_output_too():
    engine = ScriptedEngine(["```python\nA\n```"], ["\\boxed{2}"])
    (solution,) = use_tool(engine, FakeSandbox({"A\n": ok("2\n")}))
    assert solution.text == "```python\nA\n```\n```output\n2\n```\n\\boxed{2}"


def test_an_output_that_no_program_stands_before_is_no_tool_call():
    engine = ScriptedEngine(["I think\n```output"])
    (solution,) = use_tool(engine, FakeSandbox({}))
    assert len(engine.prompts) == 1 and solution.num_programs == 0


def test_the_next_question_of_a_base_model_ends_the_solution_in_every_round():
    engine = ScriptedEngine([call("A")], ["The answer is 2.\nQuestion: 3+3?\n" + call("B")])
    (solution,) = use_tool(engine, FakeSandbox({"A\n": ok("2\n")}))
    assert solution.text.endswith("```\nThe answer is 2.") and solution.answer == "2"
    assert len(engine.prompts) == 2


def test_every_attempt_goes_on_with_the_tokens_it_has_left():
    class Uneven(ScriptedEngine):
        """The first completion is long, the second short."""

        def complete(self, prompts, **options):
            groups = super().complete(prompts, **options)
            sizes = (90, 20) if len(self.prompts) == 1 else (1, 1)
            return [
                [type(c)(c.text, tuple(range(size))) for c in group] for size, group in zip(sizes, groups, strict=True)
            ]

    engine = Uneven([call("A"), call("A")], ["\\boxed{1}", "\\boxed{2}"])
    use_tool(engine, FakeSandbox({"A\n": ok("2\n")}), ["p", "q"])
    assert engine.limits == [100, [10, 80]]


def test_a_killed_program_is_not_run_again_with_the_next_one():
    engine = ScriptedEngine([call("loop")], [call("B")], ["\\boxed{5}"])
    sandbox = FakeSandbox({"loop\n": ProgramResult("timeout", "", "", 5.0), "B\n": ok("5\n")})
    (solution,) = use_tool(engine, sandbox)
    assert "```output\ntimeout\n```" in solution.text and "```output\n5\n```" in solution.text


def test_real_blocks_work_as_cells_of_a_notebook(jail):
    engine = ScriptedEngine(
        [call("n = 6\nprint('first', n)\nn = 7\nprint(1 / 0)")],
        [call("k = n * 6\nprint(k)")],  # 7 * 6: what the failed block did before it failed stays
        [call("print(k + 1)")],
        ["The answer is \\boxed{43}."],
    )
    (solution,) = use_tool(engine, jail)
    outputs = [part.split("```")[0].strip() for part in solution.text.split("```output")[1:]]
    assert outputs == ["first 6\nZeroDivisionError: division by zero", "42", "43"]
    assert (solution.answer, solution.program_status) == ("43", "ok")


def test_a_corrected_program_answers_after_one_that_could_not_be_read(jail):
    engine = ScriptedEngine([call("print(1")], [call("print(1)")], ["\\boxed{1}"])
    (solution,) = use_tool(engine, jail)
    assert "SyntaxError" in solution.text and solution.program_status == "ok"


def test_small_pieces():
    assert cut_at("abc STOP def", ("STOP", "zzz")) == "abc "
    assert shorten("0123456789", 4) == "01...89" and shorten("0123", 4) == "0123"
