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
        8 * n / 2**30: "AdamW keeps two means for each parameter on top of its gradient",
        12 * n / 2**30: "AdamW keeps two means for each parameter, and there is the gradient too",
        n * 4 / 1e9: "that is the weights alone, in units of 10**9 bytes",
        16 * n / 1e9: "that is in units of 10**9 bytes; a GiB is 2**30 bytes",
        16 * n: "that is in bytes: divide by 2**30",
        16 * n / 2**20: "that is in MiB: a GiB is 1024 of them",
        16 * n / 8 / 2**30: "a number of 32 bits is 4 bytes",
    }
    how = "what stands in memory for each parameter, and how many bytes is each of it?"
    return wrong_number(answer, 16 * n / 2**30, slips, tolerance=0.01, how=how)


def judge_evaluations(answer: Any) -> str | None:
    every = "an evaluation comes after every fifth step, not after every step or epoch"
    return wrong_number(
        answer,
        18,
        {
            17: "step 0 is evaluated too",
            19: "step 90 is not made: the last of 90 steps is step 89",
            90: every,
            10: every,
            9: "that is the evaluations of five epochs",
            20: "that is two an epoch: steps are counted across epochs, not from 0 in each",
        },
        how="which of the steps from 0 to 89 are evaluated?",
    )


def early_stop(val_losses: list[float], patience: int) -> int:
    """The position at which a training with this patience stops."""
    for i in range(len(val_losses)):
        best = min(range(i + 1), key=val_losses.__getitem__)
        if i - best >= patience:
            return i
    return len(val_losses) - 1


# losses, patience, and what another answer than the right one was
STOPS = [
    (
        [3.0, 2.5, 2.25],
        1,
        {2.25: "that is a loss: return its position", 3: "positions are counted from 0"},
        "losses that only fall never stop the training: return the last position",
    ),
    (
        [3.0, 1.0, 2.0, 1.5, 1.75, 1.6],
        2,
        {
            1: "that is where the best loss stood; the training goes on until it is two old",
            2: "you stop one too early: at position 2 the best is one evaluation old",
            4: "you stop one too late: at position 3 the best is two evaluations old",
            5: "compare with the best loss so far, not with the loss before",
        },
        "the best loss stands at position 1: when is it two evaluations old?",
    ),
    (
        [3.0, 2.0, 2.0, 2.0, 2.0],
        2,
        {4: "an equal loss is no improvement: the best still stands at position 1"},
        "the best loss stands at position 1: when is it two evaluations old?",
    ),
    (
        [3.0, 2.0, 2.5, 1.0, 1.5, 0.5, 0.75],
        2,
        {4: "a new best begins the count anew: from position 5 on only one evaluation is made"},
        "no best loss here gets two evaluations old, so it is the last position",
    ),
]


@asks_for_function
def judge_stop_at(answer: Callable[[list[float], int], int]) -> str | None:
    for losses, patience, slips, otherwise in STOPS:
        position = answer(list(losses), patience)
        if hint := not_a_number(position):
            return hint
        if position != early_stop(losses, patience):
            return f"for {losses} and patience {patience}: {slips.get(position, otherwise)}"
    generator = torch.Generator().manual_seed(1)
    for patience in (1, 2, 3, 4):
        losses = torch.rand(12, generator=generator).mul(8).round().div(8).tolist()
        if hint := wrong_number(answer(list(losses), patience), early_stop(losses, patience)):
            return f"for {losses} and patience {patience} {hint}"
    return None


EXERCISES = {
    "training_memory": Exercise(
        judge_training_memory, "four things are as large as the weights: which?"
    ),
    "evaluations": Exercise(
        judge_evaluations, "0, 5, 10, ...: which is the last, and how many are they?"
    ),
    "stop_at": Exercise(judge_stop_at, "remember where the best loss stood"),
}
