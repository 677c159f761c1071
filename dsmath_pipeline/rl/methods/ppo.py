"""PPO with a learned value function (section 4.1.1; equations 1 and 2).

The value model starts from the SFT model with a new scalar head and has its own optimizer. Advantages are GAE of the
penalised rewards, whitened over the batch; they and the value targets stay fixed during the mu updates. The paper
states neither value loss nor whitening: see ppo.py and returns.py.
"""

from typing import Any

import torch
from transformers import PreTrainedModel

from ...storage import Folder
from ...training.models import to_device
from ..learner import Batch, Learner
from ..objective import completion_mean, is_clipped
from ..ppo import penalised_rewards, ppo_loss, value_loss
from ..returns import generalized_advantages, whiten
from ..reward_model import new_reward_model
from ..rollout import by_position, completion_logprobs, completion_values, for_tokens, micro_batches
from ..update import MicroBatch, reference_logprobs, set_learning_rate, update_policy
from .base import Stateless


class Ppo(Stateless):
    """Carries the value model and its optimizer."""

    values: PreTrainedModel
    optimizer: torch.optim.Optimizer

    def start(self, learner: Learner, sft: Folder, device: str) -> None:
        torch.manual_seed(learner.seed)  # of the new head
        self.values = to_device(new_reward_model(sft, "process"), device)
        settings = learner.settings
        self.optimizer = torch.optim.AdamW(
            self.values.parameters(), settings.value_learning_rate, (settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
        )  # fmt: skip

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings = learner.settings
        advantages_NT, values_NT, returns_NT, mask_NT = self._estimate(learner, batch)

        def loss(micro: MicroBatch) -> tuple[torch.Tensor, float]:
            advantages_BT = for_tokens(advantages_NT, micro.rows, micro.mask_BT)
            clipped_BT = is_clipped(micro.policy_BT, micro.old_BT, advantages_BT, settings.clip_range)
            share = float(completion_mean(clipped_BT.float(), micro.mask_BT).sum() / micro.num_completions)
            value = ppo_loss(
                micro.policy_BT, micro.old_BT, advantages_BT, micro.mask_BT, micro.num_completions,
                clip_range=settings.clip_range,
            )  # fmt: skip
            return value, share

        figures: dict[str, Any] = update_policy(learner, batch, loss)
        figures["value_loss"] = self._fit(learner, batch, values_NT, returns_NT)
        return figures, completion_mean(advantages_NT, mask_NT).tolist()

    @torch.no_grad()
    def _estimate(self, learner: Learner, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Advantages, values, returns and mask of every token, by position in the completion: [N, T]."""
        settings = learner.settings
        shape = (len(batch.sequences), batch.longest)
        found = [torch.zeros(shape) for _ in range(4)]
        scores_N = batch.rewards_BG.flatten()
        for rows in micro_batches(batch.sequences, settings.micro_batch_completions):
            old_BT, mask_BT = completion_logprobs(
                learner.policy, batch.sequences, rows, settings.temperature, learner.pad_id
            )
            values_BT = completion_values(self.values, batch.sequences, rows, learner.pad_id)
            rewards_BT = penalised_rewards(
                scores_N[rows].to(mask_BT.device), old_BT, reference_logprobs(learner, batch, rows), mask_BT,
                settings.kl_coefficient,
            )  # fmt: skip
            advantages_BT, returns_BT = generalized_advantages(
                rewards_BT, values_BT, mask_BT, settings.discount, settings.gae_lambda
            )
            for store, part_BT in zip(found, (advantages_BT, values_BT, returns_BT, mask_BT), strict=True):
                store[rows] = by_position(part_BT, mask_BT, batch.longest).cpu()
        advantages_NT, values_NT, returns_NT, mask_NT = found
        return whiten(advantages_NT, mask_NT), values_NT, returns_NT, mask_NT

    def _fit(self, learner: Learner, batch: Batch, values_NT: torch.Tensor, returns_NT: torch.Tensor) -> float:
        """mu steps of the value model towards the returns; the mean loss."""
        settings, total = learner.settings, 0.0
        set_learning_rate(learner, self.optimizer, settings.value_learning_rate)
        for _ in range(settings.updates_per_exploration):
            self.optimizer.zero_grad()
            for rows in micro_batches(batch.sequences, settings.micro_batch_completions):
                predicted_BT = completion_values(self.values, batch.sequences, rows, learner.pad_id)
                mask_BT = _mask(batch, rows, predicted_BT)
                old_BT, returns_BT = (for_tokens(v, rows, mask_BT) for v in (values_NT, returns_NT))
                loss = value_loss(predicted_BT, old_BT, returns_BT, mask_BT, len(batch.sequences))
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(self.values.parameters(), settings.max_grad_norm)
            self.optimizer.step()
        return total / settings.updates_per_exploration

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.values.load_state_dict(state["values"])
        self.optimizer.load_state_dict(state["optimizer"])


def _mask(batch: Batch, rows: list[int], like_BT: torch.Tensor) -> torch.Tensor:
    """The mask of `rollout.completion_logprobs` for these rows."""
    shortest = min(len(batch.sequences.prompts[i]) for i in rows)
    mask_BT = torch.zeros_like(like_BT)
    for b, i in enumerate(rows):
        first = len(batch.sequences.prompts[i]) - shortest
        own = batch.sequences.mask(i)
        mask_BT[b, first : first + len(own)] = torch.tensor(own, dtype=mask_BT.dtype)
    return mask_BT
