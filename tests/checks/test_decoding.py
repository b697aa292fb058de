"""The exercises of 04_pretraining/04_decoding."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


def entropy(probs, log=torch.log2, sign=-1, dim=-1):
    return sign * torch.where(probs > 0, probs * log(probs.clamp_min(1e-30)), 0.0).sum(dim)


def min_p(probs, bound, over=lambda p: p.max(-1, keepdim=True).values, share=True):
    kept = probs.masked_fill(probs < bound * over(probs), 0)
    return kept / kept.sum(-1, keepdim=True) if share else kept


def strictly_above(probs, bound):
    kept = torch.where(probs > bound * probs.max(-1, keepdim=True).values, probs, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def softmax_again(probs, bound):
    return min_p(probs, bound, share=False).softmax(-1)


def in_place(probs, bound):
    probs[probs < bound * probs.amax(-1, keepdim=True)] = 0
    return probs / probs.sum(-1, keepdim=True)


def from_logarithms(probs, bound):
    """Softmax of logarithms gives probabilities back."""
    logits = probs.log()
    low = logits < logits.amax(-1, keepdim=True) + math.log(bound)
    return logits.masked_fill(low, -torch.inf).softmax(-1)


def row_by_row(probs, bound):
    rows = []
    for row in probs:
        kept = row * (row >= bound * max(row))
        rows.append(kept / kept.sum())
    return torch.stack(rows)


RIGHT = {"odds": 0.434, "entropy": entropy, "min_p": min_p}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("odds", "the difference", math.log(10), "divides"),
    ("odds", "a tenth", 0.1, "far more"),
    ("odds", "a guess", 2.0, "odds are e"),
    ("odds", "the odds themselves", 10, "nearer"),
    ("odds", "base 10", 1 / math.log10(10), "plain softmax"),
    ("odds", "base 2", 1 / math.log2(10), "raises e"),
    ("entropy", "sign", lambda p: entropy(p, sign=1), "sign"),
    ("entropy", "nats", lambda p: entropy(p, log=torch.log), "base 2"),
    ("entropy", "over the batch", lambda p: entropy(p, dim=0), "last dimension"),
    ("entropy", "zeros", lambda p: -(p * p.log2()).sum(-1), "xlogy"),
    ("entropy", "base 10", lambda p: entropy(p, log=torch.log10), "base 10"),
    ("entropy", "two to its power", lambda p: 2 ** entropy(p), "even choices"),
    ("entropy", "a mean", lambda p: entropy(p) / p.size(-1), "a sum"),
    ("entropy", "one number", lambda p: entropy(p).mean(), "last dimension"),
    ("min_p", "a bound above only", strictly_above, "at least"),
    ("min_p", "softmax again", softmax_again, "nothing was dropped"),
    ("min_p", "a fixed half", lambda p, b: min_p(p, 0.5), "another min_p"),
    ("min_p", "min_p itself", lambda p, b: min_p(p, b, over=lambda p: 1.0), "times the largest"),
    (
        "min_p",
        "maximum of all",
        lambda p, b: min_p(p, b, over=lambda p: p.max()),
        "its own favourite",
    ),
    ("min_p", "not divided", lambda p, b: min_p(p, b, share=False), "sum to 1"),
    ("min_p", "a row only", lambda p, b: min_p(p, b)[0], "shape"),
    ("min_p", "everything kept", lambda p, b: p, "nothing was dropped"),
]

test_answers, test_tables = exercise_tests("decoding", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("odds", 1 / math.log(10)),
        ("odds", 0.43),
        ("odds", torch.tensor(0.4343)),
        ("entropy", lambda p: torch.special.entr(p).sum(-1) / math.log(2)),
        ("entropy", lambda p: -(p * p.log2()).nan_to_num(0.0).sum(-1)),
        ("entropy", lambda p: -(p * p.clamp_min(1e-12).log2()).sum(dim=1)),
        ("entropy", lambda p: torch.stack([-(r[r > 0] * r[r > 0].log2()).sum() for r in p])),
        ("min_p", in_place),
        ("min_p", from_logarithms),
        ("min_p", row_by_row),
    ],
)
def test_other_ways_are_right(name, answer):
    assert verdict(f"decoding/{name}", answer) == "right"
