"""The exercises of 05_instruction_finetuning/03_dataloaders."""

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


def moved(loader, device, targets_too=True):
    for inputs, targets in loader:
        yield inputs.to(device), targets.to(device) if targets_too else targets


def bucket(
    lengths, batch_size, generator, shuffle_records=True, sort=True, shuffle_batches=True, drop=0
):
    order = (
        torch.randperm(len(lengths), generator=generator).tolist()
        if shuffle_records
        else [*range(len(lengths))]
    )
    if sort:
        order.sort(key=lambda i: lengths[i])
    batches = [order[i : i + batch_size] for i in range(0, len(order) - drop, batch_size)]
    if not shuffle_batches:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def packed(lengths, causal=True, apart=True, own=True, dtype=torch.bool, lower=True):
    number = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = (
        number.unsqueeze(0) == number.unsqueeze(1)
        if apart
        else torch.ones(len(number), len(number))
    )
    if causal:
        seen = seen.tril() if lower else seen.triu()
    if not own:
        seen = seen & ~torch.eye(len(number), dtype=torch.bool)
    return seen.to(dtype)


def in_blocks(lengths):
    return torch.block_diag(*[torch.ones(n, n).tril() for n in lengths]).bool()


def by_place(lengths):
    owner = [n for n, length in enumerate(lengths) for _ in range(length)]
    return torch.tensor(
        [[a == b and j <= i for j, b in enumerate(owner)] for i, a in enumerate(owner)]
    )


RIGHT = {"steps": 116, "moved": moved, "bucket_batches": bucket, "packed_mask": packed}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("steps", "last batch kept", 118, "drop_last"),
    ("steps", "one epoch", 58, "two"),
    ("steps", "batches of eight", 232, "8"),
    ("moved", "a list", lambda b, d: list(moved(b, d)), "one at a time"),
    ("moved", "targets forgotten", lambda b, d: moved(b, d, targets_too=False), "targets"),
    ("moved", "nothing moved", lambda b, d: ((x, y) for x, y in b), "inputs arrived on cpu"),
    ("moved", "read ahead", lambda b, d: iter(list(moved(b, d))), "were read before"),
    ("steps", "rounded after both epochs", 117, "in each epoch"),
    ("steps", "all records", 136, "935"),
    ("steps", "half", 29, "too small"),
    ("moved", "inputs twice", lambda b, d: ((x.to(d), x.to(d)) for x, _ in b), "targets that came"),
    ("moved", "only the first", lambda b, d: iter([next(moved(b, d))]), "gave 1"),
    ("moved", "only the inputs", lambda b, d: (x.to(d) for x, _ in b), "expected a tuple"),
    (
        "moved",
        "the first is lost",
        lambda b, d: (pair for i, pair in enumerate(moved(b, d)) if i),
        "were read before|gave 2",
    ),
    ("packed_mask", "no causal mask", lambda n: packed(n, causal=False), "the future leaks"),
    ("packed_mask", "one causal mask", lambda n: packed(n, apart=False), "another record"),
    ("packed_mask", "upside down", lambda n: packed(n, lower=False), "the future leaks"),
    ("packed_mask", "not itself", lambda n: packed(n, own=False), "itself"),
    ("packed_mask", "what is hidden", lambda n: ~packed(n), "the future leaks|itself"),
    ("packed_mask", "numbers", lambda n: packed(n, dtype=torch.float), "dtype"),
    (
        "packed_mask",
        "numbers to add",
        lambda n: torch.zeros(sum(n), sum(n)).masked_fill(~packed(n), -torch.inf),
        "dtype|infinite",
    ),
    (
        "packed_mask",
        "rows of the longest",
        lambda n: torch.ones(max(n), max(n), dtype=torch.bool).tril(),
        "shape",
    ),
    (
        "packed_mask",
        "the first record stays in sight",
        lambda n: packed(n) | (packed(n, apart=False) & (torch.arange(sum(n)) < n[0])),
        "another record",
    ),
    ("bucket_batches", "not sorted", lambda n, b, g: bucket(n, b, g, sort=False), "padding"),
    (
        "bucket_batches",
        "in order of length",
        lambda n, b, g: bucket(n, b, g, shuffle_batches=False),
        "shuffle",
    ),
    (
        "bucket_batches",
        "same neighbours",
        lambda n, b, g: bucket(n, b, g, shuffle_records=False),
        "before you sort",
    ),
    (
        "bucket_batches",
        "records dropped",
        lambda n, b, g: bucket(n, b, g, drop=8),
        "exactly one batch",
    ),
    ("bucket_batches", "own randomness", lambda n, b, g: bucket(n, b, None), "generator"),
    ("bucket_batches", "wrong size", lambda n, b, g: bucket(n, 4, g), "hold 8"),
]

test_answers, test_tables = exercise_tests("dataloaders", RIGHT, WRONG)


@pytest.mark.parametrize("answer", [in_blocks, by_place])
def test_other_right_ways_to_mask(answer):
    assert verdict("dataloaders/packed_mask", answer) == "right"


def by_map(loader, device):
    return map(lambda batch: tuple(part.to(device) for part in batch), loader)


def as_lists(loader, device):
    for batch in loader:
        yield [part.to(device) for part in batch]


@pytest.mark.parametrize("answer", [by_map, as_lists])
def test_other_right_ways_to_move(answer):
    assert verdict("dataloaders/moved", answer) == "right"


def by_pairs(lengths, batch_size, generator):
    """Ties are broken by drawn numbers, the batches ordered by others."""
    draws = torch.rand(len(lengths), generator=generator).tolist()
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], draws[i]))
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    places = torch.rand(len(batches), generator=generator).argsort().tolist()
    return [batches[place] for place in places]


def noisy(lengths, batch_size, generator):
    """Lengths with a little noise, sorted from long to short."""
    noise = torch.rand(len(lengths), generator=generator) * 2
    order = (torch.tensor(lengths) + noise).argsort(descending=True)
    batches = list(order.split(batch_size))
    return [batches[i].tolist() for i in torch.randperm(len(batches), generator=generator)]


@pytest.mark.parametrize("answer", [by_pairs, noisy])
def test_other_right_ways_to_bucket(answer):
    assert verdict("dataloaders/bucket_batches", answer) == "right"
