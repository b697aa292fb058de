"""Exercises of chapter 4, notebooks 05 to 07; shared/checks/pretraining.py takes them up."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from shared.checks import Exercise

# ---- 05_checkpoints


def judge_checkpoint_bytes(answer: Any) -> str | None:
    parameters = 162_419_712
    for value, what in ((parameters * 4, "those are the weights alone; AdamW's two averages are saved as well"),
                        (parameters * 8, "AdamW keeps two numbers for each weight, and the weight itself is a third"),
                        (parameters * 3, "those are numbers; each takes 4 bytes in float32"),
                        (parameters * 16, "gradients are not saved: they are computed anew at each step")):
        if math.isclose(answer, value, rel_tol=0.02):
            return what
    right = math.isclose(answer, parameters * 12, rel_tol=0.02)
    return None if right else "count the numbers kept for each parameter, then 4 bytes for each number"


def judge_clip_by_length(answer: Callable) -> str | None:
    torch.manual_seed(0)
    for max_norm in (0.5, 1.0, 2.0):
        gradients = [torch.randn(3, 4), torch.randn(7)]
        before = [gradient.clone() for gradient in gradients]
        clipped = list(answer(gradients, max_norm))
        if any(not torch.equal(a, b) for a, b in zip(gradients, before)):
            return "you changed the gradients that were given; return new ones"
        length = torch.cat([gradient.flatten() for gradient in clipped]).norm()
        if all(torch.isclose(g.norm(), torch.tensor(max_norm), atol=1e-4) for g in clipped):
            return "you scaled each tensor by itself, which turns the direction: one length and one factor for all"
        if max(gradient.abs().max() for gradient in clipped) <= max_norm and length > max_norm + 1e-3:
            return "you cut each number; clipping by length scales all numbers by one factor"
        if not torch.isclose(length, torch.tensor(max_norm), atol=1e-4):
            return f"with max_norm={max_norm} the joint length is {length:.3f}"
        if not all(torch.allclose(c / c.norm(), g / g.norm(), atol=1e-4) for c, g in zip(clipped, gradients)):
            return "the direction changed: multiply all tensors by the same factor"
    short = [torch.tensor([0.3]), torch.tensor([0.4])]
    if not all(torch.allclose(a, b) for a, b in zip(answer(short, 1.0), short)):
        return "a gradient shorter than max_norm must stay as it is; yours was stretched"
    if not all(torch.equal(x, torch.zeros(2)) for x in answer([torch.zeros(2)], 1.0)):
        return "a gradient of zeros must stay zero: beware of dividing by its length"
    return None


def judge_warmup_stable_decay(answer: Callable) -> str | None:
    total, warmup, decay, peak = 100, 9, 21, 2.0
    rates = [answer(step, total, warmup, decay, peak) for step in range(total)]
    if rates[0] == 0:
        return "the first step would have rate 0 and teach nothing: rise as learning_rate_at does, from peak/(warmup+1)"
    if any(not math.isclose(rates[step], peak * (step + 1) / (warmup + 1)) for step in range(warmup)):
        right = peak * warmup / (warmup + 1)
        return f"during the warm-up step {warmup - 1} has {rates[warmup - 1]:.3f}, not {right:.3f}"
    if any(not math.isclose(rate, peak) for rate in rates[warmup : total - decay]):
        return "between warm-up and decay the rate must stay at the peak"
    if not math.isclose(rates[-1], 0, abs_tol=1e-9):
        return f"the last step must have rate 0, yours has {rates[-1]:.4f}"
    if not math.isclose(rates[total - decay], peak):
        return "the first of the decay_steps is still at the peak: the fall takes decay_steps - 1 moves"
    middle = rates[total - 1 - decay // 2]
    return None if math.isclose(middle, peak / 2) else f"the fall is no straight line: halfway it is {middle:.3f}"


# ---- 06_gpt2_weights


def judge_gpt2_tensors(answer: Any) -> str | None:
    for value, what in ((12 * 12, "those are the blocks; two embeddings and the final norm stand outside"),
                        (12 * 12 + 3, "the final norm has two tensors, a scale and a shift"),
                        (12 * 12 + 5, "the head is tied: it is the token embedding and not saved again"),
                        (16 * 12 + 4, "you counted our names: theirs has one c_attn for queries, keys and values"),
                        (16 * 12 + 5, "you counted our names: theirs has one c_attn for queries, keys and values")):
        if answer == value:
            return what
    return None if answer == 148 else "count the lines of one block in the list, times 12, and add those outside"


def judge_largest_gpt2(answer: Any) -> str | None:
    name = str(answer).strip().lower()
    if name in ("gpt2", "gpt2-medium", "gpt2-large"):
        return f"{name} fits, but a larger one fits too: compare twice the GB printed above with 16"
    return None if name == "gpt2-xl" else "answer with one of the names: gpt2, gpt2-medium, gpt2-large, gpt2-xl"


def judge_to_c_attn(answer: Callable) -> str | None:
    torch.manual_seed(0)
    for D in (4, 6):
        parts = [nn.Linear(D, D) for _ in range(3)]
        x = torch.randn(2, 3, D)
        right = torch.cat([part(x) for part in parts], dim=-1)  # (2, 3, 3D)
        weight, bias = answer(*parts)
        if tuple(weight.shape) == (3 * D, D):
            return "your weight is (3D, D), as PyTorch stores it; Hugging Face stores (in, out): transpose at the end"
        if tuple(weight.shape) != (D, 3 * D) or tuple(bias.shape) != (3 * D,):
            return f"for D={D} the shapes are {tuple(weight.shape)} and {tuple(bias.shape)}, not (D, 3D) and (3D,)"
        product = x @ weight
        if torch.allclose(x @ torch.cat([part.weight for part in parts], dim=1), product, atol=1e-6):
            return "the matrices stand side by side untransposed: (out, in) must become (in, out) first"
        if torch.allclose(product + torch.cat([part.bias for part in parts]), right, atol=1e-6):
            return None if torch.allclose(product + bias, right, atol=1e-6) else "the weight is right, the bias is not"
    return "the product with your weight gives other queries, keys and values: is the order query, key, value?"


# ---- 07_scaling_out


def judge_planned_hours(answer: Any) -> str | None:
    right = 3 * 808e6 * 5e9 / (4 * 989e12 * 0.35) / 3600
    for factor, what in ((1 / 3, "that is the forward pass alone; the backward pass takes twice as many operations"),
                         (2 / 3, "that is the backward pass alone; the forward pass comes on top"),
                         (4, "that is for one device; there are four"),
                         (0.35, "the devices reach only 35% of their peak: divide by 0.35"),
                         (0.35**2, "you multiplied by 0.35; a smaller share takes longer: divide"),
                         (3600, "those are seconds"), (60, "those are minutes")):
        if math.isclose(answer, right * factor, rel_tol=0.01):
            return what
    return None if math.isclose(answer, right, rel_tol=0.02) else "hours = 3 F N / (G S u 3600), with S in operations"


def judge_deal(answer: Callable) -> str | None:
    order = [7, 3, 9, 1, 8, 2, 6, 0, 5, 4]
    if list(answer(order, 0, 1)) != order:
        return "a process alone takes everything, in the order given"
    for world_size in (2, 3, 4):
        hands = [list(answer(order, rank, world_size)) for rank in range(world_size)]
        if any(len(hand) != len(hands[0]) for hand in hands):
            return f"with {world_size} processes the parts have {[len(hand) for hand in hands]} items: cut the end off"
        dealt = [item for hand in hands for item in hand]
        if len(set(dealt)) < len(dealt):
            return f"with {world_size} processes an item is dealt twice"
        if len(dealt) != len(order) // world_size * world_size:
            return f"with {world_size} processes only {len(dealt)} of {len(order)} items are dealt"
        if set(dealt) != set(order[: len(dealt)]):
            return "what does not come out even is left out at the end, not at the beginning"
        if set(hands[0][:1] + hands[1][:1]) != set(order[:2]):
            return "you cut the order in blocks; deal in turns, so that the first step sees the first items in any case"
    return None


def judge_largest_batch(answer: Callable) -> str | None:
    cases = ((2.0, 1.0, 12.0, 8), (2.0, 1.0, 10.0, 8), (2.0, 0.8, 80.0, 64), (10.0, 3.0, 12.0, 0), (0.0, 5.0, 5.0, 1))
    for fixed, each, memory, right in cases:
        found = answer(fixed, each, memory)
        if found == right:
            continue
        if right == 0:
            return f"{fixed} GB fixed and {each} GB a sequence do not fit into {memory} GB: that is 0, not {found}"
        if found and fixed + found * each > memory:
            return f"{found} sequences take {fixed + found * each:.1f} GB, but the device has {memory}"
        if found == int((memory - fixed) / each):
            return f"{found} fits, but it is no power of two"
        return f"with {fixed} GB fixed, {each} GB a sequence and {memory} GB, {right} fit; you say {found}"
    return None


SCALING_EXERCISES: dict[str, Exercise] = {
    "checkpoint_bytes": Exercise("04_pretraining/05_checkpoints", judge_checkpoint_bytes, ("3 x 4 bytes",)),
    "clip_by_length": Exercise("04_pretraining/05_checkpoints", judge_clip_by_length,
                               ("first the length over all tensors", "the factor is min(1, max_norm / length)")),
    "warmup_stable_decay": Exercise("04_pretraining/05_checkpoints", judge_warmup_stable_decay,
                                    ("the smallest of three: rise, 1 and fall",)),
    "gpt2_tensors": Exercise("04_pretraining/06_gpt2_weights", judge_gpt2_tensors, ("12 a block",)),
    "largest_gpt2": Exercise("04_pretraining/06_gpt2_weights", judge_largest_gpt2),
    "to_c_attn": Exercise("04_pretraining/06_gpt2_weights", judge_to_c_attn, ("torch.cat, then .T",)),
    "planned_hours": Exercise("04_pretraining/07_scaling_out", judge_planned_hours, ("1 TFLOP/s is 1e12",)),
    "deal": Exercise("04_pretraining/07_scaling_out", judge_deal, ("order[rank::world_size]",)),
    "largest_batch": Exercise("04_pretraining/07_scaling_out", judge_largest_batch, ("double while it fits",)),
}
