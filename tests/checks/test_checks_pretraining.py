"""The exercises of notebooks 01 to 04 of chapter 4: nothing yet, right answers, named wrong ones with their hint."""

import math
import re
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from shared.checks import verdict
from shared.checks.pretraining import EXERCISES

MINE = [name for name, exercise in EXERCISES.items() if re.match(r"04_pretraining/0[1-4]_", exercise.notebook)]


def cross_entropy(logits, targets):
    return F.cross_entropy(logits, targets)


def naive(logits, targets):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    kept = targets != -100
    return -probs[kept].gather(-1, targets[kept, None]).log().mean()


def unmasked(logits, targets):
    return -logits.log_softmax(-1).gather(-1, targets.clamp_min(0)[:, None]).mean()


def step(parameters, learning_rate, sign=-1, use_rate=True, forget=True):
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter += sign * (learning_rate if use_rate else 1) * parameter.grad
                parameter.grad = None if forget else parameter.grad


def no_test_for_none(parameters, learning_rate):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= learning_rate * parameter.grad


def momentum(w, slopes, eta, beta, weight=1.0, with_start=False):
    velocity, path = 0.0, [w]
    for g in slopes:
        velocity = beta * velocity + weight * g
        w = w - eta * velocity
        path.append(w)
    return path if with_start else path[1:]


def stop_at(losses, patience, late=0, last_only=False, at_the_end=None):
    best = 0
    for i, loss in enumerate(losses):
        if loss < losses[best] or (last_only and i and loss < losses[i - 1]):
            best = i
        if i - best >= patience + late:
            return i
    return len(losses) - 1 if at_the_end is None else at_the_end


def entropy(probs, log=torch.log2, sign=-1, dim=-1):
    return sign * torch.where(probs > 0, probs * log(probs.clamp_min(1e-30)), 0.0).sum(dim)


def min_p(probs, bound, over=lambda p: p.max(-1, keepdim=True).values, share=True):
    kept = probs.masked_fill(probs < bound * over(probs), 0)
    return kept / kept.sum(-1, keepdim=True) if share else kept


