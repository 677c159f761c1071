"""Shares of the pretraining data with exact accounting (section 2.3).

Pure arithmetic: how many sequences each source gives. It reads and writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..recipe.schema import MixtureSettings


class MixtureError(ValueError):
    """The shares and the sources do not fit; the message names the source."""


@dataclass(frozen=True, slots=True)
class SourceShare:
    """One source's part of the training run."""

    share: float
    """Of all training sequences, 0-1, after absent sources gave theirs away."""
    num_sequences: int
    epochs: float
    """How often the source's own sequences are used."""


def plan_mixture(
    available_sequences: Mapping[str, float], settings: MixtureSettings, num_sequences: int
) -> dict[str, SourceShare]:
    """Split `num_sequences` over the sources that are there, in the order of MixtureSettings.

    `available_sequences` is how many sequences one epoch of a source fills, fractions included. Absent sources give
    their share to the others in proportion. The counts add up to `num_sequences` exactly: each source gets its share
    rounded down, then the largest remainders get one more (ties: the earlier source).
    Raises MixtureError for an unknown or empty source and when no source has a positive share.
    """
    weights = {name: Fraction(str(share)) for name, share in settings.model_dump().items()}
    for name, available in available_sequences.items():
        if name not in weights:
            raise MixtureError(f"source {name!r} has no share in the mixture; sources are {', '.join(weights)}")
        if available <= 0:
            raise MixtureError(f"source {name!r} holds no text to train on: leave it out or add text")
    present = [name for name in weights if name in available_sequences and weights[name] > 0]
    total = sum((weights[name] for name in present), Fraction(0))
    if not present:
        raise MixtureError("no source with a positive share: give at least the corpus")
    exact = {name: weights[name] / total * num_sequences for name in present}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(present, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: num_sequences - sum(counts.values())]:
        counts[name] += 1
    return {
        name: SourceShare(float(weights[name] / total), counts[name], counts[name] / available_sequences[name])
        for name in present
    }
