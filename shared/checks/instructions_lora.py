"""Judges of the exercises of chapter 5 on LoRA and on evaluation."""

import math
from collections.abc import Callable
from typing import Any

import torch

from shared.checks import Exercise

FOLDER = "05_instruction_finetuning/"


def close(found: Any, expected: torch.Tensor) -> str | None:
    """A hint unless `found` is a tensor near `expected`."""
    if not isinstance(found, torch.Tensor):
        return f"return a tensor, this is a {type(found).__name__}"
    if found.shape != expected.shape:
        return f"the result has shape {tuple(found.shape)}, it should have {tuple(expected.shape)}"
    return None if torch.allclose(found, expected, atol=1e-4) else "the shape is right, the numbers are not"


def number_judge(expected: int, named: dict[int, str], how: str) -> Callable[[Any], str | None]:
    """A judge of one whole number that names the usual wrong ones."""
    def judge(answer: Any) -> str | None:
        if isinstance(answer, bool) or not isinstance(answer, int):
            return f"give one whole number, this is a {type(answer).__name__}"
        return None if answer == expected else named.get(answer, f"{answer} is not it: {how}")

    return judge


# ---- 05_lora ----

judge_lora_parameters = number_judge(12 * 2 * 8 * (768 + 768), {
    12 * 2 * 768 * 768: "that is what full finetuning of these matrices trains; LoRA trains A and B only",
    12 * 2 * 8 * 768: "each adapter has two matrices: A, (r, d_in), and B, (d_out, r)",
    12 * 8 * (768 + 768): "there are two adapted matrices in each block: queries and values",
    2 * 8 * (768 + 768): "that is one block; there are 12",
}, "blocks, times matrices in a block, times rank, times the sum of both sides")


def judge_lora_alpha(answer: Any) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"give one number, this is a {type(answer).__name__}"
    named = {16: "with alpha as before the scale halves when the rank doubles",
             8: "that divides where it should multiply: the scale is alpha / rank"}
    return None if answer == 32 else named.get(answer, f"{answer} is not it: the scale before was 16 / 8")


def judge_lora_forward(answer: Any) -> str | None:
    if not callable(answer):
        return f"give the function itself, this is a {type(answer).__name__}"
    generator = torch.Generator().manual_seed(7)
    for d_in, d_out, rank, alpha in ((3, 5, 2, 8.0), (6, 2, 1, 3.0), (4, 4, 2, 2.0)):
        x, W, A, B = (torch.randn(shape, generator=generator) for shape in (
            (2, 3, d_in), (d_out, d_in), (rank, d_in), (d_out, rank)))
        found, plain, change = answer(x, W, A, B, alpha), x @ W.T, x @ A.T @ B.T
        hint = close(found, plain + alpha / rank * change)
        if hint is None:
            continue
        if close(found, plain + change) is None or close(found, plain + alpha * change) is None:
            return "the change is scaled by alpha / rank"
        if close(found, alpha / rank * change) is None:
            return "the frozen layer's own output is missing: add x W'"
        return hint
    return None


def judge_lora_best_rank(answer: Any) -> str | None:
    if not callable(answer):
        return f"give the function itself, this is a {type(answer).__name__}"
    generator = torch.Generator().manual_seed(7)
    for d_out, d_in, rank in ((5, 5, 1), (4, 7, 2), (6, 3, 2)):
        W = torch.randn(d_out, d_in, generator=generator)
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        found = answer(W, rank)
        hint = close(found, U[:, :rank] * S[:rank] @ Vh[:rank])
        if hint is None:
            continue
        if close(found, W) is None:
            return "that is W itself: keep only the first `rank` singular values"
        if close(found, U[:, -rank:] * S[-rank:] @ Vh[-rank:]) is None:
            return "these are the smallest singular values; torch.linalg.svd sorts them from large to small"
        return hint
    return None


# ---- 06_lora_with_peft ----


