"""The exercises of chapter 3: what is right, and a hint for what is wrong."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise

BLOCK = "03_gpt/01_transformer_block"


def compare_number(answer: Any, right: float, wrong: dict[float, str]) -> str | None:
    """None if the answer is the number, else the hint for a known wrong number or that it is too large or small."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"expected one number, not {type(answer).__name__}"
    if math.isclose(answer, right, rel_tol=1e-3 if isinstance(right, float) else 1e-12):
        return None
    for number, hint in wrong.items():
        if math.isclose(answer, number, rel_tol=1e-6):
            return hint
    return f"{answer:,} is too {'large' if answer > right else 'small'}"


def judge_row(answer: Any) -> str | None:
    values = torch.as_tensor(answer, dtype=torch.float32).flatten()
    if values.numel() != 4:
        return f"expected four numbers, not {values.numel()}"
    row = torch.tensor([2.0, 4.0, 4.0, 6.0])
    centred = row - row.mean()
    if torch.allclose(values, centred / math.sqrt(2), atol=0.01):
        return None
    if torch.allclose(values, centred / row.std(), atol=0.01):
        return "you divided the squares by n - 1 = 3; GPT-2's variance divides them by n = 4"
    if torch.allclose(values, centred / 2, atol=0.01):
        return "you divided by the variance; divide by its square root"
    if abs(values.mean()) > 0.01:
        return "the mean of your numbers is not 0: subtract the mean, 4, first"
    return "the mean is 0 now, but the variance is not 1"


def judge_feed_forward(answer: Any) -> str | None:
    D = 1024
    return compare_number(answer, 8 * D * D + 5 * D, {
        8 * D * D: "these are the two matrices; each layer has a bias as well",
        4 * D * D + 4 * D: "this is the first layer only; there is one back to the width 1024",
        8 * 768 * 768 + 5 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        2 * D * D + 2 * D: "the inner layer is four times as wide: 4096",
    })


def judge_rms_norm(answer: Callable[[Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for shape in ((7,), (3, 8), (2, 5, 16)):
        x = 3 * torch.randn(shape, generator=generator) + 1
        original = x.clone()
        out = answer(x)
        if not torch.equal(x, original):
            return "your function changed its input in place; compute a new tensor"
        if not isinstance(out, Tensor) or out.shape != x.shape:
            return f"for an input of shape {shape} the result must be a tensor of that shape"
        if torch.allclose(out.mean(dim=-1), torch.zeros(shape[:-1]), atol=1e-4):
            return "the mean of each token became 0: RMSNorm subtracts nothing (that was layer normalisation)"
        square = out.square().mean(dim=-1)
        if len(shape) > 1 and torch.allclose(out.square().mean(), torch.ones(()), atol=1e-3) \
                and not torch.allclose(square, torch.ones_like(square), atol=1e-3):
            return "the mean square is 1 over all tokens together; take it over the last dimension, dim=-1"
        if torch.allclose(square * shape[-1], torch.ones_like(square), atol=1e-3):
            return "each token has length 1: take the mean of the squares, not their sum"
        if not torch.allclose(square, torch.ones_like(square), atol=1e-3):
            return f"the mean square of a token is {square.flatten()[0]:.3f} and should be 1"
    zeros = answer(torch.zeros(2, 4))
    if not zeros.isfinite().all():
        return "a token of zeros gave nan: add eps = 1e-5 below the root"
    return None


EXERCISES = {
    "normalised_row": Exercise(BLOCK, judge_row, (
        "the mean is 4; write down the four distances from it",
        "the variance is the mean of the squared distances; divide the distances by its root")),
    "feed_forward_parameters": Exercise(BLOCK, judge_feed_forward, (
        "the layers are 1024 -> 4096 and 4096 -> 1024",
        "nn.Linear(m, n) has m * n weights and n biases")),
    "rms_norm": Exercise(BLOCK, judge_rms_norm, (
        "x.square().mean(dim=-1, keepdim=True) is the mean square of each token",)),
}
