"""The exercises of 04_pretraining/08_scaling_laws."""

import math
from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    is_close,
    not_a_number,
    not_a_tuple,
    wrong_number,
)

SMALL, LARGE = (10_000, 2.5), (1_000_000, 2.0)  # weights and loss of the two models on the page


def judge_exponent(answer: Any) -> str | None:
    rise = math.log(SMALL[1] / LARGE[1])
    right = rise / math.log(LARGE[0] / SMALL[0])
    slips = {
        -right: "the size is right; but the loss is a N^-b, and the minus already stands there",
        rise / 2: "that is with the natural logarithm of the losses over the decimal one of the "
        "weights: take the same logarithm for both",
        math.log10(SMALL[1] / LARGE[1]) / math.log(100): "that is with the decimal logarithm of "
        "the losses over the natural one of the weights: take the same logarithm for both",
        1 / right: "that is the run over the rise; the slope is the rise over the run",
        0.5 / math.log(100): "the losses go on a logarithmic axis too: take their logarithms",
        0.5 / 990_000: "that is a slope without logarithms",
        0.5 / 2: "the losses go on a logarithmic axis too: take their logarithms",
        rise: "that is the fall of the logarithm of the loss; divide by how far the logarithm of "
        "the weights went",
    }
    how = "b is how far the logarithm of the loss falls, over how far that of the weights rises"
    return wrong_number(answer, right, slips, tolerance=0.02, how=how)


@asks_for_function
def judge_times_larger(answer: Callable[[float, float], float]) -> str | None:
    for exponent, share in ((0.1, 0.5), (0.076, 0.9), (0.05, 0.8), (1.0, 0.25)):
        right = share ** (-1 / exponent)
        found = answer(exponent, share)
        if hint := not_a_number(found):
            return hint
        if is_close(found, right, 0.01):
            continue
        asked = f"with exponent {exponent} and share {share}"
        slips = {
            1 / right: f"{asked} you say {found:.3g}, a smaller model: a lower loss takes a larger "
            "one",
            share**-exponent: f"{asked}: that is 1 / share to the power of the exponent; solve "
            "share = times^-b for times",
            share**exponent: f"{asked}: that is share to the power of the exponent; solve "
            "share = times^-b for times",
            (1 - share) ** (-1 / exponent): f"{asked}: share is what is left of the loss, not "
            "what is taken away",
            math.exp(share / exponent): f"{asked}: share^(-1/b), and not e^(share/b)",
            1 / share: f"{asked}: the exponent is missing",
            -math.log(share) / exponent: f"{asked}: that is the logarithm of how many times",
        }
        for slip, hint in slips.items():
            if is_close(found, slip, 0.01):
                return hint
        return f"{asked} you say {found:.6g}, but {found:.6g}^-{exponent} is not {share}"
    return None


@asks_for_function
def judge_best_split(answer: Callable[[float], tuple[float, float]]) -> str | None:
    for budget in (120.0, 5.88e23, 1e20):
        found = answer(budget)
        if hint := not_a_tuple(found, "weights", "tokens"):
            return hint
        if hint := not_a_number(found[0]) or not_a_number(found[1]):
            return hint
        if hint := wrong_split(float(found[0]), float(found[1]), budget):
            return hint
    return None


def wrong_split(weights: float, tokens: float, budget: float) -> str | None:
    """A hint unless 6 N D is the budget and D is 20 N."""
    if min(weights, tokens) <= 0:
        return f"for {budget:.3g} operations you say {weights:.3g} weights, {tokens:.3g} tokens"
    if is_close(weights, 20 * tokens, 0.01):
        return "20 tokens for each weight, and not 20 weights for each token: (weights, tokens)"
    if not is_close(tokens, 20 * weights, 0.01):
        return (
            f"for {budget:.3g} operations you say {tokens / weights:.4g} tokens for each weight, "
            "not 20"
        )
    spent = 6 * weights * tokens
    if is_close(spent, budget, 0.01):
        return None
    if is_close(spent, 6 * budget, 0.01):
        return "the 6 is missing: that many weights and tokens cost six times the budget"
    return f"6 N D of your answer is {spent:.3g} operations, the budget is {budget:.3g}"


EXERCISES = {
    "exponent": Exercise(
        judge_exponent, "(ln 2.5 - ln 2.0) above, how far apart the two sizes are in ln below"
    ),
    "times_larger": Exercise(
        judge_times_larger,
        "a (tN)^-b over a N^-b is t^-b: what must t be so that this is the share?",
        "both sides to the power of -1/b",
    ),
    "best_split": Exercise(
        judge_best_split, "put D = 20 N into C = 6 N D: how does C depend on N alone?"
    ),
}
