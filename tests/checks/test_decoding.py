"""The exercises of 04_pretraining/04_decoding."""

import math

import torch
from harness import exercise_tests


def entropy(probs, log=torch.log2, sign=-1, dim=-1):
    return sign * torch.where(probs > 0, probs * log(probs.clamp_min(1e-30)), 0.0).sum(dim)


def min_p(probs, bound, over=lambda p: p.max(-1, keepdim=True).values, share=True):
    kept = probs.masked_fill(probs < bound * over(probs), 0)
    return kept / kept.sum(-1, keepdim=True) if share else kept


RIGHT = {"odds": 0.434, "entropy": entropy, "min_p": min_p}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("odds", "the difference", math.log(10), "divides"),
    ("odds", "a tenth", 0.1, "far more"),
    ("odds", "a guess", 2.0, "odds are e"),
    ("entropy", "sign", lambda p: entropy(p, sign=1), "sign"),
    ("entropy", "nats", lambda p: entropy(p, log=torch.log), "base 2"),
    ("entropy", "over the batch", lambda p: entropy(p, dim=0), "last dimension"),
    ("entropy", "zeros", lambda p: -(p * p.log2()).sum(-1), "xlogy"),
    ("min_p", "min_p itself", lambda p, b: min_p(p, b, over=lambda p: 1.0), "times the largest"),
    (
        "min_p",
        "maximum of all",
        lambda p, b: min_p(p, b, over=lambda p: p.max()),
        "its own favourite",
    ),
    ("min_p", "not divided", lambda p, b: min_p(p, b, share=False), "sum to 1"),
    ("min_p", "a row only", lambda p, b: min_p(p, b)[0], "shape"),
    ("min_p", "everything kept", lambda p, b: p, "drop the rest"),
]

test_answers, test_tables = exercise_tests("decoding", RIGHT, WRONG)
