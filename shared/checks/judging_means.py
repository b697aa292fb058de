"""What goes wrong in averages of the past: sums, counts, the direction of time."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks.judging import leak_hint, near

PLAIN = "this is the plain average: each token should weigh twice as much as the one before it"


def slips_by_hand(right: Tensor) -> list[tuple[Tensor, str]]:
    """Wrong means of the four tokens of Exercise 1, (4, 2) each, with their hints."""
    x = torch.tensor([[2.0, 0], [4, 6], [0, 3], [2, 3]])
    sums = x.cumsum(dim=0)
    back = torch.cat([x[:1], (x[1:] + x[:-1]) / 2])
    halves = [x[0]]
    for token in x[1:]:
        halves.append((halves[-1] + token) / 2)
    return [
        (x, "these are the tokens themselves, no means"),
        (
            torch.tensor([[2.0, 0], [4, 1], [4, 2], [3, 2]]),
            "these are the means of the page's tokens",
        ),
        (
            right[-1].expand(4, 2),
            "every row is the mean of all four tokens: a row may use only the tokens up to itself",
        ),
        (
            sums / 4,
            "every running sum is divided by 4: divide row t by the tokens it has seen, t + 1",
        ),
        (
            sums,
            "these are the running sums: divide row t by the number of tokens it has seen, t + 1",
        ),
        (
            sums / torch.tensor([[1.0], [1], [2], [3]]),
            "row t has seen t + 1 tokens, not t: its own is one of them",
        ),
        (back, "each row is the mean of a token and the one before it: take all before it"),
        (
            torch.stack(halves),
            "each row is the mean of the row above and the new token, so that the new one weighs a "
            "half: all tokens weigh alike",
        ),
        (
            x.flip(0).cumsum(dim=0).flip(0) / torch.tensor([[4.0], [3], [2], [1]]),
            "these are the means of a token and those after it: take those before it",
        ),
        (
            torch.cat([torch.zeros(1, 2), right[:-1]]),
            "a row's own token is left out: row 0 is the first token",
        ),
        (right.flip(1), "the two columns are exchanged"),
    ]


def divided_by_zero(y: Any) -> str | None:
    """A hint if the first output alone is no number."""
    if isinstance(y, Tensor) and y.dim() == 3 and not y[:, :1].isfinite().any():
        return "the first output is infinite or NaN: the counts begin at 1, not at 0"
    return None


def wrong_mean(answer: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> str | None:
    """A hint unless y, (B, T, D), holds the causal means of x."""
    B, T, D = x.shape
    counts = torch.arange(1, T + 1)[:, None]  # (T, 1)
    sums = x.cumsum(dim=1)
    if near(y, sums / counts):
        return None
    for slip, hint in (
        (x, "this is x itself: nothing is averaged"),
        (x.cumsum(dim=0) / counts, "you add up along the batch: the tokens are dimension 1"),
        (x.cumsum(dim=2) / counts, "you add up along the D numbers: the tokens are dimension 1"),
        (sums, "these are the running sums: divide by the tokens seen so far, 1, 2, 3, ..."),
        (
            sums / torch.arange(1, D + 1),
            "the counts run along the D numbers: shape them (T, 1), so that they run along tokens",
        ),
        (sums // counts, "// rounds down: divide with /"),
        (
            torch.cat([x[:, :1], (x[:, 1:] + x[:, :-1]) / 2], dim=1),
            "each output is the mean of two tokens: take all tokens so far",
        ),
    ):
        if near(y, slip):
            return hint
    if leak_hint(answer, x):
        return (
            "the future leaks: a later token moves an earlier output. Position t may use the "
            "tokens 0 to t alone, so neither the sum nor the count may run over all T"
        )
    if not near(y[:, 0], x[:, 0]):
        return "the first output must be the first token itself: one token, divided by a count of 1"
    if not near(answer(torch.ones(x.shape)), torch.ones(x.shape)):
        return "the mean of equal tokens must be that token: divide by the tokens seen so far"
    return "some later output is not the mean of the tokens so far"


def slips_of_mixer(x: Tensor, powers: Tensor) -> list[tuple[Tensor, str]]:
    """Wrong mixtures of x, (B, T, D), with hints; the right weights go like powers, (T, T)."""
    T = x.size(1)
    weights = powers / powers.sum(dim=-1, keepdim=True)  # (T, T)
    backwards = torch.tensor(0.5).pow(torch.arange(T)).expand(T, T).tril()  # (T, T)
    steps = torch.arange(T).float().exp().expand(T, T).tril()  # (T, T)
    return [
        (powers.clamp(max=1) / powers.clamp(max=1).sum(dim=-1, keepdim=True) @ x, PLAIN),
        (backwards / backwards.sum(dim=-1, keepdim=True) @ x, "the oldest token weighs most"),
        (powers / powers.sum(dim=0) @ x, "each column sums to one, not each row: softmax(dim=-1)"),
        (powers @ x, "the weights of a row must sum to one: divide by their sum, or softmax"),
        (
            powers.clamp(min=1).log().tril() @ x,
            "these are the scores times x: the softmax is missing",
        ),
        (x + weights @ x, "the frame adds x, not the mixer"),
        (x, "this is x itself: nothing is mixed"),
        (weights.T @ x, "rows and columns of the weights are exchanged: a row is who looks"),
        (weights.softmax(dim=-1) @ x, "the softmax is taken twice"),
        (
            steps / steps.sum(dim=-1, keepdim=True) @ x,
            "each token weighs 2.72 times as much as the one before it: a score that is larger by "
            "one does that. Which score doubles a weight?",
        ),
    ]
