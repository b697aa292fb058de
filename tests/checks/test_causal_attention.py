"""The exercises of 02_attention/03_causal_attention."""

from functools import partial

import torch
from harness import exercise_tests

EVERYTHING = torch.ones(5, 5, dtype=torch.bool)
WINDOW = EVERYTHING.triu(1) | EVERYTHING.tril(-3)


def future(T: int) -> torch.Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu(1)


def causal(x, W_query, W_key, W_value, *, scale=True, mask="before", swap=False):
    q, k, v = x @ W_query, x @ W_key, x @ W_value
    q, k = (k, q) if swap else (q, k)
    scores = q @ k.transpose(1, 2) / (k.size(-1) ** 0.5 if scale else 1.0)
    hide = future(x.size(1))
    if mask == "before":
        return scores.masked_fill(hide, -torch.inf).softmax(dim=-1) @ v
    if mask == "after":
        return scores.softmax(dim=-1).masked_fill(hide, 0.0) @ v
    if mask == "inverted":
        return scores.masked_fill(~hide, -torch.inf).softmax(dim=-1) @ v
    return scores.softmax(dim=-1) @ v


RIGHT = {"window_mask": WINDOW, "who_leaks": {"A", "C"}, "causal_forward": causal}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("window_mask", "inverted", ~WINDOW, "inverted"),
    ("window_mask", "no window", EVERYTHING.triu(1), "hides 0"),
    ("window_mask", "window too narrow", EVERYTHING.triu(1) | EVERYTHING.tril(-2), "hides 3"),
    ("window_mask", "diagonal hidden", EVERYTHING.triu(0) | EVERYTHING.tril(-3), "sees itself"),
    ("window_mask", "future visible", EVERYTHING.tril(-3), "future is visible"),
    ("window_mask", "numbers", WINDOW.float(), "dtype torch.float32, expected torch.bool"),
    ("who_leaks", "B too", {"A", "B", "C"}, "B does not leak"),
    ("who_leaks", "D too", {"A", "C", "D"}, "D does not leak"),
    ("who_leaks", "A missing", {"C"}, "A:"),
    ("who_leaks", "C missing", {"A"}, "C:"),
    ("who_leaks", "another letter", {"E"}, "A to D"),
    ("who_leaks", "a number", 3, "a set of letters from A to D, this is 3"),
    ("causal_forward", "no mask", partial(causal, mask="none"), "future leaks"),
    ("causal_forward", "mask after softmax", partial(causal, mask="after"), "future leaks"),
    ("causal_forward", "inverted mask", partial(causal, mask="inverted"), "NaN"),
    ("causal_forward", "not scaled", partial(causal, scale=False), "not scaled"),
    ("causal_forward", "swapped", partial(causal, swap=True), "swapped"),
]

test_answers, test_tables = exercise_tests("causal_attention", RIGHT, WRONG)