def judge_lora_schedule(answer: Any) -> str | None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "give a pair, (steps, passes)"
    steps, passes = answer
    if (steps, passes) == (800, 32):
        return None
    if (steps, passes) == (32, 800):
        return "the right numbers in the wrong order: (steps, passes)"
    if steps == 400:
        return "that is one epoch; there are two"
    if steps == 2 * 51_200 // 4:
        return "that counts micro-batches; an optimizer step comes after 128 records"
    if steps != 800:
        return f"{steps} steps is not it: records times epochs, divided by the records of a step"
    return f"{passes} passes is not it: 128 records are read 4 at a time"


judge_adapter_size = number_judge(28 * 4 * 16 * (4096 + 4096), {
    28 * 4 * 16 * 4096: "that is half of it: four projections a layer, each with A, (16, 4096), and B, (4096, 16)",
    28 * 2 * 8 * (4096 + 4096): "that is rank 8 on two projections; here it is rank 16 on four",
    4 * 16 * (4096 + 4096): "that is one layer; there are 28",
    28 * 4 * 4096 * 4096: "these are the frozen matrices themselves",
}, "layers, times matrices in a layer, times rank, times the sum of both sides")


def judge_pad_to_multiple(answer: Any) -> str | None:
    if not callable(answer):
        return f"give the function itself, this is a {type(answer).__name__}"
    generator = torch.Generator().manual_seed(7)
    for multiple in (8, 4, 1, 8):
        lengths = torch.randint(1, 20, (3,), generator=generator).tolist()
        if multiple == 8:
            lengths[0] = 16  # a length that fits as it is
            lengths = [min(length, 16) for length in lengths]
        items = [{"input_ids": list(range(10, 10 + n)), "labels": [-100, *range(11, 10 + n)]} for n in lengths]
        hint = padding_problem(answer([dict(item) for item in items], 3, multiple), items, 3, multiple)
        if hint is not None:
            return hint
    return None


def padding_problem(batch: Any, items: list, pad_id: int, multiple: int) -> str | None:
    """What is wrong with a padded batch, or None."""
    names = {"input_ids", "attention_mask", "labels"}
    if not isinstance(batch, dict) or set(batch) != names:
        return f"return a dictionary with {sorted(names)}"
    longest = max(len(item["input_ids"]) for item in items)
    length = math.ceil(longest / multiple) * multiple
    for name in sorted(names):
        if tuple(batch[name].shape) != (len(items), length):
            return (f"for a longest record of {longest} tokens and multiple={multiple}, {name} should be "
                    f"{(len(items), length)}, it is {tuple(batch[name].shape)}")
    for row, item in enumerate(items):
        n = len(item["input_ids"])
        for name, start, filler in (("input_ids", item["input_ids"], pad_id), ("attention_mask", [1] * n, 0),
                                    ("labels", item["labels"], -100)):
            found = batch[name][row].tolist()
            if found[:n] != start:
                return f"{name} should start with {start}, it starts with {found[:n]}: is the padding on the right?"
            if found[n:] != [filler] * (length - n):
                return f"{name} is to be filled up with {filler}, it is filled up with {found[n:]}"
    return None


EXERCISES: dict[str, Exercise] = {
    "lora_parameters": Exercise(FOLDER + "05_lora", judge_lora_parameters, (
        "One adapter on a matrix of 768 x 768: A has 8 x 768 numbers, B has 768 x 8.",)),
    "lora_alpha": Exercise(FOLDER + "05_lora", judge_lora_alpha, (
        "The scale before was 16 / 8 = 2.",)),
    "lora_forward": Exercise(FOLDER + "05_lora", judge_lora_forward, (
        "The rank is the number of rows of A.",)),
    "lora_best_rank": Exercise(FOLDER + "05_lora", judge_lora_best_rank, (
        "torch.linalg.svd(W, full_matrices=False) gives U, S, Vh with W = U diag(S) Vh.",)),
    "lora_schedule": Exercise(FOLDER + "06_lora_with_peft", judge_lora_schedule, (
        "One epoch has 51,200 / 128 steps.",)),
    "adapter_size": Exercise(FOLDER + "06_lora_with_peft", judge_adapter_size, (
        "The cell that builds GPT-J on the device meta computes the same for rank 8 and two matrices.",)),
    "pad_to_multiple": Exercise(FOLDER + "06_lora_with_peft", judge_pad_to_multiple, (
        "-length % multiple is the number of columns that are missing.",)),
}


