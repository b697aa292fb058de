"""The exercises of 04_pretraining/06_gpt2_weights."""

import torch
from harness import exercise_tests


def to_c_attn(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)]).T, torch.cat(
        [p.bias for p in (query, key, value)]
    )


def side_by_side(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)], dim=1), to_c_attn(
        query, key, value
    )[1]


RIGHT = {"gpt2_tensors": 148, "largest_gpt2": "gpt2-xl", "to_c_attn": to_c_attn}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("gpt2_tensors", "the blocks alone", 144, "outside"),
    ("gpt2_tensors", "the head counted", 149, "tied"),
    ("gpt2_tensors", "our names", 196, "our names"),
    ("gpt2_tensors", "one block", 12, "count the lines"),
    ("largest_gpt2", "one too small", "gpt2-large", "a larger one fits"),
    ("largest_gpt2", "no such model", "GPT-3", "one of the names"),
    ("to_c_attn", "key first", lambda q, k, v: to_c_attn(k, q, v), "order query, key, value"),
    (
        "to_c_attn",
        "not transposed",
        lambda q, k, v: (to_c_attn(q, k, v)[0].T, q.bias),
        "transpose at the end",
    ),
    (
        "to_c_attn",
        "no bias",
        lambda q, k, v: (to_c_attn(q, k, v)[0], torch.zeros(3 * len(q.bias))),
        "the bias is not",
    ),
    ("to_c_attn", "side by side", side_by_side, "untransposed"),
    (
        "to_c_attn",
        "one layer only",
        lambda q, k, v: (q.weight, q.bias),
        r"the weight has shape \(4, 4\)",
    ),
]

test_answers, test_tables = exercise_tests("gpt2_weights", RIGHT, WRONG)
