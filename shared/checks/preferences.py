"""The exercises of 05_instruction_finetuning/09_preferences."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, not_a_number, plain, wrong_number


def loss_at(margin: float) -> float:
    """The loss of a pair with this margin."""
    return math.log1p(math.exp(-margin))


def judge_loss_by_hand(answer: Any) -> str | None:
    slips = {
        loss_at(0.6): "the reference is missing: each answer counts by how much it gained on it",
        loss_at(2.0): "that is the loss of the difference without beta",
        loss_at(-0.4): "chosen and rejected are exchanged: this pair is ordered well, its loss is "
        "below ln 2",
        loss_at(0.0): "that is the loss at the start; here the margin is not 0",
        0.4: "that is the margin; the loss is minus the logarithm of its sigmoid",
        1 / (1 + math.exp(-0.4)): "that is the chance of this verdict; the loss is minus its "
        "logarithm",
        -loss_at(0.4): "that is the logarithm of the chance; the loss is minus that",
        loss_at(0.4) / math.log(2): "that is in bits; the course's losses take the natural "
        "logarithm",
        loss_at(-2.0): "chosen and rejected are exchanged, and beta is missing",
    }
    how = "margin = beta ((chosen - its reference) - (rejected - its reference)), then -ln sigmoid"
    return wrong_number(answer, loss_at(0.4), slips, tolerance=0.002, how=how)


def judge_gradient_at_zero(answer: Any) -> str | None:
    slips = {
        0.1: "right in size; but does a likelier chosen answer raise the loss, or lower it?",
        -0.5: "that is the derivative with respect to the margin; beta stands before the "
        "log-probability",
        -0.2: "sigmoid(0) is not 1",
        -0.05: "that is for the page's beta of 0.1, or the slope of the sigmoid itself; here beta "
        "is 0.2, and the loss is minus the sigmoid's logarithm",
        0.05: "that is the slope of the sigmoid; the loss is minus its logarithm",
        0.2 * math.log(2): "that is beta times the loss; the derivative is asked",
        math.log(2): "that is the loss; the derivative is asked",
        0.0: "the margin is 0, the slope there is not",
    }
    how = "-beta sigmoid(-margin)"
    return wrong_number(answer, -0.1, slips, tolerance=0.001, how=how)


Finder = Callable[[Tensor, Tensor, Tensor, Tensor], int]


@asks_for_function
def judge_wrong_label(answer: Finder) -> str | None:
    for seed in range(99):
        now, then = 10 * draw(2, 20, seed=seed), 10 * draw(2, 20, seed=100 + seed)
        margins = (now[0] - then[0]) - (now[1] - then[1])
        right = int(margins.argmin())
        unlikely = now[0] - now[1]
        slips = {
            int(margins.argmax()): "that pair has the largest margin: its label is the surest",
            int(unlikely.argmin()): "without the reference a pair looks wrong only because its "
            "chosen answer was unlikely from the start",
            int(now[0].argmin()): "the least likely chosen answer need not be wrong: compare it "
            "with its rejected one",
            int(margins.abs().argmin()): "that margin is nearest to 0; a wrong label's is below",
            int((now[0] - then[0]).argmin()): "its chosen answer lost most; but what did its "
            "rejected one do?",
            int((now[1] - then[1]).argmax()): "its rejected answer gained most; but what did its "
            "chosen one do?",
        }
        if right in slips or len(slips) < 6:
            continue  # a case in which two ways agree tells nothing
        found = plain(answer(now[0], now[1], then[0], then[1]))
        if hint := not_a_number(found):
            return f"it must return the number of a pair: {hint}"
        if found != right:
            hint = "look for the pair whose margin is smallest"
            return f"of 20 pairs it gave number {found:g}: {slips.get(int(found), hint)}"
    return None


EXERCISES = {
    "loss_by_hand": Exercise(
        judge_loss_by_hand,
        "How much did each answer gain on its reference? Chosen gained 1.",
        "The margin is 0.2 times the difference of the two gains.",
    ),
    "gradient_at_zero": Exercise(
        judge_gradient_at_zero,
        "The derivative of -ln sigmoid(m) is -sigmoid(-m); then the chain rule.",
    ),
    "wrong_label": Exercise(
        judge_wrong_label,
        "A wrong label shows in a margin that is below those of the others.",
        "margins = (chosen - reference_chosen) - (rejected - reference_rejected), then argmin.",
    ),
}
