"""The exercises of 04_pretraining/03_pretraining_162m."""

from collections.abc import Callable
from typing import Any

import torch

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_number, wrong_number


def judge_training_memory(answer: Any) -> str | None:
    n = 1_557_611_200
    slips = {
        4 * n / 2**30: "that is the weights alone; gradients and two means come on top",
        12 * n / 2**30: "AdamW keeps two means for each parameter, not one",
        16 * n / 1e9: "that is in units of 10**9 bytes; a GiB is 2**30 bytes",
        16 * n: "that is in bytes: divide by 2**30",
    }
    how = "four numbers of 4 bytes for each parameter"
    return wrong_number(answer, 16 * n / 2**30, slips, tolerance=0.005, how=how)


def judge_evaluations(answer: Any) -> str | None:
    every = "an evaluation comes after every fifth step, not after every step or epoch"
    return wrong_number(
        answer,
        18,
        {17: "step 0 is evaluated too", 90: every, 10: every},
        how="count the multiples of 5 among the steps 0 to 89",
    )


def early_stop(val_losses: list[float], patience: int) -> int:
    """The position at which a training with this patience stops."""
    for i in range(len(val_losses)):
        best = min(range(i + 1), key=val_losses.__getitem__)
        if i - best >= patience:
            return i
    return len(val_losses) - 1


@asks_for_function
def judge_stop_at(answer: Callable[[list[float], int], int]) -> str | None:
    falling = answer([3.0, 2.0, 1.0], 1)
    if hint := not_a_number(falling):
        return hint
    if falling != 2:
        return "losses that only fall never stop the training: return the last position"
    if answer([3.0, 1.0, 2.0, 2.0, 2.0], 2) == 4:
        return (
            "for [3, 1, 2, 2, 2] and patience 2 you stop one too late: at position 3 the best "
            "is two evaluations old"
        )
    if answer([3.0, 1.0, 2.0, 1.5, 1.2, 1.1], 3) != 4:
        return (
            "compare with the best loss so far, not with the loss before: "
            "[3, 1, 2, 1.5, 1.2, 1.1], 3 stops at 4"
        )
    generator = torch.Generator().manual_seed(1)
    for patience in (1, 2, 3):
        losses = torch.rand(12, generator=generator).tolist()
        if hint := wrong_number(answer(list(losses), patience), early_stop(losses, patience)):
            return f"for {[round(x, 2) for x in losses]} and patience {patience} {hint}"
    return None


EXERCISES = {
    "training_memory": Exercise(
        judge_training_memory, "weights, gradients, two means: 16 bytes a parameter"
    ),
    "evaluations": Exercise(judge_evaluations, "len(range(0, 90, 5))"),
    "stop_at": Exercise(judge_stop_at, "remember where the best loss stood"),
}
