"""The exercises of 04_pretraining/01_loss."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from harness import exercise_tests
from torch import nn

from shared.checks import verdict


def cross_entropy(logits, targets):
    return F.cross_entropy(logits, targets)


def by_hand(logits, targets):
    kept = targets != -100
    log_probs = logits[kept] - logits[kept].logsumexp(-1, keepdim=True)
    return -log_probs.gather(-1, targets[kept, None]).mean()


def in_a_loop(logits, targets):
    """F.cross_entropy may be named here."""
    losses = []
    for z, t in zip(logits, targets):
        if t != -100:
            shifted = z - z.max()
            losses.append(shifted.exp().sum().log() - shifted[t])
    return sum(losses) / len(losses)


def naive(logits, targets):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    kept = targets != -100
    return -probs[kept].gather(-1, targets[kept, None]).log().mean()


def unmasked(logits, targets):
    return -logits.log_softmax(-1).gather(-1, targets.clamp_min(0)[:, None]).mean()


def in_the_count(logits, targets):
    """The masked ones cost nothing, but count."""
    picked = logits.log_softmax(-1).gather(-1, targets.clamp_min(0)[:, None]).squeeze(-1)
    return -(picked * (targets != -100)).mean()


def hidden_in_another(logits, targets):
    return cross_entropy(logits, targets)


RIGHT = {
    "perplexity": math.exp(0.39),
    "cross_entropy": by_hand,
    "bits_per_character": lambda nats, tokens, characters: nats * tokens / math.log(2) / characters,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("perplexity", "the loss", 0.39, "the loss itself"),
    ("perplexity", "base 2", 2**0.39, "base is e"),
    ("perplexity", "the probability", math.exp(-0.39), "inverse"),
    ("perplexity", "the logarithm", math.log(0.39), "undo it"),
    ("perplexity", "base 10", 10**0.39, "base is e"),
    ("perplexity", "rounded down", 1, "whole number"),
    ("perplexity", "rounded up", 2, "whole number"),
    ("perplexity", "one more than the loss", 1.39, "power of the loss"),
    ("perplexity", "a guess", 50257, "power of the loss"),
    ("cross_entropy", "sign", lambda z, t: -cross_entropy(z, t), "sign"),
    ("cross_entropy", "sum", lambda z, t: F.cross_entropy(z, t, reduction="sum"), "mean"),
    (
        "cross_entropy",
        "one each",
        lambda z, t: F.cross_entropy(z, t, reduction="none"),
        "one number",
    ),
    ("cross_entropy", "bits", lambda z, t: cross_entropy(z, t) / math.log(2), "natural"),
    ("cross_entropy", "overflow", naive, "thousands"),
    ("cross_entropy", "masked ones counted", unmasked, "-100"),
    (
        "cross_entropy",
        "probability instead of its logarithm",
        lambda z, t: z.softmax(-1).gather(-1, t[:, None]).mean(),
        "should be",
    ),
    (
        "cross_entropy",
        "logits as they are",
        lambda z, t: -z.gather(-1, t[:, None]).mean(),
        "logits",
    ),
    (
        "cross_entropy",
        "softmax over the positions",
        lambda z, t: -z.log_softmax(0).gather(-1, t.clamp_min(0)[:, None]).mean(),
        "last dimension",
    ),
    ("cross_entropy", "masked ones in the count", in_the_count, "of the count"),
    ("cross_entropy", "through another function", hidden_in_another, "without"),
    ("cross_entropy", "PyTorch's", cross_entropy, "without"),
    ("cross_entropy", "PyTorch's itself", F.cross_entropy, "cross_entropy is PyTorch's own"),
    ("cross_entropy", "under another name", partial(F.cross_entropy), "without"),
    ("cross_entropy", "the module", nn.CrossEntropyLoss(), "without"),
    ("bits_per_character", "nats", lambda n, t, c: n * t / c, "divide by ln 2"),
    ("bits_per_character", "a token", lambda n, t, c: n / math.log(2), "bits a token"),
    (
        "bits_per_character",
        "the other way",
        lambda n, t, c: n * math.log(2) * t / c,
        "more than a bit",
    ),
    ("bits_per_character", "inverse", lambda n, t, c: n * c / t / math.log(2), "exchanged"),
    ("bits_per_character", "one token", lambda n, t, c: n / math.log(2) / c, "multiply by"),
    ("bits_per_character", "whole text", lambda n, t, c: n * t / math.log(2), "whole text"),
    ("bits_per_character", "four a token", lambda n, t, c: n / math.log(2) / 4, "3 nats"),
]

test_answers, test_tables = exercise_tests("loss", RIGHT, WRONG)


@pytest.mark.parametrize(
    "answer",
    [
        in_a_loop,
        lambda z, t: F.nll_loss(z.log_softmax(-1), t),
        lambda z, t: -z.log_softmax(-1)[t >= 0].gather(1, t[t >= 0, None]).mean(),
    ],
)
def test_other_ways_than_the_forbidden_one_are_right(answer):
    assert verdict("loss/cross_entropy", answer) == "right"


@pytest.mark.parametrize(
    "name, answer",
    [
        ("perplexity", 1.5),  # about one and a half
        ("perplexity", 1.48),
        ("perplexity", 1.477),
        ("bits_per_character", lambda n, t, c: n * math.log2(math.e) * t / c),
        ("bits_per_character", lambda n, t, c: math.log2(math.exp(n)) / (c / t)),
        ("bits_per_character", lambda n, t, c: torch.tensor(n * t) / c / math.log(2)),
    ],
)
def test_other_ways_are_right(name, answer):
    assert verdict(f"loss/{name}", answer) == "right"
