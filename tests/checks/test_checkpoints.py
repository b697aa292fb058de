"""The exercises of 04_pretraining/05_checkpoints."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import exercises


def clip(gradients, max_norm):
    length = torch.sqrt(sum((g**2).sum() for g in gradients)).item()
    return [g * min(1.0, max_norm / max(length, 1e-12)) for g in gradients]


def clip_in_place(gradients, max_norm):
    for gradient in gradients:
        gradient *= 0.5
    return gradients


def warmup_stable_decay(step, total, warmup, decay, peak):
    return peak * min(1.0, (step + 1) / (warmup + 1), (total - 1 - step) / (decay - 1))


def decay_by_cosine(step, total, warmup, decay, peak):
    if step < total - decay:
        return warmup_stable_decay(step, total, warmup, decay, peak)
    done = (step - total + decay) / (decay - 1)
    return peak * (1 - done) ** 2


def half_cosine(step, total, warmup, decay, peak):
    if step < total - decay:
        return warmup_stable_decay(step, total, warmup, decay, peak)
    return peak * (1 + math.cos(math.pi * (step - total + decay) / (decay - 1))) / 2


def in_three_cases(step, total, warmup, decay, peak):
    if step < warmup:
        return peak / (warmup + 1) * (step + 1)
    if step <= total - decay:
        return peak
    return peak - peak * (step - (total - decay)) / (decay - 1)


def clip_by_pytorch(gradients, max_norm):
    weights = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for weight, gradient in zip(weights, gradients):
        weight.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(weights, max_norm)
    return [weight.grad for weight in weights]


def clip_if_long(gradients, max_norm):
    length = torch.cat([g.flatten() for g in gradients]).norm()
    if length <= max_norm:
        return list(gradients)
    return tuple(g / length * max_norm for g in gradients)


def scaled(gradients, max_norm, length):
    return [g * min(1.0, max_norm / float(length)) for g in gradients]


RIGHT = {
    "checkpoint_bytes": 162_419_712 * 12,
    "clip_by_length": clip,
    "warmup_stable_decay": warmup_stable_decay,
}
ALSO_RIGHT = [
    ("checkpoint_bytes", 1.95e9),
    ("checkpoint_bytes", 3 * 162e6 * 4),
    ("clip_by_length", clip_by_pytorch),
    ("clip_by_length", clip_if_long),
    ("warmup_stable_decay", in_three_cases),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("checkpoint_bytes", "the weights alone", 162_419_712 * 4, "weights alone"),
    ("checkpoint_bytes", "gradients too", 162_419_712 * 16, "gradients are not saved"),
    ("checkpoint_bytes", "a guess", 5, "count the numbers"),
    ("checkpoint_bytes", "in GB", 1.95, "asks for bytes"),
    ("checkpoint_bytes", "in MiB", 1859, "asks for bytes"),
    ("checkpoint_bytes", "one average", 162_419_712 * 8, "a third"),
    ("checkpoint_bytes", "numbers", 162_419_712 * 3, "each takes 4 bytes"),
    (
        "clip_by_length",
        "each by itself",
        lambda g, m: [x * m / x.norm() for x in g],
        "each tensor by itself",
    ),
    ("clip_by_length", "numbers cut", lambda g, m: [x.clamp(-m, m) for x in g], "cut each number"),
    (
        "clip_by_length",
        "short ones stretched",
        lambda g, m: [x * m / torch.cat([y.flatten() for y in g]).norm() for x in g],
        "stretched",
    ),
    ("clip_by_length", "changed in place", clip_in_place, "return new ones"),
    ("clip_by_length", "nothing done", lambda g, m: g, "joint length"),
    (
        "clip_by_length",
        "lengths added",
        lambda g, m: scaled(g, m, sum(x.norm() for x in g)),
        "joint length",
    ),
    (
        "clip_by_length",
        "no root",
        lambda g, m: scaled(g, m, sum((x**2).sum() for x in g)),
        "joint length|stretched",
    ),
    (
        "clip_by_length",
        "the largest number",
        lambda g, m: scaled(g, m, max(x.abs().max() for x in g)),
        "joint length|cut each number",
    ),
    (
        "clip_by_length",
        "divided by zero",
        lambda g, m: (
            [x * min(1, m / torch.cat([y.flatten() for y in g]).norm()) for x in g]
            if any(x.any() for x in g)
            else [x * math.nan for x in g]
        ),
        "stay zero",
    ),
    (
        "warmup_stable_decay",
        "no rate at first",
        lambda s, t, w, d, p: p * min(1, s / w, (t - 1 - s) / (d - 1)),
        "rate 0 and teach nothing",
    ),
    (
        "warmup_stable_decay",
        "peak too early",
        lambda s, t, w, d, p: p * min(1, (s + 1) / w, (t - 1 - s) / (d - 1)),
        "during the warm-up",
    ),
    (
        "warmup_stable_decay",
        "falls from the start",
        lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - 1 - s) / t),
        "stay at the peak",
    ),
    (
        "warmup_stable_decay",
        "no zero at the end",
        lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - s) / d),
        "must have rate 0",
    ),
    (
        "warmup_stable_decay",
        "falls too early",
        lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - 1 - s) / d),
        "still at the peak",
    ),
    ("warmup_stable_decay", "a curve", decay_by_cosine, "no straight line"),
    ("warmup_stable_decay", "half a cosine", half_cosine, "no straight line"),
]

test_answers, test_tables = exercise_tests("checkpoints", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_ways_are_right(name, answer):
    assert exercises("checkpoints")[name].judge(answer) is None
