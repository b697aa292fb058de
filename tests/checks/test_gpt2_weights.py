"""The exercises of 04_pretraining/06_gpt2_weights."""

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


def to_c_attn(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)]).T, torch.cat(
        [p.bias for p in (query, key, value)]
    )


def side_by_side(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)], dim=1), to_c_attn(
        query, key, value
    )[1]


def in_turns(query, key, value):
    weights, biases = zip(*((part.weight.T, part.bias) for part in (query, key, value)))
    return torch.stack(weights, dim=-1).flatten(1), torch.stack(biases, dim=-1).flatten()


RIGHT = {"largest_gpt2": "gpt2-large", "gpt2_tensors": 148, "to_c_attn": to_c_attn}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("largest_gpt2", "file and model forgotten", "gpt2-xl", "for a moment both"),
    ("largest_gpt2", "the same, in other letters", "GPT-2 XL", "for a moment both"),
    ("largest_gpt2", "one too small", "gpt2-medium", "a larger one fits"),
    ("largest_gpt2", "the smallest", "gpt2", "a larger one fits"),
    ("largest_gpt2", "no such model", "GPT-3", "one of the names"),
    ("largest_gpt2", "a size", 3.1, "one of the names, as a text"),
    ("gpt2_tensors", "the blocks alone", 144, "outside"),
    ("gpt2_tensors", "the head counted", 149, "tied"),
    ("gpt2_tensors", "our names", 196, "our names"),
    ("gpt2_tensors", "our names and the head", 197, "our names"),
    ("gpt2_tensors", "one block", 12, "one block of twelve"),
    ("gpt2_tensors", "no final norm", 146, "a norm of two tensors"),
    ("gpt2_tensors", "half a final norm", 147, "one is missing"),
    ("gpt2_tensors", "with masks", 160, "a mask in each block"),
    ("gpt2_tensors", "parameters", 124_439_808, "count the lines"),
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
    ("to_c_attn", "in turns", in_turns, "take turns"),
    (
        "to_c_attn",
        "biases added",
        lambda q, k, v: (to_c_attn(q, k, v)[0], q.bias + k.bias + v.bias),
        r"the bias has shape \(4,\)",
    ),
    ("to_c_attn", "weight alone", lambda q, k, v: to_c_attn(q, k, v)[0], "expected a tuple"),
]

test_answers, test_tables = exercise_tests("gpt2_weights", RIGHT, WRONG)


def by_columns(query, key, value):
    return torch.hstack([query.weight.T, key.weight.T, value.weight.T]), torch.hstack(
        [query.bias, key.bias, value.bias]
    )


def into_empty(query, key, value):
    D = query.in_features
    weight, bias = torch.empty(D, 3 * D), torch.empty(3 * D)
    for i, part in enumerate((query, key, value)):
        weight[:, i * D : (i + 1) * D] = part.weight.detach().T
        bias[i * D : (i + 1) * D] = part.bias.detach()
    return [weight, bias]


def by_asking(query, key, value):
    """What the layers give for zero is the bias, and for one input more a row of the weight."""
    D = query.in_features
    bias = torch.cat([part(torch.zeros(D)) for part in (query, key, value)])
    return torch.cat([part(torch.eye(D)) for part in (query, key, value)], dim=1) - bias, bias


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("largest_gpt2", "GPT2-large "),
        ("largest_gpt2", "large"),
        ("largest_gpt2", "GPT-2 Large"),
        ("gpt2_tensors", 148.0),
        ("to_c_attn", by_columns),
        ("to_c_attn", into_empty),
        ("to_c_attn", by_asking),
    ],
)
def test_other_right_answers(name, answer):
    assert verdict(f"gpt2_weights/{name}", answer) == "right"
