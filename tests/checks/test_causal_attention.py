"""The exercises of 02_attention/03_causal_attention."""

import math
from functools import partial

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict

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


def causal_by_wrong_axis(x, W_query, W_key, W_value):
    scores = (x @ W_query) @ (x @ W_key).transpose(1, 2) / W_key.size(1) ** 0.5
    return scores.masked_fill(future(x.size(1)), -torch.inf).softmax(dim=1) @ (x @ W_value)


def causal_of_pytorch(x, W_query, W_key, W_value):
    q, k, v = x @ W_query, x @ W_key, x @ W_value
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def causal_without_values(x, W_query, W_key, W_value):
    return causal(x, W_query, W_key, W_key)


RIGHT = {"window_mask": WINDOW, "who_leaks": {"A", "C"}, "causal_forward": causal}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("window_mask", "inverted", ~WINDOW, "inverted"),
    ("window_mask", "no window", EVERYTHING.triu(1), "hides 0"),
    (
        "window_mask",
        "window too narrow",
        EVERYTHING.triu(1) | EVERYTHING.tril(-2),
        "row 2 hides 1 .* must hide 0",
    ),
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
    ("causal_forward", "swapped", partial(causal, swap=True), "queries are made with W_key"),
    ("causal_forward", "wrong axis", causal_by_wrong_axis, "future leaks"),
    ("causal_forward", "PyTorch's own", causal_of_pytorch, "PyTorch's own attention"),
    ("causal_forward", "keys as values", causal_without_values, "values are made with W_key"),
    (
        "causal_forward",
        "keys and values exchanged",
        lambda x, W_q, W_k, W_v: causal(x, W_q, W_v, W_k),
        "keys are made with W_value, the values are made with W_key",
    ),
    (
        "causal_forward",
        "queries and values exchanged",
        lambda x, W_q, W_k, W_v: causal(x, W_v, W_k, W_q),
        "queries are made with W_value, the values are made with W_query",
    ),
    (
        "causal_forward",
        "one matrix for all",
        lambda x, W_q, W_k, W_v: causal(x, W_q, W_q, W_q),
        "keys are made with W_query, the values are made with W_query",
    ),
    (
        "causal_forward",
        "divided by K",
        lambda x, W_q, W_k, W_v: causal(x, W_q / W_q.size(1) ** 0.5, W_k, W_v),
        "divided by the width K",
    ),
    (
        "causal_forward",
        "a fill of 0",
        lambda x, W_q, W_k, W_v: (
            ((x @ W_q) @ (x @ W_k).mT / W_q.size(1) ** 0.5)
            .masked_fill(future(x.size(1)), 0.0)
            .softmax(-1)
            @ (x @ W_v)
        ),
        "a score of 0 hides nothing",
    ),
    (
        "window_mask",
        "all five tokens back",
        EVERYTHING.triu(1) | EVERYTHING.tril(-4),
        "row 3 hides 0 .* must hide 1",
    ),
    ("window_mask", "six tokens", torch.zeros(6, 6, dtype=torch.bool), "expected"),
    ("who_leaks", "none", set(), "A:"),
]

test_answers, test_tables = exercise_tests("causal_attention", RIGHT, WRONG)


def causal_repaired(x, W_query, W_key, W_value):
    """Mask after the softmax, and divided once more."""
    scores = (x @ W_query) @ (x @ W_key).transpose(-2, -1) / W_key.size(1) ** 0.5
    weights = scores.softmax(dim=-1).masked_fill(future(x.size(1)), 0.0)
    return weights / weights.sum(dim=-1, keepdim=True) @ (x @ W_value)


def causal_by_sum(x, W_query, W_key, W_value):
    """Minus infinity is added, products are written as einsum."""
    q, k = x @ W_query, x @ W_key
    scores = torch.einsum("btk,bsk->bts", q, k) / math.sqrt(k.shape[-1])
    scores = scores + torch.full(scores.shape[1:], -torch.inf).triu(1)
    return torch.bmm(torch.softmax(scores, -1), x @ W_value)


def causal_row_by_row(x, W_query, W_key, W_value):
    q, k, v = x @ W_query, x @ W_key, x @ W_value
    rows = []
    for t in range(x.size(1)):
        scores = q[:, t : t + 1] @ k[:, : t + 1].mT / k.size(-1) ** 0.5
        rows.append(scores.softmax(dim=-1) @ v[:, : t + 1])
    return torch.cat(rows, dim=1)


def window_by_distance():
    back = torch.arange(5)[:, None] - torch.arange(5)
    return (back < 0) | (back > 2)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("window_mask", window_by_distance()),
        ("window_mask", ~(EVERYTHING.tril() & EVERYTHING.triu(-2))),
        ("who_leaks", "AC"),
        ("who_leaks", ["c", "a"]),
        ("causal_forward", causal_repaired),
        ("causal_forward", causal_by_sum),
        ("causal_forward", causal_row_by_row),
    ],
)
def test_other_right_answers(name, answer):
    assert verdict(f"causal_attention/{name}", answer) == "right"
