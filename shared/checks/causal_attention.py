"""The exercises of 02_attention/03_causal_attention."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    draw,
    kind,
    leak_hint,
    near,
    wrong_form,
    wrong_tensor,
)


def judge_window_mask(answer: Any) -> str | None:
    if hint := wrong_form(answer, (5, 5), "the mask", dtype=torch.bool):
        return hint
    everything = torch.ones(5, 5, dtype=torch.bool)
    right = everything.triu(1) | everything.tril(-3)
    if answer.equal(right):
        return None
    if answer.equal(~right):
        return "the mask is inverted: True must mark what is hidden"
    if answer.diagonal().any():
        return "the diagonal is hidden, but every token sees itself"
    if not answer[everything.triu(1)].all():
        return "part of the future is visible: everything above the diagonal must be True"
    return (
        f"row 4 hides {int(answer[4].sum())} tokens; it sees itself and the two before it, so "
        "it must hide 2"
    )


def judge_who_leaks(answer: Any) -> str | None:
    if not isinstance(answer, (set, frozenset, list, tuple, str)):
        return f"give a set of letters from A to D, this is {kind(answer)}"
    letters = {str(letter).strip().upper() for letter in answer}
    if not letters <= set("ABCD"):
        return "give a set of letters from A to D"
    if "B" in letters:
        return (
            "B does not leak: the exponential of a score near -1e9 is rounded to exactly zero, and "
            "every row here sees at least itself. Change a future score: which weights move?"
        )
    if "D" in letters:
        return (
            "D does not leak: its second division cancels the denominator that had seen the future"
        )
    if "A" not in letters:
        return (
            "A: softmax divides by the exponentials of the future too. Is that undone afterwards?"
        )
    if "C" not in letters:
        return "C: over which dimension does it normalise? Who shares the denominator?"
    return None


@asks_for_function
def judge_causal_forward(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, T, D, K in ((2, 6, 8, 8), (1, 9, 12, 4), (3, 1, 5, 7)):
        x = draw(B, T, D, seed=1)
        weights = [draw(D, K, seed=seed) for seed in (2, 3, 4)]  # for q, k and v
        out = answer(x, *weights)
        form = wrong_form(out, (B, T, K))
        if hint := form or leak_hint(lambda x, weights=weights: answer(x, *weights), x):
            return hint
        same = x[:, :1].expand(-1, T, -1)
        if not near(answer(same, *weights), same @ weights[2]):
            return "equal tokens must give their own value: the weights of each row must sum to one"
        if hint := wrong_causal(out, *(x @ W for W in weights)):
            return hint
    with WatchAttention() as watched:
        answer(x, *weights)
    if watched.seen:
        return (
            "the numbers are right, but PyTorch's own attention computed them: write the scores, "
            "the mask and the softmax yourself"
        )
    return None


class WatchAttention(TorchFunctionMode):
    """Sees whether PyTorch's own attention is called inside of `with WatchAttention():`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        self.seen |= function is F.scaled_dot_product_attention
        return function(*args, **kwargs or {})


def wrong_causal(out: Tensor, q: Tensor, k: Tensor, v: Tensor) -> str | None:
    """A hint unless `out` is causal attention of q, k, v, all (B, T, K)."""
    unscaled = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
    swapped = F.scaled_dot_product_attention(k, q, v, is_causal=True)
    return wrong_tensor(
        out,
        F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [
            (unscaled, "the scores are not scaled: divide them by the square root of K"),
            (swapped, "queries and keys are swapped: rows belong to the token that looks"),
        ],
        "causal, with rows that sum to one, but the numbers differ from softmax(q k' / sqrt(K)) v",
    )


EXERCISES = {
    "window_mask": Exercise(
        judge_window_mask, "triu(1) is the future; tril(-3) is three or more back."
    ),
    "who_leaks": Exercise(
        judge_who_leaks,
        "Change the whole last row and column of the scores: which earlier rows of weights move?",
    ),
    "causal_forward": Exercise(
        judge_causal_forward,
        "The order is: scores, division by the square root of K, mask, softmax, values.",
        "masked_fill(mask, -torch.inf) before the softmax.",
    ),
}
