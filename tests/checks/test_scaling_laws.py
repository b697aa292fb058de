"""The exercises of 04_pretraining/08_scaling_laws."""

import math

import numpy as np
import pytest
from harness import exercise_tests

from shared.checks import verdict

B = math.log(2.5 / 2.0) / math.log(100)


def times_larger(exponent, share):
    return share ** (-1 / exponent)


def by_logarithms(exponent, share):
    return math.exp(-math.log(share) / exponent)


def by_root(exponent, share):
    return np.power(1 / share, 1 / exponent)


def by_steps(exponent, share):
    """Halving the distance between too small and too large."""
    low, high = 0.0, 700.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(-middle * exponent) > share else (low, middle)
    return math.exp(high)


def best_split(budget):
    weights = (budget / 120) ** 0.5
    return weights, 20 * weights


def tokens_first(budget):
    tokens = math.sqrt(budget * 20 / 6)
    return [tokens / 20, tokens]


def in_logarithms(budget):
    weights = np.exp((np.log(budget) - np.log(6) - np.log(20)) / 2)
    return weights, weights * 20


RIGHT = {"exponent": B, "times_larger": times_larger, "best_split": best_split}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("exponent", "negative", -B, "minus already stands there"),
    ("exponent", "two kinds of logarithm", math.log(1.25) / 2, "same logarithm for both"),
    ("exponent", "two kinds, turned", math.log10(1.25) / math.log(100), "same logarithm for both"),
    ("exponent", "upside down", 1 / B, "rise over the run"),
    ("exponent", "losses as they are", 0.5 / math.log(100), "take their logarithms"),
    ("exponent", "no logarithms", 0.5 / 990_000, "without logarithms"),
    ("exponent", "the rise alone", math.log(1.25), "divide by how far"),
    ("exponent", "a guess", 0.3, "too large"),
    ("times_larger", "upside down", lambda b, s: s ** (1 / b), "a smaller model"),
    ("times_larger", "no root", lambda b, s: s**-b, "solve share"),
    ("times_larger", "no root, turned", lambda b, s: s**b, "solve share"),
    ("times_larger", "what is taken away", lambda b, s: (1 - s) ** (-1 / b) + 0 * b, "what is"),
    ("times_larger", "without the exponent", lambda b, s: 1 / s, "exponent is missing"),
    ("times_larger", "the logarithm", lambda b, s: -math.log(s) / b, "the logarithm of how many"),
    ("times_larger", "e to the power", lambda b, s: math.exp(s / b), "not e"),
    ("times_larger", "a product", lambda b, s: 1 / (s * b), "is not 0.5"),
    ("best_split", "weights alone", lambda c: (c / 120) ** 0.5, "expected a tuple"),
    ("best_split", "the wrong way round", lambda c: best_split(c)[::-1], "20 weights for each"),
    ("best_split", "the 6 left out", lambda c: ((c / 20) ** 0.5, (c * 20) ** 0.5), "6 is missing"),
    ("best_split", "half and half", lambda c: ((c / 6) ** 0.5,) * 2, "1 tokens for each weight"),
    ("best_split", "no root", lambda c: (c / 121, c / 6.05), "6 N D of your answer"),
    (
        "best_split",
        "forward pass alone",
        lambda c: ((c / 40) ** 0.5, 20 * (c / 40) ** 0.5),
        "6 N D of your answer",
    ),
    ("best_split", "tokens of GPT-3", lambda c: (c / 6 / 300e9, 300e9), "not 20"),
]

test_answers, test_tables = exercise_tests("scaling_laws", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("exponent", 0.0485),
        ("exponent", 0.048),
        ("exponent", math.log10(1.25) / 2),
        ("times_larger", by_logarithms),
        ("times_larger", by_root),
        ("times_larger", by_steps),
        ("best_split", tokens_first),
        ("best_split", in_logarithms),
        ("best_split", lambda c: (round((c / 120) ** 0.5), round((c / 6 * 20) ** 0.5))),
    ],
)
def test_right_answers_written_differently(name, answer):
    assert verdict(f"scaling_laws/{name}", answer) == "right"
