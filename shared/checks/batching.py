"""The exercises of 05_instruction_finetuning/02_batching."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    kind,
    not_a_tuple,
    wrong_form,
    wrong_number,
    wrong_type,
)


def judge_loss_tokens(answer: Any) -> str | None:
    slips = {
        21: "that is every position; the targets that are padding do not count",
        13: "every item has one more target: the end token after its last id",
        5: "that is how many targets are -100; the others count",
        18: "every item ends once: n ids have n targets, not n - 1 and not n + 1",
        19: "an item of n ids has n targets: the first id is nobody's target, the end is one",
    }
    return wrong_number(answer, 16, slips, how="count the targets of each item alone")


@asks_for_function
def judge_whole_records(answer: Callable[[list[list[int]], int | None], list]) -> str | None:
    items = [list(range(1, n + 1)) for n in (3, 5, 4, 1, 9)]
    for limit in (1, 3, 4, 5, 8, 9, 20):
        given = answer(items, limit)
        if hint := wrong_type(given, list, "a list of items"):
            return hint
        if not all(isinstance(ids, list) for ids in given):
            return f"it must return the items themselves, lists of ids, this is {kind(given)}"
        expected = [ids for ids in items if len(ids) <= limit]
        if given == expected:
            continue
        if given == [ids for ids in items if len(ids) < limit]:
            return (
                f"an item of exactly {limit} ids survives the limit {limit}: its end token is "
                "the target of its last id"
            )
        if given == [ids for ids in items if len(ids) <= limit + 1]:
            return (
                f"an item of {limit + 1} ids is cut at {limit}: the target of its last id is lost"
            )
        return (
            f"with the limit {limit} items of lengths {[len(ids) for ids in given]} came back, "
            f"expected {[len(ids) for ids in expected]}"
        )
    if answer(items, None) != items:
        return "the limit None keeps every item"
    return None


@asks_for_function
def judge_collate(answer: Callable[[list[list[int]], int], tuple[Tensor, Tensor]]) -> str | None:
    rng = random.Random(11)
    batches = [([[11, 12, 13], [21]], 50256), ([[7]], 0)]
    for _ in range(20):
        pad = rng.choice((50256, 0, 999))
        ids = [1, 2, 3, pad]  # the padding's own id may stand inside a text too
        batch = [rng.choices(ids, k=rng.randint(1, 9)) for _ in range(rng.randint(1, 5))]
        batches.append((batch, pad))
    for batch, pad in batches:
        before = [list(ids) for ids in batch]
        result = answer(batch, pad)
        if batch != before:
            return (
                "the lists of the batch were changed: the dataset hands them out again in the "
                "next epoch; copy them"
            )
        if hint := not_a_tuple(result, "inputs", "targets") or wrong_batch(batch, *result, pad):
            return hint
    return None


def wrong_batch(batch: list[list[int]], inputs: Any, targets: Any, pad: int) -> str | None:
    """What is wrong with a collated batch, in the order in which one would look."""
    longest = max(map(len, batch))
    shape = (len(batch), longest)
    for name, tensor in (("inputs", inputs), ("targets", targets)):
        if hint := wrong_form(tensor, shape, f"the tensor of {name}", dtype=torch.long):
            return f"{hint}, for items of lengths {[len(ids) for ids in batch]}"
    for ids, x, y in zip(batch, inputs.tolist(), targets.tolist()):
        n = len(ids)
        if x[:n] != ids:
            return f"the inputs of {ids} start with {x[:n]}: pad on the right, change nothing else"
        if x[n:] != [pad] * (longest - n):
            return (
                f"the inputs of {ids} are filled with {x[n:]}, expected {pad}: an embedding "
                "has no row for -100"
            )
        if y[: n - 1] != ids[1:]:
            return (
                f"the targets of {ids} start with {y[: n - 1]}: the target of a position is "
                "the token after it"
            )
        if y[n - 1] != pad:
            return (
                f"the last id of {ids} has the target {y[n - 1]}: keep the first {pad}, so "
                "that stopping is learned"
            )
        if y[n:] != [-100] * (longest - n):
            return f"behind the end, the targets of {ids} are {y[n:]}: turn them into -100"
    return None


EXERCISES = {
    "loss_tokens": Exercise(
        judge_loss_tokens,
        "Take an item of one id: how many targets has it, and what is it?",
        "An item of n ids has n - 1 next tokens and one end.",
    ),
    "whole_records": Exercise(
        judge_whole_records,
        "At which position does the end token of an item of n ids stand among its targets?",
    ),
    "collate": Exercise(
        judge_collate,
        "Start with the targets of one item, unpadded: ids[1:] and the end.",
        "Pad inputs with pad_token_id, and targets with -100, each in one call of "
        "pad_sequence(..., batch_first=True).",
    ),
}
