"""The paper's multi-step learning-rate schedule (section 2.2). Pure functions of the step number."""

from ..recipe.schema import PretrainSettings


def multi_step_factor(step: int, num_steps: int, settings: PretrainSettings) -> float:
    """Share of the peak learning rate (0-1) in optimizer step `step`, counted from 0.

    Linear warm-up that reaches the peak in the last of `warmup_steps`; `first_decay_to` (31.6 %) from the step with
    which `first_decay_at` (80 %) of the training is over, `second_decay_to` (10 %) from 90 %. In a run shorter than
    its warm-up the falls still apply.
    """
    warmup = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    # Rounded against 0.8 * 10 = 8.000000000000002 and the like.
    if step >= round(settings.second_decay_at * num_steps, 6):
        return warmup * settings.second_decay_to
    if step >= round(settings.first_decay_at * num_steps, 6):
        return warmup * settings.first_decay_to
    return warmup


def constant_factor(step: int) -> float:
    """The schedule of fine-tuning (section 3)."""
    return 1.0


def linear_tail_factor(step: int, num_steps: int, decay_from: float) -> float:
    """Constant, then a straight line from the share `decay_from` (0-1) of the steps to zero after the last one.

    With 1 it is constant, which is all that section 4.2 states. Not in the paper: the tail. It averages out the noise
    of the last steps, which in short runs is as large as what is gained.
    """
    start = round(decay_from * num_steps, 6)
    return 1.0 if step < start else (num_steps - step) / (num_steps - start)
