import itertools

import pytest

from dsmath_pipeline.recipe.schema import RlSettings
from dsmath_pipeline.records import Completion, Grade, Problem, Verdict
from dsmath_pipeline.rl.questions import load_questions, questions_of_step, split_held_out
from dsmath_pipeline.rl.rewards import format_rewards, grade_completions, length_penalties, mix_rewards, rule_rewards
from dsmath_pipeline.storage import ArtifactError


def last_word(reference, solution):
    answer = solution.split()[-1]
    return Grade(answer, Verdict.CORRECT if answer == reference else Verdict.WRONG)


PROBLEMS = [Problem("a", "1+1?", "2"), Problem("b", "1+2?", "3")]
GROUPS = [[Completion("so 2"), Completion("so 3")], [Completion("is 3"), Completion("is 3")]]


def test_each_completion_is_graded_against_its_own_problem():
    grades = grade_completions(PROBLEMS, GROUPS, last_word)
    assert rule_rewards(grades) == [[1.0, 0.0], [1.0, 1.0]]
    assert grades[0][1].answer == "3"


def test_equal_completions_of_a_problem_are_graded_once():
    calls = []

    def counting(reference, solution):
        calls.append((reference, solution))
        return last_word(reference, solution)

    grade_completions(PROBLEMS, GROUPS, counting)
    assert calls == [("2", "so 2"), ("2", "so 3"), ("3", "is 3")]


def test_only_the_verdict_correct_is_rewarded():
    assert rule_rewards([[Grade("1", verdict) for verdict in Verdict]]) == [[1.0, 0.0, 0.0, 0.0, 0.0]]


def test_rewards_are_mixed_by_the_recipes_weights():
    settings = RlSettings(rule_reward_weight=0.5, model_reward_weight=0.25)
    # 0.5 * 1 + 0.25 * 0.8 = 0.7 and 0.5 * 0 + 0.25 * 0.4 = 0.1
    assert mix_rewards([[1.0, 0.0]], [[0.8, 0.4]], settings)[0] == pytest.approx([0.7, 0.1])
    assert mix_rewards([[1.0]], None, RlSettings(model_reward_weight=0.0)) == [[1.0]]


def test_a_weight_without_a_reward_model_is_an_error():
    with pytest.raises(ValueError, match="no reward model was given"):
        mix_rewards([[1.0]], None, RlSettings(model_reward_weight=0.5))


def test_format_and_length_parts_join_where_they_have_a_weight():
    groups = [
        [Completion("\\boxed{1}", (1, 2, 3)), Completion("\\boxed{1}", (1,) * 10, "length"), Completion("1", (1,))]
    ]
    assert format_rewards(groups) == [[1.0, 0.0, 0.0]]  # boxed and ended; cut off; no box
    assert length_penalties(groups, 10) == [[-0.3, -1.0, -0.1]]
    settings = RlSettings(format_reward_weight=0.5, length_penalty_weight=0.1, max_completion_tokens=10)
    # 1 + 0.5 - 0.03, 0 + 0 - 0.1, 1 + 0 - 0.01
    assert mix_rewards([[1.0, 0.0, 1.0]], None, settings, groups)[0] == pytest.approx([1.47, -0.1, 0.99])


def test_held_out_questions_depend_on_their_texts_alone():
    questions = [Problem(str(i), f"{i}?", "0") for i in range(20)]
    kept, held_out = split_held_out(questions, 5)
    assert len(held_out) == 5 and not {q.id for q in kept} & {q.id for q in held_out} and len(kept) == 15
    again = split_held_out(questions[::-1], 5)[1]
    assert {q.id for q in again} == {q.id for q in held_out}
    assert split_held_out(questions, 0) == (questions, [])


def test_the_default_grader_reads_the_box():
    grades = grade_completions(PROBLEMS[:1], [[Completion(" 1+1=2. The answer is \\boxed{2}.")]])
    assert rule_rewards(grades) == [[1.0]]


def test_every_pass_meets_every_question_once_and_passes_differ():
    questions = [Problem(str(i), f"{i}?", "0") for i in range(12)]
    steps = [[p.id for p in questions_of_step(questions, step, 4, seed=1)] for step in range(6)]
    first, second = (list(itertools.chain(*half)) for half in (steps[:3], steps[3:]))
    assert sorted(first) == sorted(second) == sorted(p.id for p in questions) and first != second
    assert steps[4] == [p.id for p in questions_of_step(questions, 4, 4, seed=1)]


def test_too_few_questions_are_an_error():
    with pytest.raises(ValueError, match="needs 3 questions, there are 2"):
        questions_of_step(PROBLEMS, 0, 3, seed=0)


def test_questions_need_a_training_table(tmp_path):
    with pytest.raises((ArtifactError, FileNotFoundError)):
        load_questions(tmp_path)
