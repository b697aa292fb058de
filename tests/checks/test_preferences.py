"""The exercises of 05_instruction_finetuning/09_preferences."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import ATTEMPTS, verdict
from shared.preferences import dpo_loss


def margins(chosen, rejected, reference_chosen, reference_rejected):
    return (chosen - reference_chosen) - (rejected - reference_rejected)


RIGHT = {
    "loss_by_hand": math.log(1 + math.exp(-0.4)),
    "gradient_at_zero": -0.1,
    "wrong_label": lambda *four: margins(*four).argmin().item(),
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("loss_by_hand", "no reference", math.log(1 + math.exp(-0.6)), "reference is missing"),
    ("loss_by_hand", "no beta", math.log(1 + math.exp(-2)), "without beta"),
    ("loss_by_hand", "exchanged", math.log(1 + math.exp(0.4)), "exchanged"),
    ("loss_by_hand", "the start", math.log(2), "at the start"),
    ("loss_by_hand", "the margin", 0.4, "that is the margin"),
    ("loss_by_hand", "the chance", 0.5987, "chance of this verdict"),
    ("loss_by_hand", "the sign", -0.513, "minus that"),
    ("loss_by_hand", "bits", 0.7401, "natural"),
    ("loss_by_hand", "exchanged, no beta", 2.1269, "exchanged, and beta"),
    ("loss_by_hand", "a guess", 9, "margin = beta"),
    ("gradient_at_zero", "the sign", 0.1, "raise the loss"),
    ("gradient_at_zero", "no beta", -0.5, "beta stands before"),
    ("gradient_at_zero", "sigmoid(0) as 1", -0.2, "is not 1"),
    ("gradient_at_zero", "zero", 0.0, "the slope there is not"),
    ("gradient_at_zero", "the page's beta", -0.05, "page's beta"),
    ("gradient_at_zero", "the sigmoid's slope", 0.05, "slope of the sigmoid"),
    ("gradient_at_zero", "beta times the loss", 0.1386, "beta times the loss"),
    ("gradient_at_zero", "the loss", math.log(2), "that is the loss"),
    ("wrong_label", "the largest", lambda *four: margins(*four).argmax().item(), "largest margin"),
    ("wrong_label", "no reference", lambda c, r, *_: (c - r).argmin().item(), "reference"),
    ("wrong_label", "chosen alone", lambda c, *_: c.argmin().item(), "least likely"),
    ("wrong_label", "the margins", margins, "number of a pair"),
    ("wrong_label", "nearest to 0", lambda *four: margins(*four).abs().argmin().item(), "nearest"),
    (
        "wrong_label",
        "farthest",
        lambda *four: margins(*four).abs().argmax().item(),
        "number|largest",
    ),
    ("wrong_label", "chosen lost", lambda c, r, a, b: (c - a).argmin().item(), "lost most"),
    ("wrong_label", "rejected gained", lambda c, r, a, b: (r - b).argmax().item(), "gained most"),
    ("wrong_label", "a sum", lambda c, r, a, b: (c - r + a - b).argmin().item(), "number"),
    ("wrong_label", "counted from 1", lambda *four: margins(*four).argmin().item() + 1, "number"),
    ("wrong_label", "the margin", lambda *four: margins(*four).min().item(), "number"),
]

test_answers, test_tables = exercise_tests("preferences", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("loss_by_hand", -math.log(1 / (1 + math.exp(-0.2 * 2)))),
        ("loss_by_hand", 0.513),
        ("gradient_at_zero", torch.tensor(-0.2) / 2),
        ("gradient_at_zero", -1 / 10),
        ("wrong_label", lambda *four: margins(*four).argmin()),
        ("wrong_label", lambda *four: dpo_loss(*four, 0.1).argmax().item()),
        ("wrong_label", lambda *four: min(range(20), key=lambda i: margins(*four)[i])),
    ],
)
def test_other_right_answers(name, answer):
    ATTEMPTS.clear()
    assert verdict(f"preferences/{name}", answer) == "right"
