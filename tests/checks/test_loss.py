"""The exercises of 04_pretraining/01_loss."""

import math

import torch.nn.functional as F
from harness import exercise_tests


def cross_entropy(logits, targets):
    return F.cross_entropy(logits, targets)


def naive(logits, targets):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    kept = targets != -100
    return -probs[kept].gather(-1, targets[kept, None]).log().mean()


def unmasked(logits, targets):
    return -logits.log_softmax(-1).gather(-1, targets.clamp_min(0)[:, None]).mean()


RIGHT = {
    "perplexity": math.exp(0.39),
    "cross_entropy": cross_entropy,
    "bits_per_character": lambda nats, tokens, characters: nats * tokens / math.log(2) / characters,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("perplexity", "the loss", 0.39, "the loss itself"),
    ("perplexity", "base 2", 2**0.39, "base is e"),
    ("perplexity", "the probability", math.exp(-0.39), "inverse"),
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
    ("bits_per_character", "nats", lambda n, t, c: n * t / c, "divide by ln 2"),
    ("bits_per_character", "a token", lambda n, t, c: n / math.log(2), "bits a token"),
    (
        "bits_per_character",
        "the other way",
        lambda n, t, c: n * math.log(2) * t / c,
        "more than a bit",
    ),
    ("bits_per_character", "inverse", lambda n, t, c: n * c / t / math.log(2), "should be"),
]

test_answers, test_tables = exercise_tests("loss", RIGHT, WRONG)
