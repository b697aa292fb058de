"""The exercises of 02_attention/03_causal_attention."""

import math
from functools import partial
from itertools import product

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


def causal_of_x(x, W_query, W_key, W_value):
    return causal(x, W_query, W_key, torch.eye(x.size(-1)))


def causal_scaled(size):
    """Causal attention whose scores are divided by size(x, keys)."""

    def attend(x, W_query, W_key, W_value):
        scores = (x @ W_query) @ (x @ W_key).mT / size(x, x @ W_key)
        hidden = scores.masked_fill(future(x.size(1)), -torch.inf)
        return hidden.softmax(dim=-1) @ (x @ W_value)

    return attend


def causal_masked(mask, fill=-torch.inf):
    """Attention that hides what mask(T) says, by a score of `fill`."""

    def attend(x, W_query, W_key, W_value):
        scores = (x @ W_query) @ (x @ W_key).mT / W_key.size(1) ** 0.5
        return scores.masked_fill(mask(x.size(1)), fill).softmax(dim=-1) @ (x @ W_value)

    return attend


def causal_with_dropout(*given):
    return torch.nn.functional.dropout(causal(*given), 0.5)


def causal_in_place(x, *matrices):
    x += 1
    return causal(x - 1, *matrices)


def causal_by_module(x, W_query, W_key, W_value):
    K = W_key.size(1)
    together = torch.cat([x @ W_query, x @ W_key, x @ W_value], dim=-1)
    q, k, v = together.transpose(0, 1).chunk(3, dim=-1)
    out, _ = torch.nn.functional.multi_head_attention_forward(
        q, k, v, K, 1, torch.eye(K).repeat(3, 1), None, None, None, False, 0.0, torch.eye(K), None,
        attn_mask=future(x.size(1)), need_weights=True,
    )  # fmt: skip
    return out.transpose(0, 1)


NAMES = ("W_query", "W_key", "W_value")
RIGHT = {"window_mask": WINDOW, "who_leaks": {"A", "C"}, "causal_forward": causal}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("window_mask", "inverted", ~WINDOW, "inverted"),
    ("window_mask", "no window", EVERYTHING.triu(1), "row 3 hides 0"),
    (
        "window_mask",
        "window too narrow",
        EVERYTHING.triu(1) | EVERYTHING.tril(-2),
        "row 2 hides 1 .* hide 0",
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
    ("causal_forward", "no mask", partial(causal, mask="none"), "future leaks: there is no mask"),
    (
        "causal_forward",
        "mask after softmax",
        partial(causal, mask="after"),
        "leaks: the mask comes after",
    ),
    ("causal_forward", "inverted mask", partial(causal, mask="inverted"), "NaN"),
    ("causal_forward", "not scaled", partial(causal, scale=False), "not scaled"),
    (
        "causal_forward",
        "swapped",
        partial(causal, swap=True),
        "queries are made with W_key, the keys are made with W_query",
    ),
    ("causal_forward", "wrong axis", causal_by_wrong_axis, "down the columns"),
    ("causal_forward", "PyTorch's own", causal_of_pytorch, "PyTorch's own attention"),
    ("causal_forward", "keys as values", causal_without_values, "values are made with W_key"),
    (
        "window_mask",
        "all five tokens back",
        EVERYTHING.triu(1) | EVERYTHING.tril(-4),
        "row 3 hides 0 .* hide 1",
    ),
    ("window_mask", "six tokens", torch.zeros(6, 6, dtype=torch.bool), "expected"),
    ("who_leaks", "none", set(), "A:"),
]

WRONG += [
    (
        "causal_forward",
        f"matrices {order}",
        lambda x, *W, order=order: causal(x, *(W[i] for i in order)),
        "wrong matri.*: "
        + ", ".join(
            f"the {role} are made with {NAMES[i]}"
            for role, i, own in zip(("queries", "keys", "values"), order, range(3))
            if i != own
        )
        + "$",
    )
    for order in product(range(3), repeat=3)
    if order != (0, 1, 2)
] + [
    (
        "causal_forward",
        "matrices transposed",
        lambda x, *W: causal(x, *(M.T for M in W)),
        "are transposed",
    ),
    ("causal_forward", "x for the values", causal_of_x, "the values are x itself"),
    ("causal_forward", "by D", causal_scaled(lambda x, k: x.size(-1) ** 0.5), "the width of x"),
    ("causal_forward", "by T", causal_scaled(lambda x, k: x.size(1) ** 0.5), "number of tokens"),
    ("causal_forward", "by K", causal_scaled(lambda x, k: k.size(-1)), "its square root"),
    ("causal_forward", "times", causal_scaled(lambda x, k: k.size(-1) ** -0.5), "are multiplied"),
    (
        "causal_forward",
        "a whole root",
        causal_scaled(lambda x, k: int(k.size(-1) ** 0.5)),
        "rounded",
    ),
    ("causal_forward", "past hidden", causal_masked(lambda T: future(T).T), "hides the past"),
    ("causal_forward", "one too late", causal_masked(lambda T: future(T).triu(2)), "by one token"),
    ("causal_forward", "zeros", causal_masked(future, 0.0), "hides nothing"),
    ("causal_forward", "-10", causal_masked(future, -10.0), "moves outputs before it"),
    ("causal_forward", "values alone", lambda x, q, k, v: x @ v, "values alone"),
    ("causal_forward", "dropout", causal_with_dropout, "two calls"),
    ("causal_forward", "x is changed", causal_in_place, "changes the tensor"),
    ("causal_forward", "another of PyTorch's", causal_by_module, "PyTorch's own attention"),
    (
        "window_mask",
        "one row",
        torch.cat([WINDOW[:3], ~WINDOW[3:4].fliplr(), WINDOW[4:]]),
        "sees itself|visible|row 3",
    ),
    ("who_leaks", "numbers", {1, 3}, "A to D"),
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
        ("who_leaks", "A, C"),
        ("who_leaks", "A and C"),
        ("who_leaks", ["c", "a"]),
        ("causal_forward", causal_repaired),
        ("causal_forward", causal_by_sum),
        ("causal_forward", causal_row_by_row),
    ],
)
def test_other_right_answers(name, answer):
    assert verdict(f"causal_attention/{name}", answer) == "right"