RIGHT = {
    "perplexity": math.exp(0.39),
    "cross_entropy": cross_entropy,
    "bits_per_character": lambda nats, tokens, characters: nats * tokens / math.log(2) / characters,
    "tokens_seen": 46_080,
    "gradient_step": step,
    "momentum": momentum,
    "training_memory": 23.21,
    "evaluations": 18,
    "stop_at": stop_at,
    "odds": 0.434,
    "entropy": entropy,
    "min_p": min_p,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("perplexity", "the loss", 0.39, "the loss itself"),
    ("perplexity", "base 2", 2**0.39, "base is e"),
    ("perplexity", "the probability", math.exp(-0.39), "inverse"),
    ("perplexity", "a guess", 50257, "power of the loss"),
    ("cross_entropy", "sign", lambda z, t: -cross_entropy(z, t), "sign"),
    ("cross_entropy", "sum", lambda z, t: F.cross_entropy(z, t, reduction="sum"), "mean"),
    ("cross_entropy", "one each", lambda z, t: F.cross_entropy(z, t, reduction="none"), "one number"),
    ("cross_entropy", "bits", lambda z, t: cross_entropy(z, t) / math.log(2), "natural"),
    ("cross_entropy", "overflow", naive, "thousands"),
    ("cross_entropy", "masked ones counted", unmasked, "-100"),
    ("cross_entropy", "probability instead of its logarithm",
     lambda z, t: z.softmax(-1).gather(-1, t[:, None]).mean(), "should be"),
    ("bits_per_character", "nats", lambda n, t, c: n * t / c, "divide by ln 2"),
    ("bits_per_character", "a token", lambda n, t, c: n / math.log(2), "bits a token"),
    ("bits_per_character", "the other way", lambda n, t, c: n * math.log(2) * t / c, "more than a bit"),
    ("bits_per_character", "inverse", lambda n, t, c: n * c / t / math.log(2), "should be"),
    ("tokens_seen", "one window", 23_040, "two windows"),
    ("tokens_seen", "one epoch", 4608, "one epoch"),
    ("tokens_seen", "the text", 4683, "epochs times"),
    ("gradient_step", "upwards", lambda p, r: step(p, r, sign=1), "subtract"),
    ("gradient_step", "no learning rate", lambda p, r: step(p, r, use_rate=False), "learning rate"),
    ("gradient_step", "slopes kept", lambda p, r: step(p, r, forget=False), "still there"),
    ("gradient_step", "nothing done", lambda p, r: None, "have not changed"),
    ("gradient_step", "without a slope", no_test_for_none, "TypeError"),
    ("gradient_step", "the first only", lambda p, r: step(p[:1], r), "each parameter"),
    ("momentum", "with the start", lambda *a: momentum(*a, with_start=True), "one weight for each"),
    ("momentum", "shifted", lambda *a: momentum(*a, with_start=True)[:-1], "after the first step"),
    ("momentum", "damped", lambda w, s, e, b: momentum(w, s, e, b, weight=1 - b), "in full"),
    ("momentum", "none", lambda w, s, e, b: momentum(w, s, e, 0.0), "without momentum"),
    ("momentum", "upwards", lambda w, s, e, b: momentum(w, s, -e, b), "should be"),
    ("training_memory", "weights alone", 5.8, "weights alone"),
    ("training_memory", "one mean", 17.4, "two means"),
    ("training_memory", "GB", 24.92, "2\\*\\*30"),
    ("training_memory", "bytes", 1_557_611_200 * 16, "in bytes"),
    ("training_memory", "a guess", 100, "four numbers"),
    ("evaluations", "without the first", 17, "step 0"),
    ("evaluations", "every step", 90, "fifth"),
    ("evaluations", "a guess", 45, "multiples"),
    ("stop_at", "one too late", lambda x, p: stop_at(x, p, late=1), "too late"),
    ("stop_at", "the loss before", lambda x, p: stop_at(x, p, last_only=True), "best loss so far"),
    ("stop_at", "no end", lambda x, p: stop_at(x, p, at_the_end=-1), "last position"),
    ("odds", "the difference", math.log(10), "divides"),
    ("odds", "a tenth", 0.1, "far more"),
    ("odds", "a guess", 2.0, "odds are e"),
    ("entropy", "sign", lambda p: entropy(p, sign=1), "sign"),
    ("entropy", "nats", lambda p: entropy(p, log=torch.log), "base 2"),
    ("entropy", "over the batch", lambda p: entropy(p, dim=0), "last dimension"),
    ("entropy", "zeros", lambda p: -(p * p.log2()).sum(-1), "xlogy"),
    ("min_p", "min_p itself", lambda p, b: min_p(p, b, over=lambda p: 1.0), "times the largest"),
    ("min_p", "maximum of all", lambda p, b: min_p(p, b, over=lambda p: p.max()), "its own favourite"),
    ("min_p", "not divided", lambda p, b: min_p(p, b, share=False), "sum to 1"),
    ("min_p", "a row only", lambda p, b: min_p(p, b)[0], "shape"),
    ("min_p", "everything kept", lambda p, b: p, "drop the rest"),
]


@pytest.mark.parametrize("name", MINE)
def test_not_attempted_and_right(name):
    assert verdict(f"pretraining/{name}", None) == "not attempted yet"
    assert verdict(f"pretraining/{name}", RIGHT[name]) == "right"


@pytest.mark.parametrize("name, what, answer, hint", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_wrong_answers_get_a_hint_that_fits(name, what, answer, hint):
    said = verdict(f"pretraining/{name}", answer)
    assert said.startswith("not yet: ") and re.search(hint, said), said


def test_every_exercise_has_two_named_wrong_answers_and_further_hints():
    counted = Counter(name for name, *_ in WRONG)
    assert set(RIGHT) == set(MINE) and all(counted[name] >= 2 for name in MINE), counted
    assert all(EXERCISES[name].hints for name in MINE)


@pytest.mark.parametrize("name", [name for name, answer in RIGHT.items() if callable(answer)])
@pytest.mark.parametrize("answer", [lambda *a: None, lambda *a: 1 / 0, 3, "text"], ids=["None", "error", "3", "text"])
def test_nonsense_never_raises(name, answer):
    assert verdict(f"pretraining/{name}", answer).startswith("not yet: ")
