"""The exercises of 03_gpt/01_transformer_block."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    near,
    wrong_form,
    wrong_list,
    wrong_number,
    wrong_tensor,
)


def judge_normalised_row(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4,), "the list of four numbers"):
        return hint
    values = torch.as_tensor(answer, dtype=torch.float)
    row = torch.tensor([2.0, 4.0, 4.0, 6.0])
    centred = row - row.mean()
    right = centred / 2**0.5
    if near(values, right, atol=0.01):
        return None
    if near(values, -right, atol=0.01):
        return "the signs are turned round: 2 lies below the mean, so its number is negative"
    if near(values.sort().values, right, atol=0.01):
        return "the numbers are right, their order is not: keep that of 2, 4, 4, 6"
    if near(values, centred):
        return "these are the distances from the mean; divide them by the root of the variance"
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
        8 * D * D + 8 * D: "the second layer's bias has one number for each of its 1024 outputs",
        8 * D * D + 2 * D: "the first layer's bias has one number for each of its 4096 outputs",
        8 * D * D + 4 * D: "the second layer has a bias too",
        8 * D * D + D: "the first layer has a bias too",
        4 * D * D + 4 * D: "this is the first layer only; there is one back to the width 1024",
        4 * D * D + 5 * D: "there is one matrix of 1024 x 4096 for the way there, another back",
        8 * 768 * 768 + 5 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        2 * D * D + 2 * D: "the inner layer is four times as wide: 4096",
        24 * (8 * D * D + 5 * D): "this is the count for all 24 blocks; give that of one",
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
        if hint := wrong_form(out, shape) or wrong_rms_norm(out, x):
            return hint
    if not answer(torch.zeros(2, 4)).isfinite().all():
        return "a token of zeros gave nan: add eps = 1e-5 below the root"
    small = torch.tensor([[0.001, -0.002, 0.003, 0.0]])
    if not near(answer(small), small / torch.sqrt(small.square().mean() + 1e-5), atol=0.02):
        return (
            "right for large numbers, wrong for a token of small ones, where eps counts: add 1e-5 "
            "to the mean square, below the root"
        )
    return None


def wrong_rms_norm(out: Tensor, x: Tensor) -> str | None:
    """A hint unless `out` is x, (..., D), with a mean square of 1 in every token."""
    square = x.square().mean(dim=-1, keepdim=True)  # (..., 1)
    deviation = (
        "you divided by the standard deviation, for which the mean is subtracted; take the mean of "
        "the squares of x itself"
    )
    found = out.square().mean(dim=-1)
    if near(out.mean(dim=-1), torch.zeros_like(found)):
        otherwise = (
            "the mean of each token became 0: RMSNorm subtracts nothing (that was layer "
            "normalisation)"
        )
    elif near(found, torch.ones_like(found), atol=1e-3):
        otherwise = (
            "the mean square is 1, and yet the numbers are others: each must be x divided by one "
            "number"
        )
    else:
        otherwise = f"the mean square of a token is {found.flatten()[0]:.3f} and should be 1"
    slips = [
        (x / square, "you divided by the mean square; divide by its root"),
        (x * square.sqrt(), "you multiplied by the root; divide by it"),
        (x / x.std(dim=-1, keepdim=True), deviation),
        (x / x.std(dim=-1, keepdim=True, unbiased=False), deviation),
        (
            x / x.square().mean().sqrt(),
            "the mean square is 1 over all tokens together; take it over the last dimension, "
            "dim=-1",
        ),
        (
            x / x.square().sum(dim=-1, keepdim=True).sqrt(),
            "each token has length 1: take the mean of the squares, not their sum",
        ),
        (
            x / x.abs().mean(dim=-1, keepdim=True),
            "you divided by the mean of the absolute values; take the root of the mean square",
        ),
    ]
    return wrong_tensor(out, x / square.sqrt(), slips, otherwise)


EXERCISES = {
    "normalised_row": Exercise(
        judge_normalised_row,
        "the mean is 4; write down the four distances from it",
        "the variance is the mean of the squared distances; divide the distances by its root",
    ),
    "rms_norm": Exercise(
        judge_rms_norm,
        "as in layer normalisation, one number for each token: here the mean of its squares",
        "x.square().mean(dim=-1, keepdim=True) is that number",
    ),
    "feed_forward_parameters": Exercise(
        judge_feed_forward_parameters,
        "the layers are 1024 -> 4096 and 4096 -> 1024",
        "nn.Linear(m, n) has m * n weights and n biases",
    ),
}
