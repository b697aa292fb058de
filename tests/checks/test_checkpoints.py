"""The exercises of 04_pretraining/05_checkpoints."""

import torch
from harness import exercise_tests


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


RIGHT = {
    "checkpoint_bytes": 162_419_712 * 12,
    "clip_by_length": clip,
    "warmup_stable_decay": warmup_stable_decay,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("checkpoint_bytes", "the weights alone", 162_419_712 * 4, "weights alone"),
    ("checkpoint_bytes", "gradients too", 162_419_712 * 16, "gradients are not saved"),
    ("checkpoint_bytes", "a guess", 5, "count the numbers"),
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
]

test_answers, test_tables = exercise_tests("checkpoints", RIGHT, WRONG)
