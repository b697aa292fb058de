"""The exercises of 05_instruction_finetuning/03_dataloaders."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    not_a_tuple,
    wrong_form,
    wrong_number,
    wrong_type,
)


def judge_steps(answer: Any) -> str | None:
    slips = {
        58: "that is one epoch; there are two",
        118: "drop_last=True leaves out the incomplete batch of each epoch",
        117: "seven records are left out in each epoch; they are not saved up for the next",
        232: "that is for batches of 8",
        136: "only the 935 training records count",
    }
    return wrong_number(answer, 116, slips, how="full batches an epoch, times two")


@asks_for_function
def judge_moved(answer: Callable[[Iterable, str], Iterator]) -> str | None:
    asked = []

    def loader() -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(3):
            asked.append(i)
            yield torch.full((2, 3), i), torch.full((2, 3), -100)

    batches = answer(loader(), "meta")
    if isinstance(batches, (list, tuple)):
        return (
            "all batches came back at once, so all would be on the device at once: yield them "
            "one at a time"
        )
    if hint := wrong_type(batches, Iterable, "an iterator over batches"):
        return hint
    first = next(iter(batches))
    if len(asked) > 1:
        return (
            f"{len(asked)} batches were read before the first was handed out: yield each as it "
            "comes"
        )
    if hint := not_a_tuple(first, "inputs", "targets"):
        return hint
    if not first[0].is_meta:
        return (
            f"the inputs arrived on {first[0].device}, not on the device: .to gives back a new "
            "tensor"
        )
    if not first[1].is_meta:
        return f"the targets arrived on {first[1].device}; they must be where the logits are"
    result = list(answer(loader(), "cpu"))
    if any(int(y.max()) != -100 for _, y in result):
        return "the targets that came are not those of the loader"
    if [int(x[0, 0]) for x, _ in result] != [0, 1, 2]:
        return f"a loader of 3 batches gave {len(result)}: every batch should come, once, in order"
    return None


@asks_for_function
def judge_bucket_batches(answer: Callable[..., list[list[int]]]) -> str | None:
    rng = random.Random(7)
    lengths = [rng.choice(range(20, 60)) for _ in range(203)]

    def ask(seed: int) -> list[list[int]]:
        batches = answer(list(lengths), 8, torch.Generator().manual_seed(seed))
        return [list(batch) for batch in batches]

    one = ask(1)
    if hint := wrong_buckets(one, lengths):
        return hint
    if one != ask(1):
        return "the same generator seed gave two results: draw only from `generator`"
    width = [max(lengths[i] for i in batch) for batch in one]
    if width in (sorted(width), sorted(width, reverse=True)):
        return "the batches come in order of length: shuffle the batches too"
    other = ask(2)
    if max(map(len, other)) > 8:
        return "a batch is larger than batch_size"
    if sorted(map(sorted, one)) == sorted(map(sorted, other)):
        return (
            "another seed gave the same batches in another order: shuffle the records before "
            "you sort them"
        )
    return None


def wrong_buckets(batches: list[list[int]], lengths: list[int]) -> str | None:
    """A hint unless each record is in one batch of 8, among records of similar length."""
    members = sorted(i for batch in batches for i in batch)
    if members != list(range(len(lengths))):
        return (
            f"{len(members)} record numbers came back, {len(set(members))} of them different; "
            f"each of the {len(lengths)} must be in exactly one batch"
        )
    sizes = sorted(map(len, batches))
    if sizes[1:] != [8] * (len(lengths) // 8):
        return f"all batches but one must hold 8 records, these hold {sorted(set(sizes))}"
    positions = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    waste = 1 - sum(lengths) / positions
    if waste > 0.08:
        return (
            f"{waste:.0%} of the positions are padding: put records of similar length into one "
            "batch"
        )
    return None


@asks_for_function
def judge_packed_mask(answer: Callable[[list[int]], Tensor]) -> str | None:
    for lengths in ([2, 3], [4], [1, 1, 1], [3, 1, 2, 5], [2, 2]):
        total = sum(lengths)
        mask = answer(list(lengths))
        what = f"the mask for the lengths {lengths}"
        if hint := wrong_form(mask, (total, total), what, dtype=torch.bool):
            return hint
        owner = [number for number, length in enumerate(lengths) for _ in range(length)]
        for i in range(total):
            for j in range(total):
                if bool(mask[i, j]) != (owner[i] == owner[j] and j <= i):
                    return f"{what}: {wrong_sight(i, j, owner)}"
    return None


def wrong_sight(i: int, j: int, owner: list[int]) -> str:
    """What is wrong where position i and position j see each other, or do not."""
    if j > i:
        return f"position {i} looks at {j}, which stands behind it: the future leaks"
    if owner[i] != owner[j]:
        return f"position {i} looks at {j}, which belongs to another record"
    if i == j:
        return f"position {i} does not look at itself: its row has nothing left to look at"
    return f"position {i} does not look at {j}, an earlier one of its own record"


EXERCISES = {
    "steps": Exercise(judge_steps, "How many full batches of 16 are in 935 records?"),
    "moved": Exercise(
        judge_moved,
        "A function with `yield` in its body is a generator function: it runs on as each batch is "
        "asked for.",
    ),
    "bucket_batches": Exercise(
        judge_bucket_batches,
        "torch.randperm(n, generator=generator).tolist() is a shuffled list of 0 to n - 1.",
        "Python's sort is stable: what was shuffled before stays shuffled among equal lengths.",
    ),
    "packed_mask": Exercise(
        judge_packed_mask,
        "torch.repeat_interleave(torch.arange(n), torch.tensor(lengths)) numbers each position.",
        "A column of numbers compared with a row of them gives a table of booleans.",
    ),
}
