"""Rewards.

Written from 05_instruction_finetuning/10_rewards: change it there.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def group_advantages(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Each answer's reward, compared with its own group: (P, N) -> (P, N).

    P prompts with N answers each; a group of equal rewards gets zeros. Raises ValueError for
    groups of one or a reward that is not finite. Source: Shao et al. 2024, section 4.1.2.
    """
    if rewards.dim() != 2 or rewards.size(1) < 2:
        raise ValueError(f"rewards of shape {tuple(rewards.shape)}: they must be (P, N) with "
                         "groups of N = 2 or more, for one answer has nothing to be compared with")
    if not rewards.isfinite().all():
        raise ValueError(f"the rewards {rewards[~rewards.isfinite()].tolist()} are not finite: "
                         "mend the reward function")
    centred = rewards - rewards.mean(dim=1, keepdim=True)  # (P, N)
    return centred / (rewards.std(dim=1, correction=0, keepdim=True) + eps)  # (P, N)


def clipped_objective(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor,
                      clip: float) -> Tensor:
    """What a step should raise, for each draw: shapes as given, broadcast together.

    `old_log_probs` are those of the policy that drew. Raises ValueError unless clip is above 0.
    Source: Schulman et al. 2017, equation 7.
    """
    if not clip > 0:
        raise ValueError(f"clip={clip} must be above 0, or no step could ever move the policy")
    ratio = (log_probs - old_log_probs).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return torch.minimum(ratio * advantages, clipped * advantages)


def distance_to_reference(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Estimates of the KL divergence from the reference, one a draw: (...) -> (...), 0 or above.

    Draws of the policy itself are meant. Source: Shao et al. 2024, equation 4.
    """
    difference = reference_log_probs - log_probs
    return difference.exp() - difference - 1


def grpo_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, counted: Tensor,
              clip: float = 0.2, reference_log_probs: Tensor | None = None,
              penalty: float = 0.0) -> Tensor:
    """What a step lowers, from log-probabilities of the answers' tokens: (P, N, A), ... -> ().

    `advantages` are (P, N); `counted`, (P, N, A), says which tokens belong to the answers. Raises
    ValueError for a negative penalty, or one without a reference.
    Source: Shao et al. 2024, equation 3.
    """
    if penalty < 0 or (penalty > 0 and reference_log_probs is None):
        raise ValueError(f"penalty={penalty} must be 0 or above, and above 0 it needs the "
                         "log-probabilities of a reference")
    gain = clipped_objective(log_probs, old_log_probs, advantages.unsqueeze(-1), clip)  # (P, N, A)
    if penalty > 0:
        gain = gain - penalty * distance_to_reference(log_probs, reference_log_probs)
    gain = gain.masked_fill(~counted, 0.0)
    return -(gain.sum(dim=-1) / counted.sum(dim=-1)).mean()


def score_answers(prompts: Sequence[str], answers: Sequence[Sequence[str]],
                  reward: Callable[[str, str], float]) -> Tensor:
    """The reward of each answer: P prompts, P lists of N answers -> (P, N).

    Raises ValueError for a reward that is not a finite number.
    """
    rows = []
    for prompt, group in zip(prompts, answers, strict=True):
        rows.append([reward(prompt, answer) for answer in group])
        for answer, value in zip(group, rows[-1]):
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"the reward of {answer!r} for the prompt {prompt!r} is "
                                 f"{value!r}: it must be a finite number")
    return torch.tensor(rows, dtype=torch.float32)  # (P, N)


def pass_at_k(right: int, draws: int, k: int) -> float:
    """The chance that at least one of k draws is right, estimated from more draws.

    Raises ValueError unless 0 <= right <= draws and 1 <= k <= draws.
    Source: Chen et al. 2021, equation 1.
    """
    if not 0 <= right <= draws or not 1 <= k <= draws:
        raise ValueError(f"right={right} must be between 0 and draws={draws}, k={k} between 1 and "
                         "draws")
    return 1 - math.comb(draws - right, k) / math.comb(draws, k)


# Written by `python -m shared.kit.course copy`: 5e23a27db440
