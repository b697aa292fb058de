"""The exercises of 04_pretraining/04_decoding."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, near, wrong_form, wrong_number, wrong_tensor


def judge_odds(answer: Any) -> str | None:
    slips = {
        math.log(10): "that is the logit difference you need; the temperature divides the "
        "difference of 1",
        0.1: "dividing by 0.1 makes the difference 10, and the odds e to the 10: far more than ten",
        10: "a temperature above 1 brings the words nearer to each other; at 10 the odds are 1.1",
        1.0: "that is the plain softmax, with odds of e = 2.718",
        1 / math.log2(10): "you took the logarithm with base 2, but softmax raises e to a power",
    }
    how = "the odds are e to the power (2.0 - 1.0) / temperature"
    return wrong_number(answer, 1 / math.log(10), slips, tolerance=0.01, how=how)


@asks_for_function
def judge_entropy(answer: Callable[[Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(1)
    probs = torch.randn(3, 7, generator=generator).softmax(-1)  # (B, V)
    right = -(probs * probs.log2()).sum(-1)  # (B,)
    mine = answer(probs)
    if isinstance(mine, Tensor) and mine.shape != (3,):
        return f"{wrong_form(mine, (3,))}: sum over the last dimension"
    if hint := wrong_tensor(
        mine,
        right,
        [
            (-right, "the sign is wrong: entropy is not negative"),
            (right * math.log(2), "that is in nats: use the logarithm with base 2"),
            (right / math.log2(10), "that is with base 10: use the logarithm with base 2"),
            (2**right, "that is the number of even choices, 2 to the power of the entropy"),
            (right / 7, "you took the mean over the tokens; entropy is a sum"),
        ],
        "on random probabilities it should be minus the sum of p log2 p",
    ):
        return hint
    sure = answer(torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    if sure.isnan().any():
        return "probabilities of 0 give nan: 0 times minus infinity; torch.xlogy knows that it is 0"
    return wrong_tensor(sure, torch.tensor([0.0, 1.0]), otherwise="[0.5, 0.5, 0] has exactly 1 bit")


@asks_for_function
def judge_min_p(answer: Callable[[Tensor, float], Tensor]) -> str | None:
    probs = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.28, 0.26, 0.24, 0.22]])  # (B, V)
    mine = answer(probs.clone(), 0.5)
    if isinstance(mine, Tensor) and (mine > 0).equal(probs >= 0.5):  # no token of row 1 is left
        return "the bound is min_p times the largest probability of the row, not min_p itself"
    if hint := wrong_form(mine, (2, 4)):
        return hint
    kept = mine > 0
    if kept.all():
        return "nothing was dropped: a token whose probability becomes exactly 0 stays out"
    if kept[1].equal(probs[1] >= 0.5 * probs.max()):
        return "each row has its own favourite: take the maximum over the last dimension"
    if not near(mine.sum(-1), torch.ones(2)):
        return "the rows must sum to 1 again: divide by what is left"

    def cut(probs: Tensor, min_p: float) -> Tensor:
        kept = probs.masked_fill(probs < min_p * probs.max(-1, keepdim=True).values, 0)
        return kept / kept.sum(-1, keepdim=True)

    otherwise = (
        "keep what is at least min_p times the row's maximum, drop the rest, divide by the sum"
    )
    if hint := wrong_tensor(mine, cut(probs, 0.5), otherwise=otherwise):
        return hint
    at_the_bound = torch.tensor([[0.5, 0.25, 0.25]])  # (B, V)
    tie = "a token of exactly min_p times the maximum stays: at least"
    if hint := wrong_tensor(answer(at_the_bound.clone(), 0.5), at_the_bound, otherwise=tie):
        return hint
    low = answer(probs.clone(), 0.2)
    return wrong_tensor(low, cut(probs, 0.2), otherwise="with another min_p it cuts elsewhere")


EXERCISES = {
    "odds": Exercise(judge_odds, "solve exp(1 / temperature) = 10"),
    "entropy": Exercise(judge_entropy, "torch.xlogy(p, p)"),
    "min_p": Exercise(judge_min_p, "max(dim=-1, keepdim=True).values"),
}
