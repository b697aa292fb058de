"""The exercises of 02_attention/01_averaging_the_past."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    draw,
    leak_hint,
    near,
    wrong_form,
    wrong_list,
    wrong_tensor,
)
from shared.checks.judging_means import divided_by_zero, slips_by_hand, slips_of_mixer, wrong_mean
from shared.checks.judging_ways import spoils, uses
from shared.kit.system import CountOperations


def judge_causal_mean_by_hand(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4, 2)):
        return hint
    rows = torch.as_tensor(answer, dtype=torch.float)  # (4, 2)
    right = torch.tensor([[2.0, 0], [3, 3], [2, 3], [2, 3]])
    for slip, hint in slips_by_hand(right):
        if near(rows, slip):
            return hint
    tokens = ("2 and 0", "2, 4 and 0, 6", "2, 4, 0 and 0, 6, 3", "2, 4, 0, 2 and 0, 6, 3, 3")
    for t in range(4):
        if not near(rows[t], right[t]):
            return f"row {t} is not the mean of tokens 0 to {t}: take the means of {tokens[t]}"
    return None


@asks_for_function
def judge_decay_scores(answer: Callable[[int], Tensor]) -> str | None:
    for T in (3, 6):
        scores = answer(T)
        if hint := wrong_form(scores, (T, T), "the result", infinite=True):
            return hint
        powers = torch.tensor(2.0).pow(torch.arange(T)).expand(T, T).tril()
        right = powers / powers.sum(dim=-1, keepdim=True)
        weights = scores.softmax(dim=-1)
        if near(weights, right):
            continue
        if near(scores.sum(dim=-1), torch.ones(T)):
            return "these are weights, rows that sum to one: give the scores, before the softmax"
        shares = scores.nan_to_num(neginf=0.0)
        if near(shares / shares.sum(dim=-1, keepdim=True), right):
            return (
                "these numbers halve by themselves, they are weights: as scores they go through "
                "the softmax, which takes exponentials. Which score gives a weight of 2?"
            )
        if (scores.diagonal() == -torch.inf).any():
            return (
                "the diagonal is hidden: a token sees itself. The future begins at triu(diagonal=1)"
            )
        if (weights.triu(1) > 0).any():
            return "some weight lies on the future: fill everything above the diagonal with -inf"
        ratio = weights[-1, 1] / weights[-1, 0]
        if abs(ratio - 0.5) < 1e-3:
            return (
                "the wrong way round: each token weighs half as much as the one *before* it, so "
                "the oldest weighs most"
            )
        if abs(ratio - 1) < 1e-3:
            return "tokens 0 and 1 weigh alike: the scores must grow from column to column"
        if abs(ratio - 2) > 1e-3:
            return (
                "each token should weigh twice as much as the one before it, yours weighs "
                f"{ratio:.2f} times as much. Softmax takes exponentials: which score doubles "
                "a weight?"
            )
        row, column = (~weights.isclose(right, atol=1e-4)).nonzero()[-1].tolist()
        return (
            f"the first step doubles the weight, but for T = {T} the weight in row {row}, column "
            f"{column}, is {weights[row, column]:.2f} instead of {right[row, column]:.2f}"
        )
    return None


@asks_for_function
def judge_causal_mean(answer: Callable[[Tensor], Tensor]) -> str | None:
    for shape in ((2, 5, 3), (1, 1, 4), (3, 9, 1)):
        x = draw(*shape)
        if hint := spoils(answer, x):
            return hint
        y = answer(x)
        if hint := divided_by_zero(y) or wrong_form(y, shape) or wrong_mean(answer, x, y):
            return hint
    return forbidden_way(answer)


def forbidden_way(answer: Callable[[Tensor], Tensor]) -> str | None:
    """A hint where the means come from a loop or from a product with a matrix of weights."""
    calls = []
    for T in (3, 30):
        with CountOperations() as counted:
            answer(draw(2, T, 4))
        calls.append(counted.calls)
    if calls[1] > calls[0] or uses(answer, "for", "while", "comprehension"):
        return (
            "the means are right, but they come from a loop: its work grows by a call for each "
            "token. Add up all at once"
        )
    x = torch.ones(1, 4, 2)
    x[:, -1] = torch.nan  # 0 times nan is nan: in a product, hidden tokens are felt
    if answer(x)[:, :-1].isnan().any():
        return (
            "the means are right, but they come from a product with weights, zeros for the "
            "future included: here no weight is needed"
        )
    return None


@asks_for_function
def judge_fading_mixer(mixer: Callable[[Tensor], Tensor]) -> str | None:
    if isinstance(mixer, type):
        return "this is the class: give a mixer made from it, with brackets, MyMixer()"
    for shape in ((2, 5, 3), (1, 9, 4), (3, 1, 2)):
        x = draw(*shape)
        if hint := spoils(mixer, x):
            return hint
        y = mixer(x)
        if isinstance(y, Tensor) and y.shape == shape and y.isnan().any():
            return (
                "the result holds NaN, as -inf times a number gives: put the scores through the "
                "softmax before the product"
            )
        powers = torch.tensor(2.0).pow(torch.arange(shape[1])).expand(shape[1], -1).tril()
        right = powers / powers.sum(dim=-1, keepdim=True) @ x
        otherwise = "causal, but the weights do not halve with each step back"
        hint = wrong_tensor(y, right, slips_of_mixer(x, powers), otherwise)
        if hint == otherwise and leak_hint(mixer, x):
            return "the future leaks: fill the scores above the diagonal with -inf"
        if hint:
            return hint
    return None


EXERCISES = {
    "causal_mean_by_hand": Exercise(
        judge_causal_mean_by_hand, "Row 1 is ((2 + 4) / 2, (0 + 6) / 2)."
    ),
    "decay_scores": Exercise(
        judge_decay_scores, "exp(ln 2) = 2, so each step adds ln 2 to the score."
    ),
    "causal_mean": Exercise(
        judge_causal_mean,
        "x.cumsum(dim=1) adds up along the tokens.",
        "Position t has seen t + 1 tokens: divide by torch.arange(1, T + 1), shaped (T, 1).",
    ),
    "fading_mixer": Exercise(
        judge_fading_mixer,
        "Scores of Exercise 2 for T = x.size(1), a softmax along each row, then the product.",
        "weights @ x has shape (B, T, D) when weights has shape (T, T).",
    ),
}
