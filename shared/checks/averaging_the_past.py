"""The exercises of 02_attention/01_averaging_the_past."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, leak_hint, near, wrong_form, wrong_list


def judge_causal_mean_by_hand(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4, 2)):
        return hint
    rows = torch.as_tensor(answer, dtype=torch.float)  # (4, 2)
    right = torch.tensor([[2.0, 0], [3, 3], [2, 3], [2, 3]])
    if near(rows, right[-1].expand(4, 2)):
        return (
            "every row is the mean of all four tokens: a row may use only the tokens up to itself"
        )
    if near(rows, torch.tensor([[2.0, 0], [6, 6], [6, 9], [8, 12]])):
        return "these are the running sums: divide row t by the number of tokens it has seen, t + 1"
    for t in range(4):
        if not near(rows[t], right[t]):
            return f"row {t} is not the mean of tokens 0 to {t}"
    return None


@asks_for_function
def judge_decay_scores(answer: Callable[[int], Tensor]) -> str | None:
    for T in (3, 6):
        scores = answer(T)
        if hint := wrong_form(scores, (T, T), "the result", infinite=True):
            return hint
        weights = scores.softmax(dim=-1)
        if (weights.triu(1) > 0).any():
            return "some weight lies on the future: fill everything above the diagonal with -inf"
        ratio = weights[-1, 1] / weights[-1, 0]
        if abs(ratio - 2) > 1e-3:
            return (
                "each token should weigh twice as much as the one before it, yours weighs "
                f"{ratio:.2f} times as much. Softmax takes exponentials: which score doubles "
                "a weight?"
            )
        powers = torch.tensor(2.0).pow(torch.arange(T)).expand(T, T).tril()
        if not near(weights, powers / powers.sum(dim=-1, keepdim=True)):
            return "the last row begins well, but another row or step does not halve"
    return None


@asks_for_function
def judge_causal_mean(answer: Callable[[Tensor], Tensor]) -> str | None:
    for shape in ((2, 5, 3), (1, 1, 4), (3, 9, 1)):
        x = draw(*shape)
        y = answer(x)
        if hint := wrong_form(y, shape) or leak_hint(answer, x):
            return hint
        if not near(y[:, 0], x[:, 0]):
            return "the first output must be the first token itself: it has seen nothing else"
        if not near(answer(torch.ones(shape)), torch.ones(shape)):
            return (
                "the mean of equal tokens must be that token: divide by the tokens seen so "
                "far, 1, 2, 3, ..."
            )
        if not near(y[:, -1], x.mean(dim=1)):
            return "the last output must be the mean of all tokens"
    return None


EXERCISES = {
    "causal_mean_by_hand": Exercise(
        judge_causal_mean_by_hand, "Row 1 is ((2 + 4) / 2, (0 + 6) / 2)."
    ),
    "decay_scores": Exercise(
        judge_decay_scores, "exp(ln 2) = 2, so each step adds ln 2 to the score."
    ),
    "causal_mean": Exercise(judge_causal_mean, "x.cumsum(dim=1) adds up along the tokens."),
}
