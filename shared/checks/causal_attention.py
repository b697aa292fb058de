"""The exercises of 02_attention/03_causal_attention."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, kind, leak_hint, near, wrong_form
from shared.checks.judging_attention import PYTORCHS, attend, attention_slips, exchanged
from shared.checks.judging_ways import spoils, uses


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
    row = int((answer != right).any(dim=1).nonzero()[0])
    return (
        f"row {row} hides {int(answer[row, :row].sum())} of the tokens before it; it sees the last "
        f"two of them, so it must hide {int(right[row, :row].sum())}"
    )


def judge_who_leaks(answer: Any) -> str | None:
    if not isinstance(answer, (set, frozenset, list, tuple, str)):
        return f"give a set of letters from A to D, this is {kind(answer)}"
    words = re.findall(r"\w+", " ".join(map(str, answer)) if type(answer) is not str else answer)
    letters = set("".join(word for word in words if word != "and").upper())
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
        matrices = [draw(D, K, seed=seed) for seed in (2, 3, 4)]  # for q, k and v
        if hint := spoils(answer, x, *matrices):
            return hint
        out = answer(x, *matrices)
        if hint := wrong_form(out, (B, T, K)) or wrong_causal(answer, out, x, matrices):
            return hint
    if uses(answer, *PYTORCHS, given=(x, *matrices)):
        return (
            "the numbers are right, but PyTorch's own attention computed them: write the scores, "
            "the mask and the softmax yourself"
        )
    return None


def wrong_causal(
    answer: Callable[..., Tensor], out: Tensor, x: Tensor, matrices: list[Tensor]
) -> str | None:
    """A hint unless `out`, (B, T, K), is causal attention of x, (B, T, D)."""

    def made(*matrices: Tensor) -> Tensor:
        return attend(*(x @ W for W in matrices))

    if near(out, made(*matrices)):
        return None
    if hint := exchanged(out, made, matrices, x):
        return hint
    for slip, hint in attention_slips(*(x @ W for W in matrices), x.size(-1)):
        if near(out, slip):
            return hint
    if not near(out, answer(x, *matrices)):
        return "two calls with the same x give different results: is there dropout?"
    if hint := leak_hint(lambda x: answer(x, *matrices), x):
        return hint
    same = x[:, :1].expand_as(x).contiguous()
    if not near(answer(same, *matrices), same @ matrices[2]):
        return "equal tokens must give their own value: the weights of each row must sum to one"
    return (
        "causal, with rows that sum to one, but the numbers differ from softmax(q k' / sqrt(K)) v"
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
