"""The comparison of methods (figures 5 and 6): one policy for each run of method_runs.

Writes below the run: `methods/<name>` (see trainer) and, for process supervision, `methods/process_reward` (see
reward_model).
"""

from ..progress import SILENT, Progress
from ..recipe.schema import Recipe
from ..storage import Folder, Manifest
from .method_runs import method_settings
from .reward_model import train_reward_model
from .trainer import train_rl


def train_method(root: Folder, recipe: Recipe, name: str, *, device: str = "", progress: Progress = SILENT) -> Manifest:
    """Train the policy `name` of RUNS from the run's SFT model. Raises ValueError for another name."""
    settings, models, problems = method_settings(recipe.rl, name), root / "models", root / "word_problems"
    reward: Folder | None = None
    if settings.method == "grpo_process":
        reward = root / "methods" / "process_reward"
        process = recipe.reward_model.model_copy(update={"kind": "process"})
        train_reward_model(
            models / "sft", models / "base", problems, reward, process, recipe.seed, device=device, progress=progress
        )
    elif settings.model_reward_weight > 0:
        reward = models / "reward"
    out = root / "methods" / name
    return train_rl(models / "sft", reward, problems, out, settings, recipe.seed, device=device, progress=progress)
