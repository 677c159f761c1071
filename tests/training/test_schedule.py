import pytest

from dsmath_pipeline.recipe.schema import PretrainSettings
from dsmath_pipeline.training.schedule import constant_factor, linear_tail_factor, multi_step_factor

PAPER = PretrainSettings()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1 / 2000),  # first of 2,000 warm-up steps
        (999, 0.5),
        (1999, 1.0),  # the peak is reached with the last warm-up step
        (29_999, 1.0),
        (30_000, 0.316),  # 80 % of 37,500 steps (150 B tokens in batches of 4 M) are over
        (33_749, 0.316),
        (33_750, 0.1),  # 90 %
        (37_499, 0.1),
    ],
)
def test_the_papers_schedule_at_exact_steps(step, expected):
    assert multi_step_factor(step, 37_500, PAPER) == pytest.approx(expected, rel=1e-12)


def test_the_falls_come_at_the_exact_step_although_0_8_is_no_exact_float():
    settings = PretrainSettings(warmup_steps=0)
    assert [multi_step_factor(step, 10, settings) for step in range(10)] == [1.0] * 8 + [0.316, 0.1]


def test_the_rate_never_rises_after_the_warm_up():
    factors = [multi_step_factor(step, 5000, PAPER) for step in range(2000, 5000)]
    assert factors == sorted(factors, reverse=True)


def test_fine_tuning_is_constant():
    assert {constant_factor(step) for step in range(500)} == {1.0}


def test_the_tail_falls_in_a_straight_line_to_zero_after_the_last_step():
    # 10 steps, constant for 6, then 4 of 4, 3 of 4, 2 of 4, 1 of 4.
    assert [linear_tail_factor(step, 10, 0.6) for step in range(10)] == [1.0] * 7 + [0.75, 0.5, 0.25]
    assert {linear_tail_factor(step, 10, 1.0) for step in range(10)} == {1.0}
    assert linear_tail_factor(0, 10, 0.0) == 1.0 and linear_tail_factor(9, 10, 0.0) == pytest.approx(0.1)
