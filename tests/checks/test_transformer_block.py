"""The exercises of 03_gpt/01_transformer_block."""

import math

import torch
from harness import exercise_tests

ROOT2 = math.sqrt(2)


def rms(x):
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5)


def layer_norm(x):
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def rms_over_all_tokens(x):
    return x / torch.sqrt(x.square().mean() + 1e-5)


def unit_length(x):
    return x / torch.sqrt(x.square().sum(dim=-1, keepdim=True) + 1e-5)


def rms_without_eps(x):
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True))


def rms_in_place(x):
    return x.div_(torch.sqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5))


RIGHT = {
    "normalised_row": [-ROOT2, 0, 0, ROOT2],
    "feed_forward_parameters": 2 * 1024 * 4096 + 4096 + 1024,
    "rms_norm": rms,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("normalised_row", "divided by n - 1", [-1.2247, 0, 0, 1.2247], "n = 4"),
    ("normalised_row", "divided by the variance", [-1, 0, 0, 1], "square root"),
    (
        "normalised_row",
        "mean not subtracted",
        [1.41, 2.83, 2.83, 4.24],
        "mean of your numbers is not 0",
    ),
    ("normalised_row", "three numbers", [1, 2, 3], "four numbers"),
    ("feed_forward_parameters", "no biases", 8 * 1024**2, "bias"),
    ("feed_forward_parameters", "first layer only", 4 * 1024**2 + 4096, "first layer only"),
    ("feed_forward_parameters", "width 768", 4_722_432, "width 768"),
    ("rms_norm", "layer norm", layer_norm, "subtracts nothing"),
    ("rms_norm", "over all tokens", rms_over_all_tokens, "dim=-1"),
    ("rms_norm", "unit length", unit_length, "not their sum"),
    ("rms_norm", "without eps", rms_without_eps, "nan"),
    ("rms_norm", "in place", rms_in_place, "in place"),
]

test_answers, test_tables = exercise_tests("transformer_block", RIGHT, WRONG)
