import pytest

from dsmath_pipeline.rl.collapse import collapse_signs


def run(num=60, **columns):
    """Rows of a healthy run; a column given as a function of the step's share (0-1) replaces its own."""
    healthy = {
        "reward": lambda x: 0.4 + 0.3 * x,
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
    rows = run(held_out_correct=lambda x: 0.6 - 0.3 * x)
    for row in rows:
        if (row["step"] - 1) % 10:
            row["held_out_correct"] = None
    (sign,) = collapse_signs(rows)
    assert "held_out_correct fell" in sign
    # grading falls with the reward: that is no gaming
    falling = run(reward=lambda x: 0.5 - 0.3 * x, correct_share=lambda x: 0.5 - 0.3 * x)
    assert collapse_signs(falling) == []
