"""The exercises of 04_pretraining/05_checkpoints."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_number, wrong_number, wrong_type


def judge_checkpoint_bytes(answer: Any) -> str | None:
    n = 162_419_712
    slips = {
        4 * n: "those are the weights alone; AdamW's two averages are saved as well",
        8 * n: "AdamW keeps two numbers for each weight, and the weight itself is a third",
        3 * n: "those are numbers; each takes 4 bytes in float32",
        16 * n: "gradients are not saved: they are computed anew at each step",
    }
    for unit in (10**9, 2**30, 10**6, 2**20):
        slips[12 * n / unit] = "the question asks for bytes: your unit is larger"
    how = "count the numbers kept for each parameter, then 4 bytes for each number"
    return wrong_number(answer, 12 * n, slips, tolerance=0.02, how=how)


@asks_for_function
def judge_clip_by_length(answer: Callable[[list[Tensor], float], list[Tensor]]) -> str | None:
    torch.manual_seed(0)
    for max_norm in (0.5, 1.0, 2.0):
        gradients = [torch.randn(3, 4), torch.randn(7)]
        before = [gradient.clone() for gradient in gradients]
        clipped = answer(gradients, max_norm)
        if hint := wrong_type(clipped, (list, tuple), "a list of tensors"):
            return hint
        if any(not torch.equal(a, b) for a, b in zip(gradients, before)):
            return "you changed the gradients that were given; return new ones"
        if hint := wrong_clipping(clipped, gradients, max_norm):
            return hint
    short = [torch.tensor([0.3]), torch.tensor([0.4])]
    if not all(torch.allclose(a, b) for a, b in zip(answer(short, 1.0), short)):
        return "a gradient shorter than max_norm must stay as it is; yours was stretched"
    if not all(torch.equal(x, torch.zeros(2)) for x in answer([torch.zeros(2)], 1.0)):
        return "a gradient of zeros must stay zero: beware of dividing by its length"
    return None


def wrong_clipping(clipped: list[Tensor], gradients: list[Tensor], max_norm: float) -> str | None:
    """A hint unless long gradients were scaled by one factor to the joint length max_norm."""
    length = torch.cat([gradient.flatten() for gradient in clipped]).norm().item()
    if all(math.isclose(g.norm(), max_norm, abs_tol=1e-4) for g in clipped):
        return (
            "you scaled each tensor by itself, which turns the direction: one length and one "
            "factor for all"
        )
    largest = max(gradient.abs().max() for gradient in clipped)
    if largest <= max_norm and length > max_norm + 1e-3:
        return "you cut each number; clipping by length scales all numbers by one factor"
    if not math.isclose(length, max_norm, abs_tol=1e-4):
        return f"with max_norm={max_norm} the joint length is {length:.3f}"
    for mine, given in zip(clipped, gradients):
        if not torch.allclose(mine / mine.norm(), given / given.norm(), atol=1e-4):
            return "the direction changed: multiply all tensors by the same factor"
    return None


@asks_for_function
def judge_warmup_stable_decay(answer: Callable[[int, int, int, int, float], float]) -> str | None:
    total = 100
    warmup = 9
    decay = 21
    peak = 2.0
    rates = [answer(step, total, warmup, decay, peak) for step in range(total)]
    for rate in rates:
        if hint := not_a_number(rate):
            return hint
    if rates[0] == 0:
        return (
            "the first step would have rate 0 and teach nothing: rise as learning_rate_at "
            "does, from peak/(warmup+1)"
        )
    rise = [peak * (step + 1) / (warmup + 1) for step in range(warmup)]
    if not all(map(math.isclose, rates[:warmup], rise)):
        return (
            f"during the warm-up step {warmup - 1} has {rates[warmup - 1]:.3f}, not {rise[-1]:.3f}"
        )
    if not all(math.isclose(rate, peak) for rate in rates[warmup : total - decay]):
        return "between warm-up and decay the rate must stay at the peak"
    if not math.isclose(rates[-1], 0, abs_tol=1e-9):
        return f"the last step must have rate 0, yours has {rates[-1]:.4f}"
    if not math.isclose(rates[total - decay], peak):
        return (
            "the first of the decay_steps is still at the peak: the fall takes decay_steps - 1 "
            "moves"
        )
    fall = [peak * moves / (decay - 1) for moves in range(decay - 1, -1, -1)]
    for rate, right in zip(rates[total - decay :], fall):
        if not math.isclose(rate, right, abs_tol=1e-9):
            return f"the fall is no straight line: where it should be {right:.3f} it is {rate:.3f}"
    if not math.isclose(answer(3, 50, 0, 11, 1.0), 1.0):
        return "with warmup_steps=0 the rate should be at its peak from the first step on"
    return None


EXERCISES = {
    "checkpoint_bytes": Exercise(judge_checkpoint_bytes, "3 x 4 bytes"),
    "clip_by_length": Exercise(
        judge_clip_by_length,
        "first the length over all tensors",
        "the factor is min(1, max_norm / length)",
    ),
    "warmup_stable_decay": Exercise(
        judge_warmup_stable_decay, "the smallest of three: rise, 1 and fall"
    ),
}
