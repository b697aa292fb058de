"""The exercises of 03_gpt/01_transformer_block."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, near, wrong_form, wrong_list, wrong_number


def judge_normalised_row(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4,), "the list of four numbers"):
        return hint
    values = torch.as_tensor(answer, dtype=torch.float)
    row = torch.tensor([2.0, 4.0, 4.0, 6.0])
    centred = row - row.mean()
    if near(values, centred / 2**0.5, atol=0.01):
        return None
    if near(values, centred / row.std(), atol=0.01):
        return "you divided the squares by n - 1 = 3; GPT-2's variance divides them by n = 4"
    if near(values, centred / 2, atol=0.01):
        return "you divided by the variance; divide by its square root"
    if abs(values.mean()) > 0.01:
        return "the mean of your numbers is not 0: subtract the mean, 4, first"
    return "the mean is 0 now, but the variance is not 1"


def judge_feed_forward_parameters(answer: Any) -> str | None:
    D = 1024
    slips = {
        8 * D * D: "these are the two matrices; each layer has a bias as well",
        4 * D * D + 4 * D: "this is the first layer only; there is one back to the width 1024",
        8 * 768 * 768 + 5 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        2 * D * D + 2 * D: "the inner layer is four times as wide: 4096",
    }
    return wrong_number(answer, 8 * D * D + 5 * D, slips)


@asks_for_function
def judge_rms_norm(answer: Callable[[Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for shape in ((7,), (3, 8), (2, 5, 16)):
        x = 3 * torch.randn(shape, generator=generator) + 1
        original = x.clone()
        out = answer(x)
        if not torch.equal(x, original):
            return "your function changed its input in place; compute a new tensor"
        if hint := wrong_form(out, shape) or wrong_mean_square(out):
            return hint
    if not answer(torch.zeros(2, 4)).isfinite().all():
        return "a token of zeros gave nan: add eps = 1e-5 below the root"
    return None


def wrong_mean_square(out: Tensor) -> str | None:
    """A hint unless the mean square of every token in (..., D) is 1."""
    mean = out.mean(dim=-1)
    square = out.square().mean(dim=-1)
    ones = torch.ones_like(square)
    if near(mean, torch.zeros_like(mean)):
        return (
            "the mean of each token became 0: RMSNorm subtracts nothing (that was layer "
            "normalisation)"
        )
    if near(square, ones, atol=1e-3):
        return None
    if near(square.mean(), torch.ones(()), atol=1e-3):
        return (
            "the mean square is 1 over all tokens together; take it over the last dimension, dim=-1"
        )
    if near(square * out.size(-1), ones, atol=1e-3):
        return "each token has length 1: take the mean of the squares, not their sum"
    return f"the mean square of a token is {square.flatten()[0]:.3f} and should be 1"


EXERCISES = {
    "normalised_row": Exercise(
        judge_normalised_row,
        "the mean is 4; write down the four distances from it",
        "the variance is the mean of the squared distances; divide the distances by its root",
    ),
    "feed_forward_parameters": Exercise(
        judge_feed_forward_parameters,
        "the layers are 1024 -> 4096 and 4096 -> 1024",
        "nn.Linear(m, n) has m * n weights and n biases",
    ),
    "rms_norm": Exercise(
        judge_rms_norm, "x.square().mean(dim=-1, keepdim=True) is the mean square of each token"
    ),
}
