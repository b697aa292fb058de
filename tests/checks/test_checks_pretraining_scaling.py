"""The exercises of 04_pretraining/05 to 07: nothing, the solution, named wrong answers with hints that fit."""

import math

import pytest
import torch

from shared.checks import verdict
from shared.checks.pretraining import EXERCISES
from shared.checks.pretraining_scaling import SCALING_EXERCISES


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


def to_c_attn(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)]).T, torch.cat([p.bias for p in (query, key, value)])


def side_by_side(query, key, value):
    return torch.cat([part.weight for part in (query, key, value)], dim=1), to_c_attn(query, key, value)[1]


def deal(order, rank, world_size):
    return order[: len(order) // world_size * world_size][rank::world_size]


def blocks(order, rank, world_size):
    each = len(order) // world_size
    return order[rank * each : (rank + 1) * each]


def largest_batch(fixed, each, memory):
    return 0 if fixed + each > memory else 2 ** int(math.log2((memory - fixed) / each))


HOURS = 3 * 808e6 * 5e9 / (4 * 989e12 * 0.35) / 3600
SOLUTIONS = {
    "checkpoint_bytes": 162_419_712 * 12, "clip_by_length": clip, "warmup_stable_decay": warmup_stable_decay,
    "gpt2_tensors": 148, "largest_gpt2": "gpt2-xl", "to_c_attn": to_c_attn,
    "planned_hours": HOURS, "deal": deal, "largest_batch": largest_batch,
}
WRONG = [
    ("checkpoint_bytes", 162_419_712 * 4, "weights alone"),
    ("checkpoint_bytes", 162_419_712 * 16, "gradients are not saved"),
    ("checkpoint_bytes", 5, "count the numbers"),
    ("clip_by_length", lambda g, m: [x * m / x.norm() for x in g], "each tensor by itself"),
    ("clip_by_length", lambda g, m: [x.clamp(-m, m) for x in g], "cut each number"),
    ("clip_by_length", lambda g, m: [x * m / torch.cat([y.flatten() for y in g]).norm() for x in g], "stretched"),
    ("clip_by_length", clip_in_place, "return new ones"),
    ("clip_by_length", lambda g, m: g, "joint length"),
    ("warmup_stable_decay", lambda s, t, w, d, p: p * min(1, s / w, (t - 1 - s) / (d - 1)), "rate 0 and teach nothing"),
    ("warmup_stable_decay", lambda s, t, w, d, p: p * min(1, (s + 1) / w, (t - 1 - s) / (d - 1)), "during the warm-up"),
    ("warmup_stable_decay", lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - 1 - s) / t), "stay at the peak"),
    ("warmup_stable_decay", lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - s) / d), "must have rate 0"),
    ("warmup_stable_decay", lambda s, t, w, d, p: p * min(1, (s + 1) / (w + 1), (t - 1 - s) / d), "still at the peak"),
    ("warmup_stable_decay", decay_by_cosine, "no straight line"),
    ("gpt2_tensors", 144, "outside"), ("gpt2_tensors", 149, "tied"), ("gpt2_tensors", 196, "our names"),
    ("gpt2_tensors", 12, "count the lines"),
    ("largest_gpt2", "gpt2-large", "a larger one fits"), ("largest_gpt2", "GPT-3", "one of the names"),
    ("to_c_attn", lambda q, k, v: to_c_attn(k, q, v), "order query, key, value"),
    ("to_c_attn", lambda q, k, v: (to_c_attn(q, k, v)[0].T, q.bias), "transpose at the end"),
    ("to_c_attn", lambda q, k, v: (to_c_attn(q, k, v)[0], torch.zeros(3 * len(q.bias))), "the bias is not"),
    ("to_c_attn", side_by_side, "untransposed"),
    ("to_c_attn", lambda q, k, v: (q.weight, q.bias), "shapes are"),
    ("planned_hours", HOURS / 3, "forward pass alone"), ("planned_hours", HOURS * 4, "there are four"),
    ("planned_hours", HOURS * 0.35, "divide by 0.35"), ("planned_hours", 1e9, "hours = 3 F N"),
    ("deal", blocks, "blocks"), ("deal", lambda o, r, w: o[r::w], "cut the end off"),
    ("deal", lambda o, r, w: o[: len(o) // w], "dealt twice"),
    ("deal", lambda o, r, w: sorted(o)[: len(o) // w * w][r::w], "takes everything, in the order"),
    ("deal", lambda o, r, w: o[len(o) % w :][r::w], "not at the beginning"),
    ("largest_batch", lambda f, e, m: int((m - f) / e), "no power of two"),
    ("largest_batch", lambda f, e, m: 2 * largest_batch(f, e, m), "but the device has"),
    ("largest_batch", lambda f, e, m: max(1, largest_batch(f, e, m)), "do not fit into"),
    ("largest_batch", lambda f, e, m: largest_batch(f, e, m) // 2, "you say"),
]


def test_every_exercise_is_tested():
    assert SOLUTIONS.keys() == SCALING_EXERCISES.keys() <= EXERCISES.keys()
    for name in SCALING_EXERCISES:
        assert sum(wrong == name for wrong, _, _ in WRONG) >= 2, name


@pytest.mark.parametrize("name", SOLUTIONS)
def test_nothing_and_the_solution(name):
    assert verdict(f"pretraining/{name}", None) == "not attempted yet"
    assert verdict(f"pretraining/{name}", SOLUTIONS[name]) == "right"


@pytest.mark.parametrize("name, answer, hint", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_a_wrong_answer_gets_the_hint_that_fits(name, answer, hint):
    text = verdict(f"pretraining/{name}", answer)
    assert text.startswith("not yet") and hint in text, text
