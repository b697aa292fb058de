"""The exercises of 02_attention/02_queries_keys_values."""

import torch
import torch.nn.functional as F
from harness import exercise_tests

SHIFT = torch.zeros(6, 6)
SHIFT[range(5), range(1, 6)] = 1.0


def attend_right(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def attend_over_queries(q, k, v):
    return (q @ k.transpose(1, 2) / k.size(-1) ** 0.5).softmax(dim=1) @ v


def attend_divided_by_width(q, k, v):
    return (q @ k.transpose(1, 2) / k.size(-1)).softmax(dim=-1) @ v


RIGHT = {
    "scaled_scores": [1.0, 2.0, 0.0],
    "previous_token": (20 * torch.eye(6), SHIFT),
    "attend": attend_right,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("scaled_scores", "not scaled", [2, 4, 0], "not scaled"),
    ("scaled_scores", "divided by the width", [0.5, 1, 0], "square root"),
    ("scaled_scores", "weights", torch.tensor([1.0, 2, 0]).softmax(0).tolist(), "before"),
    ("scaled_scores", "a slip", [1, 2, 1], "work out"),
    ("previous_token", "look at themselves", (20 * torch.eye(6), torch.eye(6)), "themselves"),
    ("previous_token", "shift the other way", (20 * torch.eye(6), SHIFT.T), "other way"),
    ("previous_token", "too soft", (torch.eye(6), SHIFT), "too softly"),
    ("previous_token", "one matrix", torch.eye(6), r"a tuple, \(W_q, W_k\), this is a tensor"),
    ("previous_token", "wrong size", (torch.eye(5), torch.eye(5)), r"expected \(6, 6\)"),
    ("previous_token", "zeros", (torch.zeros(6, 6), SHIFT), "largest entry at t - 1"),
    (
        "attend",
        "not scaled",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0),
        "not scaled: divide",
    ),
    ("attend", "softmax over the queries", attend_over_queries, "sum to one over the keys"),
    ("attend", "divided by the width", attend_divided_by_width, "which size"),
    (
        "attend",
        "transpose forgotten",
        lambda q, k, v: (q @ k).softmax(-1) @ v,
        "raised RuntimeError",
    ),
    ("attend", "returns the weights", lambda q, k, v: (q @ k.transpose(1, 2)).softmax(-1), "shape"),
]

test_answers, test_tables = exercise_tests("queries_keys_values", RIGHT, WRONG)
