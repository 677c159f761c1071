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
    recipe = recipe.model_copy(update={"rl": settings})
    reward = reward_of(root, recipe, device=device, progress=progress) if settings.model_reward_weight > 0 else None
    out = root / "methods" / name
    return train_rl(models / "sft", reward, problems, out, settings, recipe.seed, device=device, progress=progress)


def reward_of(root: Folder, recipe: Recipe, *, device: str = "", progress: Progress = SILENT) -> Folder:
    """The reward model that `recipe.rl` asks for: `models/reward`, or for process supervision a process model, which
    is trained as `methods/process_reward` when `models/reward` is none.

    Raises ValueError when process supervision gives its model no weight: the steps would count for nothing.
    """
    if recipe.rl.method != "grpo_process":
        return root / "models" / "reward"
    if recipe.rl.model_reward_weight == 0:
        raise ValueError(
            "rl.method=grpo_process rewards steps by a process model, and rl.model_reward_weight=0 gives it no weight: "
            "set it above 0 (section 4.2: 1)"
        )
    if recipe.reward_model.kind == "process":
        return root / "models" / "reward"
    models, out = root / "models", root / "methods" / "process_reward"
    settings = recipe.reward_model.model_copy(update={"kind": "process"})
    train_reward_model(
        models / "sft", models / "base", root / "word_problems", out, settings, recipe.seed, device=device,
        progress=progress,
    )  # fmt: skip
    return out