# ---- 07_evaluation ----


def judge_forgiving_match(answer: Any) -> str | None:
    if not callable(answer):
        return f"give the function itself, this is a {type(answer).__name__}"
    cases = [
        ("A lion.", "A lion.", True, "equal texts match"),
        ("a LION.", "A lion.", True, "capitals should make no difference"),
        ("A lion", "A lion.", True, "a full stop at the end should make no difference, on either side"),
        ("A lion.", "A lion", True, "a full stop at the end should make no difference, on either side"),
        (" A  lion. \n", "A lion.", True, "the number of spaces should make no difference"),
        ("A lio.", "A lion.", False, "a missing letter does make a difference"),
        ("An owl.", "A lion.", False, "other words do make a difference"),
        ("Alion.", "A lion.", False, "a missing space makes one word of two; that does make a difference"),
        ("", "A lion.", False, "an empty response is not right"),
        ("A lion. Or not.", "A lion.", False, "the whole response counts, not its start"),
        ("1.5 meters.", "15 meters.", False, "a point inside a number does make a difference"),
    ]
    for response, expected, right, hint in cases:
        found = answer(response, expected)
        if not isinstance(found, bool):
            return f"return True or False, not {found!r}"
        if found != right:
            return f"{response!r} for {expected!r} gave {found}: {hint}"
    return None


judge_answers_needed = number_judge(382, {
    96: "that is for a width of 0.20: 0.10 to each side; the whole width should be 0.10",
    94: "that is for a width of 0.20: 0.10 to each side; the whole width should be 0.10",
    386: "that is the plain interval; Wilson's needs a few less",
    385: "that is the plain interval; Wilson's needs a few less",
    384: "that is the plain interval; Wilson's needs a few less",
    381: "an even number, so that half of it is a number of answers",
    380: "at 380 the interval is still a little wider than 0.10",
}, "raise the number until high - low <= 0.10")


def judge_fair(answer: Any) -> str | None:
    if not callable(answer):
        return f"give the function itself, this is a {type(answer).__name__}"

    def longer(entry: dict, first: str, second: str) -> str:
        return "tie" if len(first) == len(second) else "first" if len(first) > len(second) else "second"

    if not callable(answer(longer)):
        return "fair(judge) should return a judge, a function of record, first and second response"
    pairs = [("aa", "b"), ("a", "bb"), ("a", "b")]
    for judge, expected, hint in (
        (longer, ["first", "second", "tie"], "a judge without habits should keep its verdicts"),
        (lambda entry, first, second: "first", ["tie"] * 3, "a judge that always says 'first' contradicts itself"),
        (lambda entry, first, second: "second", ["tie"] * 3, "a judge that always says 'second' contradicts itself"),
        (lambda entry, first, second: "tie" if first == "aa" else "second", ["tie"] * 3,
         "'tie' in one order and a winner in the other is a contradiction too"),
    ):
        found = [answer(judge)({}, first, second) for first, second in pairs]
        if found != expected:
            return f"{hint}: expected {expected}, got {found}"
    return None


EXERCISES |= {
    "forgiving_match": Exercise(FOLDER + "07_evaluation", judge_forgiving_match, (
        "Bring both texts into one form first: lower case, single spaces, no full stop at the end.",)),
    "answers_needed": Exercise(FOLDER + "07_evaluation", judge_answers_needed, (
        "wilson_interval(n // 2, n) for n = 2, 4, 6, ...",)),
    "fair_judge": Exercise(FOLDER + "07_evaluation", judge_fair, (
        "If the swapped pair gets 'first', that is a vote for the second response.",)),
}
