"""The methods by their name in the recipe (`rl.method`)."""

from collections.abc import Callable

from .base import Method
from .chosen import Rft
from .dpo import Dpo
from .grpo import Grpo
from .ppo import Ppo
from .reinforce import Reinforce
from .trpo import Trpo

METHODS: dict[str, Callable[[], Method]] = {
    "grpo_outcome": Grpo,
    "grpo_process": lambda: Grpo(rewards_steps=True),
    "online_rft": lambda: Rft("policy"),
    "rft": lambda: Rft("reference"),
    "reinforce": Reinforce,
    "ppo": Ppo,
    "dpo": Dpo,
    "trpo": Trpo,
}


def method(name: str) -> Method:
    """A new one. Raises ValueError for an unknown name."""
    if name not in METHODS:
        raise ValueError(f"unknown rl.method {name!r}: choose one of {', '.join(METHODS)}")
    return METHODS[name]()
