"""The exercises of 05_instruction_finetuning/09_preferences."""

import math

from harness import exercise_tests


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
    ("loss_by_hand", "a guess", 9, "margin = beta"),
    ("gradient_at_zero", "the sign", 0.1, "raise the loss"),
    ("gradient_at_zero", "no beta", -0.5, "beta stands before"),
    ("gradient_at_zero", "sigmoid(0) as 1", -0.2, "is not 1"),
    ("gradient_at_zero", "zero", 0.0, "the slope there is not"),
    ("wrong_label", "the largest", lambda *four: margins(*four).argmax().item(), "largest margin"),
    ("wrong_label", "no reference", lambda c, r, *_: (c - r).argmin().item(), "reference"),
    ("wrong_label", "chosen alone", lambda c, *_: c.argmin().item(), "least likely"),
    ("wrong_label", "the margins", margins, "number of a pair"),
]

test_answers, test_tables = exercise_tests("preferences", RIGHT, WRONG)
