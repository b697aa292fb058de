"""Learning rates by the step, and clipped gradients.

Written from 04_pretraining/05_checkpoints: change it there.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


def learning_rate_at(step: int, total_steps: int, warmup_steps: int, peak: float,
                     minimum: float = 0.0) -> float:
    """Learning rate of a step, from 0: a straight rise to `peak`, half a cosine to `minimum`.

    Raises ValueError if the numbers do not fit. Source: Loshchilov and Hutter 2017, equation 5.
    """
    if not 0 <= warmup_steps < total_steps or not 0 <= minimum <= peak:
        raise ValueError(f"warmup_steps={warmup_steps} must be at least 0 and below "
                         f"total_steps={total_steps}, minimum={minimum} at least 0 and at most "
                         f"peak={peak}")
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    steps_down = max(1, total_steps - 1 - warmup_steps)
    done = min(1.0, (step - warmup_steps) / steps_down)  # 0 at the peak, 1 at the end
    return minimum + (peak - minimum) * (1 + math.cos(math.pi * done)) / 2


def attach_schedule(optimizer: torch.optim.Optimizer, total_steps: int, warmup_steps: int,
                    minimum: float = 0.0, first_step: int = 0,
                    ) -> torch.optim.lr_scheduler.LambdaLR:
    """Let the optimizer's learning rate, taken as the peak, follow `learning_rate_at`."""
    peak = optimizer.param_groups[0]["lr"]

    def share_of_peak(steps: int) -> float:
        return learning_rate_at(first_step + steps, total_steps, warmup_steps, peak, minimum) / peak

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_peak)
    schedule.numbers = {"total_steps": total_steps, "warmup_steps": warmup_steps, "peak": peak,
                        "minimum": minimum}  # saved with it, so that another one is noticed

    def after_step(*_: object) -> None:
        schedule.step()

    optimizer.register_step_post_hook(after_step)
    return schedule


def attach_clipping(optimizer: torch.optim.Optimizer, model: nn.Module, max_norm: float,
                    watch: Callable[[Tensor], None] | None = None) -> None:
    """Before each step, scale all gradients down together if their joint length exceeds max_norm.

    `watch` is called with the length before. Source: Pascanu et al. 2013, algorithm 1.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm={max_norm} must be above 0")

    def clip(*_: object) -> None:
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        if watch is not None:
            watch(norm)

    optimizer.register_step_pre_hook(clip)


# Written by `python -m shared.kit.course copy`: 692b41e80578
