import pytest

from dsmath_pipeline.rl.collapse import collapse_signs


def run(num=60, **columns):
    """Rows of a healthy run; a column given as a function of the step's share (0-1) replaces its own."""
    healthy = {
        "reward": lambda x: 0.4 + 0.3 * x,
        "model_reward": lambda x: None,
        "correct_share": lambda x: 0.4 + 0.3 * x,
        "entropy": lambda x: 0.4 - 0.25 * x,
        "completion_tokens": lambda x: 20 + 5 * x,
        "truncated_share": lambda x: 0.02,
        "held_out_correct": lambda x: None,
    }
    functions = healthy | columns
    return [{"step": n + 1, **{name: f(n / (num - 1)) for name, f in functions.items()}} for n in range(num)]


def test_a_healthy_run_and_a_short_one_show_no_sign():
    assert collapse_signs(run()) == []
    assert collapse_signs(run(29, entropy=lambda x: 0.0)) == []


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("entropy", lambda x: 0.4 * (1 - x) ** 3, "entropy fell"),
        ("completion_tokens", lambda x: 20 + 80 * x, "completions went"),
        ("completion_tokens", lambda x: 20 - 19 * x, "completions went"),
        ("truncated_share", lambda x: 0.6 * x, "cut off"),
        ("correct_share", lambda x: 0.5 - 0.3 * x, "correct_share fell"),
    ],
)
def test_each_sign_is_named(column, value, words):
    (sign,) = collapse_signs(run(**{column: value}))
    assert words in sign


def test_held_out_grading_counts_where_it_is_measured():
    # the reward and the samples' own grades rise, but held-out questions are solved less and less
    rows = run(held_out_correct=lambda x: 0.6 - 0.5 * x)
    for row in rows:
        if (row["step"] - 1) % 10:
            row["held_out_correct"] = None
    (sign,) = collapse_signs(rows)
    assert "held_out_correct fell" in sign and "does not carry over" in sign
    # grading falls with the reward: that is no gaming
    falling = run(reward=lambda x: 0.5 - 0.3 * x, correct_share=lambda x: 0.5 - 0.3 * x)
    assert collapse_signs(falling) == []


# Every tenth step of three runs: held-out share (in %), and the mean reward and share graded right of the ten steps
# from there on (in thousandths). In the first a process model was gamed; in the others the rule was learned, in the
# last one after a fall in the first steps.
GAMED = (
    (52, 44, 48, 41, 33, 40, 38, 41, 41, 44, 39, 41, 42, 40, 42, 41, 39, 45, 46, 44),
    (670, 784, 716, 865, 847, 906, 811, 855, 902, 914, 909, 911, 889, 978, 925, 954, 894, 945, 953, 919),
    (337, 357, 262, 406, 348, 441, 333, 368, 416, 406, 387, 425, 359, 498, 402, 426, 402, 434, 468, 427),
)
LEARNED = (
    (52, 47, 48, 53, 53, 49, 49, 52, 54, 52, 55, 50, 59, 59, 59, 57, 61, 63, 56, 59),
    (334, 420, 395, 518, 521, 526, 454, 519, 542, 578, 606, 652, 607, 650, 638, 639, 623, 650, 670, 631),
)
DIPPED = ((61, 50, 52, 48, 49, 51, 51, 55, 62, 63), (445, 445, 430, 447, 497, 528, 482, 555, 652, 584))


def curve(held_out, rewards, shares=None):
    """Rows of a run with these figures; all else is healthy. Without `shares` the rule is the reward."""
    rows = run(10 * len(held_out))
    for n, row in enumerate(rows):
        row["reward"] = rewards[n // 10] / 1000
        row["correct_share"] = (shares or rewards)[n // 10] / 1000
        row["held_out_correct"] = None if n % 10 else held_out[n // 10] / 100
    return rows


def test_a_process_model_that_was_gamed_is_told_while_it_happens_and_at_the_end():
    rows = curve(*GAMED)
    assert all("held_out_correct fell" in collapse_signs(rows[:n])[0] for n in (50, 100, 150))
    # the last six of twenty measurements: (42 + 41 + 39 + 45 + 46 + 44) / 6 = 42.8, 9.2 points below 52
    (sign,) = collapse_signs(rows)
    assert "held_out_correct fell by 9.2%" in sign and "rose by 0.249" in sign  # 0.919 - 0.670


@pytest.mark.parametrize("learned", [LEARNED, DIPPED])
def test_a_run_that_learned_shows_no_sign_at_any_step(learned):
    rows = curve(*learned)
    assert all(collapse_signs(rows[:n]) == [] for n in range(30, len(rows) + 1))


def test_a_fall_after_a_rise_is_told_although_the_start_was_lower():
    held_out, flat = [40, 50, 60, 70, 70, 70, 60, 55, 50], [500] * 9  # best three 70, last three 55
    (sign,) = collapse_signs(curve(held_out, range(300, 750, 50), flat))
    assert "held_out_correct fell by 15.0%" in sign
    assert collapse_signs(curve(held_out, range(700, 250, -50), flat)) == []  # the reward falls as well


def test_few_held_out_measurements_say_nothing_against_the_samples():
    assert collapse_signs(curve([90, 50, 10], [100, 200, 300])) == []


def test_a_reward_model_that_is_gamed_is_told_although_the_rule_pulls_the_whole_reward_down():
    rows = run(
        model_reward=lambda x: 0.43 + 0.25 * x,
        correct_share=lambda x: 0.36 - 0.27 * x,
        reward=lambda x: 1.0 - 0.2 * x,
        held_out_correct=lambda x: 0.61 - 0.54 * x,
    )
    (sign,) = collapse_signs(rows)
    assert sign.startswith("model_reward rose") and "held_out_correct fell" in sign
