"""Reward training.

Written from 05_instruction_finetuning/10_rewards: change it there.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from shared.answer_groups import AnswerGroups, answer_texts, sample_groups, sampled_log_probs
from shared.rewards import group_advantages, grpo_loss, score_answers
from shared.tokenizer import Tokenizer
from shared.training import interrupts_wait


@dataclass(frozen=True)
class RewardSettings:
    """How a training by reward draws and moves. Raises ValueError for numbers out of range."""

    group_size: int = 16  # N, answers to a prompt
    prompts_a_step: int = 8  # P
    max_new_tokens: int = 32
    passes: int = 1  # gradient steps on the same draws
    clip: float = 0.2
    penalty: float = 0.0  # beta, for the distance to the reference

    def __post_init__(self) -> None:
        if self.group_size < 2 or self.prompts_a_step < 1 or self.passes < 1:
            raise ValueError(f"group_size={self.group_size} must be at least 2, for answers are "
                             f"compared; prompts_a_step={self.prompts_a_step} and "
                             f"passes={self.passes} at least 1")
        if not self.penalty >= 0 or not self.clip > 0:
            raise ValueError(f"penalty={self.penalty} must be 0 or above, clip={self.clip} above 0")


def check_penalty(model: nn.Module, penalty: float, reference: nn.Module | None) -> None:
    """Raise ValueError for a penalty without a reference, or one with another vocabulary."""
    if penalty > 0 and reference is None:
        raise ValueError(f"penalty={penalty} needs a reference: a copy of the model at the start")
    if reference is not None and reference.cfg.vocab_size != model.cfg.vocab_size:
        raise ValueError(f"the reference has vocab_size={reference.cfg.vocab_size}, the model "
                         f"{model.cfg.vocab_size}: their probabilities are not of the same tokens")


class RewardTraining:
    """A training on prompts without answers: what it needs, and where it stands.

    Raises ValueError for no prompts, or a reference that does not fit.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, prompts: Sequence[str],
                 reward: Callable[[str, str], float], optimizer: torch.optim.Optimizer,
                 settings: RewardSettings, reference: nn.Module | None = None,
                 seed: int = 123) -> None:
        check_penalty(model, settings.penalty, reference)
        if not prompts:
            raise ValueError("no prompts: there is nothing to answer")
        self.model, self.optimizer, self.reference = model, optimizer, reference
        self.tokenizer, self.prompts, self.reward = tokenizer, prompts, reward
        self.settings = settings
        self.generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        self.ids = [tokenizer.encode(prompt) for prompt in prompts]
        self.history: list[dict[str, float]] = []  # one entry a step
        self.last: list[tuple[str, list[str], list[float]]] = []  # prompt, answers, rewards

    def draw(self) -> list[int]:
        """Numbers of prompts that have the same number of tokens, with repetition."""
        count = 1 + self.settings.prompts_a_step
        shares = torch.rand(count, generator=self.generator, device=self.generator.device)
        first = self.ids[int(shares[0] * len(self.ids))]
        same = [number for number, ids in enumerate(self.ids) if len(ids) == len(first)]
        return [same[int(share * len(same))] for share in shares[1:]]

    def state_dict(self) -> dict[str, Any]:
        """What going on needs besides model and optimizer."""
        return {"history": self.history, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.history = [dict(entry) for entry in state["history"]]
        self.generator.set_state(state["generator"])


def move_policy(training: RewardTraining, groups: AnswerGroups, old: Tensor,
                advantages: Tensor) -> None:
    """The gradient steps on groups with log-probabilities (P, N, A) and advantages (P, N)."""
    settings = training.settings
    kept = advantages.ne(0).any(dim=1) | (settings.penalty > 0)  # (P,): all but the silent ones
    if not kept.any():
        return
    share = kept.float().mean()
    groups = groups.pick(kept)
    reference = None
    if settings.penalty > 0:
        with torch.no_grad():
            reference, _ = sampled_log_probs(training.reference, groups)
    for _ in range(settings.passes):
        log_probs, _ = sampled_log_probs(training.model, groups)
        loss = share * grpo_loss(log_probs, old[kept], advantages[kept], groups.counted,
                                 settings.clip, reference, settings.penalty)
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def reward_step(training: RewardTraining) -> dict[str, float]:
    """Draw, score, move; returns and notes mean reward, share of silent groups, entropy, length."""
    settings, model, tokenizer = training.settings, training.model.eval(), training.tokenizer
    numbers = training.draw()
    rows = torch.tensor([training.ids[n] for n in numbers], device=training.generator.device)
    groups = sample_groups(model, rows, settings.group_size, settings.max_new_tokens,
                           tokenizer.eot_token, generator=training.generator)
    prompts, texts = [training.prompts[n] for n in numbers], answer_texts(groups, tokenizer)
    rewards = score_answers(prompts, texts, training.reward).to(rows.device)  # (P, N)
    advantages = group_advantages(rewards)  # (P, N)
    with torch.no_grad():
        old, entropy = sampled_log_probs(model, groups)  # (P, N, A) each
    move_policy(training, groups, old, advantages)
    training.last = list(zip(prompts, texts, rewards.tolist()))
    noted = {"reward": rewards.mean().item(), "entropy": entropy[groups.counted].mean().item(),
             "silent": advantages.eq(0).all(dim=1).float().mean().item(),
             "tokens": groups.counted.sum(dim=-1).float().mean().item()}
    training.history.append(noted)
    return noted


def train_on_rewards(training: RewardTraining, steps: int, progress: bool = True,
                     after_step: Callable[[RewardTraining], None] | None = None,
                     ) -> list[dict[str, float]]:
    """Train until `steps` steps are made, those before a resumption included; returns the history.

    An interrupt ends it after the step at hand. Raises FloatingPointError if weights are lost.
    """
    done = len(training.history)
    with (suppress(KeyboardInterrupt),
          tqdm(total=steps, initial=done, unit="step", disable=not progress) as bar):
        while len(training.history) < steps:
            with interrupts_wait():
                noted = reward_step(training)
                if not all(weight.isfinite().all() for weight in training.model.parameters()):
                    raise FloatingPointError(f"a weight is not finite after step "
                                             f"{len(training.history) - 1}: try a smaller "
                                             "learning rate, or clip the gradients")
                bar.set_postfix(reward=f"{noted['reward']:.2f}")
                bar.update()
                if after_step is not None:
                    after_step(training)
    if len(training.history) < steps:
        print(f"Stopped after {len(training.history)} steps; the model keeps what it has learned.")
    return training.history


# Written by `python -m shared.kit.course copy`: d540fa271dda
