"""The exercises of 03_gpt/01_transformer_block."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict
from shared.gpt import FeedForward

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


def rms_by_rsqrt(x):
    return x * torch.rsqrt(torch.mean(x**2, -1, True) + 1e-5)


def rms_of_pytorch(x):
    return torch.nn.functional.rms_norm(x, x.shape[-1:], eps=1e-5)


def rms_by_length(x):
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / ((length**2 / x.shape[-1]) + 1e-5) ** 0.5


def by_mean_square(x):
    return x / (x.square().mean(dim=-1, keepdim=True) + 1e-5)


def by_deviation(x):
    return x / (x.std(dim=-1, keepdim=True) + 1e-5)


def by_biased_deviation(x):
    return x / torch.sqrt(x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5)


def by_absolute_mean(x):
    return x / (x.abs().mean(dim=-1, keepdim=True) + 1e-5)


def eps_outside(x):
    return x / (x.square().mean(dim=-1, keepdim=True).sqrt() + 1e-5)


def without_keepdim(x):
    return x / torch.sqrt(x.square().mean(dim=-1) + 1e-5)


RIGHT = {
    "normalised_row": [-ROOT2, 0, 0, ROOT2],
    "rms_norm": rms,
    "feed_forward_parameters": 2 * 1024 * 4096 + 4096 + 1024,
}
ALSO_RIGHT = [
    ("normalised_row", (-1.41, 0.0, 0.0, 1.41)),
    ("normalised_row", torch.tensor([-1.4142, 0, 0, 1.4142])),
    ("normalised_row", [-1.414, -0.0, 0.0, 1.414]),
    ("rms_norm", rms_by_rsqrt),
    ("rms_norm", rms_of_pytorch),
    ("rms_norm", rms_by_length),
    ("feed_forward_parameters", 8_393_728.0),
    ("feed_forward_parameters", sum(p.numel() for p in FeedForward(1024).parameters())),
    ("feed_forward_parameters", torch.tensor(8_393_728)),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("normalised_row", "divided by n - 1", [-1.2247, 0, 0, 1.2247], "n = 4"),
    ("normalised_row", "divided by the variance", [-1, 0, 0, 1], "square root"),
    (
        "normalised_row",
        "mean not subtracted",
        [1.41, 2.83, 2.83, 4.24],
        "mean of your numbers is not 0",
    ),
    ("normalised_row", "only subtracted", [-2, 0, 0, 2], "distances from the mean"),
    ("normalised_row", "signs", [1.41, 0, 0, -1.41], "signs are turned round"),
    ("normalised_row", "order", [0, -1.41, 1.41, 0], "their order is not"),
    ("normalised_row", "softmax", [0.09, 0.24, 0.24, 0.43], "mean of your numbers is not 0"),
    ("normalised_row", "twice as large", [-2.83, 0, 0, 2.83], "variance is not 1"),
    ("normalised_row", "three numbers", [1, 2, 3], "four numbers"),
    ("feed_forward_parameters", "no biases", 8 * 1024**2, "bias"),
    ("feed_forward_parameters", "first layer only", 4 * 1024**2 + 4096, "first layer only"),
    ("feed_forward_parameters", "width 768", 4_722_432, "width 768"),
    ("feed_forward_parameters", "not widened", 2 * 1024**2 + 2048, "four times as wide"),
    ("feed_forward_parameters", "wide biases", 8 * 1024**2 + 2 * 4096, "its 1024 outputs"),
    ("feed_forward_parameters", "narrow biases", 8 * 1024**2 + 2048, "its 4096 outputs"),
    ("feed_forward_parameters", "one bias", 8 * 1024**2 + 4096, "second layer has a bias too"),
    ("feed_forward_parameters", "one matrix", 4 * 1024**2 + 5 * 1024, "another back"),
    ("feed_forward_parameters", "24 blocks", 24 * 8_393_728, "24 blocks"),
    ("feed_forward_parameters", "rounded", 8.39e6, "too small"),
    ("rms_norm", "mean square", by_mean_square, "divide by its root"),
    ("rms_norm", "standard deviation", by_deviation, "squares of x itself"),
    ("rms_norm", "biased deviation", by_biased_deviation, "squares of x itself"),
    ("rms_norm", "absolute values", by_absolute_mean, "absolute values"),
    ("rms_norm", "signs", torch.sign, "divided by one number"),
    ("rms_norm", "eps outside", eps_outside, "eps counts"),
    ("rms_norm", "no keepdim", without_keepdim, "must match the size"),
    ("rms_norm", "nothing", lambda x: x, "should be 1"),
    ("rms_norm", "layer norm", layer_norm, "subtracts nothing"),
    ("rms_norm", "over all tokens", rms_over_all_tokens, "dim=-1"),
    ("rms_norm", "unit length", unit_length, "not their sum"),
    ("rms_norm", "without eps", rms_without_eps, "nan"),
    ("rms_norm", "in place", rms_in_place, "in place"),
]

test_answers, test_tables = exercise_tests("transformer_block", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_right_answers(name, answer):
    assert verdict(f"transformer_block/{name}", answer) == "right"
