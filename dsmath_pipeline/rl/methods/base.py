"""What the trainer asks of a method."""

from typing import Any, Literal, Protocol

from ...storage import Folder
from ..learner import Batch, Learner

Sampler = Literal["policy", "reference"]


class Method(Protocol):
    """One way to learn from sampled completions; see gradient_coefficients.METHODS for the paradigm's view."""

    @property
    def samples_from(self) -> Sampler:
        """Who samples: the policy as it is now, or the frozen model that the iteration started from."""
        ...

    @property
    def rewards_steps(self) -> bool:
        """Needs a process model."""
        ...

    def start(self, learner: Learner, sft: Folder, device: str) -> None:
        """Called once, before the first step, after models are loaded."""
        ...

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        """Change the policy. Returns figures of trainer.METRICS_SCHEMA and the advantage (or weight) of each of the N
        completions, of process supervision the mean over its tokens."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside policy and optimizer."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Stateless:
    """A method that carries nothing from step to step."""

    samples_from: Sampler = "policy"
    rewards_steps: bool = False

    def start(self, learner: Learner, sft: Folder, device: str) -> None:
        """Nothing to prepare."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""
